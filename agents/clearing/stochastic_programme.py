"""The stochastic programme of one battery: built from a clearing problem, and asked for first actions.

State: energy in store × last plant power, for the ramp is the net load's change less the plant power's change, so these
two say all. The kernels are in ``agents.clearing.stochastic_kernel``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from agents.clearing.horizon_bounds import binding_values, commits, floor_and_ceiling
from agents.clearing.penalties import deviations, gap_hours
from agents.clearing.problem import ClearingProblem
from agents.clearing.stochastic_kernel import action_cost, backward, best_action, best_peak, between_both
from vpp.fleet.schema import Battery, CurtailableLoad, CurtailableRenewable, Peaker
from vpp.numerics.arrays import Floats

ENERGY_POINTS = 25
POWER_SPANS = 23
RAMP_NODES = 7
LEVEL_NODES = 5
FIRST_NODES = 5
PRICE_PAIRS = np.array([0, 1, 2, 0, 2, 1, 0], dtype=np.int64)
"""Price node of each ramp node: seen alone, ramps of either sign and both prices are equally frequent together."""

PRICE_NODES = math.sqrt(7.0 / 4.0) * np.array([0.0, 1.0, -1.0])
"""Deviations of unit spread, as often as ``PRICE_PAIRS`` has them."""

FIRST_STEP_MW = 0.1
PEAK_CHOICES = 17

_PRICE = 1
"""Place of the slot's price in what the first action is weighed with (``_now``)."""


@dataclass(frozen=True, slots=True)
class Programme:
    """A solved programme: what the first action is weighed with. Rows are the problem's; ``peaker`` is None without."""

    problem: ClearingProblem
    row: int
    peaker: int | None
    energy: Floats
    power: Floats
    value: Floats
    battery: Floats
    now: Floats


def applies(problem: ClearingProblem) -> bool:
    """Return whether the programme covers this problem; the LP covers all.

    One free battery within its band, at most one peaker that needs no commitment, loads for emergencies only, no
    renewable that could be cut, no orders, no churn price, and nothing fixed but the peaker's first slot.
    """
    batteries = [i for i, a in enumerate(problem.assets) if isinstance(a, Battery)]
    peakers = [i for i, a in enumerate(problem.assets) if isinstance(a, Peaker)]
    bands = problem.bands
    if len(batteries) != 1 or len(peakers) > 1 or problem.steps < 2 or problem.churn_price_per_mwh > 0:
        return False
    if any(commits(a) for a in problem.assets if isinstance(a, Peaker)):
        return False
    if any(isinstance(a, CurtailableLoad) and not a.only_at_cap for a in problem.assets):
        return False
    cut = [i for i, a in enumerate(problem.assets) if isinstance(a, CurtailableRenewable)]
    if np.nan_to_num(problem.potential_mw[cut]).any() or not problem.state.available.all():
        return False
    if np.isfinite(bands.min_mw).any() or np.isfinite(bands.max_mw).any() or np.isfinite(bands.soc_target).any():
        return False
    fixed = np.isfinite(bands.fixed_mw)
    if fixed[:, 1:].any() or any(fixed[i, 0] for i in range(len(problem.assets)) if i not in peakers):
        return False
    battery = problem.assets[batteries[0]]
    assert isinstance(battery, Battery)
    floor, ceiling = floor_and_ceiling(battery)
    return floor - 1e-9 <= float(problem.state.soc[batteries[0]]) <= ceiling + 1e-9


def induce(problem: ClearingProblem) -> Programme:
    """Return the programme of a problem that it applies to, with the value of the state after h = 0."""
    row = next(i for i, a in enumerate(problem.assets) if isinstance(a, Battery))
    peaker = next((i for i, a in enumerate(problem.assets) if isinstance(a, Peaker)), None)
    battery = problem.assets[row]
    assert isinstance(battery, Battery)
    floor, ceiling = floor_and_ceiling(battery)
    energy = np.linspace(floor, ceiling, ENERGY_POINTS) * battery.energy_mwh
    capacity = _capacity(problem, peaker)
    power = _power_grid(battery, capacity)
    limits, slot_h = problem.zone.limits, problem.zone.step.hours
    shed = _shedding(problem)
    value = backward(
        problem.net_mw,
        problem.step_h,
        problem.price_per_mwh,
        _peak_price(problem, peaker),
        limits.ramp_limit_mw * gap_hours(problem.step_h) / slot_h,
        problem.service_factor * limits.ramp_penalty_per_mwh * slot_h,
        _level(problem),
        problem.ramp_sd_mw[:, None] * deviations(RAMP_NODES)[None, :],
        _price_deviations(problem),
        PRICE_PAIRS,
        problem.level_sd_mw[:, None] * deviations(LEVEL_NODES)[None, :],
        shed,
        _battery(battery),
        np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * capacity if capacity else np.zeros(1),
        energy,
        power,
        _terminal(problem, battery, energy),
    )
    return Programme(
        problem, row, peaker, energy, power, value, _battery(battery), _now(problem, row, peaker, energy, shed)
    )


def _price_deviations(problem: ClearingProblem) -> Floats:
    """Return price deviations (N, 3); the sign turns each step, so that large ramps have no price of their own."""
    sign = np.where(np.arange(problem.steps) % 2 == 0, 1.0, -1.0)
    return np.asarray((sign * problem.price_sd_per_mwh)[:, None] * PRICE_NODES[None, :])


def _capacity(problem: ClearingProblem, peaker: int | None) -> float:
    asset = problem.assets[peaker] if peaker is not None else None
    return asset.capacity_mw if isinstance(asset, Peaker) else 0.0


def _power_grid(battery: Battery, capacity: float) -> Floats:
    top = max(battery.discharge_mw, capacity)
    spacing = (battery.charge_mw + top) / POWER_SPANS
    down, up = math.ceil(battery.charge_mw / spacing - 1e-9), math.ceil(top / spacing - 1e-9)
    return np.asarray(np.arange(-down, up + 1) * spacing, dtype=np.float64)


def _battery(battery: Battery) -> Floats:
    return np.array(
        [
            battery.charge_efficiency,
            battery.discharge_efficiency,
            battery.charge_mw,
            battery.discharge_mw,
            battery.wear_cost_per_mwh,
        ]
    )


def _peak_price(problem: ClearingProblem, peaker: int | None) -> Floats:
    asset = problem.assets[peaker] if peaker is not None else None
    fuel = asset.fuel_cost_per_mwh if isinstance(asset, Peaker) else 0.0
    return np.asarray(fuel - problem.generation_price_per_mwh)


def _level(problem: ClearingProblem) -> Floats:
    limits = problem.zone.limits
    low = -np.inf if limits.export_cap_mw is None else -limits.export_cap_mw
    return np.array([low, limits.import_cap_mw, problem.service_factor * limits.cap_penalty_per_mwh])


def _shedding(problem: ClearingProblem) -> Floats:
    """Return emergency shedding per step: MW, and its mean net price per MWh."""
    loads = [a for a in problem.assets if isinstance(a, CurtailableLoad)]
    total = sum(a.capacity_mw for a in loads)
    cost = sum(a.capacity_mw * a.curtail_cost_per_mwh for a in loads) / total if total else 0.0
    return np.stack([np.full(problem.steps, total), cost - problem.generation_price_per_mwh], axis=1)


def _terminal(problem: ClearingProblem, battery: Battery, energy: Floats) -> Floats:
    """Return the worth of energy left, on the energy grid."""
    widths = problem.stored_width * (battery.soc_max - battery.soc_min) * battery.energy_mwh
    edges = battery.soc_min * battery.energy_mwh + np.concatenate([[0.0], np.cumsum(widths)])
    worth = np.concatenate([[0.0], np.cumsum(widths * problem.stored_value_per_mwh)])
    return np.asarray(np.interp(energy, edges, worth))


def _now(problem: ClearingProblem, row: int, peaker: int | None, energy: Floats, shed: Floats) -> Floats:
    """Return what the first action is weighed with, as ``dp_kernel.action_cost`` wants it."""
    battery, limits = problem.assets[row], problem.zone.limits
    assert isinstance(battery, Battery)
    low, high, cap_price = _level(problem)
    start = float(np.clip(problem.state.soc[row] * battery.energy_mwh, energy[0], energy[-1]))
    return np.array(
        [
            problem.step_h[0],
            problem.price_per_mwh[0],
            _peak_price(problem, peaker)[0],
            max(limits.ramp_limit_mw - problem.ramp_margin_mw, 0.0),
            problem.service_factor * limits.ramp_penalty_per_mwh * problem.zone.step.hours,
            low + problem.cap_margin_mw,
            high - problem.cap_margin_mw,
            cap_price,
            *shed[0],
            start,
        ]
    )


def first_peak(programme: Programme) -> float:
    """Return the peaker's power at h = 0: as fixed, else the best over equally likely net loads of the slot."""
    problem, peaker = programme.problem, programme.peaker
    if peaker is None:
        return 0.0
    fixed = float(binding_values(problem)[peaker, 0])
    if not math.isnan(fixed):
        return fixed
    asset = problem.assets[peaker]
    assert isinstance(asset, Peaker)
    swing = asset.ramp_mw_per_h * float(problem.step_h[0])
    before = min(max(float(problem.state.power_mw[peaker]), 0.0), asset.capacity_mw)
    low, high = max(before - swing, 0.0), min(before + swing, asset.capacity_mw)
    net = float(problem.net_mw[0])
    return float(
        best_peak(
            np.linspace(low, high, PEAK_CHOICES),
            float(problem.level_sd_mw[0]) * deviations(FIRST_NODES),
            net,
            net - problem.state.grid_mw,
            FIRST_STEP_MW,
            programme.now,
            programme.battery,
            programme.energy,
            programme.power,
            programme.value,
        )
    )


def best_power(programme: Programme, peak: float, offset: float) -> tuple[float, float]:
    """Return the battery's best power at h = 0 and its cost, when net load is off its expectation by ``offset``."""
    net = float(programme.problem.net_mw[0]) + offset
    change = net - programme.problem.state.grid_mw
    power, cost = best_action(
        peak, net, change, FIRST_STEP_MW, programme.now, programme.battery, programme.energy, programme.power,
        programme.value,
    )  # fmt: skip
    return float(power), float(cost)


def at_price(programme: Programme, price_per_mwh: float) -> Programme:
    """Return the programme with another price in the slot decided; what follows it stays as it was."""
    now = programme.now.copy()
    now[_PRICE] = price_per_mwh
    return replace(programme, now=now)


def cost_of(programme: Programme, first_mw: Floats) -> float:
    """Return the expected cost of the assets' first powers (shape (A,), MW) and all after it; inf out of reach."""
    problem = programme.problem
    peak = float(first_mw[programme.peaker]) if programme.peaker is not None else 0.0
    net = float(problem.net_mw[0])
    return float(
        action_cost(
            float(first_mw[programme.row]), peak, net, net - problem.state.grid_mw, programme.now, programme.battery,
            programme.energy, programme.power, programme.value,
        )
    )  # fmt: skip


def water_value(programme: Programme, soc: float, plant_mw: float) -> float:
    """Return the worth of one more MWh after h = 0: the value table's slope around the state, money per MWh."""
    battery = programme.problem.assets[programme.row]
    assert isinstance(battery, Battery)
    de = float(programme.energy[1] - programme.energy[0])
    dq = float(programme.power[1] - programme.power[0])
    place = min(max((soc * battery.energy_mwh - programme.energy[0]) / de, 0.5), len(programme.energy) - 1.5)
    column = (plant_mw - programme.power[0]) / dq
    rise = between_both(programme.value, place + 0.5, column) - between_both(programme.value, place - 0.5, column)
    return float(-rise / de)
