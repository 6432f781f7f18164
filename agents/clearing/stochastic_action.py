"""Compiled kernels of the stochastic dynamic programme: the first action, compared with the cost of later steps.

The expected cost after the slot comes from ``agents.clearing.stochastic_kernel``.
"""

from __future__ import annotations

import numpy as np

from agents.clearing.stochastic_inputs import BatteryCell, FirstSlot, Grids
from agents.clearing.stochastic_kernel import between_both, hinge, level_cost
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

_compiled = kernel(error_model="numpy")
_inlined = kernel(error_model="numpy", inline="always")


@_inlined
def action_cost(  # noqa: PLR0917
    b: float,
    generation: float,
    net: float,
    change: float,
    now: FirstSlot,
    battery: BatteryCell,
    grids: Grids,
    value: Floats,
) -> float:
    """Return the cost of a first action and all after it, money; inf out of reach.

    Args:
        b: Battery power, MW.
        generation: Generator power, MW.
        net: Net load of the slot, MW.
        change: Net load less last grid power, MW, so the ramp is ``change - b - generation``; NaN counts none.
        now: What the action is weighed with.
        battery: The battery.
        grids: The grids.
        value: Expected cost after the slot, money, shape (E, Q).
    """
    dt, energy, power = now.hours, grids.energy_mwh, grids.power_mw
    moved = b / battery.discharge_efficiency * dt if b > 0 else b * battery.charge_efficiency * dt
    last = len(energy) - 1
    after = now.energy_mwh - moved
    if after < energy[0] - 1e-6 * battery.unit_mw or after > energy[last] + 1e-6 * battery.unit_mw:
        return np.inf
    q = b + generation
    cost = dt * (now.generator_price_per_mwh * generation - now.price_per_mwh * b + battery.wear_per_mwh * max(b, 0.0))
    level = now.level
    cost += level_cost(
        net - q, level.low_mw, level.high_mw, level.price_per_mwh * dt, now.shed_mw, now.shed_price_per_mwh * dt
    )
    if not np.isnan(change):
        cost += hinge(change - q, -now.ramp_limit_mw, now.ramp_limit_mw, now.ramp_price_per_mw)
    row = (after - energy[0]) / (energy[1] - energy[0])
    return float(cost + between_both(value, row, (q - power[0]) / (power[1] - power[0])))


@_compiled
def best_action(  # noqa: PLR0917
    generation: float,
    net: float,
    change: float,
    step: float,
    now: FirstSlot,
    battery: BatteryCell,
    grids: Grids,
    value: Floats,
) -> tuple[float, float]:
    """Return the best battery power at h = 0 (MW) and its cost; ``step``: spacing in MW, the rest as ``action_cost``.

    Compared are multiples of ``step``, idling, the ends of what the battery can do, and what just meets a limit; the
    least power wins a tie.

    Args:
        generation: Power of the other assets, MW.
        net: Net load of the first slot, MW.
        change: Change of net load to it, MW; NaN unknown.
        step: Spacing of the compared powers, MW.
        now: Limits and prices of the first slot.
        battery: Limits and efficiencies of the battery.
        grids: Grids of energy and power.
        value: Cost from the second step on, shape (E, Q).
    """
    energy, ramp, level = grids.energy_mwh, now.ramp_limit_mw, now.level
    least = max((now.energy_mwh - energy[len(energy) - 1]) / battery.charge_efficiency / now.hours, -battery.charge_mw)
    most = min((now.energy_mwh - energy[0]) * battery.discharge_efficiency / now.hours, battery.discharge_mw)
    least, most = min(least, 0.0), max(most, 0.0)
    best, best_cost = 0.0, action_cost(0.0, generation, net, change, now, battery, grids, value)
    exact = (
        least,
        most,
        change - ramp - generation,
        change + ramp - generation,
        net - level.high_mw - generation,
        net - level.low_mw - generation,
    )
    for b in exact:
        if least <= b <= most:
            cost = action_cost(b, generation, net, change, now, battery, grids, value)
            if cost < best_cost:
                best, best_cost = b, cost
    for k in range(int(np.ceil(least / step)), int(np.floor(most / step)) + 1):
        cost = action_cost(k * step, generation, net, change, now, battery, grids, value)
        if cost < best_cost - 1e-9 * battery.unit_mw:
            best, best_cost = k * step, cost
    return best, best_cost


@_compiled
def best_generation(  # noqa: PLR0913, PLR0917
    choices: Floats,
    offsets: Floats,
    net: float,
    change: float,
    step: float,
    now: FirstSlot,
    battery: BatteryCell,
    grids: Grids,
    value: Floats,
) -> float:
    """Return the generator power of least mean cost over equally likely net loads, the battery answering.

    Args:
        choices: Generator powers to compare, MW, shape (choices,).
        offsets: Equally likely offsets of net load, MW, shape (n,).
        net: Expected net load, MW.
        change: As in ``action_cost``.
        step: As in ``best_action``.
        now: What the action is weighed with.
        battery: The battery.
        grids: The grids.
        value: Expected cost after the slot, money, shape (E, Q).
    """
    best, best_cost = choices[0], np.inf
    for g in choices:
        cost = 0.0
        for offset in offsets:
            cost += best_action(g, net + offset, change + offset, step, now, battery, grids, value)[1]
        if cost < best_cost - 1e-9 * battery.unit_mw:
            best, best_cost = g, cost
    return float(best)


@_compiled
def best_actions(  # noqa: PLR0913, PLR0917
    places: Floats,
    offsets: Floats,
    prices: Floats,
    generation: float,
    net: float,
    change: float,
    step: float,
    now: FirstSlot,
    battery: BatteryCell,
    grids: Grids,
    first: Floats,
    middle: Floats,
    last: Floats,
) -> Floats:
    """Return the best battery power at h = 0 at each point of a curve, MW, shape (P,).

    Args:
        places: Of the points: -1 at the first end, 0 in the middle, 1 at the last end; shape (P,).
        offsets: Net load at each point less ``net``, MW, shape (P,).
        prices: What the battery trades at, per MWh, shape (P,).
        generation: Power of the other assets, MW.
        net: Net load of the first slot, MW.
        change: As in ``action_cost``.
        step: As in ``best_action``.
        now: What an action is weighed with, but for the price.
        battery: The battery.
        grids: The grids.
        first: Expected cost after the slot at the first end, money, shape (E, Q); between two it is interpolated.
        middle: The same in the middle, shape (E, Q).
        last: The same at the last end, shape (E, Q).
    """
    powers = np.empty(len(places))
    for k in range(len(places)):
        share = abs(places[k])
        value = (1.0 - share) * middle + share * (first if places[k] < 0 else last)
        at_price = FirstSlot(
            now.hours,
            prices[k],
            now.generator_price_per_mwh,
            now.ramp_limit_mw,
            now.ramp_price_per_mw,
            now.level,
            now.shed_mw,
            now.shed_price_per_mwh,
            now.energy_mwh,
        )
        offset = offsets[k]
        powers[k] = best_action(generation, net + offset, change + offset, step, at_price, battery, grids, value)[0]
    return powers
