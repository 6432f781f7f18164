"""The store for history: Parquet files that any tool reads, written by one process per zone and read by many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import RLock

from vpp.errors import ConfigError, UnreachableError
from vpp.store.contract import Store
from vpp.store.parquet.files import Partition, TableFiles, run_folder, run_names
from vpp.store.query import Query, Span
from vpp.store.rowset import RowSet
from vpp.store.table import Row, Table

RETRY_AFTER_S = 1.0


class ParquetStore(Store):
    """A store in a folder; see `vpp.store.parquet.files` for its layout.

    A file is on disk and whole before ``write`` returns, and never changes. Rows of one zone and table are written by
    one process at a time, as a partition of a topic has one worker.

    Args:
        path: The folder; it is made with the first rows.
        run: Name of the run.
        read_only: Never write.
    """

    wait_s = 60.0  # each write makes a file per zone and table: fewer and larger ones are cheaper
    wait_records = 20_000

    def __init__(self, path: Path, run: str = "", *, read_only: bool = False) -> None:
        super().__init__(run, read_only=read_only)
        self._path = path
        self._lock = RLock()

    def runs(self) -> tuple[str, ...]:
        """Return the names of the runs that have rows, sorted."""
        return tuple(run_names(self._path))

    def ping(self) -> None:
        """Check that the folder, where there is one, can be read."""
        if self._path.exists() and not self._path.is_dir():
            raise ConfigError(f"{self._path} is a file, no folder of Parquet files", hint="set VPP_STORE__PATH")
        with self._reaching():
            if self._path.exists():
                next(self._path.iterdir(), None)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _write(self, batches: Mapping[Table, Sequence[Row]], run: str) -> None:
        with self._lock, self._reaching():
            for table, rows in batches.items():
                TableFiles(self._path, table, run).write(rows)

    def _prune(self, table: Table, before: datetime, run: str) -> int:
        files = TableFiles(self._path, table, run)
        query = Query(table, run, None, None, before, (), ())
        with self._lock, self._reaching():
            return sum(files.prune(partition, before) for partition in files.partitions(query))

    def _rename_run(self, run: str, name: str) -> None:
        with self._lock, self._reaching():
            if run_folder(self._path, run).exists():
                run_folder(self._path, run).rename(run_folder(self._path, name))

    def _select(self, query: Query) -> list[Row]:
        rows: list[Row] = []
        for day_rows in self._by_day(query):
            rows += day_rows.pick(replace(query, limit=None if query.limit is None else query.limit - len(rows)))
            if query.limit is not None and len(rows) >= query.limit:
                break
        return rows

    def _scan(self, query: Query, chunk_rows: int) -> Iterator[list[Row]]:
        files = TableFiles(self._path, query.table, query.run)
        # The key begins with zone and time where there are days.
        with self._reaching():
            partitions = sorted(
                files.partitions(query), key=lambda partition: (partition.zone or "", str(partition.day))
            )
        for partition in partitions:
            rows = self._read(files, partition, query).pick(query, by_key=True)
            for first in range(0, len(rows), chunk_rows):
                yield rows[first : first + chunk_rows]

    def _extent(self, query: Query) -> tuple[int, datetime, datetime] | None:
        return self._row_set(replace(query, columns=())).extent()

    def _sample(self, query: Query, width_s: int) -> list[Row]:
        return self._row_set(query).sample(query, width_s)

    def _newest(self, query: Query) -> list[Query]:
        times: dict[str, datetime] = {}
        for day_rows in self._by_day(replace(query, columns=(), descending=True), skip=times):
            times |= {span.zone: span.last for span in day_rows.spans() if span.zone not in times}
        return [query.at(zone, last) for zone, last in sorted(times.items())]

    def _count(self, query: Query) -> int:
        files = TableFiles(self._path, query.table, query.run)
        whole = files.by_day and query.start is None and query.end is None and not query.filters
        with self._reaching():
            if whole:
                return sum(map(files.count, files.partitions(query)))
            return len(self._row_set(replace(query, columns=())))

    def _spans(self, table: Table, run: str) -> list[Span]:
        spans: dict[str, Span] = {}
        for day_rows in self._by_day(Query(table, run, None, None, None, (), ())):
            for new in day_rows.spans():
                old = spans.get(new.zone, replace(new, rows=0))
                spans[new.zone] = replace(old, rows=old.rows + new.rows, last=new.last)
        return list(spans.values())

    def _row_set(self, query: Query) -> RowSet:
        return RowSet(query.table, [row for day_rows in self._by_day(query) for row in day_rows.rows])

    def _by_day(self, query: Query, skip: Mapping[str, datetime] | None = None) -> Iterator[RowSet]:
        """Yield the rows of a query day by day, in its order; those of zones in ``skip`` are left out."""
        files = TableFiles(self._path, query.table, query.run)
        with self._reaching():
            days: dict[str, list[Partition]] = {}
            for partition in files.partitions(query):
                days.setdefault(str(partition.day), []).append(partition)
        for day in sorted(days, reverse=query.descending):
            partitions = [part for part in days[day] if part.zone is None or part.zone not in (skip or ())]
            rows = [row for part in partitions for row in self._read(files, part, query).rows]
            yield RowSet(query.table, rows)

    def _read(self, files: TableFiles, partition: Partition, query: Query) -> RowSet:
        columns = [*query.columns, *(column for column, _ in query.filters)]
        with self._reaching():
            return files.read(partition, columns).matching(query)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Translate errors of the file system into errors of ``vpp.errors``."""
        try:
            yield
        except OSError as error:
            hint = f"is the disk full, or may this user not read and write {self._path}?"
            raise UnreachableError(f"{self._path}: {error}", hint=hint, retry_after_s=RETRY_AFTER_S) from error
