"""Compiled kernels of the stochastic dynamic programme: backward induction.

Grids, equally spaced: energy e (MWh) and plant power q (MW). Arrays and named tuples of floats go in and out.
"""

from __future__ import annotations

import numpy as np

from agents.clearing.stochastic_inputs import BatteryCell, Course, GridLevel, Grids, Moves, Ramps
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

_compiled = kernel(error_model="numpy")
_inlined = kernel(error_model="numpy", inline="always")
"""Of what is called for every point of a grid or curve: a call with so many arguments takes longer than its work."""


@_inlined
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


@_inlined
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


@_inlined
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


@_inlined
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
def reach(dt: float, battery: BatteryCell, grids: Grids) -> Moves:
    """Return where each energy ends after ``dt`` hours at each plant and generator power."""
    energy, power, generator = grids.energy_mwh, grids.power_mw, grids.generator_mw
    ne, shape, de = len(energy), (len(power), len(generator)), energy[1] - energy[0]
    part, runs = np.zeros((*shape, ne)), np.zeros((5, shape[0] * shape[1] * ne), dtype=np.int64)
    tolerance, run = 1e-9 * battery.unit_mw, -1
    for m in range(len(power)):
        for g in range(len(generator)):
            b = power[m] - generator[g]
            if b < -battery.charge_mw - tolerance or b > battery.discharge_mw + tolerance:
                continue
            moved = b / battery.discharge_efficiency * dt if b > 0 else b * battery.charge_efficiency * dt
            before = -2
            for i in range(ne):
                after = energy[i] - moved
                if after < energy[0] - tolerance or after > energy[ne - 1] + tolerance:
                    continue
                place = min(max((after - energy[0]) / de, 0.0), ne - 1.0)
                k = min(int(place), ne - 2)
                part[m, g, i] = place - k
                if k != before + 1:
                    run += 1
                    runs[0, run], runs[1, run], runs[2, run], runs[4, run] = m, g, i, k
                runs[3, run] += 1
                before = k
    places = runs[:, : run + 1].astype(np.uint64)
    return Moves(dt, places[0], places[1], places[2], places[3], places[4], part)


@_compiled
def act(  # noqa: PLR0917
    work: Floats,
    value: Floats,
    caps: Floats,
    prices: Floats,
    generator_price: float,
    battery: BatteryCell,
    grids: Grids,
    moves: Moves,
) -> None:
    """Fill ``work`` (K, Q, E): least cost of a step that ends at plant power q, over the split into generator, battery.

    ``W(q, e) = caps[q] + min_g dt (generator_price g - price b + wear b+) + V(q, e - moved(b))`` with ``b = q - g``.

    Args:
        work: Result, money, shape (K, Q, E).
        value: Expected cost after the step, money, shape (Q, E).
        caps: Expected cost of grid power by plant power, money, shape (Q,).
        prices: What the battery may trade at, per MWh, shape (K,).
        generator_price: Net cost of the generator's energy, per MWh.
        battery: The battery.
        grids: The grids.
        moves: What a step of its length can do, from ``reach``.
    """
    power, generator, dt, one = grids.power_mw, grids.generator_mw, moves.hours, np.uint64(1)
    work[:, :, :] = np.inf
    for run in range(len(moves.power)):
        m, g, first, below = moves.power[run], moves.generator[run], moves.first[run], moves.below[run]
        b = power[m] - generator[g]
        for n in range(len(prices)):
            wear = battery.wear_per_mwh * max(b, 0.0)
            cost = caps[m] + dt * (generator_price * generator[g] - prices[n] * b + wear)
            for i in range(moves.length[run]):
                low = value[m, below + i]
                worth = cost + low + moves.part[m, g, first + i] * (value[m, below + i + one] - low)
                work[n, m, first + i] = min(work[n, m, first + i], worth)


@_compiled
def window_minima(work: Floats, narrow: int, out: Floats) -> None:
    """Fill ``out`` (2, Q + narrow + 1, E) with the least cost in two windows of rows; inf in an empty window.

    ``out[0, x] = min work[max(x - narrow, 0) : x]``;  ``out[1, x] = min work[max(x - narrow, 0) : x + 1]``. The result
    is the same to the bit: the minimum of a window is the lesser of those of two shorter windows that cover it, so the
    width doubles from pass to pass.

    Args:
        work: Costs by grid point and energy, shape (Q, E).
        narrow: Rows of the narrow window, at least 0.
        out: Result; written in place.
    """
    nq, ne = work.shape
    out[:, :, :] = np.inf
    if narrow > 0:
        out[0, 1 : nq + 1] = work
    width = 1
    while width < narrow:
        shift = min(width, narrow - width)
        for x in range(nq + narrow, shift - 1, -1):
            for i in range(ne):
                out[0, x, i] = min(out[0, x, i], out[0, x - shift, i])
        width += shift
    out[1] = out[0]
    for m in range(nq):
        for i in range(ne):
            out[1, m, i] = min(out[1, m, i], work[m, i])


@_compiled
def slopes_of(work: Floats, slope: float, rising: Floats, falling: Floats) -> None:
    """Fill ``rising[m] = min_k>=m work[k] + slope (k - m)`` and ``falling[m]`` likewise, ``k <= m``; inf after them.

    Args:
        work: Costs by grid point and energy, shape (Q, E).
        slope: Cost per grid point.
        rising: Result for points above, shape (Q + 1, E); written in place.
        falling: Result for points below, shape (Q + 1, E); written in place.
    """
    nq, ne = work.shape
    last = nq - 1
    rising[last], falling[0] = work[last], work[0]
    rising[nq, :] = falling[nq, :] = np.inf
    for m in range(last - 1, -1, -1):
        for i in range(ne):
            rising[m, i] = min(work[m, i], rising[m + 1, i] + slope)
    for m in range(1, nq):
        for i in range(ne):
            falling[m, i] = min(work[m, i], falling[m - 1, i] + slope)


@_compiled
def meet(  # noqa: PLR0917
    value: Floats, work: Floats, changes: Floats, share: float, ramp: float, ramp_price: float, dq: float
) -> None:
    """Add to ``value`` (Q, E), over net-load ``changes``, ``share`` of the best step from plant power p, ramp counted.

    ``min_q hinge(change - (q - p)) + work(q)``: the hinge is 0 over a window of q, then rises by ``ramp_price dq`` per
    grid point, so window minima and one pass each way replace the search over all q. Energies lie side by side, so
    that the compiler makes vectors of them.

    Args:
        value: Expected cost by power and energy, shape (Q, E); added to in place.
        work: Cost from the next step on by power and energy, shape (Q, E).
        changes: Equally likely changes of net load, MW, shape (n,).
        share: Probability of each change.
        ramp: Ramp limit, MW per step.
        ramp_price: Penalty per MW beyond it.
        dq: Spacing of the power grid, MW.
    """
    nq, ne = work.shape
    slope = ramp_price * dq
    narrow = int(min(np.floor(2.0 * ramp / dq + 1e-9), nq))
    listed = narrow < nq
    rising, falling = np.empty((nq + 1, ne)), np.empty((nq + 1, ne))
    within = np.empty((2, nq + narrow + 2, ne))
    nowhere = nq + narrow + 1
    slopes_of(work, slope, rising, falling)
    if listed:
        window_minima(work, narrow, within[:, :nowhere])
    within[:, nowhere] = np.inf
    for j in range(len(changes)):
        low, high = np.ceil((changes[j] - ramp) / dq - 1e-9), np.floor((changes[j] + ramp) / dq + 1e-9) + 1.0
        wide = 1 if high - low > narrow else 0
        begin, end = int(min(max(low, -2.0 * nq), nq + 1.0)), int(min(max(high, -nq), nq + 1.0))
        if listed:
            end, shift = begin + narrow + wide, begin + narrow
        else:
            wide, shift = 0, 0
            least(work, begin, end, within[0])
        above = ramp_price * max(end * dq - changes[j] - ramp, 0.0)
        below = ramp_price * max(changes[j] - ramp - (begin - 1) * dq, 0.0)
        for p in range(nq):
            row = p + shift if 0 <= p + shift < nowhere else nowhere
            up, dearer_up = min(max(p + end, 0), nq), above + slope * max(-p - end, 0)
            down, dearer_down = min(p + begin - 1, nq - 1), below + slope * max(p + begin - nq, 0)
            down = nq if down < 0 else down
            for i in range(ne):
                best = min(within[wide, row, i], dearer_up + rising[up, i])
                value[p, i] += share * min(best, dearer_down + falling[down, i])


@_compiled
def least(work: Floats, begin: int, end: int, out: Floats) -> None:
    """Fill ``out[p]`` with the least row of ``work[p + begin:p + end]``, of what lies inside; inf for nothing.

    Args:
        work: Costs by power and energy, shape (Q, E).
        begin: Begin of the window, in grid points from p.
        end: End of the window, exclusive.
        out: Result, shape (Q, E) at least; written in place.
    """
    nq, ne = work.shape
    for p in range(nq):
        out[p, :] = np.inf
        for m in range(max(p + begin, 0), min(p + end, nq)):
            for i in range(ne):
                out[p, i] = min(out[p, i], work[m, i])


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
        terminal: Worth of energy at the end, money, shape (E,).
    """
    net, dt, power = course.net_mw, course.hours, grids.power_mw
    price_dev, level_dev = course.price_deviation_per_mwh, course.level_deviation_mw
    ne, nq, nk = len(grids.energy_mwh), len(power), level_dev.shape[1]
    value, caps, share = np.empty((nq, ne)), np.empty(nq), 1.0 / ramps.deviation_mw.shape[1]
    work = np.empty((price_dev.shape[1], nq, ne))
    moves = reach(dt[-1], battery, grids)
    value[:] = -terminal
    for h in range(len(net) - 1, 0, -1):
        if dt[h] != moves.hours:
            moves = reach(dt[h], battery, grids)
        shed_price, cap_price = course.shed_price_per_mwh[h] * dt[h], level.price_per_mwh * dt[h]
        for m in range(nq):
            caps[m] = 0.0
            for k in range(nk):
                grid = net[h] + level_dev[h, k] - power[m]
                cost = level_cost(grid, level.low_mw, level.high_mw, cap_price, course.shed_mw[h], shed_price)
                caps[m] += cost / nk
        changes = net[h] - net[h - 1] + ramps.deviation_mw[h]
        nodes = 1 if price_dev[h, -1] == 0.0 else len(work)
        paid = course.price_per_mwh[h] + price_dev[h, :nodes]
        act(work[:nodes], value, caps, paid, course.generator_price_per_mwh[h], battery, grids, moves)
        value[:, :] = 0.0
        for k in range(nodes):
            mine = changes if nodes == 1 else changes[ramps.price_node == k]
            meet(value, work[k], mine, share, ramps.limit_mw[h], ramps.price_per_mw, power[1] - power[0])
    return value.T.copy()
