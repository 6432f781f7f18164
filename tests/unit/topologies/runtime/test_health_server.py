"""A worker's health server answers, and neither slow nor many connections hold it up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from topologies.runtime import health_server
from topologies.runtime.health_server import HealthServer

GET = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(health_server, "REQUEST_WITHIN_S", 0.5)
    monkeypatch.setattr(health_server, "MAX_CONNECTIONS", 3)
    with HealthServer(("127.0.0.1", 0), lambda path: (200, f"asked {path}\n".encode())) as server:
        server.start()
        yield ("127.0.0.1", server.server_address[1])
        server.shutdown()


def answer(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address, 10) as link:
        link.sendall(GET)
        return b"".join(iter(lambda: link.recv(1000), b""))


def ends(link: socket.socket) -> bytes:
    try:
        return link.recv(1)
    except ConnectionError:
        return b""


def test_it_answers(address: tuple[str, int]) -> None:
    assert answer(address).endswith(b"\r\n\r\nasked /readyz\n")


@pytest.mark.parametrize("start", [b"", b"GET /rea", b"GET /readyz HTTP/1.1\r\nX-Slow: "])
def test_a_slow_request_is_cut(address: tuple[str, int], start: bytes) -> None:
    with socket.create_connection(address, 20) as link:
        link.sendall(start)
        assert ends(link) == b""
    assert b" 200 " in answer(address)


def test_too_many_connections_are_closed_and_places_come_back(address: tuple[str, int]) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address, 20)) for _ in range(4)]
        assert [ends(link) for link in slow] == [b""] * 4
    assert b" 200 " in answer(address)
