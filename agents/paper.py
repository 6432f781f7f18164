"""Paper trading: every price expert plays its own battery on paper, and its trailing profit is its weight.

The paper battery has 1 MW and the duration, efficiency and wear of the zone's batteries taken together, and nothing
else to do but trade, so its profit tells how much the expert's prices are worth to a trader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from numba import njit

from vpp.fleet import Zone

Floats = npt.NDArray[np.float64]
Cell = tuple[float, float, float, float]
"""MWh between two SoC points, charge and discharge efficiency, wear per MWh discharged."""

LEVELS = 46
"""SoC points of the plan; the paper SoC itself is never rounded."""

CLIP = 3.0
SHARPNESS = 10.0
MEDIAN_DAYS = 60
HALF_LIFE_DAYS = 30.0
PRIOR = 0.3
"""Score that the published forecast starts with, so that it leads until the others have proved themselves."""


@dataclass(frozen=True, slots=True)
class PaperBattery:
    """A battery of 1 MW: ``energy_mwh`` between its bounds, one-way efficiencies, wear per MWh discharged."""

    energy_mwh: float
    charge_efficiency: float
    discharge_efficiency: float
    wear_per_mwh: float

    @staticmethod
    def of(zone: Zone) -> PaperBattery:
        """Return the zone's batteries taken together, per MW; a 2 h battery where the zone has none."""
        batteries = zone.batteries
        power = sum(battery.discharge_mw for battery in batteries)
        if power <= 0:
            return PaperBattery(2.0, 0.9381, 0.9381, 5.0)
        energy = sum(battery.energy_mwh * (battery.soc_max - battery.soc_min) for battery in batteries)
        share = [battery.discharge_mw / power for battery in batteries]
        return PaperBattery(
            energy_mwh=energy / power,
            charge_efficiency=sum(s * b.charge_efficiency for s, b in zip(share, batteries, strict=True)),
            discharge_efficiency=sum(s * b.discharge_efficiency for s, b in zip(share, batteries, strict=True)),
            wear_per_mwh=sum(s * b.wear_cost_per_mwh for s, b in zip(share, batteries, strict=True)),
        )


class Account(msgspec.Struct):
    """One expert's paper battery: stored energy (MWh), planned power of the next slot (MW), profit and its score."""

    stored_mwh: float
    planned_mw: float = 0.0
    day_profit: float = 0.0
    score: float = 0.0


class Book(msgspec.Struct):
    """All accounts, the running local day, and the size of recent daily profits that scores are measured in."""

    accounts: dict[str, Account] = {}
    day: int | None = None
    sizes: list[float] = []


@njit(cache=True)  # pragma: no cover
def _plan(prices: Floats, hours: Floats, stored: float, final: float, cell: Cell) -> tuple[float, float]:
    """Return the first power (MW) and the value of one more MWh in store after it.

    Bellman recursion on a grid of stored energy; from each point the best of idle, charge and discharge as far as the
    continuation rises, whole moves limited by 1 MW (exact for concave continuations).
    """
    spacing, gain, loss, _ = cell
    points = LEVELS
    value = np.empty(points)
    for i in range(points):
        value[i] = final * i * spacing
    for h in range(len(prices) - 1, 0, -1):
        value = _back(value, prices[h], hours[h], cell)
    position = min(stored / spacing, points - 1.0)
    up = min(position + hours[0] * gain / spacing, points - 1.0)
    down = max(position - hours[0] / (loss * spacing), 0.0)
    best, target = _at(value, position), position
    for step in range(points + 2):
        candidate = float(step)
        if step == points:
            candidate = up
        if step == points + 1:
            candidate = down
        if candidate < down or candidate > up:
            continue
        worth = _at(value, candidate) + _cash(candidate - position, prices[0], cell)
        if worth > best + 1e-12:
            best, target = worth, candidate
    moved = (target - position) * spacing
    power = 0.0 - (moved / gain if moved > 0 else moved * loss) / hours[0]
    low = max(min(int(target), points - 2), 0)
    return power, (value[low + 1] - value[low]) / spacing


@njit(cache=True)  # pragma: no cover
def _back(value: Floats, price: float, hours: float, cell: Cell) -> Floats:
    spacing, gain, loss, wear = cell
    points = len(value)
    rise, fall = 0, 0
    buy, sell = -1e300, -1e300
    for j in range(points):
        worth = value[j] - price * j * spacing / gain
        if worth > buy + 1e-12:
            buy, rise = worth, j
        worth = value[j] - (price - wear) * loss * j * spacing
        if worth > sell + 1e-12:
            sell, fall = worth, j
    reach_up = hours * gain / spacing
    reach_down = hours / (loss * spacing)
    found = np.empty(points)
    for i in range(points):
        best = value[i]
        up = min(float(rise), i + reach_up)
        if up > i:
            best = max(best, _at(value, up) + _cash(up - i, price, cell))
        down = max(float(fall), i - reach_down)
        if down < i:
            best = max(best, _at(value, down) + _cash(down - i, price, cell))
        found[i] = best
    return found


@njit(cache=True)  # pragma: no cover
def _at(value: Floats, position: float) -> float:
    low = min(int(position), len(value) - 2)
    part = position - low
    worth: float = value[low] * (1.0 - part) + value[low + 1] * part
    return worth


@njit(cache=True)  # pragma: no cover
def _cash(move: float, price: float, cell: Cell) -> float:
    spacing, gain, loss, wear = cell
    if move > 0:
        return -price * move * spacing / gain
    return (price - wear) * loss * -move * spacing


def plan_first(
    battery: PaperBattery, prices: Floats, hours: Floats, stored_mwh: float, final_per_mwh: float
) -> tuple[float, float]:
    """Return the first slot's power (MW, positive into the grid) and the worth of one more MWh in store after it.

    Deterministic dynamic programming over the given prices (Bellman; backward in time, O(steps x SoC points)).

    Args:
        battery: The paper battery.
        prices: Price per MWh and step, shape (N,).
        hours: Length of each step, shape (N,).
        stored_mwh: Energy in store, 0 to ``battery.energy_mwh``.
        final_per_mwh: Worth of a stored MWh at the end.
    """
    cell = (
        battery.energy_mwh / (LEVELS - 1), battery.charge_efficiency, battery.discharge_efficiency,
        battery.wear_per_mwh,
    )  # fmt: skip
    power, worth = _plan(prices, hours, stored_mwh, final_per_mwh, cell)
    return float(power), float(worth)


def settle(book: Book, battery: PaperBattery, price: float | None, hours: float) -> None:
    """Let every account deliver its planned power for one slot, at the actual price; without a price it rests."""
    for account in book.accounts.values():
        power = account.planned_mw
        account.planned_mw = 0.0
        if price is None or power == 0.0:
            continue
        energy = power * hours
        stored = -energy * battery.charge_efficiency if energy < 0 else -energy / battery.discharge_efficiency
        account.stored_mwh = min(max(account.stored_mwh + stored, 0.0), battery.energy_mwh)
        account.day_profit += energy * price - battery.wear_per_mwh * max(energy, 0.0)


def turn_day(book: Book, day: int) -> None:
    """Close the paper day when ``day`` (any day number) differs from the running one: profits become scores.

    A day's profit, in units of the trailing median of the accounts' mean absolute daily profit and clipped at 3 of
    them, enters an exponential mean; the clip keeps one day of price spikes from deciding everything.
    """
    if book.day == day:
        return
    closed, book.day = book.day, day
    if closed is None or not book.accounts:
        return
    size = sum(abs(account.day_profit) for account in book.accounts.values()) / len(book.accounts)
    book.sizes = [*book.sizes[-(MEDIAN_DAYS - 1) :], size]
    unit = float(np.median(book.sizes))
    keep = 0.5 ** (1.0 / HALF_LIFE_DAYS)
    for account in book.accounts.values():
        if unit > 0:
            relative = min(max(account.day_profit / unit, -CLIP), CLIP)
            account.score = keep * account.score + (1.0 - keep) * relative
        account.day_profit = 0.0


def weights(book: Book, names: list[str]) -> dict[str, float]:
    """Return the softmax of the named accounts' scores; it sums to 1."""
    scores = [SHARPNESS * book.accounts[name].score for name in names]
    top = max(scores, default=0.0)
    raw = [math.exp(score - top) for score in scores]
    total = sum(raw)
    return {name: value / total for name, value in zip(names, raw, strict=True)}


def open_accounts(book: Book, battery: PaperBattery, names: list[str], leader: str) -> None:
    """Open an account, half full, for each name that has none; ``leader`` starts with a prior score."""
    for name in names:
        if name not in book.accounts:
            prior = PRIOR if name == leader else 0.0
            book.accounts[name] = Account(stored_mwh=battery.energy_mwh / 2.0, score=prior)


def place(
    book: Book, battery: PaperBattery, prices: Mapping[str, Floats], hours: Floats, final_share: float = 0.9
) -> dict[str, float]:
    """Let every expert plan its next slot; return the worth per MWh of stored energy that each sees."""
    worths: dict[str, float] = {}
    for name, expected in prices.items():
        account = book.accounts[name]
        final = final_share * battery.discharge_efficiency * float(np.median(expected))
        account.planned_mw, worths[name] = plan_first(battery, expected, hours, account.stored_mwh, final)
    return worths
