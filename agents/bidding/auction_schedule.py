"""Trading in a day-ahead auction: one schedule a day on expected prices, with a look at the next day.

A reducer: each day brings the experts' expected prices of day D and the day after and, once D is over, its actual
prices. Every expert trades on paper; the schedule follows their prices, weighted by their earnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from agents.bidding import paper_accounts
from agents.bidding.paper_accounts import Account, Book
from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery

POINTS = 91
_FINAL_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Quote:
    """Expected prices at one auction; n slots of day D, m with the tail.

    ``prices``: by expert, per MWh, shape (m,), the first n are day D's; NaN: no trade there. ``leader``: the expert
    that leads until others have proved themselves. ``hours``: length of each slot, (m,). ``slots``: n.
    """

    prices: Mapping[str, Floats]
    leader: str
    hours: Floats
    slots: int


@dataclass
class DayAheadState:
    """Stored energy planned for the end of the last scheduled day, the experts' accounts and their open schedules."""

    stored_mwh: float
    book: Book = field(default_factory=Book)
    schedules: dict[str, Floats] = field(default_factory=dict)


def initial(battery: UnitBattery, stored_share: float) -> DayAheadState:
    """Return the state before the first auction, with a share of the usable capacity in store."""
    return DayAheadState(stored_share * battery.energy_mwh)


def schedule(battery: UnitBattery, state: DayAheadState, quote: Quote) -> tuple[DayAheadState, Floats]:
    """Return the state and the stored energy before the first and after each slot of day D, shape (n + 1,)."""
    names = sorted(quote.prices)
    for name in names:
        if name not in state.book.accounts:
            prior = paper_accounts.PRIOR if name == quote.leader else 0.0
            state.book.accounts[name] = Account(stored_mwh=state.stored_mwh, score=prior)
    weights = paper_accounts.weights(state.book, names)
    for name in names:
        state.schedules[name] = plan(battery, quote.prices[name], quote, state.book.accounts[name].stored_mwh)
    mixed = sum((weights[name] * quote.prices[name] for name in names), np.zeros(quote.hours.size))
    path = plan(battery, mixed, quote, state.stored_mwh)
    state.stored_mwh = float(path[-1])
    return state, path


def settle(battery: UnitBattery, state: DayAheadState, actual: Floats, day: int) -> DayAheadState:
    """Settle the experts' schedules of a day at its actual prices (NaN: the slot earns nothing).

    Args:
        battery: Unit battery of the zone.
        state: Accounts and schedules; changed in place.
        actual: Prices of the day per MWh, shape (slots,), NaN missing.
        day: Local day number.
    """
    cell = battery.cell(POINTS)
    paid = np.where(np.isfinite(actual), actual, 0.0)
    for name, path in state.schedules.items():
        account = state.book.accounts[name]
        moves = np.diff(path) / cell[0]
        account.day_profit = float(sum(storage_dp.cash(m, p, cell) for m, p in zip(moves, paid, strict=True)))
        account.stored_mwh = float(path[-1])
    state.schedules = {}
    if state.book.day is None:
        state.book.day = day - 1
    paper_accounts.turn_day(state.book, day)
    return state


def plan(battery: UnitBattery, prices: Floats, quote: Quote, stored_mwh: float) -> Floats:
    """Return the optimal path of stored energy over day D at the given prices, with the tail, shape (n + 1,).

    Energy left after the tail is worth 0.9 of the median price, losses counted.

    Args:
        battery: Unit battery of the zone.
        prices: Expected prices per MWh of the day and its tail, shape (n + tail,).
        quote: Slots of the day and lengths in hours.
        stored_mwh: Energy in store at the start.
    """
    cell = battery.cell(POINTS)
    final = _FINAL_SHARE * battery.discharge_efficiency * float(np.nanmedian(prices))
    stock = final * cell[0] * np.arange(POINTS, dtype=np.float64)
    path = storage_dp.best_path(prices, quote.hours, stock, stored_mwh / cell[0], cell)
    return np.asarray(np.clip(path[: quote.slots + 1] * cell[0], 0.0, battery.energy_mwh))
