"""The content of a report on one zone, read from the store."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from agents.evaluation.capture import Capture, together
from agents.plant.plan_sentences import least_mw
from console.report.period import ReportPeriod
from mcp_server.queries.context import ReadContext
from topologies.control.capture import captures
from vpp.domain import Target
from vpp.local_time import local_date
from vpp.messages import EPISODES
from vpp.store.table import Table
from vpp.store.tables import ALERTS, ASSETS, DECISIONS, FORECASTS, LEDGER, ORDERS, SETPOINTS, SKILL, TELEMETRY

# Ledger rows of the zone itself: its penalties.
PENALTIES = "zone"
CHANNELS = {Target.NET_LOAD: "net_load_mw", Target.PRICE: "price_per_mwh"}


@dataclass(frozen=True, slots=True)
class DayMoney:
    """Money of one local day, in the zone's currency.

    Attributes:
        day: The local day.
        pnl: What the plant earned, penalties included.
        no_action: The same had no asset done anything: its penalties alone.
        perfect: What the batteries would have earned with perfect foresight; None without batteries or prices.
        captured: What they earned of it, with the change of stored energy's worth.
    """

    day: date
    pnl: float
    no_action: float
    perfect: float | None
    captured: float | None


@dataclass(frozen=True, slots=True)
class AssetMoney:
    """Energy and money of one asset over the period; ``zone`` holds the penalties.

    Attributes:
        asset_id: The asset.
        energy_mwh: Delivered energy (MWh, positive into the grid).
        revenue: Energy times price.
        costs: Wear, fuel and starts.
        pnl: Revenue less costs and penalties.
    """

    asset_id: str
    energy_mwh: float
    revenue: float
    costs: float
    pnl: float


@dataclass(frozen=True, slots=True)
class Action:
    """A stretch of slots in which an asset delivered in one direction.

    Attributes:
        asset_id: The asset.
        start: First slot.
        end: End of the last slot.
        energy_mwh: Delivered energy (MWh, positive into the grid).
        pnl: Money of the stretch.
        reason: Reason of the setpoint of its first slot.
    """

    asset_id: str
    start: datetime
    end: datetime
    energy_mwh: float
    pnl: float
    reason: str


@dataclass(frozen=True, slots=True)
class DataQuality:
    """How complete the telemetry of the period is.

    Attributes:
        slots: Closed slots.
        expected: Slots of the period up to now.
        corrected: Slots that were corrected later.
        without_net_load: Slots without net load.
        without_price: Slots without price.
        flags: Slots by channel and reason, most frequent first.
    """

    slots: int
    expected: int
    corrected: int
    without_net_load: int
    without_price: int
    flags: list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class PeriodSeries:
    """Values by slot; None is missing.

    Attributes:
        slots: Starts of the slots.
        net_load_mw: Net load (MW).
        price_per_mwh: Actual price.
        forecast: ``q05``, ``q50``, ``q95`` of the forecast one step before, by target.
        power_mw: Delivered power by asset (MW, positive into the grid).
        soc: State of charge by asset (0-1).
        pnl: Money of the plant by slot.
        no_action: Money without action by slot.
    """

    slots: list[datetime]
    net_load_mw: list[float | None]
    price_per_mwh: list[float | None]
    forecast: dict[str, dict[str, list[float | None]]]
    power_mw: dict[str, list[float | None]]
    soc: dict[str, list[float | None]]
    pnl: list[float]
    no_action: list[float]


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """Content of a zone's report.

    ``losses``: what was lost against perfect foresight by cause. ``engines``: decisions by engine. ``skill``: rows of
    the live scores at the period's end. ``alerts`` and ``orders``: stored rows.
    """

    zone: str
    currency: str
    time_zone: str
    period: ReportPeriod
    as_of: datetime
    days: list[DayMoney]
    assets: list[AssetMoney]
    losses: dict[str, float]
    actions: list[Action]
    engines: dict[str, int]
    skill: list[dict[str, Any]]
    alerts: list[dict[str, Any]]
    orders: list[dict[str, Any]]
    quality: DataQuality
    series: PeriodSeries

    @property
    def pnl(self) -> float:
        """Money of the period."""
        return sum(day.pnl for day in self.days)

    @property
    def no_action(self) -> float:
        """Money of the period had no asset done anything."""
        return sum(day.no_action for day in self.days)


def zone_report(context: ReadContext, zone: str, period: ReportPeriod, as_of: datetime) -> PeriodReport:
    """Read the report of a zone.

    Args:
        context: Store and fleet of the run.
        zone: The zone.
        period: The days.
        as_of: End of the newest closed slot.
    """
    reader = _Reader(context, zone, period)
    config = context.config(zone)
    time_zone = context.time_zone(zone)
    step = timedelta(minutes=context.step_min(zone))
    telemetry = reader.rows(TELEMETRY)
    ledger = reader.rows(LEDGER)
    assets = reader.rows(ASSETS)
    captured = [] if config is None else captures(context.store, config, start=period.start, end=period.end)
    by_day: dict[date, list[Capture]] = defaultdict(list)
    for day in captured:
        by_day[day.day].append(day.capture)
    least = 0.0 if config is None else least_mw(config)
    return PeriodReport(
        zone=zone,
        currency=context.currency(zone),
        time_zone=time_zone,
        period=period,
        as_of=as_of,
        days=_days(ledger, by_day, time_zone),
        assets=_asset_money(ledger),
        losses=together([day.capture for day in captured]).losses if captured else {},
        actions=_actions(assets, ledger, reader.rows(SETPOINTS), step, least),
        engines=dict(Counter(row["engine"] for row in reader.rows(DECISIONS, ("engine",))).most_common()),
        skill=reader.skill(),
        alerts=reader.alerts(),
        orders=reader.rows(ORDERS, ("issued_at", "order_id", "action", "principal", "verdict", "verdict_reason")),
        quality=_quality(telemetry, period, as_of, step),
        series=_series(telemetry, ledger, assets, reader, step),
    )


@dataclass(frozen=True)
class _Reader:
    context: ReadContext
    zone: str
    period: ReportPeriod

    def rows(
        self, table: Table, columns: Sequence[str] | None = None, *, before: timedelta = timedelta(0), **filters: Any
    ) -> list[dict[str, Any]]:
        start, end = self.period.start - before, self.period.end
        read = self.context.store.read(
            table, zone=self.zone, start=start, end=end, columns=columns, filters=filters or None
        )
        return read.dicts()

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts of the period, also those that began before it and lasted into it."""
        start, episodes = self.period.start, {"code": sorted(EPISODES)}
        older = self.context.store.read(ALERTS, zone=self.zone, end=start, filters=episodes).dicts()
        lasted = [row for row in older if row["ended_at"] is None or row["ended_at"] > start]
        return lasted + self.rows(ALERTS)

    def skill(self) -> list[dict[str, Any]]:
        rows = self.rows(SKILL)
        newest: dict[str, datetime] = {}
        for row in rows:
            newest[row["target"]] = max(row["slot"], newest.get(row["target"], row["slot"]))
        last = [row for row in rows if row["slot"] == newest[row["target"]]]
        return sorted(last, key=lambda row: (row["target"], row["horizon_min"]))


def _days(ledger: list[dict[str, Any]], perfect: dict[date, list[Capture]], time_zone: str) -> list[DayMoney]:
    pnl: dict[date, float] = defaultdict(float)
    no_action: dict[date, float] = defaultdict(float)
    for row in ledger:
        day = local_date(row["slot"], time_zone)
        pnl[day] += row["pnl"] or 0.0
        no_action[day] -= row["penalty_no_action"] or 0.0
    days = []
    for day in sorted(pnl):
        capture = together(perfect[day]) if perfect.get(day) else None
        bound = None if capture is None else capture.bound
        days.append(DayMoney(day, pnl[day], no_action[day], bound, None if capture is None else capture.value))
    return days


def _asset_money(ledger: list[dict[str, Any]]) -> list[AssetMoney]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for row in ledger:
        total = sums[row["asset_id"]]
        total[0] += row["energy_mwh"] or 0.0
        total[1] += row["revenue"] or 0.0
        total[2] += (row["wear_cost"] or 0.0) + (row["fuel_cost"] or 0.0) + (row["start_cost"] or 0.0)
        total[3] += row["pnl"] or 0.0
    return [AssetMoney(name, *sums[name]) for name in sorted(sums, key=lambda name: (name == PENALTIES, name))]


def _actions(
    assets: list[dict[str, Any]],
    ledger: list[dict[str, Any]],
    setpoints: list[dict[str, Any]],
    step: timedelta,
    least_mw: float,
) -> list[Action]:
    """Return the stretches of delivery of each asset, in the order of time.

    Args:
        assets: Rows of delivered power.
        ledger: Rows of money.
        setpoints: Rows with reasons.
        step: Slot length.
        least_mw: Power (MW) below which an asset rests.
    """
    money: dict[tuple[str, datetime], float] = defaultdict(float)
    for row in ledger:
        money[row["asset_id"], row["slot"]] += row["pnl"] or 0.0
    reasons = {
        (row["asset_id"], row["slot"]): row["reason"] or ""
        for row in sorted(setpoints, key=lambda row: row["revision"])
    }
    open_: dict[str, tuple[int, Action]] = {}
    actions: list[Action] = []
    for row in sorted(assets, key=lambda row: (row["slot"], row["asset_id"])):
        asset_id, slot, power = row["asset_id"], row["slot"], row["power_mw"] or 0.0
        sign = 0 if abs(power) <= least_mw else 1 if power > 0 else -1
        before = open_.pop(asset_id, None)
        if before is not None and (before[0] != sign or before[1].end != slot):
            actions.append(before[1])
            before = None
        if sign == 0:
            continue
        energy, pnl = row["energy_mwh"] or 0.0, money[asset_id, slot]
        if before is None:
            action = Action(asset_id, slot, slot + step, energy, pnl, reasons.get((asset_id, slot), ""))
        else:
            last = before[1]
            action = Action(asset_id, last.start, slot + step, last.energy_mwh + energy, last.pnl + pnl, last.reason)
        open_[asset_id] = (sign, action)
    actions += [action for _, action in open_.values()]
    return sorted(actions, key=lambda action: (action.start, action.asset_id))


def _quality(telemetry: list[dict[str, Any]], period: ReportPeriod, as_of: datetime, step: timedelta) -> DataQuality:
    flags: Counter[tuple[str, str]] = Counter()
    for row in telemetry:
        flags.update((channel, str(reason)) for channel, reason in msgspec.json.decode(row["quality"] or "{}").items())
    return DataQuality(
        slots=len(telemetry),
        expected=int((min(period.end, as_of) - period.start) / step),
        corrected=sum(bool(row["revision"]) for row in telemetry),
        without_net_load=sum(row["net_load_mw"] is None for row in telemetry),
        without_price=sum(row["price_per_mwh"] is None for row in telemetry),
        flags=[(channel, reason, count) for (channel, reason), count in flags.most_common()],
    )


def _series(
    telemetry: list[dict[str, Any]],
    ledger: list[dict[str, Any]],
    assets: list[dict[str, Any]],
    reader: _Reader,
    step: timedelta,
) -> PeriodSeries:
    """Return the values by slot.

    Args:
        telemetry: Closed slots.
        ledger: Rows of money.
        assets: Rows of delivered power.
        reader: Reads the forecasts.
        step: Slot length.
    """
    slots = [row["slot"] for row in telemetry]
    place = {slot: n for n, slot in enumerate(slots)}
    pnl, no_action = [0.0] * len(slots), [0.0] * len(slots)
    for row in ledger:
        n = place.get(row["slot"])
        if n is not None:
            pnl[n] += row["pnl"] or 0.0
            no_action[n] -= row["penalty_no_action"] or 0.0
    power: dict[str, list[float | None]] = {}
    soc: dict[str, list[float | None]] = {}
    for row in assets:
        n = place.get(row["slot"])
        if n is None:
            continue
        power.setdefault(row["asset_id"], [None] * len(slots))[n] = row["power_mw"]
        if row["soc"] is not None:
            soc.setdefault(row["asset_id"], [None] * len(slots))[n] = row["soc"]
    forecast: dict[str, dict[str, list[float | None]]] = {}
    step_min = round(step.total_seconds() / 60)
    columns = ("issued_at", "q05", "q50", "q95", "target", "horizon_min")
    for target in CHANNELS:
        lines: dict[str, list[float | None]] = {name: [None] * len(slots) for name in ("q05", "q50", "q95")}
        for row in reader.rows(FORECASTS, columns, before=step, target=target.value, horizon_min=step_min):
            n = place.get(row["issued_at"] + step)
            if n is not None:
                for name, line in lines.items():
                    line[n] = row[name]
        forecast[target.value] = lines
    return PeriodSeries(
        slots=slots,
        net_load_mw=[row["net_load_mw"] for row in telemetry],
        price_per_mwh=[row["price_per_mwh"] for row in telemetry],
        forecast=forecast,
        power_mw=power,
        soc=soc,
        pnl=pnl,
        no_action=no_action,
    )
