"""Compiled kernels of the stochastic dynamic programme: backward induction.

Grids, equally spaced: energy e (MWh) and plant power q (MW). Arrays and named tuples of floats go in and out.
"""

from __future__ import annotations

import numpy as np

from agents.clearing.stochastic_inputs import BatteryCell, Course, GridLevel, Grids, Ramps
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

_compiled = kernel(error_model="numpy")


@_compiled
def hinge(x: float, low: float, high: float, price: float) -> float:
    """Return ``price`` times the distance of ``x`` from ``low..high``.

    Args:
        x: The value.
        low: Lower end of the free range.
        high: Upper end of the free range.
        price: Cost per unit beyond it.
    """
    if x > high:
        return price * (x - high)
    if x < low:
        return price * (low - x)
    return 0.0


@_compiled
def level_cost(grid: float, low: float, high: float, price: float, shed_mw: float, shed_price: float) -> float:
    """Return the cost of grid power beyond the caps, money per step; up to ``shed_mw`` above the cap is shed.

    Args:
        grid: Import from the grid, MW.
        low: Lower cap, MW; an export cap is negative.
        high: Upper cap, MW.
        price: Penalty per MW beyond a cap.
        shed_mw: Load that may be shed.
        shed_price: Cost per MW shed.
    """
    if grid > high:
        over = grid - high
        shed = min(over, shed_mw) if shed_price < price else 0.0
        return shed * shed_price + (over - shed) * price
    if grid < low:
        return price * (low - grid)
    return 0.0


@_compiled
def between(values: Floats, place: float) -> float:
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
def between_both(values: Floats, row: float, column: float) -> float:
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
def act(  # noqa: PLR0917
    work: Floats,
    value: Floats,
    caps: Floats,
    dt: float,
    price: float,
    generator_price: float,
    battery: BatteryCell,
    grids: Grids,
) -> None:
    """Fill ``work`` (E, Q): least cost of a step that ends at plant power q, over the split into generator and battery.

    ``W(e, q) = caps[q] + min_g dt (generator_price g - price b + wear b+) + V(e - moved(b), q)`` with ``b = q - g``.

    Args:
        work: Result (E, Q), money.
        value: Expected cost after the step (E, Q), money.
        caps: Expected cost of grid power by plant power (Q,), money.
        dt: Hours of the step.
        price: What the battery trades at, per MWh.
        generator_price: Net cost of the generator's energy, per MWh.
        battery: The battery.
        grids: The grids.
    """
    energy, power, generator = grids.energy_mwh, grids.power_mw, grids.generator_mw
    ne, de = len(energy), energy[1] - energy[0]
    work[:, :] = np.inf
    for m in range(len(power)):
        for g in range(len(generator)):
            b = power[m] - generator[g]
            if b < -battery.charge_mw - 1e-9 or b > battery.discharge_mw + 1e-9:
                continue
            moved = b / battery.discharge_efficiency * dt if b > 0 else b * battery.charge_efficiency * dt
            cost = caps[m] + dt * (generator_price * generator[g] - price * b + battery.wear_per_mwh * max(b, 0.0))
            for i in range(ne):
                after = energy[i] - moved
                if after < energy[0] - 1e-9 or after > energy[ne - 1] + 1e-9:
                    continue
                place = min(max((after - energy[0]) / de, 0.0), ne - 1.0)
                k = min(int(place), ne - 2)
                work[i, m] = min(work[i, m], cost + value[k, m] + (place - k) * (value[k + 1, m] - value[k, m]))


@_compiled
def least(row: Floats, first: int, end: int) -> float:
    """Return the least of ``row[first:end]``, of what lies inside; inf where nothing does."""
    best = np.inf
    for m in range(max(first, 0), min(end, len(row))):
        best = min(best, row[m])
    return best


@_compiled
def window_minima(row: Floats, narrow: int, out: Floats) -> None:
    """Fill ``out`` (2, Q + narrow + 1): least of ``row[x - narrow:]`` over ``narrow`` and ``narrow + 1`` entries."""
    out[:, :] = np.inf
    for place in range(narrow, 0, -1):
        for m in range(len(row)):
            out[0, m + place] = min(out[0, m + place], row[m])
    out[1] = out[0]
    for m in range(len(row)):
        out[1, m] = min(out[1, m], row[m])


@_compiled
def slopes_of(row: Floats, slope: float, rising: Floats, falling: Floats) -> None:
    """Fill ``rising[m] = min_k>=m row[k] + slope (k - m)`` and ``falling[m]`` likewise over ``k <= m``.

    Args:
        row: Costs by grid point, shape (Q,).
        slope: Cost per grid point.
        rising: Result for points above, shape (Q,); written in place.
        falling: Result for points below, shape (Q,); written in place.
    """
    last = len(row) - 1
    rising[last], falling[0] = row[last], row[0]
    for m in range(last - 1, -1, -1):
        rising[m] = min(row[m], rising[m + 1] + slope)
    for m in range(1, last + 1):
        falling[m] = min(row[m], falling[m - 1] + slope)


@_compiled
def meet(  # noqa: PLR0917
    value: Floats, work: Floats, changes: Floats, share: float, ramp: float, ramp_price: float, dq: float
) -> None:
    """Add to ``value`` (E, Q), over net-load ``changes``, ``share`` of the best step from plant power p, ramp counted.

    ``min_q hinge(change - (q - p)) + work(q)``: the hinge is 0 over a window of q, then rises by ``ramp_price dq`` per
    grid point, so window minima and one pass each way replace the search over all q.

    Args:
        value: Expected cost by energy and power, shape (E, Q); added to in place.
        work: Cost from the next step on by energy and power, shape (E, Q).
        changes: Equally likely changes of net load, MW, shape (n,).
        share: Probability of each change.
        ramp: Ramp limit, MW per step.
        ramp_price: Penalty per MW beyond it.
        dq: Spacing of the power grid, MW.
    """
    ne, nq = work.shape
    slope = ramp_price * dq
    narrow = int(min(np.floor(2.0 * ramp / dq + 1e-9), nq))
    listed = narrow < nq
    rising, falling, within = np.empty(nq), np.empty(nq), np.empty((2, nq + narrow + 1))
    best = np.empty(nq)
    for i in range(ne):
        if listed:
            window_minima(work[i], narrow, within)
        slopes_of(work[i], slope, rising, falling)
        for j in range(len(changes)):
            low, high = np.ceil((changes[j] - ramp) / dq - 1e-9), np.floor((changes[j] + ramp) / dq + 1e-9) + 1.0
            wide = 1 if high - low > narrow else 0
            begin, end = int(min(max(low, -2.0 * nq), nq + 1.0)), int(min(max(high, -nq), nq + 1.0))
            if listed:
                end = begin + narrow + wide
                inside(within[wide], begin + narrow, best)
            else:
                for p in range(nq):
                    best[p] = least(work[i], p + begin, p + end)
            above = ramp_price * max(end * dq - changes[j] - ramp, 0.0)
            below = ramp_price * max(changes[j] - ramp - (begin - 1) * dq, 0.0)
            outside(rising, falling, begin, end, above, below, slope, best)
            for p in range(nq):
                value[i, p] += share * best[p]


@_compiled
def inside(within: Floats, shift: int, best: Floats) -> None:
    """Fill ``best[p]`` with the least of the window that begins at p: ``within[p + shift]``, inf beyond its ends."""
    nq = len(best)
    first, end = min(max(-shift, 0), nq), max(min(len(within) - shift, nq), 0)
    best[:first] = np.inf
    for p in range(first, end):
        best[p] = within[p + shift]
    best[max(end, first) :] = np.inf


@_compiled
def outside(  # noqa: PLR0917
    rising: Floats, falling: Floats, begin: int, end: int, above: float, below: float, slope: float, best: Floats
) -> None:
    """Lower ``best[p]`` to what lies beyond the window ``p + begin`` to ``p + end``, the ramp beyond its limit paid.

    One loop for each case, without a branch inside: the compiler makes vectors of them.

    Args:
        rising: From ``slopes_of``, shape (Q,).
        falling: From ``slopes_of``, shape (Q,).
        begin: Begin of the window, in grid points from p.
        end: End of the window, exclusive.
        above: Penalty at the first point above the window.
        below: Penalty at the first point below it.
        slope: Penalty per further grid point.
        best: Least cost so far, shape (Q,); lowered in place.
    """
    nq = len(best)
    for p in range(min(-end, nq)):
        best[p] = min(best[p], above + slope * (-p - end) + rising[0])
    for p in range(max(-end, 0), min(nq - end, nq)):
        best[p] = min(best[p], above + rising[p + end])
    for p in range(max(1 - begin, 0), min(nq - begin + 1, nq)):
        best[p] = min(best[p], below + falling[p + begin - 1])
    for p in range(max(nq - begin + 1, 0), nq):
        best[p] = min(best[p], below + slope * (p + begin - nq) + falling[nq - 1])


@_compiled
def backward(
    course: Course, ramps: Ramps, level: GridLevel, battery: BatteryCell, grids: Grids, terminal: Floats
) -> Floats:
    """Return the expected cost from h = 1 on as a function of energy and plant power of h = 0, shape (E, Q).

    ``V[h](e, p) = mean_j min_q ramp(net[h] - net[h-1] + dev[h, j] - (q - p)) + W[h, k(j)](e, q)``, W as in ``act`` at
    the price that deviates by node ``k(j)``. Pairing each ramp with one price saves most of the work of all pairs.

    Args:
        course: What is expected.
        ramps: Ramp limits and the nodes of the ramp's error.
        level: Limits of grid power.
        battery: The battery.
        grids: The grids.
        terminal: Worth of energy at the end (E,), money.
    """
    net, dt, power = course.net_mw, course.hours, grids.power_mw
    price_dev, level_dev = course.price_deviation_per_mwh, course.level_deviation_mw
    ne, nq, nk = len(grids.energy_mwh), len(power), level_dev.shape[1]
    value, caps, share = np.empty((ne, nq)), np.empty(nq), 1.0 / ramps.deviation_mw.shape[1]
    work = np.empty((price_dev.shape[1], ne, nq))
    for i in range(ne):
        value[i, :] = -terminal[i]
    for h in range(len(net) - 1, 0, -1):
        shed_price, cap_price = course.shed_price_per_mwh[h] * dt[h], level.price_per_mwh * dt[h]
        for m in range(nq):
            caps[m] = 0.0
            for k in range(nk):
                grid = net[h] + level_dev[h, k] - power[m]
                cost = level_cost(grid, level.low_mw, level.high_mw, cap_price, course.shed_mw[h], shed_price)
                caps[m] += cost / nk
        changes = net[h] - net[h - 1] + ramps.deviation_mw[h]
        nodes = 1 if price_dev[h, -1] == 0.0 else len(work)
        for k in range(nodes):
            paid = course.price_per_mwh[h] + price_dev[h, k]
            act(work[k], value, caps, dt[h], paid, course.generator_price_per_mwh[h], battery, grids)
        value[:, :] = 0.0
        for k in range(nodes):
            mine = changes if nodes == 1 else changes[ramps.price_node == k]
            meet(value, work[k], mine, share, ramps.limit_mw[h], ramps.price_per_mw, power[1] - power[0])
    return value
