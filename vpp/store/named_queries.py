"""Named questions over several rows or tables, written once for every store."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vpp.domain import Target
from vpp.messages import EPISODES
from vpp.store.contract import Store
from vpp.store.query import Filters
from vpp.streams.topics import expected_ends

ZONE_ROW = "zone"
"""The asset id of ledger rows that hold a zone's penalties and no energy."""
MONEY = ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "penalty_no_action", "pnl")
OPEN_EPISODES: Filters = {"code": sorted(EPISODES), "ended_at": None}
"""Alerts of a condition that lasts."""


@dataclass(frozen=True, slots=True)
class HorizonScore:
    """How past forecasts of one target and horizon did, against what happened.

    Attributes:
        target: ``net_load`` or ``price``.
        horizon_min: Minutes ahead.
        n: Scored forecasts: those with an actual value at their issue and at their horizon.
        n_model: Number of them that came from the model, not from a fallback.
        mae: Mean absolute error of the median, in the target's unit.
        mae_persistence: The same of the value at issue, kept.
        bias: Mean of forecast minus actual.
        coverage_90: Share of the actual values inside q05..q95, 0-1.
    """

    target: str
    horizon_min: int
    n: int
    n_model: int
    mae: float
    mae_persistence: float
    bias: float
    coverage_90: float


@dataclass(frozen=True, slots=True)
class LedgerTotal:
    """Sums over the ledger rows (corrections included) of one zone and asset; money in ``currency``.

    Attributes:
        zone: Zone.
        asset_id: Asset, or ``zone`` for the zone's penalties.
        currency: Currency of the money.
        slots: Settled slots.
        slots_without_price: How many of them had no price, so their energy is not in the sums of money.
        charged_mwh: Energy taken from the grid, positive.
        discharged_mwh: Energy given to the grid, positive.
        money: Sums by column: revenue, wear_cost, fuel_cost, start_cost, penalty, penalty_no_action, pnl.
    """

    zone: str
    asset_id: str
    currency: str
    slots: int
    slots_without_price: int
    charged_mwh: float
    discharged_mwh: float
    money: dict[str, float]


@dataclass(frozen=True, slots=True)
class LedgerErrors:
    """Errors of the ledger's sums; 0 is correct.

    Attributes:
        rows: Ledger rows checked.
        energy_mwh: Largest distance, over slots and assets, of the settled from the delivered energy.
        money: Largest distance, over rows, of pnl from revenue - wear - fuel - start - penalty.
        revenue: Largest distance, over rows, of the revenue from energy x price.
    """

    rows: int
    energy_mwh: float
    money: float
    revenue: float


def forecast_scores(
    store: Store,
    zone: str,
    *,
    target: str = "net_load",
    start: datetime | None = None,
    end: datetime | None = None,
    horizons_min: Sequence[int] | None = None,
    run: str | None = None,
) -> list[HorizonScore]:
    """Return the scores of forecasts issued in a range, by horizon, from the stored forecasts and telemetry.

    Prices that were published when the forecast was issued (q05 = q95) are not scored.

    Args:
        store: Where they are.
        zone: The zone.
        target: ``net_load`` or ``price``.
        start: First issue, inclusive.
        end: Last issue, exclusive.
        horizons_min: Horizons wanted (min), None for all.
        run: Another run than the store's own.
    """
    actual = _actual(store, zone, Target(target), start, run)
    filters: dict[str, str | Sequence[int]] = {"target": target}
    if horizons_min is not None:
        filters["horizon_min"] = list(horizons_min)
    columns = ("issued_at", "horizon_min", "q05", "q50", "q95", "source")
    chunks = store.scan("forecasts", zone=zone, start=start, end=end, filters=filters, columns=columns, run=run)
    scored: dict[int, list[tuple[float, float, bool, bool]]] = defaultdict(list)
    for chunk in chunks:
        for issued_at, horizon_min, low, median, high, source in chunk:
            base, happened = actual.get(issued_at), actual.get(issued_at + timedelta(minutes=horizon_min))
            if target == Target.PRICE and low is not None and low == high:
                continue  # A published price is no forecast: its interval has no width.
            if base is not None and happened is not None and median is not None:
                inside = low is not None and high is not None and low <= happened <= high
                scored[horizon_min].append((median - happened, base - happened, inside, source == "model"))
    return [_score(target, horizon, scored[horizon]) for horizon in sorted(scored)]


def ledger_totals(
    store: Store,
    *,
    zone: str | Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    run: str | None = None,
) -> list[LedgerTotal]:
    """Return the sums of the ledger by zone and asset, in the order of their names; sums are exact to the last bit.

    Args:
        store: The store to read.
        zone: One zone, several, or None for all.
        start: First slot, inclusive; None: from the first row.
        end: Last slot, exclusive; None: to the last row.
        run: Another run than the store's own.
    """
    columns = ("zone", "asset_id", "currency", "slot", "energy_mwh", *MONEY, "price_per_mwh")
    groups: dict[tuple[str, str, str], list[tuple[object, ...]]] = defaultdict(list)
    for chunk in store.scan("ledger", zone=zone, start=start, end=end, columns=columns, run=run):
        for row in chunk:
            groups[row[0], row[1], row[2]].append(row[3:])
    totals = []
    for (name, asset_id, currency), rows in sorted(groups.items()):
        energy = _numbers(rows, 1)
        totals.append(
            LedgerTotal(
                zone=name,
                asset_id=asset_id,
                currency=currency,
                slots=len({row[0] for row in rows}),
                slots_without_price=0 if asset_id == ZONE_ROW else _without_price(rows),
                charged_mwh=-math.fsum(value for value in energy if value < 0) + 0.0,
                discharged_mwh=math.fsum(value for value in energy if value > 0),
                money={column: math.fsum(_numbers(rows, i)) for i, column in enumerate(MONEY, start=2)},
            )
        )
    return totals


def energy_moved_mwh(
    store: Store, *, span: timedelta = timedelta(hours=24), run: str | None = None
) -> dict[str, float]:
    """Return by zone how much energy its assets delivered and took (MWh, both positive) up to the newest slot.

    Args:
        store: Where they are.
        span: How far back from the newest slot of all zones.
        run: Another run than the store's own.
    """
    newest = store.latest("assets", columns=("zone", "slot"), run=run)
    if not len(newest):
        return {}
    start = max(slot for _, slot in newest.values) - span
    moved = {zone: 0.0 for zone, _ in newest.values}
    for chunk in store.scan("assets", start=start, columns=("zone", "energy_mwh"), run=run):
        for zone, energy_mwh in chunk:
            moved[zone] += abs(energy_mwh or 0.0)
    return moved


def ledger_errors(
    store: Store,
    *,
    zone: str | Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    run: str | None = None,
) -> LedgerErrors:
    """Return the differences of the ledger from the delivered energy of ``assets`` and from its own sums.

    Args:
        store: The store to read.
        zone: One zone, several, or None for all.
        start: First slot, inclusive; None: from the first row.
        end: Last slot, exclusive; None: to the last row.
        run: Another run than the store's own.
    """
    place = ("zone", "slot", "asset_id")
    balance: dict[tuple[str, datetime, str], list[float]] = defaultdict(list)
    for chunk in store.scan("assets", zone=zone, start=start, end=end, columns=(*place, "energy_mwh"), run=run):
        for name, slot, asset_id, energy in chunk:
            balance[name, slot, asset_id].append(-energy)
    columns = (*place, "energy_mwh", "price_per_mwh", *MONEY)
    rows, money, revenue_gap = 0, 0.0, 0.0
    for chunk in store.scan("ledger", zone=zone, start=start, end=end, columns=columns, run=run):
        for name, slot, asset_id, energy, price, revenue, wear, fuel, starts, penalty, _, pnl in chunk:
            rows += 1
            if energy is not None:
                balance[name, slot, asset_id].append(energy)
            money = max(money, abs(pnl - ((revenue or 0.0) - wear - fuel - starts - penalty)))
            if None not in (energy, price, revenue):
                revenue_gap = max(revenue_gap, abs(revenue - energy * price))
    worst = max((abs(math.fsum(parts)) for parts in balance.values()), default=0.0)
    return LedgerErrors(rows=rows, energy_mwh=worst, money=money, revenue=revenue_gap)


def missing_ends(store: Store, zones: Iterable[str], *, run: str | None = None) -> list[tuple[str, str, str]]:
    """Return the (zone, topic, producer) whose end the store has not seen yet; a run is done when there are none."""
    ended = set(store.read("ends", columns=("zone", "topic", "producer"), run=run).values)
    return sorted(
        (zone, topic, producer)
        for zone in zones
        for topic, producer in expected_ends()
        if (zone, topic, producer) not in ended
    )


def _actual(
    store: Store, zone: str, target: Target, start: datetime | None, run: str | None
) -> dict[datetime, float | None]:
    chunks = store.scan("telemetry", zone=zone, start=start, columns=("slot", target.channel), run=run)
    return {slot: value for chunk in chunks for slot, value in chunk}


def _score(target: str, horizon_min: int, scored: list[tuple[float, float, bool, bool]]) -> HorizonScore:
    n = len(scored)
    return HorizonScore(
        target=target,
        horizon_min=horizon_min,
        n=n,
        n_model=sum(model for *_, model in scored),
        mae=math.fsum(abs(error) for error, *_ in scored) / n,
        mae_persistence=math.fsum(abs(error) for _, error, *_ in scored) / n,
        bias=math.fsum(error for error, *_ in scored) / n,
        coverage_90=sum(inside for _, _, inside, _ in scored) / n,
    )


def _numbers(rows: Iterable[tuple[object, ...]], at: int) -> list[float]:
    return [value for row in rows if isinstance(value := row[at], float)]


def _without_price(rows: Iterable[tuple[object, ...]]) -> int:
    """Return the number of slots with energy and without a price; the price is the last value of a row."""
    rows = list(rows)
    priced = {row[0] for row in rows if row[-1] is not None}
    return len({row[0] for row in rows if row[1]} - priced)
