"""The journal of a gateway: the newest state of each device's commands, on disk before a command is transmitted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from vpp.errors import RefusedError, UnreachableError


class CommandJournal:
    """One file per gateway, held by one process; use as a context manager.

    Args:
        path: The file.

    Raises:
        RefusedError: Another process holds it: two gateways of one name would command the same devices.
        UnreachableError: The file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=0.0)
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS device (name TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID"
            )
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise RefusedError(
                    f"{path} is held by another gateway of the same name", hint="end it, or give this one another name"
                ) from error
            raise UnreachableError(f"cannot open {path}: {error}") from error

    def __enter__(self) -> CommandJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self) -> dict[str, bytes]:
        """Return the state of each device by name."""
        return dict(self._connection.execute("SELECT name, state FROM device"))

    def save(self, states: Iterable[tuple[str, bytes]]) -> None:
        """Write states; they are on disk when it returns.

        Raises:
            UnreachableError: The disk does not take them; nothing may be transmitted then.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO device VALUES (?, ?)", states)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise UnreachableError(f"cannot write {self._path}: {error}", hint="is the disk full?") from error

    def close(self) -> None:
        """Close the file and let go of it."""
        self._connection.close()
