"""A local server that answers as public services document, made by us, with faults on demand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.worlds.local_server import running_server

Query = dict[str, str]
Answer = Callable[[str, Query], Any]
"""From path and query to the answer: bytes as they are, anything else as JSON; None: 404.

A query has the fields of a form too, and the header ``Authorization`` where there is one.
"""


@dataclass
class Fault:
    """What the next requests of a path get instead of their answer.

    Attributes:
        path: Part of the path that is hit.
        status: Status of the answer.
        headers: Further headers, such as ``Retry-After``.
        body: The body; None: that of the right answer.
        cut: Share of the body that is sent, under its full content length.
        change: Changes the right answer before it is sent.
        times: How often.
    """

    path: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: float = 1.0
    change: Callable[[Any], Any] | None = None
    times: int = 1


@dataclass
class FeedServer:
    """A running server.

    Attributes:
        answer: The world behind it.
        faults: Faults to come; each is used up ``times`` times.
        requests: Path and query of each request, in order.
        address: Base address.
    """

    answer: Answer
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, Query]] = field(default_factory=list)
    address: str = ""

    def reply(self, path: str, query: Query) -> tuple[int, dict[str, str], bytes, float]:
        """Return status, headers, body and the share of the body that is sent."""
        self.requests.append((path, query))
        answer = self.answer(path, query)
        fault = next((fault for fault in self.faults if fault.path in path and fault.times > 0), None)
        if fault is None:
            return (404, {}, b"not here", 1.0) if answer is None else (200, {}, encoded(answer), 1.0)
        fault.times -= 1
        if fault.change is not None:
            answer = fault.change(answer)
        body = fault.body if fault.body is not None else encoded(answer)
        return fault.status, fault.headers, body, fault.cut


def encoded(answer: Any) -> bytes:
    """Return an answer as a body."""
    return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


@contextmanager
def serving(answer: Answer, *faults: Fault) -> Iterator[FeedServer]:
    """Serve a world on a free port of the loopback address."""
    world = FeedServer(answer, list(faults))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            form = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            query = {**dict(parse_qsl(parts.query)), **dict(parse_qsl(form))}
            if "Authorization" in self.headers:
                query["Authorization"] = self.headers["Authorization"]
            status, headers, body, share = world.reply(parts.path, query)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[: int(len(body) * share)])
            self.close_connection = share < 1.0

        do_POST = do_GET  # noqa: N815 - the base class names it so

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            pass

    with running_server(Handler) as port:
        world.address = f"http://127.0.0.1:{port}"
        yield world
