"""Baselines of a trading policy: simple rules, each as a path of stored energy over the test.

These are research baselines: the plant runs none of them.

No rule reads a price of the slot it decides unless it is given that price, nor any later one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agents.bidding.paper_accounts import continuation
from agents.evaluation.arbitrage import PriceHistory, rested
from vpp.domain import horizons_min
from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel
from vpp.numerics.storage_dp import Cell, UnitBattery

PROFILE_DAYS = 28
_LOW, _HIGH = 25.0, 75.0

Ahead = Callable[[int], Floats]
"""From the position of a slot to the prices expected of it and of the slots after it, over 24 hours."""


def planned(battery: UnitBattery, market: PriceHistory, ahead: Ahead, observed: Floats | None) -> Floats:
    """Return the path that plans 24 hours ahead in every slot.

    Args:
        battery: The battery.
        market: The market.
        ahead: Returns expected prices, for each slot of the test.
        observed: Price acted on in each slot of ``market``, per MWh, shape (n,); None: the expected one.
    """
    first, cell = market.test.start, battery.cell()
    starts, hours = _bins(market.hours)
    path = rested(battery, market.price.size - first)
    for n in range(path.size - 1):
        t = first + n
        prices = np.add.reduceat(ahead(t), starts) * market.hours / hours
        acted_on = prices[0] if observed is None else observed[t]
        acted_on = np.nan if np.isnan(market.price[t]) else acted_on
        value = continuation(battery, prices, hours)
        path[n + 1] = storage_dp.move_to(value, acted_on, market.hours, path[n] / cell[0], cell) * cell[0]
    return path


def _bins(hours: float) -> tuple[Ints, Floats]:
    """Return the first slot of each step of a plan over 24 hours, and the steps' hours: longer ones later on."""
    ends = np.array([0, *horizons_min(round(60 * hours))], dtype=np.int64)
    return ends[:-1] // round(60 * hours), np.diff(ends) / 60.0


def of_days(market: PriceHistory, table: Floats) -> Ahead:
    """Return expectations that one row per local test day gives, (days, slots a day); the row serves the day after."""
    per_day, slots = round(24.0 / market.hours), table.shape[1]

    def ahead(t: int) -> Floats:
        slots_ahead = (market.slot[t] + np.arange(per_day)) % slots
        return np.asarray(table[market.day[t], slots_ahead])

    return ahead


def of_day_before(market: PriceHistory) -> Ahead:
    """Return the prices of the 24 hours before each slot, in order; a missing one is the last known."""
    per_day = round(24.0 / market.hours)
    price = _carried(market.price)
    return lambda t: price[t - per_day : t]


def profile_table(market: PriceHistory, days: int) -> Floats:
    """Return per local test day the mean price by slot of the ``days`` days before it, (test days, slots a day).

    A slot that none of them holds is their mean over all slots; without any price it is 0.
    """
    slots, last = round(24.0 / market.hours), int(market.day[-1])
    table = np.zeros((last + 1, slots))
    for day in range(last + 1):
        first, stop = np.searchsorted(market.day, [day - days, day])
        past, places = market.price[first:stop], market.slot[first:stop]
        has_price = np.isfinite(past)
        if has_price.any():
            count = np.bincount(places[has_price], minlength=slots)
            total = np.bincount(places[has_price], weights=past[has_price], minlength=slots)
            table[day] = np.where(count > 0, total / np.maximum(count, 1), past[has_price].mean())
    return table


def percentile(battery: UnitBattery, market: PriceHistory, observed: Floats) -> Floats:
    """Return the path that charges below the 25th and discharges above the 75th percentile of the last 28 days.

    Args:
        battery: The battery.
        market: The market.
        observed: The price acted on in each slot of ``market``.
    """
    power = np.zeros(market.price.size)
    for day in range(int(market.day[-1]) + 1):
        first, stop = np.searchsorted(market.day, [day - PROFILE_DAYS, day])
        past = market.price[first:stop]
        past = past[np.isfinite(past)]
        if past.size:
            low, high = np.percentile(past, [_LOW, _HIGH])
            today = slice(int(stop), int(np.searchsorted(market.day, day + 1)))
            power[today] = np.where(observed[today] >= high, 1.0, np.where(observed[today] <= low, -1.0, 0.0))
    return followed(battery, power[market.test], market)


def original(battery: UnitBattery, market: PriceHistory) -> Floats:
    """Return the path of the original's direction in sane units: charge on a predicted rise, discharge on a fall.

    The prediction is yesterday's change of the same slot, of net load (of the price where the zone has no net load).
    """
    series = market.price if market.net_load_mw is None else market.net_load_mw
    change = np.diff(series, prepend=np.nan)
    per_day = round(24.0 / market.hours)
    predicted = np.concatenate([np.full(per_day, np.nan), change[:-per_day]])
    power = np.where(predicted > 0.0, -1.0, np.where(predicted < 0.0, 1.0, 0.0))
    return followed(battery, power[market.test], market)


def followed(battery: UnitBattery, power: Floats, market: PriceHistory) -> Floats:
    """Return the path of wanted powers (-1 to 1) over the test, held within the store; no price, no move."""
    target_mw = np.where(np.isnan(market.price[market.test]), 0.0, power)
    return np.asarray(_follow(target_mw, market.hours, float(rested(battery, 0)[0]), battery.cell(2)))


@kernel  # pragma: no cover
def _follow(power: Floats, hours: float, start: float, cell: Cell) -> Floats:
    path = np.empty(len(power) + 1)
    path[0] = start
    for t in range(len(power)):
        moved = -power[t] * hours * (cell[1] if power[t] < 0 else 1.0 / cell[2])
        path[t + 1] = min(max(path[t] + moved, 0.0), cell[0])
    return path


def last_seen(market: PriceHistory) -> Floats:
    """Return for each slot the last price known before it."""
    carried = _carried(market.price)
    return np.concatenate([[np.nan], carried[:-1]])


def _carried(price: Floats) -> Floats:
    """Return prices with a missing one replaced by the last before it."""
    last_known = np.where(np.isfinite(price), np.arange(price.size), -1)
    at = np.maximum.accumulate(last_known)
    return np.where(at >= 0, price[np.maximum(at, 0)], 0.0)
