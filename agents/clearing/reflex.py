"""The reflex: safe powers of the fleet if the solver has no plan in time, named in the decision."""

from __future__ import annotations

import math

import numpy as np

from agents.assets.battery import power_range, soc_after
from agents.assets.registry import rows_where, store_of, type_of
from agents.clearing.horizon_bounds import binding_values, curtailable_power
from agents.clearing.plan_cost import choice_cost, grid_power, plan_costs
from agents.clearing.problem import ClearingProblem, Plan
from vpp.messages import Engine, PlanNote
from vpp.numerics.arrays import Floats


def reflex_plan(problem: ClearingProblem, *, reason: str) -> Plan:
    """Return the plan of the reflex ``limits``: stores move only as far as the limits ask, the rest by its own reflex.

    Step by step, stores in file order take what lies beyond the ramp limit and the caps, within their power and SoC;
    loads are shed for the remaining power above the cap. It uses no prices, no look-ahead and no solver.
    """
    fixed = binding_values(problem)
    power, soc = np.where(np.isnan(fixed), 0.0, fixed), np.full_like(fixed, np.nan)
    stores = [store_of(asset) for asset in problem.assets]
    for i, asset in enumerate(problem.assets):
        if stores[i] is None:
            power[i], soc[i] = type_of(asset).reflex_path(problem, i, fixed[i])
    energy = problem.state.soc.copy()
    sheddable = curtailable_power(problem)
    grid_before = problem.state.grid_mw
    for h in range(problem.steps):
        need_mw = _beyond(problem, h, float(problem.net_mw[h] - power[:, h].sum()), grid_before)
        for i, store in enumerate(stores):
            if store is None:
                continue
            dt = float(problem.step_h[h])
            if np.isnan(fixed[i, h]):
                low, high = power_range(store, float(energy[i]), dt)
                power[i, h] = min(max(need_mw, low), high)
                need_mw -= power[i, h]
            energy[i] = soc_after(store, float(energy[i]), float(power[i, h]), dt)
            soc[i, h] = energy[i]
        _shed(problem, h, power, sheddable)
        grid_before = float(problem.net_mw[h] - power[:, h].sum())
    running = power > 1e-9 * problem.unit_mw
    costs = plan_costs(problem, power, running, soc)
    none = np.zeros(problem.steps)
    return Plan(
        power_mw=power,
        grid_mw=grid_power(problem, power),
        soc=soc,
        running=running,
        objective=choice_cost(problem, costs),
        costs=costs,
        water_value_per_mwh=np.full(len(problem.assets), np.nan),
        power_price_per_mwh=problem.price_per_mwh.copy(),
        ramp_price_per_mw=none,
        cap_price_per_mw=none.copy(),
        status=reason,
        engine=Engine.REFLEX_LIMITS,
        solver="",
        binding=f"no plan from the solver ({reason}): batteries act only to keep the limits",
        notes=(PlanNote(code="no_solution", detail=reason),),
    )


def _beyond(problem: ClearingProblem, h: int, grid: float, before: float) -> float:
    """Return the MW by which ``grid`` lies beyond the limits: positive asks for discharge."""
    limits = problem.zone.limits
    low = -math.inf if limits.export_cap_mw is None else -limits.export_cap_mw
    high = limits.import_cap_mw - (problem.cap_margin_mw if h == 0 else 0.0)
    aim = grid
    if not math.isnan(before):
        stretch = float(problem.step_h[h]) / problem.zone.step.hours
        aim = min(max(aim, before - limits.ramp_limit_mw * stretch), before + limits.ramp_limit_mw * stretch)
    return grid - min(max(aim, low), high)


def _shed(problem: ClearingProblem, h: int, power: Floats, sheddable: Floats) -> None:
    excess_mw = float(problem.net_mw[h] - power[:, h].sum()) - problem.zone.limits.import_cap_mw
    for i in rows_where(problem.zone, lambda kind, asset: kind.shedding(asset)):
        if excess_mw > 0:
            power[i, h] = min(excess_mw, float(sheddable[i, h]))
            excess_mw -= power[i, h]
