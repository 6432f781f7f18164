"""The tables in SQLite: schema, statements, and conversion of values.

Each table has the columns of ``vpp.store.tables`` plus ``run``, with the primary key (run, key...). Times are ISO 8601
UTC text that sorts by time: whole seconds, with microseconds in the tables whose times are instants and not slots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from vpp.store.query import Query, order_columns, series_columns
from vpp.store.table import Column, Row, Table
from vpp.store.tables import TABLES

VERSION = 1
_TYPES = {"time": "TEXT", "text": "TEXT", "json": "TEXT", "real": "REAL", "int": "INTEGER", "bool": "INTEGER"}
_INSTANTS = frozenset({"alert_acts", "notices", "orders", "order_states", "dlq", "audit", "commands", "ends"})

CREATE_VERSION = "CREATE TABLE schema_version (version INTEGER NOT NULL, fingerprint TEXT NOT NULL)"


def fingerprint() -> str:
    """Return a hash of all tables and columns: two programs agree on a file only if they agree on it."""
    facts = [(t.name, [(c.name, c.type) for c in t.columns], t.key, t.time) for t in TABLES]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def create_table(table: Table) -> str:
    """Return the statement that makes ``table``."""
    columns = ", ".join(f'"{c.name}" {_TYPES[c.type]}' for c in table.columns)
    key = ", ".join(f'"{name}"' for name in table.key)
    return f'CREATE TABLE "{table.name}" (run TEXT NOT NULL, {columns}, PRIMARY KEY (run, {key})) WITHOUT ROWID'


def upsert(table: Table) -> str:
    """Return the statement that writes a row (run, columns...) but never a missing value over a stored one."""
    names = ", ".join(f'"{name}"' for name in table.names)
    key = ", ".join(f'"{name}"' for name in table.key)
    identity = {*table.key, "zone"}
    marks = ", ".join(
        "NULLIF(?, '')" if c.type in ("text", "json") and c.name not in identity else "?" for c in table.columns
    )
    sets = ", ".join(f'"{c.name}" = COALESCE(excluded."{c.name}", "{c.name}")' for c in table.fields)
    return (
        f'INSERT INTO "{table.name}" (run, {names}) VALUES (?, {marks}) '  # noqa: S608  # names of our own tables
        f"ON CONFLICT (run, {key}) DO UPDATE SET {sets}"
    )


def instant_text(instant: datetime, table: Table) -> str:
    """Return a time of ``table`` as text that sorts by time within its column."""
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    precise = table.name in _INSTANTS or instant.microsecond
    return instant.isoformat(timespec="microseconds" if precise else "seconds")[:-6] + "Z"


def bound_text(instant: datetime, table: Table) -> str:
    """Return a bound of a range over ``table``'s time; whole seconds compare as text only with whole seconds."""
    if table.name not in _INSTANTS and instant.microsecond:
        instant = instant.replace(microsecond=0) + timedelta(seconds=1)
    return instant_text(instant, table)


def row_encoder(table: Table, run: str) -> Callable[[Iterable[Row]], list[tuple[Any, ...]]]:
    """Return a function that turns rows into parameters of ``upsert``."""
    times = [i for i, column in enumerate(table.columns) if column.type == "time"]
    tables: dict[datetime, str] = {}

    def text(instant: datetime) -> str:
        encoded = tables.get(instant)
        if encoded is None:
            encoded = tables[instant] = instant_text(instant, table)
        return encoded

    def encode(rows: Iterable[Row]) -> list[tuple[Any, ...]]:
        encoded = []
        for row in rows:
            values = [run, *row]
            for i in times:
                if row[i] is not None:
                    values[i + 1] = text(row[i])
            encoded.append(tuple(values))
        return encoded

    return encode


def row_decoder(columns: Sequence[Column]) -> Callable[[list[Any]], list[Row]]:
    """Return a function that turns fetched rows of ``columns`` into rows of the store."""
    times = [i for i, column in enumerate(columns) if column.type == "time"]
    flags = [i for i, column in enumerate(columns) if column.type == "bool"]
    newest: dict[str, datetime] = {}

    def time(text: str) -> datetime:
        moment = newest.get(text)
        if moment is None:
            moment = newest[text] = datetime.fromisoformat(text)
        return moment

    def decode(rows: list[Any]) -> list[Row]:
        if not times and not flags:
            return rows
        decoded = []
        for row in rows:
            values = list(row)
            for i in times:
                if values[i] is not None:
                    values[i] = time(values[i])
            for i in flags:
                if values[i] is not None:
                    values[i] = bool(values[i])
            decoded.append(tuple(values))
        return decoded

    return decode


def where(query: Query, zones: Sequence[str] | None) -> tuple[str, list[Any]]:
    """Return the condition of a query and its parameters; ``zones`` spelled out lets the primary key be used."""
    parts = ["run = ?"]
    values: list[Any] = [query.run]
    if zones is not None:
        parts.append(_in("zone", len(zones)))
        values += zones
    for bound, sign in ((query.start, ">="), (query.end, "<")):
        if bound is not None:
            parts.append(f'"{query.table.time}" {sign} ?')
            values.append(bound_text(bound, query.table))
    for column, accepted in query.filters:
        if accepted == (None,):
            parts.append(f'"{column.name}" IS NULL')
            continue
        parts.append(_in(column.name, len(accepted)))
        values += [instant_text(v, query.table) if isinstance(v, datetime) else v for v in accepted]
    return " AND ".join(parts), values


def select(query: Query, condition: str, *, by_key: bool = False) -> str:
    """Return the statement that reads a query's columns in the read order, or in the order of the key."""
    names = ", ".join(f'"{column.name}"' for column in query.columns)
    way = "DESC" if query.descending else "ASC"
    order = ", ".join(f'"{n}" {way}' for n in (query.table.key if by_key else order_columns(query.table)))
    limit = "" if query.limit is None else f" LIMIT {int(query.limit)}"
    return f'SELECT {names} FROM "{query.table.name}" WHERE {condition} ORDER BY {order}{limit}'  # noqa: S608


def select_extent(query: Query, condition: str) -> str:
    """Return the statement for (points of the longest series, first time, last time)."""
    table = query.table
    series = ", ".join(f'"{column.name}"' for column in series_columns(table))
    return (
        f'SELECT max(n), min(a), max(b) FROM (SELECT count(*) AS n, min("{table.time}") AS a, '  # noqa: S608
        f'max("{table.time}") AS b FROM "{table.name}" WHERE {condition} GROUP BY {series})'
    )


def select_sample(query: Query, condition: str, width_s: int) -> str:
    """Return the statement for one row per series and bucket; the bucket's time comes as seconds since 1970."""
    table = query.table
    second = f"CAST(strftime('%s', \"{table.time}\") AS INTEGER)"
    bucket = f"{second} - (({second} % {width_s}) + {width_s}) % {width_s}"
    series = [column.name for column in series_columns(table)]
    way = "DESC" if query.descending else "ASC"

    def term(column: Column) -> str:
        if column.name == table.time:
            return "bucket_s"
        if column.name in series:
            return f'"{column.name}"'
        return f'avg("{column.name}")' if column.type == "real" else "NULL"

    group = ", ".join(f'"{name}"' for name in series)
    order = ", ".join(f"{name} {way}" for name in ("bucket_s", *(f'"{n}"' for n in series)))
    limit = "" if query.limit is None else f" LIMIT {int(query.limit)}"
    return (
        f"SELECT {', '.join(map(term, query.columns))} FROM (SELECT *, {bucket} AS bucket_s "  # noqa: S608
        f'FROM "{table.name}" WHERE {condition}) GROUP BY bucket_s, {group} ORDER BY {order}{limit}'
    )


def select_zones(table: Table) -> str:
    """Return the statement for the zones of a run: one index seek per zone where the key allows it."""
    if table.key[0] != "zone":
        return f'SELECT DISTINCT zone FROM "{table.name}" WHERE run = ?1'  # noqa: S608
    return _distinct(table, "zone", "run = ?1 AND ")


def select_runs(table: Table) -> str:
    """Return the statement for the runs that have rows in ``table``."""
    return _distinct(table, "run", "")


def _distinct(table: Table, column: str, condition: str) -> str:
    source = f'"{table.name}" WHERE {condition}'
    return (
        f"WITH RECURSIVE found(x) AS (SELECT min({column}) FROM {source} 1 UNION ALL "  # noqa: S608
        f"SELECT (SELECT min({column}) FROM {source} {column} > found.x) FROM found WHERE found.x IS NOT NULL) "
        "SELECT x FROM found WHERE x IS NOT NULL"
    )


def _in(name: str, count: int) -> str:
    return f'"{name}" = ?' if count == 1 else f'"{name}" IN ({", ".join("?" * count)})'
