"""HTTP requests whose answers are bounded in bytes and in total time.

The limit of httpx holds for one wait. A server that sends a byte from time to time would hold its reader for ever.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any

import httpx

from vpp.errors import DataError

MAX_BODY_BYTES = 64_000_000
WAITS = 10
"""The limit of a whole answer, in limits of one wait."""
_CONNECTED = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer with its unpacked body."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        """Return whether the request was fulfilled."""
        return 200 <= self.status < 300


class BoundedClient:
    """Sends one request at a time.

    Args:
        timeout_s: Limit of one wait (s).
        answer_s: Limit of a whole answer, redirects included (s); None: ``WAITS`` times ``timeout_s``.
        max_bytes: Limit of an unpacked body.
        follow_redirects: Whether redirects are followed.
    """

    def __init__(
        self,
        timeout_s: float,
        *,
        answer_s: float | None = None,
        max_bytes: int = MAX_BODY_BYTES,
        follow_redirects: bool = False,
    ) -> None:
        self._answer_s = WAITS * timeout_s if answer_s is None else answer_s
        self._max_bytes = max_bytes
        self._sockets: list[socket.socket] = []
        self._http = httpx.Client(
            timeout=timeout_s, follow_redirects=follow_redirects, headers={"User-Agent": "smartgrid-ai"}
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def request(self, method: str, url: str, **options: Any) -> WholeAnswer:
        """Return the answer of a request.

        Args:
            method: The method.
            url: The address.
            options: As ``httpx.Client.stream`` takes them.

        Raises:
            httpx.HTTPError: There is none, or not within the time.
            httpx.InvalidURL: The address is none.
            DataError: It has too many bytes.
        """
        is_late = Event()
        timer = Timer(self._answer_s, self._cut, [is_late])
        timer.daemon = True
        timer.start()
        try:
            with self._http.stream(method, url, extensions={"trace": self._note}, **options) as answer:
                body = self._body(answer, is_late)
        except httpx.HTTPError as error:
            if is_late.is_set():
                raise httpx.ReadTimeout(f"the answer took more than {self._answer_s:g} s") from error
            raise
        finally:
            timer.cancel()
        return WholeAnswer(answer.status_code, answer.headers, body)

    def _body(self, answer: httpx.Response, is_late: Event) -> bytes:
        body = bytearray()
        for part in answer.iter_bytes():
            body += part
            if len(body) > self._max_bytes:
                raise DataError(f"the answer has more than {self._max_bytes / 1e6:g} MB")
        # An answer without a length ends where its connection ends.
        if is_late.is_set():
            raise httpx.ReadTimeout("the answer was cut off")
        return bytes(body)

    def _note(self, event: str, info: dict[str, Any]) -> None:
        """Remember the sockets in use; httpx calls it at each step of a request."""
        if event in _CONNECTED:
            connected = info["return_value"].get_extra_info("socket")
            self._sockets = [*(one for one in self._sockets if one.fileno() >= 0), connected]

    def _cut(self, is_late: Event) -> None:
        """End the connections; the thread that waits for one of them wakes up."""
        is_late.set()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
