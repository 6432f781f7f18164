"""A plan in words: which limits bind and what they are worth."""

from __future__ import annotations

import numpy as np

from agents.clearing.highs import Answer, Program
from agents.clearing.horizon_bounds import floor_and_ceiling
from agents.clearing.problem import Binding, ClearingProblem, Plan
from agents.clearing.program import Model
from vpp.fleet.schema import Battery, CurtailableLoad, Peaker

_LEAST = 1e-6


def bindings_of(problem: ClearingProblem, model: Model, program: Program, answer: Answer) -> tuple[Binding, ...]:
    """Return the binding limits with their shadow prices, by step; ties (worth nothing) are left out."""
    assert answer.value is not None
    assert answer.dual is not None
    assert answer.reduced is not None
    found: list[Binding] = []
    row, column, limits = model.layout.row, model.layout.column, problem.zone.limits
    for kind, name, limit in (("ramp", "ramp", limits.ramp_limit_mw), ("cap", "level", limits.import_cap_mw)):
        prices = -answer.dual[row[name]]
        for h in np.flatnonzero(np.abs(prices) > _LEAST):
            price = float(prices[h])
            out = kind == "cap" and price < 0
            found.append(
                Binding(
                    kind="export_cap" if out else kind,
                    step=int(h),
                    asset_id=None,
                    limit=float(limits.export_cap_mw or 0.0) if out else limit,
                    value_per_unit=abs(price),
                )
            )
    for name, kind, kinds in (
        ("charge", "power", model.rows.batteries),
        ("discharge", "power", model.rows.batteries),
        ("energy", "soc", model.rows.batteries),
        ("gen", "power", model.rows.peakers),
        ("cut", "power", model.rows.cuts),
    ):
        places = column[name]
        reduced, value, high = answer.reduced[places], answer.value[places], program.high[places]
        at_top = (reduced < -_LEAST) & (value >= high - 1e-9) & (program.low[places] < high - 1e-12)
        low = program.low[places]
        at_bottom = (name == "energy") & (reduced > _LEAST) & (value <= low + 1e-9)
        for k, h in zip(*np.nonzero(at_top | at_bottom), strict=True):
            limit = float(high[k, h] if at_top[k, h] else low[k, h])
            asset_id = problem.assets[int(kinds[k])].asset_id
            found.append(Binding(kind, int(h), asset_id, limit, abs(float(reduced[k, h]))))
    return tuple(sorted(found, key=lambda b: (b.step, -b.value_per_unit, b.kind, b.asset_id or "")))


def say_binding(problem: ClearingProblem, plan: Plan) -> str:
    """Return what ruled the first slot, in one line: limits, then each battery's water value against the price."""
    said = [_say_limit(problem, b) for b in plan.bindings if b.step == 0]
    said += [say_asset(problem, plan, i) for i, asset in enumerate(problem.assets) if isinstance(asset, Battery)]
    later = [b for b in plan.bindings if b.step > 0 and b.kind in {"cap", "export_cap", "ramp"}]
    if later:
        dearest = max(later, key=lambda b: (b.value_per_unit, -b.step))
        said.append(f"ahead: {_say_limit(problem, dearest)}")
    return "; ".join(said) if said else "nothing binds"


def say_asset(problem: ClearingProblem, plan: Plan, row: int) -> str:
    """Return why one asset does what it does in the first slot: what a MW is worth there against what it costs."""
    asset, power = problem.assets[row], float(plan.power_mw[row, 0])
    name, worth = asset.asset_id, float(plan.power_price_per_mwh[0])
    if not problem.state.available[row]:
        return f"{name} cannot be reached: it may still be giving {power:.2f} MW"
    amount = f"{abs(power):.2f} MW"
    match asset:
        case Battery():
            idle = "hold" + _empty_or_full(asset, float(problem.state.soc[row]))
            does = f"discharge {amount}" if power > _LEAST else f"charge {amount}" if power < -_LEAST else idle
            return f"{name}: water value {plan.water_value_per_mwh[row]:.1f}, power worth {worth:.1f}: {does}"
        case Peaker():
            does = _say_peaker(problem, plan, row)
            return f"{name}: power worth {worth:.1f}, fuel {asset.fuel_cost_per_mwh:.1f}: {does}"
        case CurtailableLoad() if asset.only_at_cap:
            room = problem.zone.limits.import_cap_mw - float(problem.net_mw[0])
            where = f"{room:.1f} MW below" if room >= 0 else f"{-room:.1f} MW above"
            does = f"shed {amount}" if power > _LEAST else "rest"
            return f"{name}: for emergencies, net load is {where} the import cap: {does}"
        case _:
            does = "rest" if abs(power) <= _LEAST else f"{'shed' if power > 0 else 'cut'} {amount}"
            return f"{name}: power worth {worth:.1f}, curtailment {asset.curtail_cost_per_mwh:.1f}: {does}"


def _empty_or_full(battery: Battery, soc: float) -> str:
    floor, ceiling = floor_and_ceiling(battery)
    return ", it is empty" if soc <= floor + _LEAST else ", it is full" if soc >= ceiling - _LEAST else ""


def _say_peaker(problem: ClearingProblem, plan: Plan, row: int) -> str:
    power = float(plan.power_mw[row, 0])
    if power > _LEAST:
        return f"run at {power:.2f} MW"
    ahead = np.flatnonzero(plan.power_mw[row] > _LEAST)
    return f"off, planned in {problem.step_h[: ahead[0]].sum() * 60.0:.0f} min" if len(ahead) else "off"


def _say_limit(problem: ClearingProblem, bound: Binding) -> str:
    minutes = float(problem.step_h[: bound.step].sum()) * 60.0
    when = "now" if bound.step == 0 else f"in {minutes:.0f} min"
    match bound.kind:
        case "ramp":
            return f"ramp limit {bound.limit:g} MW binds {when}, worth {bound.value_per_unit:.1f} per MW"
        case "cap":
            return f"import cap {bound.limit:g} MW binds {when}, worth {bound.value_per_unit:.1f} per MW"
        case "export_cap":
            return f"export cap {bound.limit:g} MW binds {when}, worth {bound.value_per_unit:.1f} per MW"
        case "soc":
            return f"{bound.asset_id} at {bound.limit:.2f} MWh {when}, worth {bound.value_per_unit:.1f} per MWh"
        case _:
            return (
                f"{bound.asset_id} at its limit of {bound.limit:.2f} MW {when}, worth {bound.value_per_unit:.1f} per MW"
            )
