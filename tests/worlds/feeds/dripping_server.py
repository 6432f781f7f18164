"""A server that sends an answer a byte at a time, without an end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

DRIP_S = 0.05

DRIPS = {
    "headers": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n[",
    "body without a length": b"HTTP/1.1 200 OK\r\n\r\n[",
    "status line": b"HTTP/1.1 200 ",
}
"""What comes at once, by where the drip begins."""


@contextmanager
def dripping(beginning: bytes) -> Iterator[tuple[str, list[socket.socket]]]:
    """Serve on loopback; yield the base address and the connections that are open."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()
    connections: list[socket.socket] = []

    def drip(connection: socket.socket) -> None:
        connections.append(connection)
        with suppress(OSError), connection:
            connection.recv(65536)
            connection.sendall(beginning)
            while not is_over.wait(DRIP_S):
                connection.sendall(b" ")
        connections.remove(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", connections
    finally:
        is_over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
