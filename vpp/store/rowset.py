"""Rows in memory, for queries that a database cannot answer itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from vpp.store.query import Query, Span, order_columns, series_columns
from vpp.store.sampling import mean_rows
from vpp.store.table import Row, Table


class RowSet:
    """Whole rows of one table, in the ascending read order.

    Args:
        table: The table.
        rows: Its rows with all columns, in any order.
    """

    def __init__(self, table: Table, rows: Sequence[Row]) -> None:
        self._table = table
        self._at = {name: i for i, name in enumerate(table.names)}
        self._rows = self._sorted(rows, order_columns(table))

    @property
    def rows(self) -> list[Row]:
        """The rows."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def once(self) -> RowSet:
        """Return one row per key: the newest, with its missing values filled from older rows."""
        merged: dict[Row, Row] = {}
        for row in self._rows:
            key = self._values(row, self._table.key)
            older = merged.get(key, row)
            merged[key] = tuple(b if a is None else a for a, b in zip(row, older, strict=True))
        return RowSet(self._table, list(merged.values()))

    def matching(self, query: Query) -> RowSet:
        """Return the rows in the zones and range of a query that pass its filters."""
        time, zone = self._at[self._table.time], self._at["zone"]
        tests = [(self._at[column.name], set(accepted)) for column, accepted in query.filters]

        def fits(row: Row) -> bool:
            return (
                (query.zones is None or row[zone] in query.zones)
                and (query.start is None or row[time] >= query.start)
                and (query.end is None or row[time] < query.end)
                and all(row[at] in accepted for at, accepted in tests)
            )

        return RowSet(self._table, [row for row in self._rows if fits(row)])

    def pick(self, query: Query, *, by_key: bool = False) -> list[Row]:
        """Return the columns, order and number of rows that a query asks for."""
        rows = self._sorted(self._rows, self._table.key) if by_key else self._rows
        return self._cut(rows, query, [self._at[column.name] for column in query.columns])

    def sample(self, query: Query, width_s: int) -> list[Row]:
        """Return the means over buckets that a query asks for."""
        rows = mean_rows(self._table, query.columns, self._rows, width_s)
        return self._cut(rows, query, range(len(query.columns)))

    def extent(self) -> tuple[int, datetime, datetime] | None:
        """Return the points of the longest series, the first and the last time."""
        if not self._rows:
            return None
        names = [column.name for column in series_columns(self._table)]
        points = Counter(self._values(row, names) for row in self._rows)
        time = self._at[self._table.time]
        return max(points.values()), self._rows[0][time], self._rows[-1][time]

    def spans(self) -> list[Span]:
        """Return number of rows, first and last time of each zone."""
        times: dict[str, list[datetime]] = {}
        for row in self._rows:
            times.setdefault(row[self._at["zone"]], []).append(row[self._at[self._table.time]])
        return [Span(zone, len(instants), instants[0], instants[-1]) for zone, instants in times.items()]

    def _sorted(self, rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
        return sorted(rows, key=lambda row: self._values(row, names))

    def _values(self, row: Row, names: Sequence[str]) -> Row:
        return tuple([row[self._at[name]] for name in names])

    @staticmethod
    def _cut(rows: list[Row], query: Query, places: Sequence[int]) -> list[Row]:
        ordered = rows[::-1] if query.descending else rows
        return [tuple([row[at] for at in places]) for row in ordered[: query.limit]]
