"""Limits of the HTTP server on real sockets: slow requests, too many connections, Host headers that are none."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mcp_server.security import http_guard
from mcp_server.security.http_guard import BoundedHttp, StrictHost


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """A server with the limits on a free port."""
    app = Starlette(routes=[Route("/", lambda _request: PlainTextResponse("ok"))])
    config = uvicorn.Config(StrictHost(app), http=BoundedHttp, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        running = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110  # uvicorn tells it in no other way
            await asyncio.sleep(0.01)
        yield listening.getsockname()[1]
        server.should_exit = True
        await running


async def asked(port: int, *hosts: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = ["GET / HTTP/1.1", *(f"Host: {host}" for host in hosts), "Connection: close", "", ""]
    writer.write("\r\n".join(lines).encode())
    answer = await reader.readline()
    writer.close()
    return answer


async def test_only_a_host_is_taken_for_a_host() -> None:
    async with served() as port:
        for host in ("127.0.0.1", f"127.0.0.1:{port}", "localhost", "[::1]:80", "vpp.example"):
            assert b" 200 " in await asked(port, host)
        for hosts in (
            (f"127.0.0.1:{port}@evil",),
            ("a/b",),
            ("a b",),
            ("",),
            ("127.0.0.1:x",),
            ("evil#localhost",),
            (),
        ):
            assert b" 400 " in await asked(port, *hosts)


@pytest.mark.parametrize(
    "start",
    [b"", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"],
)
async def test_a_request_that_is_not_whole_in_time_is_closed(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "REQUEST_WITHIN_S", 0.3)
    async with served() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start)
        await asyncio.wait_for(reader.read(), 20.0)
        writer.close()
        assert b" 200 " in await asked(port, "localhost")


async def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_guard, "MAX_CONNECTIONS", 3)
    async with served() as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(reader.read(), 20.0) == b""
        for _, one in [*held, (reader, writer)]:
            one.close()
