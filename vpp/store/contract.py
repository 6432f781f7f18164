"""The store protocol: guarantees of every store, with queries checked here and executed by a backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from vpp.errors import ConfigError, RefusedError
from vpp.store.query import (
    FIRST_TIME,
    LAST_TIME,
    Filters,
    Order,
    Query,
    Rows,
    Span,
    as_utc,
    check_filters,
    find_columns,
    find_table,
)
from vpp.store.sampling import bucket_width_s
from vpp.store.table import Row, Table
from vpp.store.tables import TABLES

CHUNK_ROWS = 20_000


class Store(ABC):
    """Tables of one run, or of several runs by name.

    Invariants:
        - A row is identified by the run and the table's key. Writing it again changes nothing; writing other values
          overwrites, but a missing value (None) never overwrites a stored one.
        - An empty text outside the key is a missing one. Numbers are finite. Times keep their microseconds. Line breaks
          in texts outside the key are line feeds (InfluxDB loses carriage returns).
        - Rows of one ``write_all`` appear together where the database can do so (SQLite), else table by table.
        - Reading never changes anything, also where there is nothing yet.

    Args:
        run: Name of the run that reads and writes go to unless they name another.
        read_only: Refuse to write.

    Attributes:
        wait_s: How long rows of a stream may wait to be written together (s).
        wait_records: How many records of a stream may wait.
    """

    wait_s = 1.0
    wait_records = 1_000

    def __init__(self, run: str = "", *, read_only: bool = False) -> None:
        self.run = run
        self.read_only = read_only

    def write(self, table: Table | str, rows: Iterable[Row], *, run: str | None = None) -> int:
        """Write rows of one table; see ``write_all``."""
        return self.write_all({find_table(table): list(rows)}, run=run)

    def write_all(self, batches: Mapping[Table, Sequence[Row]], *, run: str | None = None) -> int:
        """Write rows, each a tuple in the order of its table's columns, and return how many.

        Raises:
            UnreachableError: The database does not take them now. Some rows may be written; write all of them again.
            ConfigError: A new attempt cannot succeed: wrong address, token, bucket or file.
            DataError: A row does not fit its table.
            RefusedError: The store was opened for reading.
        """
        self._may_write()
        filled = {table: rows for table, rows in batches.items() if rows}
        if filled:
            self._write(filled, self.run if run is None else run)
        return sum(map(len, filled.values()))

    def prune(self, table: Table | str, before: datetime, *, run: str | None = None) -> int:
        """Delete the rows of ``table`` whose time is earlier than ``before``; return how many.

        A time after the last that a store can hold deletes every row.
        """
        self._may_write()
        limit = as_utc(before)
        assert limit is not None
        checked = find_table(table)
        if limit <= FIRST_TIME:
            return 0
        return self._prune(checked, min(limit, LAST_TIME), self.run if run is None else run)

    def rename_run(self, run: str, name: str) -> None:
        """Give all rows of a run another name, in one step.

        Args:
            run: The run.
            name: Its new name; no run has it yet.

        Raises:
            RefusedError: This store cannot rename, or was opened for reading.
        """
        self._may_write()
        self._rename_run(run, name)

    def read(  # noqa: PLR0913  # a read has as many conditions as a query
        self,
        table: Table | str,
        *,
        zone: str | Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        filters: Filters | None = None,
        columns: Sequence[str] | None = None,
        order: Order = "asc",
        limit: int | None = None,
        max_points: int | None = None,
        run: str | None = None,
    ) -> Rows:
        """Return rows in the order of time, then of the rest of the key.

        Args:
            table: The table or its name.
            zone: One zone, several, or None for all.
            start: First time, inclusive.
            end: Last time, exclusive.
            filters: Column name to the required value, or to several allowed values; None: the row has no value. The
                time column takes one moment, in place of ``start`` and ``end``.
            columns: Columns wanted, None for all.
            order: ``asc`` or ``desc`` (everything reversed: newest first).
            limit: Most rows to return, from the front of the order.
            max_points: Down-sample where a series (rows alike in all key columns but the time) has more points than
                this: one row per series and bucket, with the mean of each real column, the bucket's start as time, and
                the other columns outside the key empty. Buckets have a round width and start at whole multiples of it
                since 1970, the same in every store.
            run: Name of the run; None: the run of the store.

        Raises:
            ConfigError: Table, column or filter unknown, or a time without zone.
            UnreachableError: The database does not answer.
        """
        query = self._query(table, zone=zone, start=start, end=end, filters=filters, columns=columns, run=run)
        query = replace(query, descending=order == "desc", limit=limit)
        names = tuple(column.name for column in query.columns)
        if max_points is not None:
            extent = self._extent(replace(query, limit=None))
            if extent is not None and extent[0] > max_points:
                width_s = bucket_width_s(extent[1], extent[2], max_points)
                return Rows(query.table, names, self._sample(query, width_s))
        return Rows(query.table, names, self._select(query))

    def latest(
        self,
        table: Table | str,
        zone: str | Sequence[str] | None = None,
        *,
        filters: Filters | None = None,
        columns: Sequence[str] | None = None,
        run: str | None = None,
    ) -> Rows:
        """Return the rows of each zone's newest time: the last forecast whole, all assets of the last slot.

        Args:
            table: The table or its name.
            zone: One zone, several, or None for all.
            filters: Column name to the required value, or to several allowed values.
            columns: Columns wanted, None for all.
            run: Name of the run; None: the run of the store.
        """
        query = self._query(table, zone=zone, filters=filters, columns=columns, run=run)
        values = [row for zone_query in self._newest(query) for row in self._select(zone_query)]
        return Rows(query.table, tuple(column.name for column in query.columns), values)

    def count(
        self,
        table: Table | str,
        *,
        zone: str | Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        filters: Filters | None = None,
        run: str | None = None,
    ) -> int:
        """Return the number of rows.

        Args:
            table: The table or its name.
            zone: One zone, several, or None for all.
            start: First time, inclusive; None: from the first row.
            end: Last time, exclusive; None: to the last row.
            filters: Column name to the required value, or to several allowed values.
            run: Name of the run; None: the run of the store.
        """
        return self._count(self._query(table, zone=zone, start=start, end=end, filters=filters, run=run))

    def spans(self, table: Table | str, *, run: str | None = None) -> tuple[Span, ...]:
        """Return per zone, in the order of their names, how many rows there are and their first and last time.

        Counts every row: where only the newest time matters, ``latest`` with few columns is far cheaper.
        """
        return tuple(sorted(self._spans(find_table(table), self.run if run is None else run), key=lambda s: s.zone))

    def scan(
        self,
        table: Table | str,
        *,
        zone: str | Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        filters: Filters | None = None,
        columns: Sequence[str] | None = None,
        run: str | None = None,
    ) -> Iterator[Rows]:
        """Yield rows in the order of the table's key, in chunks, without holding the whole table in memory.

        Args:
            table: The table or its name.
            zone: One zone, several, or None for all.
            start: First time, inclusive; None: from the first row.
            end: Last time, exclusive; None: to the last row.
            filters: Column name to the required value, or to several allowed values.
            columns: Columns wanted, None for all.
            run: Name of the run; None: the run of the store.
        """
        query = self._query(table, zone=zone, start=start, end=end, filters=filters, columns=columns, run=run)
        names = tuple(column.name for column in query.columns)
        for chunk in self._scan(query, CHUNK_ROWS):
            if chunk:
                yield Rows(query.table, names, chunk)

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that the store can hold."""
        return TABLES

    @abstractmethod
    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs that have rows, sorted; the unnamed run is the empty text."""

    @abstractmethod
    def ping(self) -> None:
        """Check that the database answers and may be read.

        Raises:
            UnreachableError: It does not answer.
            ConfigError: It answers, but address, token, bucket, schema or file are wrong.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the connection; a second call has no effect."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _write(self, batches: Mapping[Table, Sequence[Row]], run: str) -> None: ...

    @abstractmethod
    def _prune(self, table: Table, before: datetime, run: str) -> int: ...

    def _rename_run(self, run: str, name: str) -> None:
        raise RefusedError("this store cannot rename a run", hint="start another run with --run NAME")

    @abstractmethod
    def _select(self, query: Query) -> list[Row]: ...

    @abstractmethod
    def _scan(self, query: Query, chunk_rows: int) -> Iterator[list[Row]]: ...

    @abstractmethod
    def _extent(self, query: Query) -> tuple[int, datetime, datetime] | None:
        """Return the points of the longest series, the first and the last time; None without points."""

    @abstractmethod
    def _sample(self, query: Query, width_s: int) -> list[Row]: ...

    @abstractmethod
    def _newest(self, query: Query) -> list[Query]:
        """Return one query per zone that has rows, narrowed to its newest time."""

    @abstractmethod
    def _count(self, query: Query) -> int: ...

    @abstractmethod
    def _spans(self, table: Table, run: str) -> list[Span]: ...

    def _may_write(self) -> None:
        if self.read_only:
            raise RefusedError("the store was opened for reading only")

    def _query(
        self,
        table: Table | str,
        *,
        zone: str | Sequence[str] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        filters: Filters | None = None,
        columns: Sequence[str] | None = None,
        run: str | None = None,
    ) -> Query:
        entry = find_table(table)
        if columns is not None and not columns:
            raise ConfigError("no columns were asked for", hint="leave columns out for all of them")
        zones = (zone,) if isinstance(zone, str) else zone
        moment = (filters or {}).get(entry.time)
        if isinstance(moment, datetime):
            filters = {name: value for name, value in (filters or {}).items() if name != entry.time}
            start, end = moment, moment + timedelta(microseconds=1)
        return Query(
            table=entry,
            run=self.run if run is None else run,
            zones=None if zones is None else tuple(sorted(set(zones))),
            start=as_utc(start),
            end=as_utc(end),
            filters=check_filters(entry, filters),
            columns=find_columns(entry, columns),
        )
