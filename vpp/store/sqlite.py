"""The embedded store: one SQLite file in WAL mode, for several reading and writing processes at once."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import RLock
from typing import Any

from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.store import sqlite_schema as schema
from vpp.store.contract import Store
from vpp.store.query import Query, Span
from vpp.store.sampling import EPOCH
from vpp.store.table import Row, Table
from vpp.store.tables import TABLES

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 30.0
RETRY_AFTER_S = 1.0
_NO_ACCESS = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class SqliteStore(Store):
    """A store in one file; safe to share between threads, and between processes that open it themselves.

    A commit is on disk before ``write`` returns (``synchronous=FULL``). A reader sees the state of one moment. Opened
    for reading, the file may come, be replaced or go at any time: without it every table is empty.

    Args:
        path: The file; its folder is made when the store is opened for writing.
        run: Name of the run.
        read_only: Never write, never make the file.

    Raises:
        ConfigError: The file belongs to another version of this program, or is no store.
        UnreachableError: The file cannot be opened.
    """

    def __init__(self, path: Path, run: str = "", *, read_only: bool = False) -> None:
        super().__init__(run, read_only=read_only)
        self._path = path
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._closed = False
        if read_only:
            self._open()
        else:
            with self._reaching():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = self._connect_writer()

    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs that have rows, sorted."""
        names = {row[0] for table in TABLES for row in self._fetch(schema.select_runs(table), [])}
        return tuple(sorted(names))

    def ping(self) -> None:
        """Check that the file, where there is one, can be read."""
        self._fetch("SELECT count(*) FROM schema_version", [])

    def close(self) -> None:
        """Close the connection; the last one to close folds the log into the file."""
        with self._lock:
            self._closed = True
            self._drop()

    def _write(self, batches: Mapping[Table, Sequence[Row]], run: str) -> None:
        with self._transaction() as connection:
            for table, rows in batches.items():
                try:
                    connection.executemany(schema.upsert(table), schema.row_encoder(table, run)(rows))
                except (OverflowError, sqlite3.IntegrityError, sqlite3.ProgrammingError, ValueError) as error:
                    raise DataError(f"a row does not fit table {table.name}: {error}") from error

    def _prune(self, table: Table, before: datetime, run: str) -> int:
        removed = 0
        for zone in self._zones(table, run):
            query = Query(table, run, (zone,), None, before, (), ())
            condition, values = schema.where(query, query.zones)
            with self._transaction() as connection:
                statement = f'DELETE FROM "{table.name}" WHERE {condition}'  # noqa: S608  # our own table
                removed += connection.execute(statement, values).rowcount
        return removed

    def _rename_run(self, run: str, name: str) -> None:
        with self._transaction() as connection:
            for table in TABLES:
                connection.execute(f'UPDATE "{table.name}" SET run = ? WHERE run = ?', (name, run))  # noqa: S608

    def _select(self, query: Query) -> list[Row]:
        condition, values = self._where(query)
        return schema.row_decoder(query.columns)(self._fetch(schema.select(query, condition), values))

    def _scan(self, query: Query, chunk_rows: int) -> Iterator[list[Row]]:
        condition, values = self._where(query)
        decode = schema.row_decoder(query.columns)
        connection = self._own_connection()
        if connection is None:
            return
        try:
            with self._reaching():
                cursor = connection.execute(schema.select(query, condition, by_key=True), values)
                while rows := cursor.fetchmany(chunk_rows):
                    yield decode(rows)
        finally:
            connection.close()

    def _extent(self, query: Query) -> tuple[int, datetime, datetime] | None:
        condition, values = self._where(query)
        for most, first, last in self._fetch(schema.select_extent(query, condition), values):
            if most:
                return int(most), datetime.fromisoformat(first), datetime.fromisoformat(last)
        return None

    def _sample(self, query: Query, width_s: int) -> list[Row]:
        condition, values = self._where(query)
        rows = self._fetch(schema.select_sample(query, condition, width_s), values)
        names = [column.name for column in query.columns]
        if query.table.time not in names:
            return rows
        at = names.index(query.table.time)
        return [(*row[:at], EPOCH + timedelta(seconds=row[at]), *row[at + 1 :]) for row in rows]

    def _newest(self, query: Query) -> list[Query]:
        queries = []
        for zone in self._zones(query.table, query.run) if query.zones is None else query.zones:
            zone_query = replace(query, zones=(zone,))
            condition, values = schema.where(zone_query, zone_query.zones)
            newest = f'SELECT max("{query.table.time}") FROM "{query.table.name}" WHERE {condition}'  # noqa: S608
            for (text,) in self._fetch(newest, values):
                if text is not None:
                    queries.append(query.at(zone, datetime.fromisoformat(text)))
        return queries

    def _count(self, query: Query) -> int:
        condition, values = self._where(query)
        rows = self._fetch(f'SELECT count(*) FROM "{query.table.name}" WHERE {condition}', values)  # noqa: S608
        return int(rows[0][0]) if rows else 0

    def _spans(self, table: Table, run: str) -> list[Span]:
        rows = self._fetch(
            f'SELECT zone, count(*), min("{table.time}"), max("{table.time}") FROM "{table.name}" '  # noqa: S608
            "WHERE run = ? GROUP BY zone",
            [run],
        )
        return [Span(z, n, datetime.fromisoformat(first), datetime.fromisoformat(last)) for z, n, first, last in rows]

    def _zones(self, table: Table, run: str) -> list[str]:
        return [row[0] for row in self._fetch(schema.select_zones(table), [run])]

    def _where(self, query: Query) -> tuple[str, list[Any]]:
        zones = query.zones
        bounded = query.start is not None or query.end is not None
        if zones is None and bounded and query.table.key[:2] == ("zone", query.table.time):
            # With the zones spelled out, the range is read from the primary key and not from the whole table.
            zones = tuple(self._zones(query.table, query.run)) or None
        return schema.where(query, zones)

    def _fetch(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with self._lock, self._reaching():
            connection = self._open()
            return [] if connection is None else connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._reaching():
            connection = self._open()
            assert connection is not None
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _open(self) -> sqlite3.Connection | None:
        """Return the connection; a reader's is None if the file is not there (yet)."""
        if self._closed:
            raise UnreachableError("the store is closed")
        if not self.read_only:
            return self._connection
        try:
            status = self._path.stat()
        except OSError:
            self._drop()
            return None
        if self._connection is None or self._file != (status.st_dev, status.st_ino):
            self._drop()
            self._connection = self._connect_reader()
            self._file = (status.st_dev, status.st_ino)
        return self._connection

    def _own_connection(self) -> sqlite3.Connection | None:
        """Return a connection for one scan, so it may last long beside other calls."""
        with self._lock, self._reaching():
            return None if self._open() is None else self._connect_reader()

    def _connect_writer(self) -> sqlite3.Connection:
        with self._connecting("rwc") as connection:
            # Nothing is changed in a file that is no store of ours.
            if not self._has_schema(connection):
                _write_ahead(connection)
                self._make_schema(connection)
            return connection

    def _connect_reader(self) -> sqlite3.Connection | None:
        with self._connecting("ro") as connection:
            if self._has_schema(connection):
                return connection
        connection.close()
        return None

    @contextmanager
    def _connecting(self, mode: str) -> Iterator[sqlite3.Connection]:
        """Open a connection, and close it again where what follows fails."""
        with self._reaching():
            uri = f"{self._path.absolute().as_uri()}?mode={mode}"
            connection = sqlite3.connect(
                uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("PRAGMA synchronous = FULL")
                yield connection
            except BaseException:  # also on Ctrl-C: an open connection would hold the file's lock
                connection.close()
                raise

    def _make_schema(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not self._has_schema(connection):
                connection.execute(schema.CREATE_VERSION)
                connection.execute("INSERT INTO schema_version VALUES (?, ?)", (schema.VERSION, schema.fingerprint()))
                for table in TABLES:
                    connection.execute(schema.create_table(table))
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _has_schema(self, connection: sqlite3.Connection) -> bool:
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not names:
            return False
        away = "move the file away, or name another one (VPP_STORE__PATH) or another VPP_DATA_DIR"
        if "schema_version" not in names:
            raise ConfigError(f"{self._path} is a SQLite file, but no store of this program", hint=away)
        version, fingerprint = connection.execute("SELECT version, fingerprint FROM schema_version").fetchone()
        if version != schema.VERSION:
            age = "newer" if version > schema.VERSION else "older"
            raise ConfigError(
                f"{self._path} was made by a {age} version of this program (schema {version}, here {schema.VERSION})",
                hint=f"use the version that made it, export what you need, then {away}",
            )
        if fingerprint != schema.fingerprint():
            raise ConfigError(
                f"{self._path} has other columns than this version of the program",
                hint=f"use the version that made it, export what you need, then {away}",
            )
        return True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._file = None

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Say in our own errors what SQLite complains about."""
        try:
            yield
        except sqlite3.OperationalError as error:
            hint = "is the disk full, or does another program hold the file?"
            if _primary_code(error) in _NO_ACCESS:
                hint = f"does this user have the right to read and write {self._path.parent}?"
            raise UnreachableError(f"{self._path}: {error}", hint=hint, retry_after_s=RETRY_AFTER_S) from error
        except sqlite3.DatabaseError as error:
            raise ConfigError(
                f"{self._path} cannot be read: {error}", hint="move the file away; a run makes a new one"
            ) from error
        except OSError as error:
            raise UnreachableError(f"{self._path}: {error.strerror}", retry_after_s=RETRY_AFTER_S) from error


def _primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, the low byte of the extended one."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _write_ahead(connection: sqlite3.Connection) -> None:
    # Changing the journal mode does not wait for other connections that are just opening the same new file.
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if _primary_code(error) not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
            continue
        if mode != "wal":
            log.warning("store journal mode is %s, not wal: readers and writers wait for each other", mode)
        return
