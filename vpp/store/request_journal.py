"""The journal of a webhook: which requests were taken, by the key that their sender gave, and what was answered."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from vpp.errors import RefusedError, UnreachableError

KEPT = 100_000
"""Requests that are remembered; the oldest is forgotten first."""


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request that was taken: the digest of its body, and the answer."""

    digest: str
    answer: bytes


class RequestJournal:
    """One file, held by one process; use as a context manager.

    Args:
        path: The file.

    Raises:
        RefusedError: Another process holds it.
        UnreachableError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0.0, check_same_thread=False)
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS request "
                "(number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, digest TEXT NOT NULL, answer BLOB NOT NULL)"
            )
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise RefusedError(f"{path} is held by another gateway", hint="end it first") from error
            raise UnreachableError(f"cannot open {path}: {error}") from error

    def __enter__(self) -> RequestJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def read(self, key: str) -> TakenRequest | None:
        """Return the request that was taken under a key; None where there is none."""
        row = self._connection.execute("SELECT digest, answer FROM request WHERE key = ?", (key,)).fetchone()
        return None if row is None else TakenRequest(*row)

    def save(self, key: str, request: TakenRequest) -> None:
        """Remember a request.

        Raises:
            UnreachableError: The disk does not take it.
        """
        try:
            cursor = self._connection.execute(
                "INSERT INTO request (key, digest, answer) VALUES (?, ?, ?)", (key, request.digest, request.answer)
            )
            self._connection.execute("DELETE FROM request WHERE number <= ?", ((cursor.lastrowid or 0) - KEPT,))
        except sqlite3.Error as error:
            raise UnreachableError(f"cannot write {self._path}: {error}", hint="is the disk full?") from error
