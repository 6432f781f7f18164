"""Down-sampling: means over time buckets that are the same in every store."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from vpp.store.query import series_columns
from vpp.store.table import Column, Row, Table

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTHS_S = (
    *(1, 5, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(86_400 * days for days in (1, 2, 7, 14, 28, 91, 182, 364)),
)


def bucket_width_s(first: datetime, last: datetime, max_points: int) -> int:
    """Return the narrowest round bucket width (s) with at most ``max_points`` buckets from ``first`` to ``last``.

    Buckets start at whole multiples of their width since 1970-01-01T00:00Z.
    """
    start, end = math.floor(first.timestamp()), math.floor(last.timestamp())
    width = _WIDTHS_S[-1]
    for width in _WIDTHS_S:
        if end // width - start // width + 1 <= max_points:
            return width
    while end // width - start // width + 1 > max_points:
        width *= 2
    return width


def bucket_start(instant: datetime, width_s: int) -> datetime:
    """Return the start of the bucket that holds ``instant``."""
    return EPOCH + timedelta(seconds=math.floor(instant.timestamp()) // width_s * width_s)


def mean_rows(table: Table, columns: Sequence[Column], rows: Sequence[Row], width_s: int) -> list[Row]:
    """Return one row per series and bucket: means of the real columns, the bucket's start as time, the rest empty.

    Args:
        table: The table of the rows.
        columns: Columns wanted.
        rows: Whole rows, in order of time.
        width_s: Bucket width (s).
    """
    names = table.names
    time_at = names.index(table.time)
    series_at = [names.index(column.name) for column in series_columns(table)]
    groups: dict[Row, list[Row]] = {}
    for row in rows:
        place = (bucket_start(row[time_at], width_s), *(row[i] for i in series_at))
        groups.setdefault(place, []).append(row)
    means = []
    for place in sorted(groups):
        key_values = dict(zip((table.time, *(names[i] for i in series_at)), place, strict=True))
        means.append(tuple(_value(column, key_values, groups[place], names) for column in columns))
    return means


def _value(column: Column, key_values: dict[str, object], rows: Sequence[Row], names: tuple[str, ...]) -> object:
    if column.name in key_values:
        return key_values[column.name]
    if column.type != "real":
        return None
    at = names.index(column.name)
    values = [row[at] for row in rows if row[at] is not None]
    return sum(values) / len(values) if values else None
