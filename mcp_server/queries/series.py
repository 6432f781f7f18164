"""Query for time series of the store, with a limited number of points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mcp_server.answers.reading import Points, SeriesAnswer, Stats
from mcp_server.answers.sanitize import brief
from mcp_server.queries.context import NOTHING_YET, Period, QuestionError, ReadContext, UnknownNameError, period
from vpp.domain import iso
from vpp.errors import nearest_hint
from vpp.store.sampling import bucket_start, bucket_width_s
from vpp.store.table import Table
from vpp.store.tables import ASSETS, LEDGER, TELEMETRY

SeriesName = Literal[
    "net_load_mw",
    "load_mw",
    "solar_mw",
    "wind_mw",
    "price_per_mwh",
    "frequency_hz",
    "asset_power_mw",
    "asset_planned_mw",
    "asset_soc",
    "pnl",
    "revenue",
    "penalty",
    "penalty_no_action",
]

MAX_COLUMNS = 8
MAX_ROWS = 200_000

Column = dict[datetime, float | None]


@dataclass(frozen=True, slots=True)
class _Kind:
    table: Table
    column: str
    unit: str
    is_money: bool = False


_KINDS: dict[str, _Kind] = {
    **{name: _Kind(TELEMETRY, name, "MW") for name in ("net_load_mw", "load_mw", "solar_mw", "wind_mw")},
    "price_per_mwh": _Kind(TELEMETRY, "price_per_mwh", "per MWh"),
    "frequency_hz": _Kind(TELEMETRY, "frequency_hz", "Hz"),
    "asset_power_mw": _Kind(ASSETS, "power_mw", "MW, positive into the grid"),
    "asset_planned_mw": _Kind(ASSETS, "planned_mw", "MW, positive into the grid"),
    "asset_soc": _Kind(ASSETS, "soc", "0-1, at slot end"),
    **{name: _Kind(LEDGER, name, "", is_money=True) for name in ("pnl", "revenue", "penalty", "penalty_no_action")},
}


def get_series(
    context: ReadContext,
    series: str,
    *,
    zone: str | None,
    asset_id: str | None,
    start: datetime | None,
    end: datetime | None,
    max_points: int,
) -> SeriesAnswer:
    """Return one series of a zone. Asset series have a column per asset; money is summed over the assets.

    Above ``max_points`` slots, points are means (money: sums) over buckets of a round width. Statistics cover all
    slots of the window.

    Args:
        context: Store, fleet and clock of the run.
        series: Name of the series.
        zone: Name of the zone; None if there is only one.
        asset_id: Only this asset; None: all.
        start: First slot, inclusive; None: a default window before ``end``.
        end: Last slot, exclusive; None: up to the newest slot.
        max_points: Maximum number of points.

    Raises:
        QuestionError: Zone or asset is unknown, or the window is empty.
    """
    kind = _KINDS[series]
    chosen = context.choose(zone)
    as_of = context.as_of(chosen) if chosen is not None else None
    if chosen is None or as_of is None:
        return SeriesAnswer(series=series, zone=chosen, hint=NOTHING_YET)
    window = period(as_of, start, end)
    columns, warnings = _read(context, kind, chosen, asset_id, window)
    slots = sorted({slot for column in columns.values() for slot in column})
    answer = SeriesAnswer(
        as_of=as_of,
        zone=chosen,
        series=series,
        unit=context.currency(chosen) if kind.is_money else kind.unit,
        window=window.text(),
        warnings=[*window.notes, *warnings],
    )
    if kind.column == "price_per_mwh":
        answer.unit = f"{context.currency(chosen)} per MWh".strip()
    if not slots:
        answer.hint = _what_there_is(context, kind, chosen)
        return answer
    answer.columns = ["slot", *columns]
    answer.stats = [_stats(name, column, kind) for name, column in columns.items()]
    answer.points, width_min = _points(columns, slots, max_points, kind)
    answer.truncated = width_min is not None
    answer.resolution_min = width_min or context.step_min(chosen)
    return answer


def _read(
    context: ReadContext, kind: _Kind, zone: str, asset_id: str | None, window: Period
) -> tuple[dict[str, Column], list[str]]:
    by_asset = kind.table is not TELEMETRY
    if asset_id is not None and not by_asset:
        raise QuestionError(f"{kind.column} is measured for the zone", hint="leave asset_id out, or use asset_*")
    names = [kind.table.time, kind.column] if not by_asset else [kind.table.time, "asset_id", kind.column]
    rows = context.store.read(
        kind.table,
        zone=zone,
        start=window.start,
        end=window.end,
        columns=names,
        limit=MAX_ROWS,
        filters=None if asset_id is None else {"asset_id": asset_id},
    )
    warnings = [f"only the first {MAX_ROWS} rows of the window were read"] if len(rows) == MAX_ROWS else []
    columns: dict[str, Column] = defaultdict(dict)
    if not by_asset:
        columns[kind.column] = dict(rows.values)
    elif kind.is_money:
        column = columns[kind.column]
        for slot, _, value in rows:
            total = column.get(slot)
            column[slot] = total if value is None else value + (total or 0.0)
    else:
        for slot, asset, value in rows:
            if value is not None or kind.column != "soc":
                columns[asset][slot] = value
    if asset_id is not None and not rows.values:
        _check_asset(context, zone, asset_id)
    if len(columns) > MAX_COLUMNS:
        left_out = sorted(columns)[MAX_COLUMNS:]
        warnings.append(f"{len(left_out)} assets left out, query them by asset_id: " + ", ".join(left_out[:20]))
        columns = {name: columns[name] for name in sorted(columns)[:MAX_COLUMNS]}
    return dict(columns), warnings


def _points(
    columns: dict[str, Column], slots: Sequence[datetime], max_points: int, kind: _Kind
) -> tuple[Points, float | None]:
    if len(slots) <= max_points:
        return [[iso(slot), *(_round(column.get(slot)) for column in columns.values())] for slot in slots], None
    width_s = bucket_width_s(slots[0], slots[-1], max_points)
    sums: dict[datetime, list[list[float]]] = {}
    for slot in slots:
        row = sums.setdefault(bucket_start(slot, width_s), [[] for _ in columns])
        for values, column in zip(row, columns.values(), strict=True):
            value = column.get(slot)
            if value is not None:
                values.append(value)
    points = [[iso(at), *(_round(_fold(values, kind)) for values in row)] for at, row in sums.items()]
    return points, width_s / 60


def _fold(values: list[float], kind: _Kind) -> float | None:
    if not values:
        return None
    return sum(values) if kind.is_money else sum(values) / len(values)


def _stats(name: str, column: Column, kind: _Kind) -> Stats:
    values = [value for value in column.values() if value is not None]
    return Stats(
        column=name,
        slots=len(column),
        missing=len(column) - len(values),
        mean=_round(sum(values) / len(values)) if values else None,
        min=_round(min(values)) if values else None,
        max=_round(max(values)) if values else None,
        total=_round(sum(values)) if values and kind.is_money else None,
    )


def _round(value: float | None) -> float | None:
    return None if value is None else brief(value)


def _what_there_is(context: ReadContext, kind: _Kind, zone: str) -> str:
    span = next((span for span in context.store.spans(kind.table) if span.zone == zone), None)
    if span is None:
        return f"no {kind.column} of {zone} is stored yet"
    last = span.last + timedelta(minutes=context.step_min(zone))
    return f"no data in this window; {kind.column} of {zone} is stored from {iso(span.first)} to {iso(last)}"


def _check_asset(context: ReadContext, zone: str, asset_id: str) -> None:
    asset_ids = {row[0] for row in context.store.latest(ASSETS, zone, columns=("asset_id",))} | {"zone"}
    if asset_id not in asset_ids and len(asset_ids) > 1:
        raise UnknownNameError(f"zone {zone} has no asset {asset_id!r}", hint=nearest_hint(asset_id, sorted(asset_ids)))
