"""How a table lies in Parquet files: a folder per day and zone, to which each write adds a file.

``run=RUN/TABLE/day=2022-01-01/zone=GB/00000007-5f1d0c2e.parquet``, names percent-encoded. A name that is too long for
a folder is replaced by ``%%`` and a hash; its files have the column ``zone``. A table whose key lacks zone or time lies
in one folder. A later file wins over an earlier one, so a row that is written again is the same row. A folder of many
files becomes one file.
"""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from vpp.atomic_file import atomic_writer
from vpp.errors import ConfigError, DataError, UnreachableError
from vpp.store.export import arrow_type
from vpp.store.query import MICROSECOND, Query
from vpp.store.rowset import RowSet
from vpp.store.sampling import EPOCH
from vpp.store.table import Column, Row, Table

MOST_FILES = 16
"""A folder with more files becomes one file: reading stays fast, and a row is written again a few times a day."""
_TRIES = 5
_MOST_NAME = 200
_HASHED = "%%"
_FILES = "[0-9]*-*.parquet"


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows that lie in one folder: those of a day (UTC) and zone, or of a whole table (day and zone None)."""

    folder: Path
    day: date | None = None
    zone: str | None = None

    def files(self) -> list[Path]:
        """Return its files, the oldest first; those of other programs are left out."""
        return sorted(self.folder.glob(_FILES))


class TableFiles:
    """The files of one table of one run.

    Args:
        root: Folder of the store.
        table: The table.
        run: Name of the run.
    """

    def __init__(self, root: Path, table: Table, run: str) -> None:
        self._root = root
        self._folder = run_folder(root, run) / table.name
        self._table = table
        self._identity = {*table.key, "zone"}
        self.by_day = {"zone", table.time} <= set(table.key)

    def partitions(self, query: Query) -> list[Partition]:
        """Return the partitions that may hold rows of a query, in the order of their days, then zones."""
        if not self.by_day:
            return [Partition(self._folder)]
        first = None if query.start is None else query.start.date()
        last = None if query.end is None else (query.end - MICROSECOND).date()
        partitions = []
        names = None if query.zones is None else {_name("zone", zone) for zone in query.zones}
        for name, folder in _values(self._folder, "day"):
            day = _day(name, folder)
            if (first is not None and day < first) or (last is not None and day > last):
                continue
            for zone, path in _values(folder, "zone"):
                if names is None or path.name in names:
                    partitions.append(Partition(path, day, _stored_zone(path) if _is_hashed(path) else zone))
        return sorted(partitions, key=lambda partition: (partition.day, partition.zone))

    def read(self, partition: Partition, columns: Iterable[Column] | None = None) -> RowSet:
        """Return the rows of a partition, each once.

        Args:
            partition: The partition.
            columns: Columns that are wanted besides the key; the others are empty. None: all.

        Raises:
            ConfigError: A file is no Parquet file.
            UnreachableError: Its files changed again and again while they were read.
        """
        table = self._table
        columns = table.columns if columns is None else columns
        wanted = {*table.key, table.time, "zone", *(column.name for column in columns)}
        for _ in range(_TRIES):
            files = partition.files()
            try:
                rows = [row for file in files for row in self._rows(file, partition, wanted)]
            except FileNotFoundError:  # its folder has just become one file
                continue
            return RowSet(table, rows) if len(files) == 1 else RowSet(table, rows).once()
        raise UnreachableError(f"the files of {partition.folder} changed while they were read", retry_after_s=1.0)

    def count(self, partition: Partition) -> int:
        """Return the number of rows of a partition."""
        files = partition.files()
        if len(files) != 1:
            return len(self.read(partition, ()))
        with _readable(files[0]):
            return int(pq.read_metadata(files[0]).num_rows)

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows.

        Raises:
            DataError: A row does not fit the table.
        """
        by_partition: dict[Partition, list[Row]] = {}
        zone, time = self._table.names.index("zone"), self._table.names.index(self._table.time)
        for row in map(self._stated, rows):
            partition = Partition(self._folder)
            if self.by_day:
                day = row[time].astimezone(UTC).date()
                folder = self._folder / _name("day", day.isoformat()) / _name("zone", row[zone])
                partition = Partition(folder, day, row[zone])
            by_partition.setdefault(partition, []).append(row)
        for partition, new in by_partition.items():
            files = partition.files()
            if len(files) < MOST_FILES:
                self._add(partition, RowSet(self._table, new).once())
            else:
                old = self.read(partition)
                self._add(partition, RowSet(self._table, [*old.rows, *new]).once())
                _delete(files)

    def prune(self, partition: Partition, before: datetime) -> int:
        """Delete the rows before a time; return how many. Files that come meanwhile stay."""
        files = partition.files()
        rows = self.read(partition)
        time = self._table.names.index(self._table.time)
        rest = [row for row in rows.rows if row[time] >= before]
        if not rest:
            _delete([*files, *partition.folder.glob("*.part")])
            with suppress(OSError):  # not empty: a file came meanwhile
                partition.folder.rmdir()
                partition.folder.parent.rmdir()
        elif len(rest) < len(rows):
            self._add(partition, RowSet(self._table, rest))
            _delete(files)
        return len(rows) - len(rest)

    def _stated(self, row: Row) -> Row:
        """Return a row with None for missing values (NaN, or an empty text outside the key), and 0 for -0."""
        return tuple([self._value(name, value) for name, value in zip(self._table.names, row, strict=True)])

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, float):
            return None if math.isnan(value) else value + 0.0
        return None if value == "" and name not in self._identity else value

    def _add(self, partition: Partition, rows: RowSet) -> None:
        """Write a file behind those that are there; it appears when it is whole."""
        files = partition.files()
        number = int(files[-1].name.partition("-")[0]) + 1 if files else 0
        columns = self._columns(partition)
        schema = pa.schema([(column.name, arrow_type(column)) for column in columns])
        at = [self._table.names.index(column.name) for column in columns]
        try:
            arrays = [pa.array([row[i] for row in rows.rows], field.type) for i, field in zip(at, schema, strict=True)]
        except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
            raise DataError(f"a row does not fit table {self._table.name}: {error}") from error
        with atomic_writer(partition.folder / f"{number:08d}-{uuid.uuid4().hex[:8]}.parquet") as stream:
            pq.write_table(pa.Table.from_arrays(arrays, schema=schema), stream, compression="zstd")
        # The name must outlive a power cut too, and so must those of folders that are new.
        folders = [partition.folder] if files else [partition.folder, *partition.folder.parents]
        for folder in folders:
            if folder.is_relative_to(self._root):
                _sync(folder)

    def _columns(self, partition: Partition) -> list[Column]:
        """Return the columns of the files of a partition: the folder's name gives the zone where it is whole."""
        named = partition.zone is not None and not _is_hashed(partition.folder)
        return [column for column in self._table.columns if not named or column.name != "zone"]

    def _rows(self, file: Path, partition: Partition, wanted: set[str]) -> Iterator[Row]:
        with _readable(file), pq.ParquetFile(file) as parquet:
            stored = wanted & set(parquet.schema_arrow.names)
            read = parquet.read(columns=sorted(stored))
        lists = []
        for column in self._table.columns:
            if column.name in stored:
                lists.append(_plain(read.column(column.name), column))
            else:
                lists.append([self._absent(column, partition)] * read.num_rows)
        return zip(*lists, strict=True)

    def _absent(self, column: Column, partition: Partition) -> str | None:
        """Return the value of a column that a file lacks: a text of the key is empty, so rows can be ordered by it."""
        if column.name == "zone" and partition.zone is not None:
            return partition.zone
        return "" if column.name in self._identity and column.type == "text" else None


def run_folder(root: Path, run: str) -> Path:
    """Return the folder of a run."""
    return root / _name("run", run)


def run_names(root: Path) -> list[str]:
    """Return the names of the runs that have files."""
    return sorted(run for run, folder in _values(root, "run") if next(folder.rglob("*.parquet"), None) is not None)


def _name(key: str, value: str) -> str:
    name = quote(value, safe="")
    return f"{key}={name if len(name) <= _MOST_NAME else _HASHED + sha256(value.encode()).hexdigest()}"


def _is_hashed(folder: Path) -> bool:
    return folder.name.partition("=")[2].startswith(_HASHED)


def _stored_zone(folder: Path) -> str:
    """Return the zone of a folder by its first file; empty if it has none."""
    for file in folder.glob(_FILES):
        with suppress(FileNotFoundError), _readable(file), pq.ParquetFile(file) as parquet:
            zones: list[str] = parquet.read(columns=["zone"]).column("zone").to_pylist()
            return zones[0]
    return ""


def _day(name: str, folder: Path) -> date:
    try:
        return date.fromisoformat(name)
    except ValueError as error:
        raise ConfigError(f"{folder} names no day", hint="move the folder away") from error


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise ConfigError(f"{file} cannot be read: {error}", hint="move the file away") from error


def _delete(files: Iterable[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _values(folder: Path, key: str) -> list[tuple[str, Path]]:
    return [(unquote(path.name.partition("=")[2]), path) for path in folder.glob(f"{key}=*")]


def _plain(values: pa.ChunkedArray, column: Column) -> list[Any]:
    if column.type != "time":
        return list(values.to_pylist())
    numbers = values.cast(pa.int64()).to_pylist()
    times = {number: EPOCH + timedelta(microseconds=number) for number in set(numbers) if number is not None}
    return [times.get(number) for number in numbers]
