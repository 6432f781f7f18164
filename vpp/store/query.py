"""Queries to a store, validated once, and the order of their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from vpp.errors import ConfigError, nearest_hint
from vpp.store import tables
from vpp.store.table import Column, Row, Table

if TYPE_CHECKING:
    import pandas as pd

Order = Literal["asc", "desc"]
Value = str | int | float | bool | datetime
Filters = Mapping[str, Value | Sequence[Value] | None]
"""Column name to the value, or the values one of which, a row must have; None: the row has no value there."""
ColumnFilter = tuple[Column, tuple[Value | None, ...]]

FIRST_TIME = datetime(1678, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(2262, 1, 1, tzinfo=UTC)
INT_LIMIT = 2**63
MICROSECOND = timedelta(microseconds=1)
"""The smallest step of a stored time."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table.

    Attributes:
        table: The table they come from.
        columns: Names of the columns, in the order of the values.
        values: One tuple per row; times are aware UTC datetimes, missing is None.
    """

    table: Table
    columns: tuple[str, ...]
    values: list[Row]

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.values)

    def column(self, name: str) -> list[Any]:
        """Return the values of one column."""
        at = self.columns.index(name)
        return [row[at] for row in self.values]

    def dicts(self) -> list[dict[str, Any]]:
        """Return one dict per row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.values]

    def frame(self) -> pd.DataFrame:
        """Return a pandas frame: real columns as float64 with NaN for missing, times as UTC timestamps."""
        import pandas as pd

        frame = pd.DataFrame(self.values, columns=list(self.columns))
        types = {column.name: column.type for column in self.table.columns}
        reals = [name for name in self.columns if types[name] == "real"]
        times = [name for name in self.columns if types[name] == "time"]
        frame[reals] = frame[reals].astype("float64")
        for name in times:
            frame[name] = pd.to_datetime(frame[name], utc=True)
        return frame


@dataclass(frozen=True, slots=True)
class Span:
    """What one zone has in a table: number of rows, first and last time."""

    zone: str
    rows: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Query:
    """One checked question to a backend.

    Attributes:
        table: The table.
        run: Name of the run.
        zones: Zones of the query, None for all.
        start: First time, inclusive; None for the beginning.
        end: Last time, exclusive; None for all.
        filters: (column, accepted values) that must all hold, None for no value; neither the zone nor the table's time.
        columns: What is wanted, in order.
        descending: Newest first.
        limit: Most rows to return, None for all.
    """

    table: Table
    run: str
    zones: tuple[str, ...] | None
    start: datetime | None
    end: datetime | None
    filters: tuple[ColumnFilter, ...]
    columns: tuple[Column, ...]
    descending: bool = False
    limit: int | None = None

    def at(self, zone: str, instant: datetime) -> Query:
        """Return the query narrowed to one zone and time."""
        return replace(self, zones=(zone,), start=instant, end=instant + MICROSECOND)


def find_table(table: Table | str) -> Table:
    """Return a table by its name.

    Raises:
        ConfigError: There is none of that name; names the nearest.
    """
    if isinstance(table, Table):
        return table
    entry = tables.BY_NAME.get(table)
    if entry is None:
        raise ConfigError(f"there is no table {table!r}", hint=nearest_hint(table, tables.BY_NAME))
    return entry


def find_columns(table: Table, names: Iterable[str] | None) -> tuple[Column, ...]:
    """Return columns of ``table`` by name, all of them for None.

    Raises:
        ConfigError: A column is unknown; names the nearest.
    """
    if names is None:
        return table.columns
    by_name = {column.name: column for column in table.columns}
    chosen = []
    for name in names:
        if name not in by_name:
            raise ConfigError(f"table {table.name} has no column {name!r}", hint=nearest_hint(name, by_name))
        chosen.append(by_name[name])
    return tuple(chosen)


def series_columns(table: Table) -> tuple[Column, ...]:
    """Return the key columns besides the time: they identify one series of the table."""
    by_name = {column.name: column for column in table.columns}
    return tuple(by_name[name] for name in table.key if name != table.time)


def order_columns(table: Table) -> tuple[str, ...]:
    """Return the columns that rows are read in the order of: the time, then the rest of the key."""
    return (table.time, *(name for name in table.key if name != table.time))


def check_filters(table: Table, filters: Filters | None) -> tuple[ColumnFilter, ...]:
    """Return the filters as pairs of a column and its accepted values in the column's type, in the order of the names.

    Raises:
        ConfigError: A column is unknown, or has its own argument, or a value, or none, is what it can never have.
    """
    checked: list[ColumnFilter] = []
    for name, accepted in sorted((filters or {}).items()):
        if name in ("zone", table.time):
            raise ConfigError(f"{name} is no filter", hint="use zone=, or start= and end=")
        (column,) = find_columns(table, [name])
        if accepted is None:
            if name in table.key:
                raise ConfigError(f"{name} is part of the key: every row has it")
            checked.append((column, (None,)))
            continue
        several = isinstance(accepted, Sequence) and not isinstance(accepted, str)
        values: Sequence[Any] = accepted if several else [accepted]  # type: ignore[assignment]
        checked.append((column, tuple(_typed(column, value) for value in values)))
    return tuple(checked)


def as_utc(instant: datetime | None) -> datetime | None:
    """Return ``instant`` in UTC.

    Raises:
        ConfigError: It has no time zone.
    """
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise ConfigError(
            f"{instant.isoformat()} has no time zone", hint="give times in UTC, such as 2022-01-01T00:00Z"
        )
    return instant.astimezone(UTC)


def unfit(table: Table, row: Row) -> str | None:
    """Return why no store can hold ``row``, or None: integers must fit 64 bits, times lie in 1678..2261.

    Rows of decoded messages are meant, whose types and finite numbers are checked already.
    """
    for at, is_time in _bounded(table.name):
        value = row[at]
        if value is None:
            continue
        if is_time:
            if not FIRST_TIME <= value < LAST_TIME:
                return f"{table.names[at]} {value.isoformat()} is not between 1678 and 2261"
        elif not -INT_LIMIT <= value < INT_LIMIT:
            return f"{table.names[at]} does not fit 64 bits"
    return None


@cache
def _bounded(name: str) -> tuple[tuple[int, bool], ...]:
    columns = tables.BY_NAME[name].columns
    return tuple((i, column.type == "time") for i, column in enumerate(columns) if column.type in ("time", "int"))


_KINDS: dict[str, type] = {"real": float, "int": int, "text": str, "json": str}


def _typed(column: Column, value: Any) -> Value:
    wrong = ConfigError(f"{column.name} is never {value!r}", hint=f"it is of type {column.type}")
    if column.type in ("bool", "time"):
        kind = bool if column.type == "bool" else datetime
        if not isinstance(value, kind) or (isinstance(value, datetime) and value.tzinfo is None):
            raise wrong
        return value
    try:
        typed: Value = _KINDS[column.type](value)
    except (TypeError, ValueError) as error:
        raise wrong from error
    return typed
