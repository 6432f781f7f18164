"""Baseline of joint clearing: grid service first, then arbitrage with the remaining battery power.

This is a research baseline: the plant does not run it.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from agents.assets.registry import store_rows
from agents.clearing.branch_and_bound import branch
from agents.clearing.inslot_curve import SPREADS
from agents.clearing.penalties import level_hinges, ramp_hinges
from agents.clearing.problem import ClearingProblem, Plan, seen
from agents.clearing.program import build
from agents.clearing.solve import read_plan, solve
from vpp.messages import Engine
from vpp.numerics.arrays import Floats

FLAT_PER_MWH = 100.0
CURVE_POINTS = 5


def solve_grid_first(problem: ClearingProblem) -> Plan:
    """Return the plan that serves the grid as if energy had one price, then trades where it raises no penalty.

    First the service plan is solved at a flat price. Then the batteries' prices are used, with every piece of the
    penalty curves held to what the service plan used and everything but the batteries to its power.
    """
    flat = np.full(problem.steps, FLAT_PER_MWH)
    service = replace(
        problem,
        price_per_mwh=flat,
        generation_price_per_mwh=flat,
        stored_value_per_mwh=np.full_like(problem.stored_value_per_mwh, 0.95 * FLAT_PER_MWH),
        service_factor=1.0,
    )
    plan = solve(service)
    if plan.is_reflex:
        return plan
    fixed = problem.bands.fixed_mw.copy()
    other_rows = [i for i in range(len(problem.assets)) if i not in store_rows(problem.zone)]
    fixed[other_rows] = plan.power_mw[other_rows]
    trade = replace(problem, bands=replace(problem.bands, fixed_mw=fixed), service_factor=1.0)
    used = _penalty_pieces(service, plan)
    model = build(trade)
    column = model.layout.column
    high = model.program.high.copy()
    for name, pieces in used.items():
        places = column[name]
        dear = model.program.cost[places] > 1e-9
        high[places] = np.where(dear, np.minimum(high[places], pieces + 1e-6 * problem.unit_mw), high[places])
    served_mw = problem.zone.share.served_mw
    program = replace(model.program, high=high)
    solution = branch(program, *model.layout.exclusive, problem.effort, served_mw=served_mw)
    if solution.answer.value is None:
        return plan
    return read_plan(trade, model, solution.program, solution.answer, Engine.LP)


def solve_grid_first_with_curve(problem: ClearingProblem) -> Plan:
    """Return the grid-first plan with the batteries' curves: the same order of aims at five seen net loads."""
    plan = solve_grid_first(problem)
    batteries = store_rows(problem.zone)
    if not batteries or plan.is_reflex:
        return plan
    width = SPREADS * max(float(problem.level_sd_mw[0]), 0.05 * problem.zone.limits.ramp_limit_mw)
    nets = problem.net_mw[0] + np.linspace(-width, width, CURVE_POINTS)
    passes = [solve_grid_first(seen(problem, plan, float(net))) for net in nets]
    if any(each.is_reflex for each in passes):
        return plan
    powers = np.zeros((len(problem.assets), CURVE_POINTS))
    powers[batteries] = np.stack([each.power_mw[batteries, 0] for each in passes], axis=1)
    return replace(plan, curve_net_mw=nets, curve_mw=powers)


def _penalty_pieces(problem: ClearingProblem, plan: Plan) -> dict[str, Floats]:
    """Return the use of each penalty piece by a plan, from its grid power."""
    before = np.concatenate([[problem.state.grid_mw], plan.grid_mw[:-1]])
    change = np.nan_to_num(plan.grid_mw - before)
    return {
        "ramp": ramp_hinges(problem).used(change),
        "level": level_hinges(problem).used(plan.grid_mw),
    }
