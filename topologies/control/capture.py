"""Captures of a run's batteries, day by day, from the tables of assets, ledger and decisions."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from agents.assets.battery import soc_after
from agents.assets.contract import StorageParameters
from agents.assets.registry import store_of, store_rows
from agents.evaluation.capture import Capture, Slot, capture_of_day, together
from vpp.fleet.schema import Zone
from vpp.local_time import local_date
from vpp.messages import Decision, read_decision
from vpp.numerics.arrays import Floats
from vpp.store import Store
from vpp.store.tables import ASSETS, DECISIONS, LEDGER

_EFFECTIVE = frozenset({"accepted", "clamped"})


@dataclass(frozen=True, slots=True)
class DayCapture:
    """One battery's local day."""

    asset_id: str
    day: date
    slots: int
    capture: Capture


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the decision for a slot expected: prices and their steps, whether its bids were old, who was held."""

    price: Floats
    step_h: Floats
    late: bool
    held: frozenset[str]


def captures(
    store: Store, zone: Zone, *, start: datetime | None = None, end: datetime | None = None
) -> list[DayCapture]:
    """Return the capture of each battery and local day that was settled, in the order of the file and of time.

    Args:
        store: Where the run's tables are.
        zone: The zone as it is configured.
        start: First slot.
        end: End, exclusive.
    """
    expected = dict(_expectations(store, zone, start, end))
    money = _money(store, zone.zone, start, end)
    results: list[DayCapture] = []
    for asset in (zone.assets[row] for row in store_rows(zone)):
        battery = store_of(asset)
        assert battery is not None
        days: dict[date, list[Slot]] = defaultdict(list)
        rows = _stored(store, zone.zone, asset.asset_id, start, end)
        for slot_start, slot in _slots(zone, (asset.asset_id, battery), rows, expected, money):
            days[local_date(slot_start, zone.time_zone)].append(slot)
        for day, slots in days.items():
            capture = capture_of_day(battery, slots, zone.step.hours)
            results.append(DayCapture(asset.asset_id, day, len(slots), capture))
    return results


def capture_of_each(days: Sequence[DayCapture]) -> dict[str, Capture]:
    """Return the days of each battery together."""
    by_asset: dict[str, list[Capture]] = defaultdict(list)
    for day in days:
        by_asset[day.asset_id].append(day.capture)
    return {asset_id: together(parts) for asset_id, parts in by_asset.items()}


def _stored(
    store: Store, zone: str, asset_id: str, start: datetime | None, end: datetime | None
) -> Iterator[tuple[datetime, float, float]]:
    """Yield slot, delivered power and state of charge of a battery, in order of time."""
    columns = ("slot", "power_mw", "soc")
    filters = {"asset_id": asset_id}
    for chunk in store.scan(ASSETS, zone=zone, start=start, end=end, filters=filters, columns=columns):
        yield from ((slot, power, soc) for slot, power, soc in chunk if power is not None and soc is not None)


def _slots(
    zone: Zone,
    asset: tuple[str, StorageParameters],
    rows: Iterable[tuple[datetime, float, float]],
    expected: Mapping[datetime, _Expected],
    money: Mapping[tuple[datetime, str], tuple[float, float]],
) -> Iterator[tuple[datetime, Slot]]:
    asset_id, battery = asset
    previous: tuple[datetime, float] | None = None
    for slot_start, power, soc in rows:
        # Without the previous slot, stored energy follows from the delivered power.
        began = previous[1] if previous is not None and previous[0] == slot_start - zone.step.delta else None
        before = soc + (soc - soc_after(battery, soc, power, zone.step.hours)) if began is None else began
        previous = (slot_start, soc)
        price, cash = money.get((slot_start, asset_id), (math.nan, 0.0))
        plan = expected.get(slot_start)
        yield (
            slot_start,
            Slot(
                price=price,
                before_mwh=before * battery.energy_mwh,
                after_mwh=soc * battery.energy_mwh,
                cash=cash,
                expected=np.zeros(0) if plan is None else plan.price,
                step_h=np.zeros(0) if plan is None else plan.step_h,
                late=plan is None or plan.late,
                held=plan is not None and asset_id in plan.held,
            ),
        )


def _money(
    store: Store, zone: str, start: datetime | None, end: datetime | None
) -> dict[tuple[datetime, str], tuple[float, float]]:
    """Return price and cash (revenue less wear, corrections added) by slot and asset."""
    money: dict[tuple[datetime, str], tuple[float, float]] = {}
    columns = ("slot", "asset_id", "revision", "price_per_mwh", "revenue", "wear_cost")
    for chunk in store.scan(LEDGER, zone=zone, start=start, end=end, columns=columns):
        for slot, asset_id, _, price, revenue, wear in chunk:
            before = money.get((slot, asset_id), (math.nan, 0.0))
            now = before[0] if price is None else price
            money[slot, asset_id] = (now, before[1] + (revenue or 0.0) - (wear or 0.0))
    return money


def _expectations(
    store: Store, zone: Zone, start: datetime | None, end: datetime | None
) -> Iterator[tuple[datetime, _Expected]]:
    """Yield what each decision expected, by the slot it decided; a hold's revision takes its assets."""
    first = None if start is None else start - zone.step.delta
    expected: dict[datetime, _Expected] = {}
    columns = ("for_slot", "revision", "body")
    for chunk in store.scan(DECISIONS, zone=zone.zone, start=first, end=end, columns=columns):
        for for_slot, revision, body in chunk:
            decision = read_decision(body)
            held_assets = frozenset(_held(zone, decision))
            if revision:
                before = expected.get(for_slot)
                if before is not None:
                    held_assets |= before.held
                    expected[for_slot] = _Expected(before.price, before.step_h, before.late, held_assets)
                continue
            minutes = np.array([0, *([] if decision.plan is None else decision.plan.horizon_min)], dtype=float)
            prices = np.array([] if decision.plan is None else decision.plan.price_per_mwh, dtype=float)
            expected[for_slot] = _Expected(prices, np.diff(minutes) / 60.0, bool(decision.missing), held_assets)
    yield from expected.items()


def _held(zone: Zone, decision: Decision) -> Iterator[str]:
    """Yield the assets that an order ruled."""
    effects = {verdict.order_id for verdict in decision.verdicts if verdict.outcome in _EFFECTIVE}
    for order in decision.orders:
        if order.order_id in effects:
            yield from order.asset_ids or [asset.asset_id for asset in zone.assets]
