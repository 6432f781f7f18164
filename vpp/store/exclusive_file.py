"""A small SQLite file with a single process: the journals of the gateways."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from vpp.errors import RefusedError, UnreachableError


class ExclusiveFile:
    """One file, held by one process; use as a context manager.

    Args:
        path: The file.
        table: Statement that makes its table where there is none.
        synchronous: FULL: what was written survives a power cut; NORMAL: a killed process.
        holder: Who holds it where another process does.
        hint: What to do then.
        any_thread: It may be used from any thread, one at a time.

    Raises:
        RefusedError: Another process holds it.
        UnreachableError: The file cannot be opened.
    """

    def __init__(
        self,
        path: Path,
        table: str,
        *,
        synchronous: Literal["FULL", "NORMAL"],
        holder: str,
        hint: str,
        any_thread: bool = False,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        try:
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=0.0, check_same_thread=not any_thread
            )
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute(f"PRAGMA synchronous = {synchronous}")
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(table)
            self._connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise RefusedError(f"{path} is held by {holder}", hint=hint) from error
            raise UnreachableError(f"cannot open {path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release its lock."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to write with; a disk that does not take it raises ``UnreachableError``."""
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise UnreachableError(f"cannot write {self._path}: {error}", hint="is the disk full?") from error
