"""Clearing: one look-ahead economic dispatch of all bids and orders from the fleet's actual state.

``solve`` decides and ``what_if`` prices an alternative. ``agents.clearing.inslot_curve`` prepares the batteries for the
net load inside the slot. Every solve is cold, so the same problem gives the same bits (``agents.clearing.highs``).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from msgspec.structs import replace

from agents.assets.registry import TYPES
from agents.clearing.branch_and_bound import WHOLE, branch
from agents.clearing.highs import SOLVER, Answer, Continued, Program
from agents.clearing.plan_cost import choice_cost, grid_power, plan_costs
from agents.clearing.plan_notes import notes_of
from agents.clearing.plan_reasons import bindings_of, say_binding
from agents.clearing.problem import ClearingProblem, Plan, fixed_ahead, with_seen
from agents.clearing.program import Model, build
from agents.clearing.reflex import reflex_plan
from vpp.messages import Engine, PlanNote
from vpp.numerics.arrays import Bools, Floats, Ints

_RUNNING = 1e-6


def solve(problem: ClearingProblem) -> Plan:
    """Return the plan of highest value, or the named reflex's plan where the solver gives none.

    An LP; branched where a peaker has an on/off decision, or where the LP would charge and discharge one store at
    once (it pays to burn energy below about -7 times the wear cost, or at a full battery and a falling ramp). What was
    decided is then fixed and the LP solved again, so shadow prices always are those of an LP.
    """
    return _worded(problem, solve_unworded(problem))


def _worded(problem: ClearingProblem, plan: Plan) -> Plan:
    return plan if plan.is_reflex else replace(plan, binding=say_binding(problem, plan))


def solve_unworded(problem: ClearingProblem) -> Plan:
    """Return the plan of ``solve`` with an empty ``binding``, for a caller that changes what the words say."""
    model = build(problem)
    search = branch(model.program, *model.layout.exclusive, problem.effort, served_mw=problem.zone.share.served_mw)
    if search.answer.value is None or search.answer.dual is None:
        return reflex_plan(problem, reason=search.answer.status)
    plan = _read(problem, model, search.program, search.answer, Engine.MILP if search.branched else Engine.LP)
    if search.proven:
        return plan
    return replace(plan, notes=(*plan.notes, PlanNote(code="search_ended", values={"nodes": float(search.nodes)})))


def read_plan(problem: ClearingProblem, model: Model, program: Program, answer: Answer, engine: Engine) -> Plan:
    """Return the plan of an LP's solution.

    Args:
        problem: The decision.
        model: Its program and the indices of its columns and rows.
        program: The solved LP: that of ``model`` with the columns fixed by the search.
        answer: The solution, with duals.
        engine: Name of what solved it.
    """
    return _worded(problem, _read(problem, model, program, answer, engine))


def _read(problem: ClearingProblem, model: Model, program: Program, answer: Answer, engine: Engine) -> Plan:
    """Return the plan of an LP's solution without its ``binding``; arguments as of ``read_plan``."""
    assert answer.value is not None
    assert answer.dual is not None
    value, dual = answer.value, answer.dual
    row = model.layout.row
    power, running, soc = _dispatch(problem, model, value)
    water = np.full(len(problem.assets), np.nan)
    for kind, places in model.rows.by_kind.items():
        name = TYPES[kind].water_row
        if name is not None:
            water[places] = -dual[row[name][:, 0]]
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
    return replace(plan, notes=notes, status="nearest") if notes else plan


def _dispatch(problem: ClearingProblem, model: Model, value: Floats) -> tuple[Floats, Bools, Floats]:
    """Return power, running and SoC, shape (A, N) each, of an LP's values."""
    power = model.power(value)
    soc = np.full_like(power, np.nan)
    for kind, places in model.rows.by_kind.items():
        name = TYPES[kind].energy_column
        if name is not None:
            capacity = [TYPES[kind].energy_mwh(problem.assets[i]) for i in places]
            soc[places] = value[model.layout.column[name]] / np.array(capacity, dtype=float).reshape(-1, 1)
    return power, _running(problem, model, value, power), soc


def _running(problem: ClearingProblem, model: Model, value: Floats, power: Floats) -> Bools:
    running = np.zeros(power.shape, dtype=bool)
    for kind, places in model.rows.by_kind.items():
        unit = 0
        for i in places:
            name = TYPES[kind].running_column
            if name is not None and TYPES[kind].commits(problem.assets[i]):
                running[i] = value[model.layout.column[name][unit]] > 0.5
                unit += 1
            elif TYPES[kind].generator(problem.assets[i]) is not None:
                running[i] = power[i] > _RUNNING * problem.unit_mw
    return running


def what_if(problem: ClearingProblem, first_mw: Mapping[str, float]) -> Plan:
    """Return the best plan with the first slot's power of some assets forced ("why not discharge 5 MW now?").

    Compare its ``objective`` and ``costs`` with those of the plan. Powers beyond physical limits are clipped with a
    note.

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
    answer = _unpriced(forced, model)
    if answer.value is None:
        return reflex_plan(forced, reason=answer.status).objective
    return choice_cost(forced, plan_costs(forced, *_dispatch(forced, model, answer.value)))


def _unpriced(problem: ClearingProblem, model: Model) -> Answer:
    served_mw = problem.zone.share.served_mw
    return branch(model.program, *model.layout.exclusive, problem.effort, served_mw=served_mw, priced=False).answer


def _forced(problem: ClearingProblem, first_mw: Mapping[str, float]) -> ClearingProblem:
    fixed = problem.bands.fixed_mw.copy()
    for asset_id, power in first_mw.items():
        fixed[problem.index_of(asset_id), 0] = power
    return replace(problem, bands=replace(problem.bands, fixed_mw=fixed))


def committed_powers(problem: ClearingProblem, plan: Plan) -> Floats | None:
    """Return each asset's best power at h = 0, shape (A,), with the generators' on/off decisions taken from ``plan``.

    None if the solver gives none.
    """
    model = build(problem, running=plan.running)
    value = _unpriced(problem, model).value
    return None if value is None else model.power(value)[:, 0]


def responses(problem: ClearingProblem, plan: Plan, nets_mw: Floats) -> Floats:
    """Return each asset's power at h = 0 for several seen net loads of slot 0, shape (A, P).

    Second passes of ``plan`` (``seen``, ``committed_powers``), in the order given, each continuing from the one before,
    so that of equally good answers neighbouring net loads get neighbouring ones. NaN where there is no answer.

    Args:
        problem: The first pass.
        plan: Its plan.
        nets_mw: Net loads, shape (P,), rising.
    """
    ahead = fixed_ahead(problem, plan)
    passes = [with_seen(ahead, float(net)) for net in nets_mw]
    # Passes differ in their net load alone, so one program serves them all.
    model = build(passes[0], running=plan.running)
    cuts, balance, pairs = model.net_load_columns(), model.layout.row["balance"], model.layout.exclusive
    powers = np.full((len(problem.assets), len(nets_mw)), np.nan)
    odd: list[int] = []
    with Continued(model.program, problem.effort) as engine:
        for k, each in enumerate(passes):
            engine.demand(balance, each.net_mw)
            value = engine.values(cuts, *model.net_load_bounds(each))
            if value is None or _both_ways(value, *pairs, problem.unit_mw):
                odd.append(k)
            else:
                powers[:, k] = model.power(value)[:, 0]
    for k in odd:
        first_mw = committed_powers(passes[k], plan)
        if first_mw is not None:
            powers[:, k] = first_mw
    return powers


def _both_ways(value: Floats, either: Ints, other: Ints, unit_mw: float) -> bool:
    smaller = np.minimum(value[either], value[other])
    return bool(smaller.max(initial=0.0) > WHOLE * unit_mw)
