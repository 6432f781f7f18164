"""Query for performance: settled money by zone, asset or day, and forecast skill."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from agents.assets.registry import store_of
from mcp_server.answers.reading import Captured, MoneyFigures, Performance
from mcp_server.queries.context import NOTHING_YET, Period, ReadContext, period
from mcp_server.queries.forecasts import some_skills
from vpp.local_time import local_date
from vpp.store.tables import LEDGER

Grouping = Literal["zone", "asset", "day"]

MAX_GROUPS = 100
COLUMNS = (
    "zone",
    "slot",
    "asset_id",
    "currency",
    "energy_mwh",
    "revenue",
    "wear_cost",
    "fuel_cost",
    "start_cost",
    "penalty",
    "penalty_no_action",
    "pnl",
    "price_per_mwh",
)
SUMMED = COLUMNS[4:-1]
DEFAULT_DAYS = 7
MAX_CAPTURED = 8
MAX_CAPTURE_WINDOW = timedelta(days=31)


@dataclass
class _Sum:
    currency: str
    slots: set[datetime] = field(default_factory=set)
    values: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SUMMED, 0.0))

    def add(self, row: dict[str, Any]) -> None:
        self.slots.add(row["slot"])
        for name in SUMMED:
            self.values[name] += row[name] or 0.0

    def money(self, group: str) -> MoneyFigures:
        rounded = {name: round(value, 4) for name, value in self.values.items()}
        avoided = self.values["penalty_no_action"] - self.values["penalty"]
        return MoneyFigures(
            group=group, currency=self.currency, slots=len(self.slots), avoided_penalty=round(avoided, 4), **rounded
        )


def get_performance(
    context: ReadContext, zone: str | None, start: datetime | None, end: datetime | None, by: Grouping
) -> Performance:
    """Return settled money and energy by group, totals by currency, battery cycles and live forecast scores.

    A day is a local day of the zone. Corrections are separate rows and are included in the sums.

    Args:
        context: Store, fleet and clock of the run.
        zone: Name of the zone; None if there is only one.
        start: First slot, inclusive; None: a default window before ``end``.
        end: Last slot, exclusive; None: up to the newest slot.
        by: Grouping of the rows.

    Raises:
        QuestionError: The zone is unknown, or the window is empty.
    """
    zones = context.zones() if zone is None else [name for name in [context.choose(zone)] if name is not None]
    as_of = context.as_of(zone)
    if not zones or as_of is None:
        return Performance(by=by, hint=NOTHING_YET)
    window = period(as_of, start, end, default=timedelta(days=DEFAULT_DAYS))
    groups: dict[tuple[str, str], _Sum] = {}
    totals: dict[str, _Sum] = {}
    discharged: dict[str, float] = {}
    time_zones: dict[str, str] = {}
    prices: dict[tuple[str, datetime], bool] = {}
    for chunk in context.store.scan(LEDGER, zone=zones, start=window.start, end=window.end, columns=COLUMNS):
        for row in chunk.dicts():
            currency = row["currency"] or ""
            groups.setdefault((_group(context, row, by, time_zones), currency), _Sum(currency)).add(row)
            totals.setdefault(currency, _Sum(currency)).add(row)
            if row["energy_mwh"]:
                place = (row["zone"], row["slot"])
                prices[place] = prices.get(place, False) or row["price_per_mwh"] is not None
            if (row["energy_mwh"] or 0.0) > 0.0:
                discharged[row["asset_id"]] = discharged.get(row["asset_id"], 0.0) + row["energy_mwh"]
    names = sorted(groups)
    listed = names[-MAX_GROUPS:] if by == "day" else names[:MAX_GROUPS]
    return Performance(
        as_of=as_of,
        window=window.text(),
        by=by,
        groups=[groups[key].money(key[0]) for key in listed],
        total=[money.money("total") for _, money in sorted(totals.items())],
        battery_cycles=_cycles(context, zones, discharged),
        capture=[capture for name in zones[:MAX_CAPTURED] for capture in _captures(context, name, window)],
        skill=[skill for name in zones[:8] for skill in some_skills(context, name, until=window.end)],
        truncated=len(listed) < len(names),
        hint=None if groups else _what_there_is(context, zones),
        warnings=[*window.notes, *_without_price(prices)],
    )


def _without_price(prices: dict[tuple[str, datetime], bool]) -> list[str]:
    missing = Counter(zone for (zone, _), is_priced in prices.items() if not is_priced)
    return [
        f"{n} slots of {zone} with energy had no price: their energy is not included in the money"
        for zone, n in sorted(missing.items())
    ]


def _group(context: ReadContext, row: dict[str, Any], by: Grouping, time_zones: dict[str, str]) -> str:
    match by:
        case "zone":
            return str(row["zone"])
        case "asset":
            return f"{row['zone']} penalties" if row["asset_id"] == "zone" else str(row["asset_id"])
        case "day":
            zone = row["zone"]
            if zone not in time_zones:
                time_zones[zone] = context.time_zone(zone)
            return local_date(row["slot"], time_zones[zone]).isoformat()


def _cycles(context: ReadContext, zones: list[str], discharged: dict[str, float]) -> dict[str, float]:
    """Return full cycles per battery: energy discharged at the grid side / energy of one full discharge."""
    cycles = {}
    for zone in zones:
        config = context.config(zone)
        for asset in config.assets if config is not None else ():
            store = store_of(asset)
            if store is not None and asset.asset_id in discharged:
                full_mwh = store.energy_mwh * store.discharge_efficiency
                cycles[asset.asset_id] = round(discharged[asset.asset_id] / full_mwh, 3)
    return cycles


def _captures(context: ReadContext, zone: str, window: Period) -> list[Captured]:
    from topologies.control.capture import capture_of_each, captures  # loads numba, which no other query needs

    config = context.config(zone)
    if config is None or window.end - window.start > MAX_CAPTURE_WINDOW:
        return []
    days = captures(context.store, config, start=window.start, end=window.end)
    counted = Counter(day.asset_id for day in days)
    return [
        Captured(
            asset_id=asset_id,
            currency=config.market.currency,
            days=counted[asset_id],
            value=round(total.value, 2),
            perfect=round(total.bound, 2),
            capture_pct=None if total.pct is None else round(total.pct, 2),
            lost={cause: round(loss, 2) + 0.0 for cause, loss in total.losses.items()},
        )
        for asset_id, total in capture_of_each(days).items()
    ]


def _what_there_is(context: ReadContext, zones: list[str]) -> str:
    spans = [span for span in context.store.spans(LEDGER) if span.zone in zones]
    if not spans:
        return "nothing is settled yet; get_pipeline_health shows the progress of the plant"
    first, last = min(span.first for span in spans), max(span.last for span in spans)
    return f"nothing settled in this window; the ledger goes from {first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}"
