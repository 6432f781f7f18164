"""Clearing by stochastic dynamic programming, where one battery serves the zone.

State: energy in store × last plant power, for the ramp is the net load's change less the plant power's change, so these
two say all. Future steps see each of several equally likely ramps before they act: unlike the LP's one plan for all of
them, the programme knows that it will be able to answer. Measured on a grid twin it is worth 3 to 4 points of 100.

The programme decides the first slot and values the water; the plan beyond it, prices and limits in words are those of
the LP with that first action (``agents.clearing``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from agents.asset_bounds import binding_values, commits, floor_and_ceiling
from agents.clearing import committed, solve
from agents.curve import SPREADS
from agents.dp_kernel import backward, between_both, first_costs
from agents.explain import say_binding
from agents.penalties import deviations, gap_hours
from agents.problem import Array, ClearingProblem, Plan, seen
from vpp.fleet import Battery, CurtailableLoad, CurtailableRenewable, Peaker

ENERGY_POINTS = 25
POWER_SPANS = 23
RAMP_NODES = 7
LEVEL_NODES = 5
FIRST_NODES = 5
FIRST_STEP_MW = 0.1
CURVE_POINTS = 13


@dataclass(frozen=True, slots=True)
class Programme:
    """A solved programme: what the first action is weighed with. Rows are the problem's; ``peaker`` is None without."""

    problem: ClearingProblem
    row: int
    peaker: int | None
    energy: Array
    power: Array
    value: Array
    shed: Array


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


def solve_dp(problem: ClearingProblem) -> Plan:
    """Return the programme's plan where it applies, else the LP's; a peaker fixed at h = 0 makes it the second pass."""
    if not applies(problem):
        return solve(problem)
    programme = induce(problem)
    peak = _first_peak(programme)
    power, _ = _best(programme, peak, 0.0)
    return _plan(programme, peak, power)


def solve_dp_with_curve(problem: ClearingProblem) -> Plan:
    """Return the programme's plan with the battery's curve over seen net load (see ``agents.curve``).

    The programme is solved for the middle and both ends of the curve; between them its values are interpolated.
    """
    if not applies(problem):
        from agents.curve import with_curve

        return with_curve(problem, solve(problem))
    programme = induce(problem)
    peak = _first_peak(programme)
    power, _ = _best(programme, peak, 0.0)
    plan = _plan(programme, peak, power)
    spread = max(float(problem.level_sd_mw[0]), 0.05 * problem.zone.limits.ramp_limit_mw)
    offsets = np.linspace(-SPREADS * spread, SPREADS * spread, CURVE_POINTS)
    ends = [induce(seen(problem, plan, float(problem.net_mw[0] + offset))).value for offset in offsets[[0, -1]]]
    powers = np.zeros((len(problem.assets), CURVE_POINTS))
    for k, offset in enumerate(offsets):
        share = abs(float(offset)) / float(offsets[-1])
        value = (1.0 - share) * programme.value + share * ends[0 if offset < 0 else 1]
        powers[programme.row, k], _ = _best(replace(programme, value=value), peak, float(offset))
    return replace(plan, curve_net_mw=problem.net_mw[0] + offsets, curve_mw=powers)


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
        problem.level_sd_mw[:, None] * deviations(LEVEL_NODES)[None, :],
        shed,
        _battery(battery),
        np.array([0.0, 0.25, 0.5, 0.75, 1.0]) * capacity if capacity else np.zeros(1),
        energy,
        power,
        _terminal(problem, battery, energy),
    )
    return Programme(problem, row, peaker, energy, power, value, shed)


def _capacity(problem: ClearingProblem, peaker: int | None) -> float:
    asset = problem.assets[peaker] if peaker is not None else None
    return asset.capacity_mw if isinstance(asset, Peaker) else 0.0


def _power_grid(battery: Battery, capacity: float) -> Array:
    top = max(battery.discharge_mw, capacity)
    spacing = (battery.charge_mw + top) / POWER_SPANS
    down, up = math.ceil(battery.charge_mw / spacing - 1e-9), math.ceil(top / spacing - 1e-9)
    return np.asarray(np.arange(-down, up + 1) * spacing, dtype=np.float64)


def _battery(battery: Battery) -> Array:
    return np.array(
        [
            battery.charge_efficiency,
            battery.discharge_efficiency,
            battery.charge_mw,
            battery.discharge_mw,
            battery.wear_cost_per_mwh,
        ]
    )


def _peak_price(problem: ClearingProblem, peaker: int | None) -> Array:
    asset = problem.assets[peaker] if peaker is not None else None
    fuel = asset.fuel_cost_per_mwh if isinstance(asset, Peaker) else 0.0
    return np.asarray(fuel - problem.generation_price_per_mwh)


def _level(problem: ClearingProblem) -> Array:
    limits = problem.zone.limits
    low = -np.inf if limits.export_cap_mw is None else -limits.export_cap_mw
    return np.array([low, limits.import_cap_mw, problem.service_factor * limits.cap_penalty_per_mwh])


def _shedding(problem: ClearingProblem) -> Array:
    """Return emergency shedding per step: MW, and its mean net price per MWh."""
    loads = [a for a in problem.assets if isinstance(a, CurtailableLoad)]
    total = sum(a.capacity_mw for a in loads)
    cost = sum(a.capacity_mw * a.curtail_cost_per_mwh for a in loads) / total if total else 0.0
    return np.stack([np.full(problem.steps, total), cost - problem.generation_price_per_mwh], axis=1)


def _terminal(problem: ClearingProblem, battery: Battery, energy: Array) -> Array:
    """Return the worth of energy left, on the energy grid."""
    widths = problem.stored_width * (battery.soc_max - battery.soc_min) * battery.energy_mwh
    edges = battery.soc_min * battery.energy_mwh + np.concatenate([[0.0], np.cumsum(widths)])
    worth = np.concatenate([[0.0], np.cumsum(widths * problem.stored_value_per_mwh)])
    return np.asarray(np.interp(energy, edges, worth))


def _first_peak(programme: Programme) -> float:
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
    choices = np.unique(np.concatenate([np.linspace(low, high, 17), [low, high]]))
    offsets = float(problem.level_sd_mw[0]) * deviations(FIRST_NODES)
    costs = [float(np.mean([_best(programme, float(g), float(o))[1] for o in offsets])) for g in choices]
    return float(choices[int(np.argmin(costs))])


def _best(programme: Programme, peak: float, offset: float) -> tuple[float, float]:
    """Return the battery's best power at h = 0 and its cost, when net load is off its expectation by ``offset``."""
    problem, battery = programme.problem, programme.problem.assets[programme.row]
    assert isinstance(battery, Battery)
    limits, state = problem.zone.limits, problem.state
    net = float(problem.net_mw[0]) + offset
    ramp = max(limits.ramp_limit_mw - problem.ramp_margin_mw, 0.0)
    cap = limits.import_cap_mw - problem.cap_margin_mw
    change = net - state.grid_mw
    candidates = _candidates(programme, np.array([change - ramp, change + ramp, net - cap]) - peak)
    level = _level(problem)
    level[1] = cap
    costs = first_costs(
        candidates,
        peak,
        net,
        change,
        float(problem.step_h[0]),
        float(problem.price_per_mwh[0]),
        float(_peak_price(problem, programme.peaker)[0]),
        ramp,
        problem.service_factor * limits.ramp_penalty_per_mwh * problem.zone.step.hours,
        level,
        programme.shed[0],
        _battery(battery),
        float(state.soc[programme.row]) * battery.energy_mwh,
        programme.energy,
        programme.power,
        programme.value,
    )
    at = int(np.argmin(costs))
    return float(candidates[at]), float(costs[at])


def _candidates(programme: Programme, limits: Array) -> Array:
    """Return the first actions to compare: a fine grid, idling, and those that hit a limit exactly."""
    battery = programme.problem.assets[programme.row]
    assert isinstance(battery, Battery)
    hours = float(programme.problem.step_h[0])
    start = float(programme.problem.state.soc[programme.row]) * battery.energy_mwh
    most = min((start - programme.energy[0]) * battery.discharge_efficiency / hours, battery.discharge_mw)
    least = max((start - programme.energy[-1]) / battery.charge_efficiency / hours, -battery.charge_mw)
    most, least = max(most, 0.0), min(least, 0.0)
    grid = np.arange(math.ceil(least / FIRST_STEP_MW), math.floor(most / FIRST_STEP_MW) + 1) * FIRST_STEP_MW
    exact = limits[np.isfinite(limits) & (limits > least) & (limits < most)]
    return np.unique(np.concatenate([[least, 0.0, most], grid, exact]))


def _plan(programme: Programme, peak: float, power: float) -> Plan:
    """Return the LP's plan with the programme's first action, and the programme's water value."""
    problem = programme.problem
    fixed = problem.bands.fixed_mw.copy()
    fixed[programme.row, 0] = power
    if programme.peaker is not None:
        fixed[programme.peaker, 0] = peak
    plan = solve(replace(problem, bands=replace(problem.bands, fixed_mw=fixed)))
    if plan.engine.startswith("reflex"):
        return plan
    water = plan.water_value_per_mwh.copy()
    water[programme.row] = _water_value(programme, float(plan.soc[programme.row, 0]), power + peak)
    worth = plan.power_price_per_mwh.copy()
    dearer, cheaper = (_best(programme, peak, offset)[1] for offset in (FIRST_STEP_MW, -FIRST_STEP_MW))
    rise = (dearer - cheaper) / (2.0 * FIRST_STEP_MW)
    worth[0] = problem.price_per_mwh[0] + rise / problem.step_h[0]
    plan = replace(plan, engine="dp", water_value_per_mwh=water, power_price_per_mwh=worth)
    return replace(plan, binding=say_binding(problem, plan))


def _water_value(programme: Programme, soc: float, plant_mw: float) -> float:
    """Return the worth of one more MWh after h = 0: the value table's slope around the state, money per MWh."""
    battery = programme.problem.assets[programme.row]
    assert isinstance(battery, Battery)
    de = float(programme.energy[1] - programme.energy[0])
    dq = float(programme.power[1] - programme.power[0])
    place = min(max((soc * battery.energy_mwh - programme.energy[0]) / de, 0.5), len(programme.energy) - 1.5)
    column = (plant_mw - programme.power[0]) / dq
    rise = between_both(programme.value, place + 0.5, column) - between_both(programme.value, place - 0.5, column)
    return float(-rise / de)


def second_pass(problem: ClearingProblem, plan: Plan) -> Plan:
    """Return the plan of a second pass (``seen``): the programme's where it applies, else the LP's."""
    return solve_dp(problem) if applies(problem) else committed(problem, plan)
