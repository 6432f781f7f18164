"""Rows for the tests of stores: hand-made ones of every table, and strategies for arbitrary ones."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from vpp.store.influx_line_protocol import witness
from vpp.store.table import Column, Row, Table

T0 = datetime(2022, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)

# A few weeks only: InfluxDB keeps a file per week.
INSTANTS = st.integers(-(10**12), 2 * 10**12).map(lambda microseconds: T0 + timedelta(microseconds=microseconds))
WHOLE_SECONDS = INSTANTS.map(lambda when: when.replace(microsecond=0))
BROKER_TIMES = INSTANTS.map(lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=20)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def slot(index: int) -> datetime:
    """The start of the index-th half hour of 2022."""
    return T0 + index * HALF_HOUR


def forecast(index: int, horizon_min: int, q50: float, *, zone: str = "GB", target: str = "net_load") -> Row:
    """A forecast row whose quantiles lie 10 apart around its median."""
    spread = (-30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0)
    return (zone, slot(index), horizon_min, target, *(q50 + d for d in spread), None, *[None] * 7, "model", "a1b2")


def telemetry(index: int, load_mw: float | None, price: float | None = None, *, zone: str = "GB") -> Row:
    """A telemetry row; net load is the load."""
    return (zone, slot(index), load_mw, 0.0, 0.0, load_mw, price, 50.0, "{}", "{}", 0)


def asset(index: int, asset_id: str, power_mw: float, *, zone: str = "GB") -> Row:
    """An asset row of a battery over half an hour."""
    return (zone, slot(index), asset_id, "battery", power_mw, power_mw / 2, 0.5, power_mw, "twin", True, None)


def _values(table: Table, column: Column) -> st.SearchStrategy[Any]:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "text": TEXTS,
        "json": TEXTS,
        "real": st.floats(allow_nan=False, allow_infinity=False),
        "int": st.integers(-(2**63), 2**63 - 1),
        "bool": st.booleans(),
        "time": WHOLE_SECONDS,
    }
    strategy = kinds[column.type]
    if column.name == table.time and table.time in ("seen_at", "at"):
        strategy = BROKER_TIMES if table.time == "seen_at" else INSTANTS
    if column.type == "text" and column.name in table.key:
        strategy = KEYS
    if column.name == "offset":
        strategy = st.integers(0, 10**12)
    always = column.name in (*table.key, table.time, "zone", witness(table))
    return strategy if always else st.none() | strategy


def any_rows(table: Table) -> st.SearchStrategy[list[Row]]:
    """Lists of rows of ``table`` that a store must give back as they are, each key once."""
    places = [table.names.index(name) for name in table.key]
    row = st.tuples(*(_values(table, column) for column in table.columns))
    return st.lists(row, max_size=8, unique_by=lambda row: tuple(row[i] for i in places))
