"""What the InfluxDB server does by itself: it drops old points, and keeps hourly means of them in a second bucket."""

from __future__ import annotations

from vpp.settings import InfluxSettings
from vpp.store.influx_client import InfluxClient
from vpp.store.influx_flux import literal
from vpp.store.influx_line_protocol import field_columns, witness
from vpp.store.table import Table
from vpp.store.tables import ASSETS, FORECASTS, SETPOINTS, TELEMETRY

HOURLY_TABLES: tuple[Table, ...] = (TELEMETRY, FORECASTS, SETPOINTS, ASSETS)
LOOK_BACK_H = 24


def prepare_server(settings: InfluxSettings) -> list[str]:
    """Set how long the bucket keeps points, and make the hourly bucket with its task; return what was changed.

    Doing it again changes nothing.

    Args:
        settings: Address, buckets and days; the token may manage buckets and tasks.

    Raises:
        ConfigError: The token may not, or the organisation does not exist.
        UnreachableError: The server does not answer.
    """
    client = InfluxClient(settings)
    try:
        changed = []
        if client.keep_bucket(settings.bucket, settings.keep_days):
            changed.append(f"bucket {settings.bucket}")
        if settings.hourly_bucket is not None:
            if client.keep_bucket(settings.hourly_bucket, settings.hourly_keep_days):
                changed.append(f"bucket {settings.hourly_bucket}")
            name = f"hourly means of {settings.bucket}"
            if client.keep_task(name, hourly_task(name, settings.bucket, settings.hourly_bucket)):
                changed.append(f"task {name}")
        return changed
    finally:
        client.close()


def hourly_task(name: str, bucket: str, hourly_bucket: str) -> str:
    """Return the Flux of the task that writes hourly means.

    Each hour it computes the last ``LOOK_BACK_H`` whole hours anew, so late points count too. An hour's mean stands at
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
    named = " or ".join(f"r._field == {literal(name)}" for name in fields)
    return (
        f"from(bucket: {literal(bucket)})\n"
        "  |> range(start: start, stop: stop)\n"
        f"  |> filter(fn: (r) => r._measurement == {literal(table.name)} and ({named}))\n"
        f'  |> aggregateWindow(every: 1h, fn: {function}, createEmpty: false, timeSrc: "_start")\n'
        f"  |> to(bucket: {literal(hourly_bucket)})"
    )
