"""The journal of a webhook: accepted requests by the key of their sender, with their answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vpp.store.exclusive_file import ExclusiveFile

KEPT = 100_000
"""Requests that are remembered; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that was taken: the digest of its body, and the answer."""

    digest: str
    answer: bytes


class RequestJournal(ExclusiveFile):
    """One file per webhook.

    Args:
        path: The file.

    Raises:
        RefusedError: Another process holds it.
        UnreachableError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            "CREATE TABLE IF NOT EXISTS request "
            "(number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, digest TEXT NOT NULL, answer BLOB NOT NULL)",
            synchronous="NORMAL",
            holder="another gateway",
            hint="end it first",
            any_thread=True,
        )

    def read(self, key: str) -> TakenRequest | None:
        """Return the accepted request of a key, None if there is none."""
        row = self._connection.execute("SELECT digest, answer FROM request WHERE key = ?", (key,)).fetchone()
        return None if row is None else TakenRequest(*row)

    def save(self, key: str, request: TakenRequest) -> None:
        """Remember a request.

        Raises:
            UnreachableError: The disk does not take it.
        """
        with self._writing() as connection:
            cursor = connection.execute(
                "INSERT INTO request (key, digest, answer) VALUES (?, ?, ?)", (key, request.digest, request.answer)
            )
            connection.execute("DELETE FROM request WHERE number <= ?", ((cursor.lastrowid or 0) - KEPT,))
