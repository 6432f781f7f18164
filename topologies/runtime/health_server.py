"""The small HTTP server of a worker: answers GET from a function, with limits on time and connections.

A connection that is not done in time is cut, and one beyond the most that may be open at once is closed.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread, Timer
from typing import Any

log = logging.getLogger(__name__)

REQUEST_WITHIN_S = 10.0
MAX_CONNECTIONS = 32

Answer = Callable[[str], tuple[int, bytes]]


class HealthServer(ThreadingHTTPServer):
    """Serves the result of ``answer`` on its own thread.

    Args:
        address: Host and port to listen on.
        answer: Returns status and text of a path.
    """

    def __init__(self, address: tuple[str, int], answer: Answer) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _handler(answer))

    def start(self) -> None:
        """Begin to serve."""
        Thread(target=self.serve_forever, name="metrics", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a connection, or close it at once where there are too many."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection, and cut it where it takes too long."""
        late = Timer(REQUEST_WITHIN_S, _cut, [request])
        late.daemon = True
        late.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            late.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note a connection that broke off; it is no fault of the worker."""
        log.debug("connection of %s broke off", client_address)


def _cut(request: socket.socket) -> None:
    with suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = answer(self.path)
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # name is the base class's
            log.debug(format, *args)

    return Handler
