"""The files of the page, read once and served from memory: a first visit asks for thirty of them."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.dashboard.problems import problem
from console.dashboard.tags import answer_with_tag

STATIC = Path(__file__).parent / "static"
KINDS = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".LICENSE": "text/plain",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


def static_files() -> Route:
    """Return the route of the files below ``/static``."""
    files = {
        path.relative_to(STATIC).as_posix(): (path.read_bytes(), KINDS[path.suffix])
        for path in STATIC.rglob("*")
        if path.suffix in KINDS
    }

    async def answer(request: Request) -> Response:
        file = files.get(request.path_params["path"])
        return problem(404, "there is no such file") if file is None else answer_with_tag(request, *file)

    return Route("/static/{path:path}", answer)
