"""Compiled kernels of the stochastic dynamic programme: backward induction and the first action.

Grids, equally spaced: energy e (MWh) and plant power q (MW). Only plain arrays go in and out.
"""

from __future__ import annotations

import numpy as np

from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

_compiled = kernel(error_model="numpy")


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
def act(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    work: Floats,
    value: Floats,
    caps: Floats,
    dt: float,
    price: float,
    peak_price: float,
    battery: Floats,
    peaks: Floats,
    energy: Floats,
    power: Floats,
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
    """Fill ``rising[m] = min_k>=m row[k] + slope (k - m)`` and ``falling[m]`` likewise over ``k <= m``."""
    last = len(row) - 1
    rising[last], falling[0] = row[last], row[0]
    for m in range(last - 1, -1, -1):
        rising[m] = min(row[m], rising[m + 1] + slope)
    for m in range(1, last + 1):
        falling[m] = min(row[m], falling[m - 1] + slope)


@_compiled
def meet(  # noqa: PLR0917  (a compiled kernel takes plain arrays)
    value: Floats, work: Floats, changes: Floats, share: float, ramp: float, ramp_price: float, dq: float
) -> None:
    """Add to ``value`` (E, Q), over net-load ``changes``, ``share`` of the best step from plant power p, ramp counted.

    ``min_q hinge(change - (q - p)) + work(q)``: the hinge is 0 over a window of q, then rises by ``ramp_price dq`` per
    grid point, so window minima and one pass each way replace the search over all q.
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
def outside(  # noqa: PLR0917  (a compiled kernel takes plain arrays)
    rising: Floats, falling: Floats, begin: int, end: int, above: float, below: float, slope: float, best: Floats
) -> None:
    """Lower ``best[p]`` to what lies beyond the window ``p + begin`` to ``p + end``, the ramp beyond its limit paid.

    One loop for each case, without a branch inside: the compiler makes vectors of them.
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
def backward(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    net: Floats,
    dt: Floats,
    price: Floats,
    peak_price: Floats,
    ramp: Floats,
    ramp_price: float,
    level: Floats,
    ramp_dev: Floats,
    price_dev: Floats,
    pairing: Ints,
    level_dev: Floats,
    shed: Floats,
    battery: Floats,
    peaks: Floats,
    energy: Floats,
    power: Floats,
    terminal: Floats,
) -> Floats:
    """Return the expected cost from h = 1 on as a function of energy and plant power of h = 0, shape (E, Q).

    ``V[h](e, p) = mean_j min_q ramp(net[h] - net[h-1] + dev[h, j] - (q - p)) + W[h, k(j)](e, q)``, W as in ``act`` at
    the price that deviates by node ``k(j)``. Pairing each ramp with one price saves most of the work of all pairs.

    Args:
        net: Net load (N,), MW.
        dt: Hours (N,).
        price: What the battery trades at (N,).
        peak_price: Net cost of peaker energy (N,).
        ramp: Ramp limit (N,), MW.
        ramp_price: Money per MW beyond it.
        level: ``(lower cap, upper cap, price per MWh)``.
        ramp_dev: Equally likely deviations of the ramp (N, J), MW.
        price_dev: Deviations of the price (N, K); where the last one is 0, the first serves all ramps.
        pairing: Price node k of each ramp node (J,).
        level_dev: Equally likely deviations of the level (N, K), MW.
        shed: ``(MW, price per MWh)`` of emergency shedding per step (N, 2).
        battery: ``(eta_c, eta_d, charge MW, discharge MW, wear)``.
        peaks: Peaker powers to choose from (G,), MW.
        energy: Energy grid (E,), MWh.
        power: Plant power grid (Q,), MW.
        terminal: Worth of energy at the end (E,), money.
    """
    ne, nq, nk = len(energy), len(power), level_dev.shape[1]
    value, caps, share = np.empty((ne, nq)), np.empty(nq), 1.0 / ramp_dev.shape[1]
    work = np.empty((price_dev.shape[1], ne, nq))
    for i in range(ne):
        value[i, :] = -terminal[i]
    for h in range(len(net) - 1, 0, -1):
        for m in range(nq):
            caps[m] = 0.0
            for k in range(nk):
                grid = net[h] + level_dev[h, k] - power[m]
                cost = level_cost(grid, level[0], level[1], level[2] * dt[h], shed[h, 0], shed[h, 1] * dt[h])
                caps[m] += cost / nk
        changes = net[h] - net[h - 1] + ramp_dev[h]
        nodes = 1 if price_dev[h, -1] == 0.0 else len(work)
        for k in range(nodes):
            paid = price[h] + price_dev[h, k]
            act(work[k], value, caps, dt[h], paid, peak_price[h], battery, peaks, energy, power)
        value[:, :] = 0.0
        for k in range(nodes):
            mine = changes if nodes == 1 else changes[pairing == k]
            meet(value, work[k], mine, share, ramp[h], ramp_price, power[1] - power[0])
    return value


@_compiled
def action_cost(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    b: float,
    peak: float,
    net: float,
    change: float,
    now: Floats,
    battery: Floats,
    energy: Floats,
    power: Floats,
    value: Floats,
) -> float:
    """Return the cost of battery power ``b`` and peaker power ``peak`` at h = 0 and all after it; inf out of reach.

    ``now``: ``(dt, price, peaker's net cost, ramp limit, ramp price, lower cap, upper cap, cap price per MWh, shed MW,
    shed price per MWh, energy)``. ``change``: net load less last grid power, so that the ramp is ``change - b - peak``;
    NaN counts none.
    """
    dt = now[0]
    moved = b / battery[1] * dt if b > 0 else b * battery[0] * dt
    last = len(energy) - 1
    after = now[10] - moved
    if after < energy[0] - 1e-6 or after > energy[last] + 1e-6:
        return np.inf
    q = b + peak
    cost = dt * (now[2] * peak - now[1] * b + battery[4] * max(b, 0.0))
    cost += level_cost(net - q, now[5], now[6], now[7] * dt, now[8], now[9] * dt)
    if not np.isnan(change):
        cost += hinge(change - q, -now[3], now[3], now[4])
    row = (after - energy[0]) / (energy[1] - energy[0])
    return float(cost + between_both(value, row, (q - power[0]) / (power[1] - power[0])))


@_compiled
def best_action(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    peak: float,
    net: float,
    change: float,
    step: float,
    now: Floats,
    battery: Floats,
    energy: Floats,
    power: Floats,
    value: Floats,
) -> tuple[float, float]:
    """Return the best battery power at h = 0 and its cost.

    Compared are multiples of ``step``, idling, the ends of what the battery can do, and what just meets a limit; the
    least power wins a tie.
    """
    least = max((now[10] - energy[len(energy) - 1]) / battery[0] / now[0], -battery[2])
    most = min((now[10] - energy[0]) * battery[1] / now[0], battery[3])
    least, most = min(least, 0.0), max(most, 0.0)
    best, best_cost = 0.0, action_cost(0.0, peak, net, change, now, battery, energy, power, value)
    exact = (least, most, change - now[3] - peak, change + now[3] - peak, net - now[6] - peak, net - now[5] - peak)
    for b in exact:
        if least <= b <= most:
            cost = action_cost(b, peak, net, change, now, battery, energy, power, value)
            if cost < best_cost:
                best, best_cost = b, cost
    for k in range(int(np.ceil(least / step)), int(np.floor(most / step)) + 1):
        cost = action_cost(k * step, peak, net, change, now, battery, energy, power, value)
        if cost < best_cost - 1e-9:
            best, best_cost = k * step, cost
    return best, best_cost


@_compiled
def best_peak(  # noqa: PLR0913, PLR0917  (a compiled kernel takes plain arrays)
    choices: Floats,
    offsets: Floats,
    net: float,
    change: float,
    step: float,
    now: Floats,
    battery: Floats,
    energy: Floats,
    power: Floats,
    value: Floats,
) -> float:
    """Return the peaker power of least mean cost over equally likely ``offsets`` of net load, the battery answering."""
    best, best_cost = choices[0], np.inf
    for g in choices:
        cost = 0.0
        for offset in offsets:
            cost += best_action(g, net + offset, change + offset, step, now, battery, energy, power, value)[1]
        if cost < best_cost - 1e-9:
            best, best_cost = g, cost
    return float(best)
