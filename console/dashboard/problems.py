"""Errors as problem+json (RFC 9457), made from our own errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from mcp_server.answers.sanitize import plain
from mcp_server.queries.context import UnknownNameError
from vpp.errors import RefusedError, UnreachableError, VppError

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, hint: str | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """Return one problem.

    Args:
        status: HTTP status.
        detail: What happened.
        hint: What to do next.
        headers: More headers of the answer.
    """
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if hint:
        body["hint"] = hint
    return Response(json.dumps(body), status, {"cache-control": "no-store", **(headers or {})}, MEDIA_TYPE)


def problem_of(_request: Request, error: Exception) -> Response:
    """Return the problem that an error is."""
    match error:
        case HTTPException():
            return problem(error.status_code, error.detail, headers=error.headers)
        case UnknownNameError():
            return problem(404, plain(str(error)), error.hint)
        case RefusedError():
            return problem(409, plain(str(error)), error.hint)
        case UnreachableError():
            return problem(503, plain(str(error)), error.hint)
        case VppError():
            return problem(422, plain(str(error)), error.hint)
        case ValidationError():
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the request"
            return problem(422, plain(f"{place}: {first['msg']}"))
        case _:
            return problem(422, plain(str(error)))
