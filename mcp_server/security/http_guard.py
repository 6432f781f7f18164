"""Limits of the HTTP server: strict Host headers, a bound on connections, and on the time that a request may take."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

REQUEST_WITHIN_S = 10.0
MAX_CONNECTIONS = 256
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::[0-9]{1,5})?")


class StrictHost:
    """Answers 400 to a request without exactly one Host header that is a name or an address, with or without a port.

    Args:
        app: What answers the others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
                await PlainTextResponse("the Host header is not a host name\n", 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BoundedHttp(H11Protocol):
    """HTTP/1.1 that closes a connection whose request is not whole in time, and any beyond ``MAX_CONNECTIONS``."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, or close it at once where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.close()
            return
        self._wait_for_request()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; the time for it runs from its first byte."""
        super().data_received(data)
        if self._receiving():
            self._wait_for_request()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _receiving(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.more_body or cycle.response_complete

    def _wait_for_request(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(REQUEST_WITHIN_S, self._close_late)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close_late(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()
