"""One settlement for policy, bound and baselines of a battery that only trades.

A trade is a path of stored energy; its earnings follow from the path and the actual prices only. The bound is the
best path at prices known from beginning to end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.storage_dp import UnitBattery

BOUND_POINTS = 361
START_SHARE = 0.5
"""Share of the usable capacity in store at the start; what is left at the end is worth nothing to anyone."""

TOP_DAYS_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """Actual prices of n consecutive slots and their clock, history before the test included.

    ``price``: per MWh, NaN missing, shape (n,). ``hours``: length of a slot. ``first``: position of the test's first
    slot; the test ends with the last one. ``day``: local day of each slot, counted from the first test slot's, (n,).
    ``slot``: slot of the local day, (n,). ``net_load_mw``: shape (n,), None if the zone has none.
    """

    price: Floats
    hours: float
    first: int
    day: Ints
    slot: Ints
    net_load_mw: Floats | None = None

    @property
    def test(self) -> slice:
        """The slots of the test."""
        return slice(self.first, self.price.size)


@dataclass(frozen=True, slots=True)
class SettledPath:
    """What a path earned: money per slot and MW of power, and energy discharged at the grid side (MWh per MW)."""

    cash: Floats
    discharged_mwh: Floats

    def by_day(self, day: Ints) -> Floats:
        """Return money per local day; ``day``: number of each slot, from 0."""
        return np.asarray(np.bincount(day, weights=self.cash), dtype=np.float64)


def settled(battery: UnitBattery, stored_mwh: Floats, price: Floats) -> SettledPath:
    """Return the earnings of a path minus wear.

    Args:
        battery: Efficiencies and wear.
        stored_mwh: Stored energy before the first and after each slot, shape (n + 1,).
        price: Actual prices, shape (n,); where one is missing the path must rest.

    Raises:
        ValueError: It moves where there is no price.
    """
    move = np.diff(stored_mwh)
    bought = np.maximum(move, 0.0) / battery.charge_efficiency
    sold = np.maximum(-move, 0.0) * battery.discharge_efficiency
    if np.any(np.isnan(price) & (move != 0.0)):
        raise ValueError("a path moves in a slot without a price")
    paid = np.where(np.isnan(price), 0.0, price)
    return SettledPath(paid * (sold - bought) - battery.wear_per_mwh * sold, sold)


def bound_path(battery: UnitBattery, price: Floats, hours: float) -> Floats:
    """Return the best path of stored energy (MWh) at known prices, shape (n + 1,)."""
    cell = battery.cell(BOUND_POINTS)
    start = START_SHARE * (BOUND_POINTS - 1)
    path = storage_dp.best_path(price, np.full(price.size, hours), np.zeros(BOUND_POINTS), start, cell)
    return np.asarray(path * cell[0])


def rested(battery: UnitBattery, slots: int) -> Floats:
    """Return the path of a battery that does nothing."""
    return np.full(slots + 1, START_SHARE * battery.energy_mwh)


def figures(
    battery: UnitBattery, market: PriceHistory, path: Floats, bound: Floats, power_mw: float, energy_mwh: float
) -> dict[str, float | None]:
    """Return value, bound and captures of a path over the test, money for ``power_mw``.

    Captures are in percent of the bound; ``capture_pct_without_top_days`` leaves out the 2 % of days on which the bound
    earns most. ``cycles_per_day`` counts discharged energy at the grid side in units of ``energy_mwh``.

    Args:
        battery: The battery that traded.
        market: Prices of the test.
        path: Energy in store, MWh, shape (slots + 1,).
        bound: Energy in store under perfect foresight, MWh, shape (slots + 1,).
        power_mw: Power that money is stated for.
        energy_mwh: Energy of one cycle.
    """
    price, day = market.price[market.test], market.day[market.test]
    policy_figures, best = settled(battery, path, price), settled(battery, bound, price)
    mine, most = policy_figures.by_day(day), best.by_day(day)
    ordinary = np.argsort(-most, kind="stable")[round(TOP_DAYS_SHARE * most.size) :]
    return {
        "perfect": round(power_mw * float(most.sum()), 2),
        "value": round(power_mw * float(mine.sum()), 2),
        "capture_pct": _percent(mine.sum(), most.sum()),
        "capture_pct_without_top_days": _percent(mine[ordinary].sum(), most[ordinary].sum()),
        "cycles_per_day": round(power_mw * float(policy_figures.discharged_mwh.sum()) / energy_mwh / most.size, 3),
    }


def _percent(part: float, total: float) -> float | None:
    return round(100.0 * float(part / total), 2) if total > 0 else None
