"""Reasons of a plan: binding limits and their value."""

from __future__ import annotations

import numpy as np

from agents.assets.contract import PlannedAsset
from agents.assets.registry import TYPES, rows_where, type_of
from agents.clearing.highs import Answer, Program
from agents.clearing.problem import Binding, ClearingProblem, Plan
from agents.clearing.program import Model
from vpp.fleet.scale import energy_text, power_text

_LEAST = 1e-6


def bindings_of(problem: ClearingProblem, model: Model, program: Program, answer: Answer) -> tuple[Binding, ...]:
    """Return the binding limits with their shadow prices, by step; ties (worth nothing) are left out.

    Grid limits are listed at every step, limits of assets only in the first step.

    Args:
        problem: What was cleared.
        model: The matrix with its row and column names.
        program: Costs, bounds and right-hand sides.
        answer: The solution with its duals.
    """
    assert answer.value is not None
    assert answer.dual is not None
    assert answer.reduced is not None
    bindings: list[Binding] = []
    row, column, limits = model.layout.row, model.layout.column, problem.zone.limits
    for kind, name, limit in (("ramp", "ramp", limits.ramp_limit_mw), ("cap", "level", limits.import_cap_mw)):
        prices = -answer.dual[row[name]]
        for h in np.flatnonzero(np.abs(prices) > _LEAST):
            price = float(prices[h])
            out = kind == "cap" and price < 0
            bindings.append(
                Binding(
                    kind="export_cap" if out else kind,
                    step=int(h),
                    asset_id=None,
                    limit=float(limits.export_cap_mw or 0.0) if out else limit,
                    value_per_unit=abs(price),
                )
            )
    for asset_kind, rows in model.rows.by_kind.items():
        for limit_column in TYPES[asset_kind].limit_columns:
            places = column[limit_column.column][:, 0]
            reduced, value = answer.reduced[places], answer.value[places]
            low, high = program.low[places], program.high[places]
            tolerance, none = 1e-9 * problem.unit_mw, 1e-12 * problem.unit_mw
            at_top = (reduced < -_LEAST) & (value >= high - tolerance) & (low < high - none)
            at_bottom = limit_column.both & (reduced > _LEAST) & (value <= low + tolerance)
            for k in np.flatnonzero(at_top | at_bottom):
                limit = float(high[k] if at_top[k] else low[k])
                asset_id = problem.assets[int(rows[k])].asset_id
                bindings.append(Binding(limit_column.kind, 0, asset_id, limit, abs(float(reduced[k]))))
    return tuple(sorted(bindings, key=lambda b: (b.step, -b.value_per_unit, b.kind, b.asset_id or "")))


def say_binding(problem: ClearingProblem, plan: Plan) -> str:
    """Return the reasons of the first slot in one line: limits, then each store's water value against the price."""
    clauses = [_say_limit(problem, b) for b in plan.bindings if b.step == 0]
    clauses += [say_asset(problem, plan, i) for i in rows_where(problem.zone, lambda kind, _: kind.water_row)]
    later = [b for b in plan.bindings if b.step > 0 and b.kind in {"cap", "export_cap", "ramp"}]
    if later:
        dearest = max(later, key=lambda b: (b.value_per_unit, -b.step))
        clauses.append(f"ahead: {_say_limit(problem, dearest)}")
    return "; ".join(clauses) if clauses else "nothing binds"


def say_asset(problem: ClearingProblem, plan: Plan, row: int) -> str:
    """Return the reason of one asset's power in the first slot: the value of a MW against its cost."""
    asset = problem.assets[row]
    if not problem.state.available[row]:
        return f"{asset.asset_id} cannot be reached; it may still deliver {power_text(float(plan.power_mw[row, 0]))}"
    planned = PlannedAsset(plan.power_mw[row], plan.power_price_per_mwh, float(plan.water_value_per_mwh[row]))
    return f"{asset.asset_id}: {type_of(asset).reason(problem, row, planned)}"


def _say_limit(problem: ClearingProblem, bound: Binding) -> str:
    minutes = float(problem.step_h[: bound.step].sum()) * 60.0
    time_text = "now" if bound.step == 0 else f"in {minutes:.0f} min"
    match bound.kind:
        case "ramp":
            return f"ramp limit {power_text(bound.limit)} binds {time_text}, worth {bound.value_per_unit:.1f} per MW"
        case "cap":
            return f"import cap {power_text(bound.limit)} binds {time_text}, worth {bound.value_per_unit:.1f} per MW"
        case "export_cap":
            return f"export cap {power_text(bound.limit)} binds {time_text}, worth {bound.value_per_unit:.1f} per MW"
        case "soc":
            return (
                f"{bound.asset_id} at {energy_text(bound.limit)} {time_text}, worth {bound.value_per_unit:.1f} per MWh"
            )
        case _:
            return (
                f"{bound.asset_id} at its limit of {power_text(bound.limit)} {time_text}, "
                f"worth {bound.value_per_unit:.1f} per MW"
            )
