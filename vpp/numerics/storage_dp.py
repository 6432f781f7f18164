"""Dynamic programming for one trading battery: exact moves on a grid of stored energy, with one cash rule.

Everything is per MW of power: the battery moves at most 1 MW (at the grid side) and holds ``spacing * (points - 1)``
MWh between its bounds. From each grid point the best of idle, charge and discharge as far as the continuation rises is
taken, whole moves limited by the power (Bellman; exact for concave continuations up to interpolation between points,
never charging and discharging at once, for any sign of the price).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

Cell = tuple[float, float, float, float]
"""MWh between two points, charge and discharge efficiency, wear per MWh discharged at the grid side."""

LEVELS = 46
"""Points of stored energy of a plan; the stored energy itself is never rounded."""

_CHUNK = 512


@dataclass(frozen=True, slots=True)
class UnitBattery:
    """A battery of 1 MW: ``energy_mwh`` between its bounds, one-way efficiencies, wear per MWh discharged."""

    energy_mwh: float
    charge_efficiency: float
    discharge_efficiency: float
    wear_per_mwh: float

    @staticmethod
    def of(zone: Zone) -> UnitBattery:
        """Return the zone's batteries taken together, per MW; a 2 h battery where the zone has none."""
        batteries = zone.batteries
        power = sum(battery.discharge_mw for battery in batteries)
        if power <= 0:
            return UnitBattery(2.0, 0.9381, 0.9381, 5.0)
        energy = sum(battery.energy_mwh * (battery.soc_max - battery.soc_min) for battery in batteries)
        share = [battery.discharge_mw / power for battery in batteries]
        return UnitBattery(
            energy_mwh=energy / power,
            charge_efficiency=sum(s * b.charge_efficiency for s, b in zip(share, batteries, strict=True)),
            discharge_efficiency=sum(s * b.discharge_efficiency for s, b in zip(share, batteries, strict=True)),
            wear_per_mwh=sum(s * b.wear_cost_per_mwh for s, b in zip(share, batteries, strict=True)),
        )

    def cell(self, points: int = LEVELS) -> Cell:
        """Return the grid of ``points`` between the bounds, efficiencies and wear."""
        spacing = self.energy_mwh / (points - 1)
        return (spacing, self.charge_efficiency, self.discharge_efficiency, self.wear_per_mwh)


@kernel  # pragma: no cover
def at(value: Floats, position: float) -> float:
    """Return ``value`` at a fractional grid position, linear between points."""
    low = min(int(position), len(value) - 2)
    part = position - low
    worth: float = value[low] * (1.0 - part) + value[low + 1] * part
    return worth


@kernel  # pragma: no cover
def cash(move: float, price: float, cell: Cell) -> float:
    """Return the money of one move in grid steps (positive: into store) at ``price`` per MWh, wear included."""
    spacing, gain, loss, wear = cell
    if move > 0:
        return -price * move * spacing / gain
    return (price - wear) * loss * -move * spacing


@kernel  # pragma: no cover
def _ends(value: Floats, price: float, cell: Cell) -> tuple[int, int]:
    """Return the stored energy at which charging and discharging at ``price`` would end without a power limit."""
    spacing, gain, loss, wear = cell
    rise, fall = 0, 0
    buy, sell = -1e300, -1e300
    for j in range(len(value)):
        worth = value[j] - price * j * spacing / gain
        if worth > buy + 1e-12:
            buy, rise = worth, j
        worth = value[j] - (price - wear) * loss * j * spacing
        if worth > sell + 1e-12:
            sell, fall = worth, j
    return rise, fall


@kernel  # pragma: no cover
def back(value: Floats, price: float, hours: float, cell: Cell) -> Floats:
    """Return the value before a step, per grid point, for the value after it; a missing price lets nothing move.

    Args:
        value: Value after the step, shape (points,).
        price: Price per MWh, NaN = missing.
        hours: Length of the step.
        cell: As ``Cell``.
    """
    points = len(value)
    if np.isnan(price):
        return value.copy()
    rise, fall = _ends(value, price, cell)
    reach_up = hours * cell[1] / cell[0]
    reach_down = hours / (cell[2] * cell[0])
    values = np.empty(points)
    for i in range(points):
        best = value[i]
        up = min(float(rise), i + reach_up)
        if up > i:
            best = max(best, at(value, up) + cash(up - i, price, cell))
        down = max(float(fall), i - reach_down)
        if down < i:
            best = max(best, at(value, down) + cash(down - i, price, cell))
        values[i] = best
    return values


@kernel  # pragma: no cover
def move_to(value: Floats, price: float, hours: float, position: float, cell: Cell) -> float:
    """Return the best position after a step at ``price`` from a fractional position.

    Args:
        value: Value after the step, shape (points,).
        price: Price per MWh; NaN lets nothing move.
        hours: Length of the step.
        position: Stored energy before it, in grid steps.
        cell: As ``Cell``.
    """
    if np.isnan(price):
        return position
    rise, fall = _ends(value, price, cell)
    last = len(value) - 1.0
    best, target = at(value, position), position
    up = min(float(rise), position + hours * cell[1] / cell[0], last)
    if up > position:
        worth = at(value, up) + cash(up - position, price, cell)
        if worth > best + 1e-12:
            best, target = worth, up
    down = max(float(fall), position - hours / (cell[2] * cell[0]), 0.0)
    if down < position:
        worth = at(value, down) + cash(down - position, price, cell)
        if worth > best + 1e-12:
            best, target = worth, down
    return target


@kernel  # pragma: no cover
def settled(values: Floats, prices: Floats, stored: Floats, paid: float, hours: float, cell: Cell) -> Floats:
    """Return the stored energy after a step and the money that it moved for, of several batteries, shape (2, n).

    Args:
        values: Value after the step of each battery, shape (n, points).
        prices: Price per MWh that each acts on, shape (n,).
        stored: Stored energy of each before it, MWh, shape (n,).
        paid: Price per MWh that moves are paid at.
        hours: Length of the step.
        cell: As ``Cell``.
    """
    out = np.empty((2, len(values)))
    for n in range(len(values)):
        after = move_to(values[n], prices[n], hours, stored[n] / cell[0], cell) * cell[0]
        out[0, n], out[1, n] = after, cash((after - stored[n]) / cell[0], paid, cell)
    return out


@kernel  # pragma: no cover
def before_steps(prices: Floats, hours: Floats, final: Floats, cell: Cell) -> Floats:
    """Return the value before the first of the given steps, per grid point.

    Args:
        prices: Price per MWh and step, shape (N,), NaN lets nothing move.
        hours: Length of each step, shape (N,).
        final: Value after the last step, shape (points,).
        cell: As ``Cell``.
    """
    value = final.copy()
    for h in range(len(prices) - 1, -1, -1):
        value = back(value, prices[h], hours[h], cell)
    return value


@kernel  # pragma: no cover
def best_path(prices: Floats, hours: Floats, final: Floats, start: float, cell: Cell) -> Floats:
    """Return the best positions at known prices, shape (N + 1,), the first being ``start``.

    Values are kept every ``_CHUNK`` steps and made again between, so memory stays small over years of 5-minute
    steps; positions are never rounded to the grid.

    Args:
        prices: Price per MWh and step, shape (N,), NaN lets nothing move.
        hours: Length of each step, shape (N,).
        final: Value after the last step, shape (points,).
        start: Stored energy at the start, in grid steps.
        cell: As ``Cell``.
    """
    n, points = len(prices), len(final)
    chunks = max((n + _CHUNK - 1) // _CHUNK, 1)
    checkpoints = np.empty((chunks, points))
    value = final.copy()
    for t in range(n - 1, -1, -1):
        if t % _CHUNK == _CHUNK - 1 or t == n - 1:
            checkpoints[t // _CHUNK] = value
        value = back(value, prices[t], hours[t], cell)
    path = np.empty(n + 1)
    path[0] = start
    after = np.empty((_CHUNK, points))
    for c in range(chunks):
        first, stop = c * _CHUNK, min((c + 1) * _CHUNK, n)
        value = checkpoints[c].copy()
        for t in range(stop - 1, first - 1, -1):
            after[t - first] = value
            value = back(value, prices[t], hours[t], cell)
        for t in range(first, stop):
            path[t + 1] = move_to(after[t - first], prices[t], hours[t], path[t], cell)
    return path
