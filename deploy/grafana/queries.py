"""Flux queries of the panels: each ends in one wide table whose column names are the names of the lines.

``$zone``, ``$run`` and ``$horizon`` are the dashboard's variables; ``v.*`` are Grafana's macros. The tables lie in
InfluxDB as the store writes them: a table is a measurement, key columns are tags, the other columns fields.
"""

from __future__ import annotations

from collections.abc import Sequence

RANGE = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"
MEAN = 'aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false, timeSrc: "_start")'
LAST = 'aggregateWindow(every: v.windowPeriod, fn: last, createEmpty: false, timeSrc: "_start")'
SUM = 'aggregateWindow(every: v.windowPeriod, fn: sum, createEmpty: false, timeSrc: "_start")'
DLQ_DAYS = 7


def points(measurement: str, fields: Sequence[str], *tests: str, within: str = RANGE, zone: bool = True) -> str:
    """Return the start of a pipeline: points of the chosen run (and zone), of these fields, that pass the tests."""
    field_tests = " or ".join(f'r._field == "{field}"' for field in fields)
    conditions = [f'r._measurement == "{measurement}"', 'r.run == "${run}"']
    if zone:
        conditions.append('r.zone == "${zone}"')
    conditions += [f"({field_tests})", *tests]
    return f"from(bucket: v.defaultBucket)\n  |> {within}\n  |> filter(fn: (r) => {' and '.join(conditions)})"


def pipe(*steps: str) -> str:
    """Join pipeline steps, one a line."""
    return "\n  |> ".join(steps)


def wide(source: str, *steps: str, by: str = "_field") -> str:
    """Return a pipeline that ends in one table with a column of values per value of ``by``."""
    return pipe(
        source,
        *steps,
        f'keep(columns: ["_time", "{by}", "_value"])',
        "group()",
        f'pivot(rowKey: ["_time"], columnKey: ["{by}"], valueColumn: "_value")',
        'sort(columns: ["_time"])',
    )


def total(source: str, name: str) -> str:
    """Return a pipeline that sums everything up into one number called ``name``."""
    return pipe(source, 'keep(columns: ["_value"])', "group()", "sum()", f'rename(columns: {{_value: "{name}"}})')


def lines(measurement: str, fields: Sequence[str], *tests: str, window: str = MEAN) -> str:
    """Return a pipeline with one column per field, down-sampled to the width of the panel."""
    return wide(points(measurement, fields, *tests), window)


def by_asset(field: str, window: str = MEAN) -> str:
    """Return a pipeline with one column per asset of a field of ``assets``."""
    return wide(points("assets", [field]), window, by="asset_id")


def forecast_ahead(target: str, fields: Sequence[str]) -> str:
    """Return the forecasts made the chosen horizon before, at the time they speak of."""
    early = "range(start: experimental.subDuration(d: ${horizon}m, from: v.timeRangeStart), stop: v.timeRangeStop)"
    source = points("forecasts", fields, f'r.target == "{target}"', 'r.horizon_min == "${horizon}"', within=early)
    return 'import "experimental"\n' + wide(source, "timeShift(duration: ${horizon}m)", MEAN)


def forecast_latest(target: str, fields: Sequence[str]) -> str:
    """Return the newest forecast over all its horizons, at its target times."""
    source = points("forecasts", fields, f'r.target == "{target}"')
    ahead = "map(fn: (r) => ({r with _time: time(v: int(v: r._time) + int(v: r.horizon_min) * 60000000000)}))"
    return wide(source, "last()", ahead)


def cumulated(fields: Sequence[str], *, by: str = "_field", measurement: str = "ledger") -> str:
    """Return money added up over the range, one column per value of ``by``; corrections count where they settle."""
    source = points(measurement, fields)
    return wide(source, f'group(columns: ["{by}"])', 'sort(columns: ["_time"])', SUM, "cumulativeSum()", by=by)


def money_table(fields: Sequence[str]) -> str:
    """Return one row per asset with the sum of each field of the ledger."""
    return sums("ledger", fields)


def sums(measurement: str, fields: Sequence[str]) -> str:
    """Return one row per asset with the sum of each field."""
    return pipe(
        points(measurement, fields),
        'group(columns: ["asset_id", "_field"])',
        "sum()",
        "group()",
        'pivot(rowKey: ["asset_id"], columnKey: ["_field"], valueColumn: "_value")',
        'sort(columns: ["asset_id"])',
    )


def skill_by_horizon(target: str) -> str:
    """Return the newest score per horizon: error of the median and of persistence, and coverage of the 90 % band."""
    fields = ["mae", "mae_persistence", "pinball", "coverage_90", "n"]
    source = points("skill", fields, f'r.target == "{target}"')
    # The count is an integer field; one column cannot hold both kinds.
    return pipe(
        source,
        "last()",
        "toFloat()",
        'keep(columns: ["horizon_min", "_field", "_value"])',
        "group()",
        "map(fn: (r) => ({r with horizon_min: int(v: r.horizon_min)}))",
        'pivot(rowKey: ["horizon_min"], columnKey: ["_field"], valueColumn: "_value")',
        'sort(columns: ["horizon_min"])',
        "map(fn: (r) => ({r with skill: if r.mae_persistence > 0.0 then 1.0 - r.mae / r.mae_persistence else 0.0}))",
    )


def steps_behind() -> str:
    """Return per step the newest slot it stored, and how many minutes of stream time it is behind the telemetry."""
    witnesses = {
        "telemetry": "revision",
        "forecasts": "q50",
        "bids": "body",
        "decisions": "decision_id",
        "setpoints": "power_mw",
        "assets": "power_mw",
        "ledger": "pnl",
    }
    names = [f"{name}_last" for name in witnesses]
    newest = "\n".join(
        f"{name}_last = "
        + pipe(
            points(name, [field]),
            "last()",
            'keep(columns: ["_time"])',
            "group()",
            'max(column: "_time")',
            f'map(fn: (r) => ({{step: "{name}", last: r._time, key: 1}}))',
        )
        for name, field in witnesses.items()
    )
    minutes = "float(v: int(v: r.front) - int(v: r.last)) / 60000000000.0"
    behind = f"map(fn: (r) => ({{step: r.step, last: r.last, behind_min: {minutes}}}))"
    front = 'front = telemetry_last |> rename(columns: {last: "front"}) |> drop(columns: ["step"])'
    return f"{newest}\n{front}\n" + pipe(
        f'join(tables: {{a: union(tables: [{", ".join(names)}]), b: front}}, on: ["key"])',
        behind,
        'sort(columns: ["behind_min"], desc: true)',
    )


def dead_letters() -> str:
    """Return the number of dead letters by topic and reason, by the broker's clock."""
    return pipe(
        points("dlq", ["reason"], within=f"range(start: -{DLQ_DAYS}d)", zone=False),
        "map(fn: (r) => ({topic: r.topic, reason: r._value, n: 1}))",
        'group(columns: ["topic", "reason"])',
        'sum(column: "n")',
        "group()",
        'sort(columns: ["n"], desc: true)',
    )


def newest_letters(limit: int = 20) -> str:
    """Return the newest dead letters with their position and error."""
    return pipe(
        points("dlq", ["reason", "detail", "offset"], within=f"range(start: -{DLQ_DAYS}d)", zone=False),
        'pivot(rowKey: ["_time", "topic", "partition"], columnKey: ["_field"], valueColumn: "_value")',
        'keep(columns: ["_time", "topic", "partition", "offset", "reason", "detail"])',
        "group()",
        'sort(columns: ["_time"], desc: true)',
        f"limit(n: {limit})",
    )


def forecast_sources() -> str:
    """Return the number of forecasts by target, source and model, one step ahead or more."""
    return pipe(
        points("forecasts", ["source", "model_id"], 'r.horizon_min == "${horizon}"'),
        'pivot(rowKey: ["_time", "target"], columnKey: ["_field"], valueColumn: "_value")',
        "map(fn: (r) => ({target: r.target, source: r.source, model_id: r.model_id, forecasts: 1}))",
        'group(columns: ["target", "source", "model_id"])',
        'sum(column: "forecasts")',
        "group()",
        'sort(columns: ["target", "forecasts"])',
    )


def alerts_of(codes: Sequence[str], limit: int = 20) -> str:
    """Return the newest alerts of these codes, with subject, effect and end of their episode."""
    fields = ["code", "severity", "channel", "asset_id", "effect", "text", "ended_at"]
    conditions = " or ".join(f'r.code == "{code}"' for code in codes)
    about = 'if exists r.channel then r.channel else if exists r.asset_id then r.asset_id else "-"'
    ended = 'if exists r.ended_at then string(v: r.ended_at) else "lasts"'
    row = (
        f"{{_time: r._time, severity: r.severity, code: r.code, about: {about}, effect: r.effect, ended: {ended}, "
        "text: r.text}"
    )
    return pipe(
        points("alerts", fields),
        'pivot(rowKey: ["_time", "alert_id"], columnKey: ["_field"], valueColumn: "_value")',
        f"filter(fn: (r) => {conditions})",
        f"map(fn: (r) => ({row}))",
        "group()",
        'sort(columns: ["_time"], desc: true)',
        f"limit(n: {limit})",
    )


def alert_count(codes: Sequence[str]) -> str:
    """Return the number of alerts of these codes in the range."""
    return counted("alerts", "code", "alerts", "(" + " or ".join(f'r._value == "{code}"' for code in codes) + ")")


def deviation() -> str:
    """Return delivered less planned power, one column per asset."""
    return pipe(
        points("assets", ["power_mw", "planned_mw"]),
        'pivot(rowKey: ["_time", "asset_id"], columnKey: ["_field"], valueColumn: "_value")',
        "filter(fn: (r) => exists r.power_mw and exists r.planned_mw)",
        "map(fn: (r) => ({_time: r._time, asset_id: r.asset_id, _value: r.power_mw - r.planned_mw}))",
        "group()",
        'pivot(rowKey: ["_time"], columnKey: ["asset_id"], valueColumn: "_value")',
        'sort(columns: ["_time"])',
    )


def unavailable() -> str:
    """Return in how many slots each asset could not follow."""
    return pipe(
        points("assets", ["available"]),
        'group(columns: ["asset_id"])',
        "map(fn: (r) => ({asset_id: r.asset_id, slots: if r._value then 0 else 1}))",
        'group(columns: ["asset_id"])',
        'sum(column: "slots")',
        "group()",
    )


def rows_per_window(measurement: str, field: str) -> str:
    """Return the number of rows of a measurement in each window."""
    count = 'aggregateWindow(every: v.windowPeriod, fn: count, createEmpty: false, timeSrc: "_start")'
    return wide(points(measurement, [field]), count, f'set(key: "_field", value: "{measurement}")')


def engines() -> str:
    """Return decisions by engine and window, one column per engine."""
    return wide(
        points("decisions", ["engine"]),
        "map(fn: (r) => ({_time: r._time, engine: r._value, _value: 1}))",
        'group(columns: ["engine"])',
        'sort(columns: ["_time"])',
        SUM,
        by="engine",
    )


def engine_counts() -> str:
    """Return decisions by engine over the range."""
    return pipe(
        points("decisions", ["engine"]),
        "map(fn: (r) => ({engine: r._value, decisions: 1}))",
        'group(columns: ["engine"])',
        'sum(column: "decisions")',
        "group()",
        'sort(columns: ["decisions"], desc: true)',
    )


def flagged_slots(limit: int = 20) -> str:
    """Return the newest slots in which a channel was not ok."""
    return pipe(
        points("telemetry", ["quality"]),
        'filter(fn: (r) => r._value != "{}")',
        'keep(columns: ["_time", "_value"])',
        "group()",
        'rename(columns: {_value: "quality"})',
        'sort(columns: ["_time"], desc: true)',
        f"limit(n: {limit})",
    )


def newest_rows(measurement: str, fields: Sequence[str], keep: Sequence[str], limit: int = 20) -> str:
    """Return the newest rows of a measurement as a table."""
    columns = ", ".join(f'"{name}"' for name in ("_time", *keep))
    return pipe(
        points(measurement, fields),
        'pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")',
        f"keep(columns: [{columns}])",
        "group()",
        'sort(columns: ["_time"], desc: true)',
        f"limit(n: {limit})",
    )


def counted(measurement: str, field: str, name: str, *tests: str) -> str:
    """Return the number of rows of a measurement in the range."""
    source = points(measurement, [field], *tests)
    return pipe(source, 'keep(columns: ["_value"])', "group()", "count()", f'rename(columns: {{_value: "{name}"}})')


def tag_values(tag: str, measurement: str, *, numeric: bool = False) -> str:
    """Return the query of a variable: the values of a tag in the range."""
    query = (
        'import "influxdata/influxdb/schema"\n'
        f'schema.tagValues(bucket: v.defaultBucket, tag: "{tag}", start: v.timeRangeStart, stop: v.timeRangeStop, '
        f'predicate: (r) => r._measurement == "{measurement}")'
    )
    if not numeric:
        return query
    # Tags are text; sorted as text, 1440 would come before 30.
    return query + (
        "\n  |> map(fn: (r) => ({n: int(v: r._value)}))"
        '\n  |> sort(columns: ["n"])'
        "\n  |> map(fn: (r) => ({_value: string(v: r.n)}))"
    )
