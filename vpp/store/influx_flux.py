"""Flux queries: pipelines in which every value of the caller is an escaped literal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from vpp.store.influx_line_protocol import field_columns, run_tag, tag_columns, tag_text, witness
from vpp.store.query import FIRST_TIME, LAST_TIME, ColumnFilter, Query, Value
from vpp.store.table import Column, Table
from vpp.store.tables import ASSETS, FORECASTS, SETPOINTS, TELEMETRY

HOURLY_TABLES: tuple[Table, ...] = (TELEMETRY, FORECASTS, SETPOINTS, ASSETS)
LOOK_BACK_H = 24


def literal(value: Value) -> str:
    r"""Return a value as a Flux literal.

    >>> literal('say "hi" ${r._value}')
    '"say \\"hi\\" \\${r._value}"'
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return f'float(v: "{value!r}")'
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case _:
            escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "\\${")
            return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def source(bucket: str, query: Query, *, fields: Iterable[str] | None) -> str:
    """Return the start of a pipeline: the points of a query's table, run, range and tags.

    Args:
        bucket: The bucket.
        query: The query; filters on fields are left to the pivoted rows.
        fields: Fields wanted, None for all.
    """
    tags = {column.name for column in tag_columns(query.table)}
    tests = [f"r._measurement == {literal(query.table.name)}", f"r.run == {literal(run_tag(query.run))}"]
    if query.zones is not None and "zone" in tags:
        tests.append(_any("zone", [tag_text(zone) for zone in query.zones]))
    tests += [_any(c.name, [tag_text(v) for v in accepted]) for c, accepted in query.filters if c.name in tags]
    if fields is not None:
        tests.append(_any("_field", sorted(fields)))
    start, stop = query.start or FIRST_TIME, query.end or LAST_TIME
    return (
        f"from(bucket: {literal(bucket)}) |> range(start: {literal(start)}, stop: {literal(stop)})"
        f" |> filter(fn: (r) => {' and '.join(tests)})"
    )


def field_filters(query: Query) -> tuple[ColumnFilter, ...]:
    """Return the filters that only whole rows can answer."""
    fields = {column.name for column in field_columns(query.table)}
    pairs = [pair for pair in query.filters if pair[0].name in fields]
    if query.zones is not None and "zone" in fields:
        zone = next(column for column in query.table.columns if column.name == "zone")
        pairs.append((zone, query.zones))
    return tuple(pairs)


def pivoted(bucket: str, query: Query) -> str:
    """Return the pipeline for whole rows: one record per row, its fields as columns."""
    fields = {column.name for column in field_columns(query.table)}
    columns = {column.name for column in query.columns} | {column.name for column, _ in field_filters(query)}
    text = source(bucket, query, fields=(columns & fields) | {witness(query.table)})
    tests = [_any_of(*one) for one in field_filters(query)]
    return (
        f'{text} |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
        + (f" |> filter(fn: (r) => {' and '.join(tests)})" if tests else "")
        + ' |> drop(columns: ["_start", "_stop", "_measurement", "run"])'
    )


def witnesses(bucket: str, query: Query) -> str:
    """Return the pipeline for one point per row, where no field is filtered by."""
    return source(bucket, query, fields=[witness(query.table)])


def _any_of(column: Column, accepted: Sequence[Value | None]) -> str:
    # Times outside the key are fields, which InfluxDB has no time type for.
    return _any(column.name, [v.astimezone(UTC).isoformat() if isinstance(v, datetime) else v for v in accepted])


def _any(name: str, accepted: Sequence[Value | None]) -> str:
    if not accepted:
        return "false"
    field = f"r[{literal(name)}]"
    tests = (f"not exists {field}" if value is None else f"{field} == {literal(value)}" for value in accepted)
    return "(" + " or ".join(tests) + ")"


def hourly_task(name: str, bucket: str, hourly_bucket: str) -> str:
    """Return the Flux of the task that writes hourly means.

    Each hour it computes the last ``LOOK_BACK_H`` whole hours again, so late points count too. An hour's mean stands at
    its start, under the same tags and field names, so a reader only needs the other bucket. A number that marks rows
    and is no measurement keeps its last value.

    Args:
        name: Name of the task.
        bucket: Where the points are.
        hourly_bucket: Where the means go.
    """
    lines = [
        'import "date"',
        f"option task = {{name: {literal(name)}, every: 1h, offset: 10m}}",
        "stop = date.truncate(t: now(), unit: 1h)",
        f"start = date.sub(d: {LOOK_BACK_H}h, from: stop)",
    ]
    for table in HOURLY_TABLES:
        reals = sorted(column.name for column in field_columns(table) if column.type == "real")
        lines.append(_aggregate(bucket, hourly_bucket, table, reals, "mean"))
        if witness(table) not in reals:
            lines.append(_aggregate(bucket, hourly_bucket, table, [witness(table)], "last"))
    return "\n".join([*lines, ""])


def _aggregate(bucket: str, hourly_bucket: str, table: Table, fields: list[str], function: str) -> str:
    field_tests = " or ".join(f"r._field == {literal(name)}" for name in fields)
    return (
        f"from(bucket: {literal(bucket)})\n"
        "  |> range(start: start, stop: stop)\n"
        f"  |> filter(fn: (r) => r._measurement == {literal(table.name)} and ({field_tests}))\n"
        f'  |> aggregateWindow(every: 1h, fn: {function}, createEmpty: false, timeSrc: "_start")\n'
        f"  |> to(bucket: {literal(hourly_bucket)})"
    )
