"""The tables in InfluxDB 2: rows to line protocol, and query results back to rows.

A table is a measurement. Tags: ``run`` (``_`` for the unnamed run), and the key columns besides the time; the other
columns are fields, missing ones are left out, so a later write never clears a stored value. The point's time is
the table's time. Dead letters come many to a millisecond: their zone and offset are fields, and the offset, modulo a
million, makes the nanoseconds of the point's time.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from vpp.errors import DataError
from vpp.store.sampling import EPOCH
from vpp.store.table import Column, Row, Table

UNNAMED_RUN = "_"
_NO_TAGS = frozenset({"offset"})
_MAX_CELL = 2**30
_MICROSECOND = timedelta(microseconds=1)

# A field that every row of the table has: it marks a row, and rows are counted by it.
_WITNESS = {
    "telemetry": "revision",
    "forecasts": "q50",
    "bids": "body",
    "setpoints": "power_mw",
    "assets": "power_mw",
    "ledger": "pnl",
    "trades": "energy_mwh",
    "decisions": "decision_id",
    "alerts": "text",
    "alert_acts": "action",
    "notices": "outcome",
    "skill": "n",
    "orders": "action",
    "order_states": "number",
    "dlq": "offset",
    "audit": "action",
    "commands": "power_mw",
    "hops": "trace_id",
    "ends": "seen",
}


def run_tag(run: str) -> str:
    """Return the tag value of a run's name."""
    return run or UNNAMED_RUN


def witness(table: Table) -> str:
    """Return the field that every row has; ``ends``, whose columns may all be empty, carries ``seen = true`` for it."""
    return _WITNESS[table.name]


def tag_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns that are tags, sorted by name as InfluxDB wants them."""
    tags = {name for name in table.key if name != table.time} - _NO_TAGS
    return tuple(sorted((c for c in table.columns if c.name in tags), key=lambda column: column.name))


def field_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns that are fields."""
    tags = {column.name for column in tag_columns(table)}
    return tuple(column for column in table.columns if column.name not in tags and column.name != table.time)


def has_repeats(table: Table) -> bool:
    """Return whether a row written again may be a second point, because its time is not part of its identity."""
    return table.time not in table.key


def tag_text(value: Any) -> str:
    """Return a tag value that line protocol can carry: line breaks, backslashes and percent signs as %XX."""
    text = str(value)
    for char in "%\\\r\n":
        if char in text:
            text = text.replace(char, f"%{ord(char):02X}")
    return text


def tag_value(column: Column, text: str) -> Any:
    """Return the value of a tag as it was written."""
    if "%" in text:
        for char in "\n\r\\%":
            text = text.replace(f"%{ord(char):02X}", char)
    return int(text) if column.type == "int" else text


def nanoseconds(instant: datetime) -> int:
    """Return a time as nanoseconds since 1970."""
    return (instant - EPOCH) // _MICROSECOND * 1000


def line_encoder(table: Table, run: str) -> Callable[[Iterable[Row]], Iterator[str]]:
    """Return a function that turns rows of ``table`` into lines; it raises ``DataError`` on a row without content."""
    names = table.names
    tags = [(names.index(c.name), f",{c.name}=") for c in tag_columns(table)]
    fields = [(names.index(c.name), f"{c.name}=", _FORMATS[c.type]) for c in field_columns(table)]
    time_at, needed = names.index(table.time), witness(table)
    needed_at = names.index(needed) if needed in names else None
    offset_at = names.index("offset") if "offset" in names else None
    constant = [] if needed_at is not None else [f"{needed}=true"]
    prefixes: dict[tuple[Any, ...], str] = {}
    times: dict[datetime, int] = {}

    def prefix(values: tuple[Any, ...]) -> str:
        pairs = [(name, _escape(tag_text(value))) for (_, name), value in zip(tags, values, strict=True)]
        pairs.append((",run=", run_tag(run)))
        return table.name + "".join(name + value for name, value in sorted(pairs) if value)

    def encode(rows: Iterable[Row]) -> Iterator[str]:
        for row in rows:
            key = tuple([row[i] for i, _ in tags])
            start = prefixes.get(key)
            if start is None:
                start = prefixes[key] = prefix(key)
            instant = row[time_at]
            at_ns = times.get(instant)
            if at_ns is None:
                at_ns = times[instant] = nanoseconds(instant)
            if offset_at is not None:
                at_ns = at_ns - at_ns % 1_000_000 + row[offset_at] % 1_000_000
            if needed_at is not None and row[needed_at] is None:
                raise DataError(f"a row of {table.name} needs {needed}: {row!r}")
            values = constant + [
                name + text for i, name, form in fields if row[i] is not None and (text := form(row[i]))
            ]
            yield f"{start} {','.join(values)} {at_ns}"

    return encode


def _real(value: float) -> str:
    # Adding 0.0 drops the sign of a negative zero, as SQLite does, so both stores export the same bytes.
    return repr(float(value) + 0.0) if math.isfinite(value) else ""


def _text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if value else ""


def _unbroken(text: str) -> str:
    # InfluxDB answers with every line feed as two characters, and leaves carriage returns out.
    return text.replace("\r\n", "\n")


_FORMATS: dict[str, Callable[[Any], str]] = {
    "real": _real,
    "int": lambda value: f"{value}i",
    "bool": lambda value: "true" if value else "false",
    "text": _text,
    "json": _text,
    "time": lambda value: _text(value.astimezone(UTC).isoformat()),
}
_PARSERS: dict[str, Callable[[str], Any]] = {
    "real": float,
    "int": int,
    "bool": lambda text: text == "true",
    "text": _unbroken,
    "json": _unbroken,
    "time": lambda text: _moment(text).astimezone(UTC),
}


def _escape(text: str) -> str:
    return text.replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def _moment(text: str) -> datetime:
    # A point's time may have nanoseconds, which datetime.fromisoformat cuts off from Python 3.11 on.
    return datetime.fromisoformat(text)


def records(answer: str) -> Iterator[dict[str, str]]:
    """Yield the records of a query's CSV answer, which has one block with its own header per shape of table."""
    csv.field_size_limit(_MAX_CELL)
    header: list[str] = []
    for cells in csv.reader(io.StringIO(answer, newline="")):
        if len(cells) < 3:
            continue
        if header[1:2] == ["error"]:
            raise DataError(f"InfluxDB stopped in the middle of an answer: {cells[1]}")
        if cells[1] in ("result", "error") and cells[2] in ("table", "reference"):
            header = cells
        else:
            yield dict(zip(header, cells, strict=False))


def record_decoder(table: Table, columns: Iterable[Column]) -> Callable[[dict[str, str]], Row]:
    """Return a function that turns a pivoted record into a row of ``columns``."""
    tags = {column.name for column in tag_columns(table)}
    times: dict[str, datetime] = {}
    whole_ms = "offset" in table.names

    def time(text: str) -> datetime:
        moment = times.get(text)
        if moment is None:
            moment = _moment(text)
            if whole_ms:
                moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
            times[text] = moment
        return moment

    def parser(column: Column) -> Callable[[dict[str, str]], Any]:
        name = column.name
        if name == table.time:
            return lambda record: time(record["_time"])
        if name in tags:
            return lambda record: tag_value(column, record.get(name, ""))
        parse = _PARSERS[column.type]
        missing = "" if name == "zone" else None

        def field(record: dict[str, str]) -> Any:
            text = record.get(name, "")
            return parse(text) if text else missing

        return field

    parsers = [parser(column) for column in columns]
    return lambda record: tuple([parse(record) for parse in parsers])
