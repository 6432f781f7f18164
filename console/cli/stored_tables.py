"""`vpp forecast`, `vpp ledger`, `vpp export`: tables of the store."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, parse_time, say, show, table
from console.local.summary import ledger_rows, ledger_sums
from vpp.domain import QUANTILE_NAMES, Target, iso
from vpp.errors import ConfigError, DataError
from vpp.fleet.in_force import zone_in_force
from vpp.fleet.scale import energy_text, power_unit
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.export import export as write_export
from vpp.store.named_queries import ledger_totals
from vpp.store.tables import BY_NAME, FORECASTS, LEDGER

if TYPE_CHECKING:
    from agents.evaluation.capture import Capture

SHOWN_PARTS = 15

Zone = Annotated[list[str] | None, Parameter(name="--zone", help="only this zone; may be repeated")]
From = Annotated[str | None, Parameter(name="--from", help="first slot, UTC")]
To = Annotated[str | None, Parameter(name="--to", help="end, UTC, exclusive")]


def forecast(
    zone: str,
    *,
    target: Annotated[Literal["net_load", "price"], Parameter(help="forecast quantity")] = Target.NET_LOAD.value,
    at: Annotated[str | None, Parameter(help="issue time, UTC; default the last")] = None,
    explain: Annotated[bool, Parameter(help="show the contribution of each feature", negative="")] = False,
    data: Annotated[Path | None, Parameter(help="history file for the explanation [what the plant closed]")] = None,
    horizon: Annotated[int | None, Parameter(help="horizon of the explanation in minutes [one step]")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Show the last forecast of a zone: quantiles for every horizon, or what one of them is made of.

    Args:
        zone: The zone.
    """
    settings = common.settings()
    if explain:
        _explain(settings, zone, data, at, Target(target), horizon=horizon, as_json=json)
        return
    with open_store(settings, read_only=True) as store:
        filters = {"target": target}
        if at is None:
            rows = store.latest(FORECASTS, zone, filters=filters)
        else:
            instant = parse_time(at)
            rows = store.read(FORECASTS, zone=zone, filters={**filters, "issued_at": instant})
        if not len(rows):
            raise DataError(f"there is no {target} forecast of zone {zone!r}", hint=_known_zones(store))
    points = rows.dicts()
    document = {
        "zone": zone,
        "target": target,
        "unit": Target(target).unit(),
        "issued_at": iso(points[0]["issued_at"]),
        "source": points[0]["source"],
        "model_id": points[0]["model_id"],
        "points": [{"horizon_min": r["horizon_min"], **{q: r[q] for q in QUANTILE_NAMES}} for r in points],
    }
    answer(document, as_json=json, render=_render_forecast)


def _explain(
    settings: Settings,
    zone: str,
    data: Path | None,
    at: str | None,
    target: Target,
    *,
    horizon: int | None,
    as_json: bool,
) -> None:
    from console.cli.explain.forecast import explained, explained_of_run

    slot = None if at is None else parse_time(at)
    if data is None:
        explanation = explained_of_run(settings, zone, slot, target=target, horizon_min=horizon)
    else:
        explanation = explained(settings, zone, data, slot, target=target, horizon_min=horizon)
    answer(explanation, as_json=as_json, render=_render_explanation)


def _render_explanation(document: dict[str, Any]) -> None:
    net_load = document["target"] == Target.NET_LOAD.value
    column = "mw" if net_load else "per_mwh"
    start, end = document["now_mw" if net_load else "usual_per_mwh"], document[f"forecast_{column}"]
    before = "now" if net_load else "as usual at that time of day"
    unit, factor = power_unit(end) if net_load else (document["unit"], 1.0)
    digits = 3 if net_load else 1
    out.print(
        f"{document['zone']} {document['target'].replace('_', ' ')} {document['horizon_min']} min after "
        f"{document['issued_at']}: {end * factor:,.{digits}f} {unit}, {(end - start) * factor:+,.{digits}f} from "
        f"{start * factor:,.{digits}f} {before} ({document['model_id']})"
    )
    if net_load:
        xgboost = document["xgboost"]
        out.print(f"weight of XGBoost at this horizon: {xgboost['weight']:g}. {xgboost['text']}")
    parts = document["contributions"]
    largest, smaller = parts[:SHOWN_PARTS], parts[SHOWN_PARTS:]
    rows = [[part["feature"], f"{part[column] * factor:+,.{digits}f}"] for part in largest]
    if smaller:
        rows.append([f"{len(smaller)} others", f"{sum(part[column] for part in smaller) * factor:+,.{digits}f}"])
    table(None, ("feature", unit), rows)


def _render_forecast(document: dict[str, Any]) -> None:
    unit, factor = document["unit"], 1.0
    if document["target"] == Target.NET_LOAD.value:
        unit, factor = power_unit(max((abs(point["q50"] or 0.0) for point in document["points"]), default=1.0))
    out.print(
        f"{document['zone']} {document['target']} ({unit}), issued {document['issued_at']}, "
        f"{document['source']} {document['model_id']}"
    )
    rows = [
        [point["horizon_min"], *(None if point[q] is None else point[q] * factor for q in QUANTILE_NAMES)]
        for point in document["points"]
    ]
    table(None, document["points"][0], rows)


def ledger(
    *,
    zone: Zone = None,
    start: From = None,
    end: To = None,
    capture: Annotated[
        bool,
        Parameter(
            help="capture of batteries against daily perfect foresight, with the causes of the loss", negative=""
        ),
    ] = False,
    by: Annotated[
        Literal["asset", "zone", "day", "total"],
        Parameter(help="one row per asset, per zone, per UTC day and zone, or in total"),
    ] = "asset",
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Show money: revenue, costs, penalties, penalties avoided, profit; for people with the totals over all zones."""
    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        if capture:
            answer(_captures(settings, store, zone, _time(start), _time(end)), as_json=json, render=_render_captures)
            return
        if by == "day":
            rows = _daily(store, zone, _time(start), _time(end))
        else:
            rows = ledger_rows(ledger_totals(store, zone=zone, start=_time(start), end=_time(end)))
    groups = {"asset": None, "zone": ("zone",), "day": ("day", "zone"), "total": ()}[by]
    entries = rows if groups is None else ledger_sums(rows, groups)
    answer(entries, as_json=json, render=lambda _: _render_ledger(entries, rows))


def _daily(store: Store, zone: list[str] | None, start: datetime | None, end: datetime | None) -> list[dict[str, Any]]:
    spans = [span for span in store.spans(LEDGER) if zone is None or span.zone in zone]
    if not spans:
        return []
    first = max(min(span.first for span in spans), start or datetime.min.replace(tzinfo=UTC))
    last = min(max(span.last for span in spans) + timedelta(seconds=1), end or datetime.max.replace(tzinfo=UTC))
    day = first.replace(hour=0, minute=0, second=0, microsecond=0)
    rows = []
    while day < last:
        following = day + timedelta(days=1)
        totals = ledger_totals(store, zone=zone, start=max(day, first), end=min(following, last))
        rows += [{"day": day.date().isoformat(), **row} for row in ledger_rows(totals)]
        day = following
    return rows


def _render_ledger(entries: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    if not entries:
        out.print("the ledger is empty; start with: vpp up")
        return
    render_entries(None, entries)
    for total in ledger_sums(rows, ()):
        out.print(
            f"total {total['currency']}: pnl {total['pnl']:,.2f}, revenue {total['revenue']:,.2f}, "
            f"penalties avoided {total['penalty_avoided']:,.2f}"
        )


def render_entries(title: str | None, entries: list[dict[str, Any]]) -> None:
    """Print rows of the ledger, each energy in the unit that fits it."""
    energies = {"charged_mwh": "charged", "discharged_mwh": "discharged"}
    rows = [[energy_text(value) if name in energies else value for name, value in row.items()] for row in entries]
    table(title, (energies.get(name, name) for name in entries[0]), rows)


def _captures(
    settings: Settings, store: Store, zones: list[str] | None, start: datetime | None, end: datetime | None
) -> list[dict[str, Any]]:
    from topologies.control.capture import capture_of_each, captures

    captured = []
    for name in zones or [span.zone for span in store.spans(LEDGER)]:
        zone = zone_in_force(settings, name)
        if zone is None:
            raise ConfigError(f"no fleet file describes zone {name!r}", hint="give it with --fleet")
        days = captures(store, zone, start=start, end=end)
        entries = ledger_rows(ledger_totals(store, zone=[name], start=start, end=end))
        for asset_id, total in capture_of_each(days).items():
            captured.append(
                {
                    "zone": name,
                    "asset_id": asset_id,
                    "currency": zone.market.currency,
                    **_captured(total),
                    "zone_penalty_avoided": math.fsum(entry["penalty_avoided"] for entry in entries),
                    "days": [
                        {"day": day.day.isoformat(), "slots": day.slots, **_captured(day.capture)}
                        for day in days
                        if day.asset_id == asset_id
                    ],
                }
            )
    return captured


def _captured(capture: Capture) -> dict[str, Any]:
    return {
        "value": capture.value,
        "perfect": capture.bound,
        "capture_pct": capture.pct,
        **{f"lost_to_{cause}": loss for cause, loss in capture.losses.items()},
    }


def _render_captures(captured: list[dict[str, Any]]) -> None:
    if not captured:
        out.print("no battery is settled yet; start with: vpp up")
        return
    rows = [{name: value for name, value in capture.items() if name != "days"} for capture in captured]
    table(None, rows[0], [row.values() for row in rows])
    say(
        "perfect: trading alone, the day's prices known from its start, energy left at the day's median; --json has "
        "the days. The fleet also keeps the limits of its zone and follows orders: lost_to_constraint and "
        "lost_to_hold are what that costs in trading, zone_penalty_avoided is what it saves the zone"
    )


def export(
    name: str,
    *,
    format: Annotated[Literal["csv", "parquet", "json"], Parameter(help="file format")] = "csv",  # noqa: A002
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], help="file; default standard output")] = None,
    zone: Zone = None,
    start: From = None,
    end: To = None,
    common: Common = NO_OPTIONS,
) -> None:
    """Write a table in the order of its key; equal content gives equal bytes.

    Args:
        name: The table (`forecasts`, `setpoints`, `ledger`, ...).
    """
    if name not in BY_NAME:
        raise ConfigError(f"there is no table {name!r}", hint="one of " + ", ".join(BY_NAME))
    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        n = write_export(
            store, BY_NAME[name], format, output or sys.stdout.buffer, zone=zone, start=_time(start), end=_time(end)
        )
    say(f"{show(n)} rows of {name}" + (f" in {output}" if output else ""))


def _time(text: str | None) -> Any:
    return None if text is None else parse_time(text)


def _known_zones(store: Store) -> str:
    zones = [span.zone for span in store.spans(FORECASTS)]
    return f"zones with forecasts: {', '.join(zones)}" if zones else "nothing has run yet; start with: vpp up"
