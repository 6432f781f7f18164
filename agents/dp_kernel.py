"""Compiled kernels of the stochastic dynamic programme: backward induction and the value of a first action.

Grids, equally spaced: energy e (MWh) and plant power q (MW). Only plain arrays go in and out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from agents.problem import Array

_F = TypeVar("_F", bound=Callable[..., Any])


def _compiled(function: _F) -> _F:
    return cast("_F", njit(cache=True, fastmath=False, error_model="numpy")(function))


@_compiled
def hinge(x: float, low: float, high: float, price: float) -> float:
    """Return ``price`` times the distance of ``x`` from ``low..high``."""
    if x > high:
        return price * (x - high)
    if x < low:
        return price * (low - x)
    return 0.0


@_compiled
def level_cost(grid: float, low: float, high: float, price: float, shed_mw: float, shed_price: float) -> float:
    """Return the cost of grid power beyond the caps, money per step; up to ``shed_mw`` above the cap is shed."""
    if grid > high:
        over = grid - high
        shed = min(over, shed_mw) if shed_price < price else 0.0
        return shed * shed_price + (over - shed) * price
    if grid < low:
        return price * (low - grid)
    return 0.0


@_compiled
def between(values: Array, place: float) -> float:
    """Return ``values`` at a fractional index, linear between points, the end values outside."""
    last = len(values) - 1
    if place <= 0.0:
        return float(values[0])
    if place >= last:
        return float(values[last])
    k = int(place)
    part = place - k
    return float(values[k] + part * (values[k + 1] - values[k]))


@_compiled
def between_both(values: Array, row: float, column: float) -> float:
    """Return a table at fractional indices, bilinear, the edges outside."""
    rows = len(values) - 1
    if row <= 0.0:
        return between(values[0], column)
    if row >= rows:
        return between(values[rows], column)
    k = int(row)
    below = between(values[k], column)
    return below + (row - k) * (between(values[k + 1], column) - below)


@_compiled
def act(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    work: Array,
    value: Array,
    caps: Array,
    dt: float,
    price: float,
    peak_price: float,
    battery: Array,
    peaks: Array,
    energy: Array,
    power: Array,
) -> None:
    """Fill ``work`` (E, Q): least cost of a step that ends at plant power q, over the split between peaker and battery.

    ``W(e, q) = caps[q] + min_g dt (peak_price g - price b + wear b+) + V(e - moved(b), q)`` with ``b = q - g``.
    """
    ne, de = len(energy), energy[1] - energy[0]
    work[:, :] = np.inf
    for m in range(len(power)):
        for g in range(len(peaks)):
            b = power[m] - peaks[g]
            if b < -battery[2] - 1e-9 or b > battery[3] + 1e-9:
                continue
            moved = b / battery[1] * dt if b > 0 else b * battery[0] * dt
            cost = caps[m] + dt * (peak_price * peaks[g] - price * b + battery[4] * max(b, 0.0))
            for i in range(ne):
                after = energy[i] - moved
                if after < energy[0] - 1e-9 or after > energy[ne - 1] + 1e-9:
                    continue
                place = min(max((after - energy[0]) / de, 0.0), ne - 1.0)
                k = min(int(place), ne - 2)
                work[i, m] = min(work[i, m], cost + value[k, m] + (place - k) * (value[k + 1, m] - value[k, m]))


@_compiled
def meet(value: Array, work: Array, changes: Array, ramp: float, ramp_price: float, dq: float) -> None:
    """Fill ``value`` (E, Q): mean over net-load ``changes`` of the best step from plant power p, its ramp counted."""
    ne, nq = work.shape
    jumps = np.empty(2 * nq - 1)
    share = 1.0 / len(changes)
    value[:, :] = 0.0
    for j in range(len(changes)):
        for k in range(2 * nq - 1):
            jumps[k] = hinge(changes[j] - (k - nq + 1) * dq, -ramp, ramp, ramp_price)
        for i in range(ne):
            for p in range(nq):
                best = np.inf
                base = nq - 1 - p
                for m in range(nq):
                    best = min(best, jumps[base + m] + work[i, m])
                value[i, p] += share * best


@_compiled
def backward(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    net: Array,
    dt: Array,
    price: Array,
    peak_price: Array,
    ramp: Array,
    ramp_price: float,
    level: Array,
    ramp_dev: Array,
    level_dev: Array,
    shed: Array,
    battery: Array,
    peaks: Array,
    energy: Array,
    power: Array,
    terminal: Array,
) -> Array:
    """Return the expected cost from h = 1 on as a function of energy and plant power of h = 0, shape (E, Q).

    ``V[h](e, p) = mean_j min_q ramp(net[h] - net[h-1] + dev[h, j] - (q - p)) + W[h](e, q)``, W as in ``act``.

    Args:
        net: Net load (N,), MW.
        dt: Hours (N,).
        price: What the battery trades at (N,).
        peak_price: Net cost of peaker energy (N,).
        ramp: Ramp limit (N,), MW.
        ramp_price: Money per MW beyond it.
        level: ``(lower cap, upper cap, price per MWh)``.
        ramp_dev: Equally likely deviations of the ramp (N, J), MW.
        level_dev: Equally likely deviations of the level (N, K), MW.
        shed: ``(MW, price per MWh)`` of emergency shedding per step (N, 2).
        battery: ``(eta_c, eta_d, charge MW, discharge MW, wear)``.
        peaks: Peaker powers to choose from (G,), MW.
        energy: Energy grid (E,), MWh.
        power: Plant power grid (Q,), MW.
        terminal: Worth of energy at the end (E,), money.
    """
    ne, nq, nk = len(energy), len(power), level_dev.shape[1]
    value, work, caps = np.empty((ne, nq)), np.empty((ne, nq)), np.empty(nq)
    for i in range(ne):
        value[i, :] = -terminal[i]
    for h in range(len(net) - 1, 0, -1):
        for m in range(nq):
            caps[m] = 0.0
            for k in range(nk):
                grid = net[h] + level_dev[h, k] - power[m]
                cost = level_cost(grid, level[0], level[1], level[2] * dt[h], shed[h, 0], shed[h, 1] * dt[h])
                caps[m] += cost / nk
        act(work, value, caps, dt[h], price[h], peak_price[h], battery, peaks, energy, power)
        meet(value, work, net[h] - net[h - 1] + ramp_dev[h], ramp[h], ramp_price, power[1] - power[0])
    return value


@_compiled
def first_costs(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    candidates: Array,
    peak: float,
    net: float,
    change: float,
    dt: float,
    price: float,
    peak_price: float,
    ramp: float,
    ramp_price: float,
    level: Array,
    shed: Array,
    battery: Array,
    start: float,
    energy: Array,
    power: Array,
    value: Array,
) -> Array:
    """Return the cost of each first battery power (C,) at a given peaker power and net load; inf where out of reach.

    ``change``: net load less the net load of which the last plant power left the grid power, so that
    ``change - q`` is the ramp (NaN: no ramp counted).
    """
    costs = np.empty(len(candidates))
    de = energy[1] - energy[0]
    dq = power[1] - power[0]
    for c in range(len(candidates)):
        b = candidates[c]
        moved = b / battery[1] * dt if b > 0 else b * battery[0] * dt
        after = start - moved
        if after < energy[0] - 1e-9 or after > energy[len(energy) - 1] + 1e-9:
            costs[c] = np.inf
            continue
        q = b + peak
        cost = dt * (peak_price * peak - price * b + battery[4] * max(b, 0.0))
        cost += level_cost(net - q, level[0], level[1], level[2] * dt, shed[0], shed[1] * dt)
        if not np.isnan(change):
            cost += hinge(change - q, -ramp, ramp, ramp_price)
        costs[c] = cost + between_both(value, (after - energy[0]) / de, (q - power[0]) / dq)
    return costs
