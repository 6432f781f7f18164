"""Clearing by stochastic dynamic programming, where one battery serves the zone.

The state is the energy in store and the last plant power. These two suffice, because the ramp is the change of net load
minus the change of plant power. In each later step one of several equally likely ramps occurs, and the programme acts
after it sees the ramp. The LP has one plan for all ramps. This difference is worth 1 to 4 points of 100 on the grid
twin.

The programme decides the first slot and the value of stored energy (water value). The later slots, the prices and the
limits in words come from the LP with that first action (``agents.clearing.solve``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from agents.clearing.horizon_bounds import first_power
from agents.clearing.inslot_curve import SPREADS, with_curve
from agents.clearing.plan_reasons import say_binding
from agents.clearing.problem import ActionCosts, ClearingProblem, Plan, with_seen
from agents.clearing.solve import cost_if, solve, solve_unworded
from agents.clearing.stochastic_programme import (
    ActionCurve,
    Programme,
    applies,
    best_power,
    best_powers,
    first_generation,
    induce,
    revalued,
    water_value,
)
from vpp.messages import Engine

CURVE_POINTS = 13
PLAN_NODES = 8
"""Maximum of search nodes for the plan after the first slot; few suffice, because each slot makes a new plan."""


def solve_dp(problem: ClearingProblem) -> Plan:
    """Return the programme's plan where it applies, else the LP's; a peaker fixed at h = 0 keeps its power."""
    if not applies(problem):
        return solve(problem)
    programme = induce(problem)
    generation = first_generation(programme)
    power, _ = best_power(programme, generation, 0.0)
    return _plan(programme, generation, power)


def solve_dp_with_curve(problem: ClearingProblem) -> Plan:
    """Return the programme's plan with the battery's curve over observed net load (``agents.clearing.inslot_curve``).

    The programme is solved for the middle and both ends of the curve; between them its values are interpolated.
    """
    if not applies(problem):
        return with_curve(problem, solve(problem))
    programme = induce(problem)
    generation = first_generation(programme)
    power, _ = best_power(programme, generation, 0.0)
    plan = _plan(programme, generation, power)
    spread = max(float(problem.level_sd_mw[0]), 0.05 * problem.zone.limits.ramp_limit_mw)
    offsets = np.linspace(-SPREADS * spread, SPREADS * spread, CURVE_POINTS)
    ends = (with_seen(problem, float(problem.net_mw[0] + offset)) for offset in offsets[[0, -1]])
    first, last = (revalued(programme, net_mw=end.net_mw) for end in ends)
    powers = np.zeros((len(problem.assets), CURVE_POINTS))
    prices = np.full(CURVE_POINTS, programme.now.price_per_mwh)
    curve = ActionCurve(offsets / offsets[-1], offsets, prices, first, last)
    powers[programme.row] = best_powers(programme, generation, curve)
    return replace(plan, curve_net_mw=problem.net_mw[0] + offsets, curve_mw=powers)


def _plan(programme: Programme, generation: float, power: float) -> Plan:
    """Return the LP's plan with the programme's first action, and the programme's water value."""
    problem = programme.problem
    fixed = problem.bands.fixed_mw.copy()
    fixed[programme.row, 0] = power
    if programme.generator_row is not None:
        fixed[programme.generator_row, 0] = generation
    effort = replace(problem.effort, tree_nodes=min(PLAN_NODES, problem.effort.tree_nodes))
    plan = solve_unworded(replace(problem, bands=replace(problem.bands, fixed_mw=fixed), effort=effort))
    if plan.is_reflex:
        return plan
    water = plan.water_value_per_mwh.copy()
    water[programme.row] = water_value(programme, float(plan.soc[programme.row, 0]), power + generation)
    worth = plan.power_price_per_mwh.copy()
    step_mw = programme.first_step_mw
    dearer, cheaper = (best_power(programme, generation, offset)[1] for offset in (step_mw, -step_mw))
    rise = (dearer - cheaper) / (2.0 * step_mw)
    worth[0] = problem.price_per_mwh[0] + rise / problem.step_h[0]
    plan = replace(plan, engine=Engine.DP, water_value_per_mwh=water, power_price_per_mwh=worth, action_costs=programme)
    return replace(plan, binding=say_binding(problem, plan))


def regrets(problem: ClearingProblem, plan: Plan, actions: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the extra cost of each alternative first action over the plan, as weighted in the optimisation.

    If the programme made the plan and an action moves only its battery and generator, the programme's values give the
    cost; powers beyond the physical limits are clipped. Otherwise the LP's objective gives it (``cost_if``).

    Args:
        problem: The decision.
        plan: Its plan.
        actions: Name to (asset id to MW at h = 0).
    """
    solved = plan.action_costs
    is_solved = solved is not None and solved.problem is problem
    if plan.engine != "dp" or not (is_solved or applies(problem)):
        return {name: cost_if(problem, forced) - plan.objective for name, forced in actions.items()}
    programme: ActionCosts = solved if solved is not None and is_solved else induce(problem)
    chosen = programme.cost_of(plan.power_mw[:, 0])
    costs: dict[str, float] = {}
    for name, forced in actions.items():
        rows = {problem.index_of(asset_id): power for asset_id, power in forced.items()}
        if set(rows) - programme.movable:
            costs[name] = cost_if(problem, forced) - plan.objective
            continue
        first_mw = plan.power_mw[:, 0].copy()
        for row in programme.movable:
            first_mw[row] = first_power(problem, row, rows.get(row, float(first_mw[row])))
        costs[name] = programme.cost_of(first_mw) - chosen
    return costs
