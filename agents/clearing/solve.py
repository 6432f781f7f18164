"""Clearing: one look-ahead economic dispatch of all bids and orders from the fleet's actual state.

``solve`` decides and ``what_if`` prices an alternative. ``agents.clearing.inslot_curve`` prepares the batteries for the
net load inside the slot. Every solve is cold, so the same problem gives the same bits (``agents.clearing.highs``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from agents.clearing.branch_and_bound import WHOLE, branch
from agents.clearing.highs import SOLVER, Answer, Continued, Program
from agents.clearing.horizon_bounds import commits
from agents.clearing.matrix import Layout
from agents.clearing.plan_cost import choice_cost, grid_power, plan_costs
from agents.clearing.plan_notes import notes_of
from agents.clearing.plan_reasons import bindings_of, say_binding
from agents.clearing.problem import ClearingProblem, Plan, seen
from agents.clearing.program import Model, build, cut_bounds
from agents.clearing.reflex import reflex_plan
from vpp.fleet.schema import Battery, Peaker
from vpp.messages import Engine, PlanNote
from vpp.numerics.arrays import Bools, Floats

_RUNNING_MW = 1e-6


def solve(problem: ClearingProblem) -> Plan:
    """Return the plan of highest value, or the named reflex's plan where the solver gives none.

    An LP; branched where a peaker has an on/off decision, or where the LP would charge and discharge one battery at
    once (it pays to burn energy below about -7 times the wear cost, or at a full battery and a falling ramp). What was
    decided is then fixed and the LP solved again, so that shadow prices always are those of an LP.
    """
    return _solve(problem, running=None)


def _solve(problem: ClearingProblem, running: Bools | None) -> Plan:
    model = build(problem, running=running)
    column = model.layout.column
    found = branch(model.program, column["charge"], column["discharge"], problem.effort)
    if found.answer.value is None or found.answer.dual is None:
        return reflex_plan(problem, reason=found.answer.status)
    plan = read_plan(problem, model, found.program, found.answer, Engine.MILP if found.branched else Engine.LP)
    if found.proven:
        return plan
    return replace(plan, notes=(*plan.notes, PlanNote(code="search_ended", values={"nodes": found.nodes})))


def read_plan(problem: ClearingProblem, model: Model, program: Program, answer: Answer, engine: Engine) -> Plan:
    """Return the plan that an LP's answer says."""
    assert answer.value is not None
    assert answer.dual is not None
    value, dual = answer.value, answer.dual
    row, rows = model.layout.row, model.rows
    power, running, soc = _dispatch(problem, model, value)
    water = np.full(len(problem.assets), np.nan)
    water[rows.batteries] = -dual[row["soc"][:, 0]]
    costs = plan_costs(problem, power, running, soc)
    plan = Plan(
        power_mw=power,
        grid_mw=grid_power(problem, power),
        soc=soc,
        running=running,
        objective=choice_cost(problem, costs),
        costs=costs,
        water_value_per_mwh=water,
        power_price_per_mwh=problem.price_per_mwh + dual[row["balance"]] / problem.step_h,
        ramp_price_per_mw=-dual[row["ramp"]],
        cap_price_per_mw=-dual[row["level"]],
        status="optimal",
        engine=engine,
        solver=SOLVER,
        binding="",
        bindings=bindings_of(problem, model, program, answer),
    )
    notes = notes_of(problem, plan)
    return replace(plan, binding=say_binding(problem, plan), notes=notes, status="nearest" if notes else "optimal")


def _dispatch(problem: ClearingProblem, model: Model, value: Floats) -> tuple[Floats, Bools, Floats]:
    """Return power, running and SoC, shape (A, N) each, of an LP's values."""
    power = _power(model, value)
    soc = np.full_like(power, np.nan)
    capacity = np.array([a.energy_mwh for a in problem.assets if isinstance(a, Battery)]).reshape(-1, 1)
    soc[model.rows.batteries] = value[model.layout.column["energy"]] / capacity
    return power, _running(problem, model.layout, value, power), soc


def _running(problem: ClearingProblem, layout: Layout, value: Floats, power: Floats) -> Bools:
    running = np.zeros(power.shape, dtype=bool)
    unit = 0
    for i, asset in enumerate(problem.assets):
        if isinstance(asset, Peaker):
            if commits(asset):
                running[i] = value[layout.column["on"][unit]] > 0.5
                unit += 1
            else:
                running[i] = power[i] > _RUNNING_MW
    return running


def what_if(problem: ClearingProblem, first_mw: Mapping[str, float]) -> Plan:
    """Return the best plan with the first slot's power of some assets forced ("why not discharge 5 MW now?").

    Compare its ``objective`` and ``costs`` with the plan's own. What physics forbids is clipped, and a note says so.

    Args:
        problem: The decision as it was solved.
        first_mw: Asset id to power at h = 0 (MW, positive into the grid).

    Raises:
        KeyError: The zone has no such asset.
    """
    return solve(_forced(problem, first_mw))


def cost_if(problem: ClearingProblem, first_mw: Mapping[str, float]) -> float:
    """Return the ``objective`` of ``what_if`` without the words and prices of its plan, in half the time."""
    forced = _forced(problem, first_mw)
    model = build(forced)
    column = model.layout.column
    found = branch(model.program, column["charge"], column["discharge"], forced.effort)
    if found.answer.value is None:
        return reflex_plan(forced, reason=found.answer.status).objective
    return choice_cost(forced, plan_costs(forced, *_dispatch(forced, model, found.answer.value)))


def _forced(problem: ClearingProblem, first_mw: Mapping[str, float]) -> ClearingProblem:
    fixed = problem.bands.fixed_mw.copy()
    for asset_id, power in first_mw.items():
        fixed[problem.index_of(asset_id), 0] = power
    return replace(problem, bands=replace(problem.bands, fixed_mw=fixed))


def committed(problem: ClearingProblem, plan: Plan) -> Plan:
    """Return the plan of ``problem`` with the peakers' on/off decisions taken from ``plan``: always one LP."""
    return _solve(problem, running=plan.running)


def responses(problem: ClearingProblem, plan: Plan, nets_mw: Floats) -> Floats:
    """Return each asset's power at h = 0 for several seen net loads of slot 0, shape (A, P).

    Second passes of ``plan`` (``seen``, ``committed``), in the order given, each going on from the one before, so
    that of equally good answers neighbouring net loads get neighbouring ones. NaN where there is no answer.

    Args:
        problem: The first pass.
        plan: Its plan.
        nets_mw: Net loads, shape (P,), rising.
    """
    passes = [seen(problem, plan, float(net)) for net in nets_mw]
    # Passes differ in their net load alone, so one program serves them all.
    model = build(passes[0], running=plan.running)
    engine = Continued(model.program, problem.effort)
    cuts, balance = model.layout.column["cut"].ravel(), model.layout.row["balance"]
    powers = np.full((len(problem.assets), len(nets_mw)), np.nan)
    odd: list[int] = []
    for k, each in enumerate(passes):
        engine.demand(balance, each.net_mw)
        low, high = cut_bounds(each, model.rows, model.fixed_mw)
        value = engine.values(cuts, low.ravel(), high.ravel())
        if value is None or _both_ways(model, value):
            odd.append(k)
        else:
            powers[:, k] = _power(model, value)[:, 0]
    for k in odd:
        again = committed(passes[k], plan)
        if not again.is_reflex:
            powers[:, k] = again.power_mw[:, 0]
    return powers


def _both_ways(model: Model, value: Floats) -> bool:
    column = model.layout.column
    both = np.minimum(value[column["charge"]], value[column["discharge"]])
    return bool(both.max(initial=0.0) > WHOLE)


def _power(model: Model, value: Floats) -> Floats:
    column, rows = model.layout.column, model.rows
    power = np.zeros(model.fixed_mw.shape)
    power[rows.batteries] = value[column["discharge"]] - value[column["charge"]]
    power[rows.peakers] = value[column["gen"]]
    power[rows.cuts] = value[column["cut"]] * rows.cut_sign[:, None]
    return power + 0.0
