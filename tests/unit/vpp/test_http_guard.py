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

from vpp import http_guard
from vpp.http_guard import StrictHost, bounds, host_name


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """A server with the limits on a free port."""
    app = Starlette(routes=[Route("/", lambda _request: PlainTextResponse("ok"))])
    config = uvicorn.Config(StrictHost(app), **bounds())
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


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("localhost", "localhost"),
        ("VPP.Example:443", "vpp.example"),
        ("127.0.0.1:65535", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[2001:DB8::1]:8050", "2001:db8::1"),
        ("a_b-c.example", "a_b-c.example"),
    ],
)
def test_a_name_comes_without_its_port(header: str, name: str) -> None:
    assert host_name(header) == name


@pytest.mark.parametrize(
    "header",
    [
        *("", ":", ":80", "localhost.", ".localhost", "a..b", "-a", "a-", "a" * 64, "a." * 130 + "a"),
        *("localhost:", "localhost:0", "localhost:65536", "localhost:080000", "localhost:+80", "localhost: 80"),
        *("127.0.0.1:80@evil", "user@localhost", "user:pw@localhost", "localhost/x", "localhost?x", "localhost#x"),
        *("::1", "[::1", "::1]", "[::1]80", "[::1]:", "[::1]:x", "[127.0.0.1]", "[fe80::1%25eth0]", "[::1%lo]", "[]"),
        *("127.0.0.1.1", "127.1", "2130706433", "0177.0.0.1", "256.0.0.1", "[:::::]", "localhost, evil", "loc\tal"),
        *("\u0131ocalhost", "localhost\x00", "localhost\r\nX: y", "[[::1]]", "\uff11.0.0.1", "localhost:\u0661"),
    ],
)
def test_anything_else_is_no_host(header: str) -> None:
    assert host_name(header) is None


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
