"""Limits of every HTTP server: strict Host headers, bounds on connections and on request times."""

from __future__ import annotations

import asyncio
import ipaddress
import re
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

REQUEST_WITHIN_S = 10.0
MAX_CONNECTIONS = 256
_PORT = re.compile(r"[0-9]{1,5}")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")


def host_name(header: str) -> str | None:
    """Return the name or address in a Host header in lower case, without its port; None if it is no such header.

    A name has no dot at its end, an IPv6 address stands in brackets, a port lies within 1 to 65535. What an address may
    have beside them (a user, a path, a fragment, a zone of IPv6) is refused.

    >>> host_name("LocalHost:8050"), host_name("[::1]:80"), host_name("127.0.0.1:80@evil"), host_name("localhost.")
    ('localhost', '::1', None, None)
    """
    name, bracket, remainder = header.lower().partition("]")
    if bracket:
        name, version = name.removeprefix("["), 6
        bracketed = header.startswith("[")
    else:
        name, colon, port = name.partition(":")
        remainder, version, bracketed = colon + port, 4, True
    if not bracketed or (remainder and not _is_port(remainder)):
        return None
    if version == 6 or name.replace(".", "").isdigit():
        return name if _is_address(name, version) else None
    return name if len(name) <= 253 and all(map(_LABEL.fullmatch, name.split("."))) else None


def _is_port(text: str) -> bool:
    number = text.removeprefix(":")
    return number != text and bool(_PORT.fullmatch(number)) and 1 <= int(number) <= 65_535


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False


def bounds() -> dict[str, Any]:
    """Return the options of uvicorn that every server of ours has."""
    return {
        "http": BoundedHttp,
        "ws": "none",
        "timeout_keep_alive": 10,
        "h11_max_incomplete_event_size": 64 * 1024,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
    }


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
            if len(hosts) != 1 or host_name(hosts[0].decode("latin-1")) is None:
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
