"""A decision as messages: setpoints that passed the checker, and the receipt that explains and recomputes them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.frequency_droop import droop_curve
from agents.assets.twin import AssetState, deliver
from agents.clearing.checker import Verdict, check
from agents.clearing.plan_reasons import say_asset
from agents.clearing.problem import ClearingProblem, Plan
from agents.plant.build_problem import potentials_now, starting
from agents.plant.state import Head, PlanKept, Planned
from vpp.fleet.schema import Battery, Zone
from vpp.messages import Decision, Order, Receipt, Setpoint, SlotClosed, encode
from vpp.numerics.arrays import Floats

_MW_DECIMALS = 6
_MONEY_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was chosen for one slot, before it becomes messages.

    ``setpoints``: by asset, checked. ``reasons``: by asset, why. ``checks``: what the checker clamped or refused.
    """

    engine: str
    objective: float | None
    binding: str
    setpoints: dict[str, Planned]
    reasons: dict[str, str]
    checks: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    plan: dict[str, list[Any]] = field(default_factory=dict)
    duals: dict[str, Any] = field(default_factory=dict)
    alternatives: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    ahead_index: list[int] = field(default_factory=list)
    ahead_mw: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a decision rests on, besides its outcome: all that its receipt repeats."""

    closed: int
    revision: int
    missing: list[str]
    state: dict[str, Any]
    bids: dict[str, Any]
    orders: list[Order]
    verdicts: list[dict[str, Any]]
    model_id: str | None
    receipt: Receipt
    spec_hash: str | None = None


def outcome_of_plan(
    zone: Zone,
    problem: ClearingProblem,
    plan: Plan,
    *,
    observation: SlotClosed | None,
    first_slots: list[int],
    options: Mapping[str, float],
    ruling: Sequence[Order | None] = (),
    quiet: frozenset[str] = frozenset(),
) -> Outcome:
    """Return the first slot of a plan as checked setpoints, the rest as the published plan.

    ``ruling``: the order that rules each asset in the first slot, None where none does; empty: none at all. ``quiet``:
    assets whose reading is overdue; like the whole fleet while the net load is not seen, they follow nothing.
    """
    wanted = {asset.asset_id: float(plan.power_mw[row, 0]) for row, asset in enumerate(zone.assets)}
    verdicts = check(
        zone, problem.state, wanted, zone.step.hours,
        net_mw=float(problem.net_mw[0]), potential_mw=potentials_now(zone, observation),
    )  # fmt: skip
    told = starting(zone, plan, problem.step_h)
    seen = observation is not None and observation.net_load_mw is not None
    setpoints: dict[str, Planned] = {}
    reasons: dict[str, str] = {}
    for row, (asset, verdict) in enumerate(zip(zone.assets, verdicts, strict=True)):
        order = ruling[row] if ruling else None
        follows = seen and asset.asset_id not in quiet and verdict.outcome == "accepted"
        held = order is not None and order.action == "hold"
        droop = droop_curve(zone, asset) if follows and not held and isinstance(asset, Battery) else []
        setpoints[asset.asset_id] = Planned(
            power_mw=_mw(verdict.power_mw),
            curve=_curve(zone, problem, row, plan.curve_net_mw, plan.curve_mw) if follows else [],
            frequency_curve=droop,
            price_curve=_curve(zone, problem, row, plan.price_curve_per_mwh, plan.price_curve_mw) if follows else [],
            start=asset.asset_id in told,
        )
        reasons[asset.asset_id] = _reason(problem, plan, row, verdict, order)
    return Outcome(
        engine=plan.engine,
        objective=round(plan.objective, _MONEY_DECIMALS),
        binding=plan.binding,
        setpoints=setpoints,
        reasons=reasons,
        checks=_said(wanted, verdicts),
        notes=plan.notes,
        plan=_columns(zone, problem, plan),
        duals=_duals(zone, plan),
        alternatives=dict(options),
        versions={"solver": plan.solver} if plan.solver else {},
        ahead_index=first_slots,
        ahead_mw={a.asset_id: _row(plan.power_mw[row]) for row, a in enumerate(zone.assets)},
    )


def outcome_of_reflex(zone: Zone, state: FleetState, power: Mapping[str, float], *, engine: str, why: str) -> Outcome:
    """Return a named reflex's powers as checked setpoints; ``power`` may speak of some assets only."""
    verdicts = check(zone, state, power, zone.step.hours)
    setpoints = {verdict.asset_id: Planned(_mw(verdict.power_mw)) for verdict in verdicts}
    return Outcome(
        engine=engine,
        objective=None,
        binding=why,
        setpoints=setpoints,
        reasons=dict.fromkeys(setpoints, why),
        checks=_said(power, verdicts),
    )


def messages_of(zone: Zone, outcome: Outcome, grounds: Grounds) -> tuple[Decision, list[Setpoint]]:
    """Return the decision, its id a hash of its content without the receipt, and its setpoints in the zone's order."""
    index = grounds.closed + 1
    slot, end = zone.step.start(index), zone.step.start(index + 1)
    decision = Decision(
        zone=zone.zone,
        slot=zone.step.start(grounds.closed),
        for_slot=slot,
        decision_id="",
        revision=grounds.revision,
        engine=outcome.engine,
        objective=outcome.objective,
        binding=outcome.binding,
        missing=grounds.missing,
        state=grounds.state,
        bids=grounds.bids,
        orders=[msgspec.to_builtins(order) for order in grounds.orders],
        verdicts=[*outcome.checks, *grounds.verdicts, *({"note": note} for note in outcome.notes)],
        plan=outcome.plan,
        duals=outcome.duals,
        alternatives=outcome.alternatives,
        spec_hash=grounds.spec_hash,
        model_id=grounds.model_id,
        versions={**outcome.versions, "zone": zone_hash(zone)},
    )
    decision_id = hashlib.blake2b(encode(decision), digest_size=12).hexdigest()
    decision = msgspec.structs.replace(decision, decision_id=decision_id, receipt=grounds.receipt)
    setpoints = [
        Setpoint(
            zone=zone.zone,
            slot=slot,
            asset_id=asset_id,
            power_mw=planned.power_mw,
            curve=planned.curve,
            frequency_curve=planned.frequency_curve,
            price_curve=planned.price_curve,
            valid_until=end,
            decision_id=decision_id,
            reason=outcome.reasons[asset_id],
            revision=grounds.revision,
        )
        for asset_id, planned in outcome.setpoints.items()
    ]
    return decision, setpoints


def kept_plan(outcome: Outcome, decision: Decision, index: int, before: PlanKept | None = None) -> PlanKept:
    """Return what to remember of a decision; a revision replaces only the setpoints that it speaks of."""
    if before is not None:
        setpoints = {**before.setpoints, **outcome.setpoints}
        return PlanKept(index, decision.decision_id, decision.revision, setpoints, before.ahead_index, before.ahead_mw)
    return PlanKept(
        index, decision.decision_id, decision.revision, outcome.setpoints, outcome.ahead_index, outcome.ahead_mw
    )


def zone_hash(zone: Zone) -> str:
    """Return a hash of the zone's whole configuration, so that a decision can be recomputed on the same.

    What stands at its default is left out: a setting that a later version adds makes no other configuration.
    """
    return hashlib.blake2b(zone.model_dump_json(exclude_defaults=True).encode(), digest_size=8).hexdigest()


def state_of(
    zone: Zone, state: FleetState, observation: SlotClosed | None, slot: datetime, head: Head
) -> dict[str, Any]:
    """Return the plant's state before a decision as plain values, with the closed slot and the blind ones before it."""
    heard = {
        asset_id: {"silent_slots": kept.silent_slots, "gap_slots": kept.gap_slots}
        for asset_id, kept in head.assets.items()
        if kept.silent_slots is not None
    }
    assets = {
        asset.asset_id: {
            "soc": _finite(state.soc[row]),
            "power_mw": float(state.power_mw[row]),
            "running_min": float(state.running_min[row]),
            "ready_in_min": float(state.ready_in_min[row]),
            "available": bool(state.available[row]),
            **heard.get(asset.asset_id, {}),
        }
        for row, asset in enumerate(zone.assets)
    }
    seen = {"slot": slot, "values": None} if observation is None else observation
    return {
        "assets": assets,
        "grid_mw": _finite(state.grid_mw),
        "blind_slots": head.blind_slots,
        "observation": msgspec.to_builtins(seen),
    }


def planned_of(zone: Zone, plan: PlanKept | None) -> dict[str, Any]:
    """Return the plan before as part of the state, where departing from it has a price; else nothing."""
    if plan is None or zone.churn_price_per_mwh <= 0:
        return {}
    return {"planned": {"index": plan.ahead_index, "power_mw": plan.ahead_mw}}


def planned_from(state: Mapping[str, Any], index: int) -> PlanKept | None:
    """Return the plan that ``planned_of`` wrote into a decision's state, for a decision of slot ``index``."""
    said = state.get("planned")
    return None if said is None else PlanKept(index - 1, "", 0, {}, said["index"], said["power_mw"])


def bid_content(bid: Any) -> dict[str, Any]:
    """Return a bid as plain values without its observation, which stands in the state."""
    content: dict[str, Any] = msgspec.to_builtins(bid)
    content.pop("observation", None)
    return content


def _curve(zone: Zone, problem: ClearingProblem, row: int, at: Floats, power_mw: Floats) -> list[tuple[float, float]]:
    """Return a battery's curve as the twin would deliver it."""
    asset = zone.assets[row]
    if len(at) == 0 or not isinstance(asset, Battery):
        return []
    start = AssetState.of(problem.state, row)
    return [
        (_mw(float(seen)), _mw(deliver(asset, start, float(power), zone.step.hours).power_mw))
        for seen, power in zip(at, power_mw[row], strict=True)
    ]


def _reason(problem: ClearingProblem, plan: Plan, row: int, verdict: Verdict, order: Order | None) -> str:
    """Return why an asset got its setpoint: the checker's reason, else the order that rules it, else its worth."""
    if verdict.reason is not None:
        return f"clamped: {verdict.reason}, {plan.power_mw[row, 0]:.2f} MW was planned"
    if order is not None:
        return f"{order.action} {order.order_id} by {order.principal}: {order.reason}"
    return plan.binding if plan.engine.startswith("reflex") else say_asset(problem, plan, row)


def _said(wanted: Mapping[str, float], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    return [
        {
            "asset_id": v.asset_id, "outcome": v.outcome, "reason": None if v.reason is None else v.reason.value,
            "wanted_mw": _mw(wanted[v.asset_id]), "power_mw": _mw(v.power_mw),
        }
        for v in verdicts
        if v.outcome != "accepted"
    ]  # fmt: skip


def _columns(zone: Zone, problem: ClearingProblem, plan: Plan) -> dict[str, list[Any]]:
    minutes = np.round(np.cumsum(problem.step_h) * 60.0).astype(int)
    columns: dict[str, list[Any]] = {
        "horizon_min": [int(value) for value in minutes],
        "net_mw": _row(problem.net_mw),
        "price_per_mwh": _row(problem.price_per_mwh),
        "grid_mw": _row(plan.grid_mw),
    }
    for row, asset in enumerate(zone.assets):
        columns[f"power_mw:{asset.asset_id}"] = _row(plan.power_mw[row])
        if isinstance(asset, Battery):
            columns[f"soc:{asset.asset_id}"] = _row(plan.soc[row])
    return columns


def _duals(zone: Zone, plan: Plan) -> dict[str, Any]:
    water = {
        asset.asset_id: round(float(plan.water_value_per_mwh[row]), _MONEY_DECIMALS)
        for row, asset in enumerate(zone.assets)
        if math.isfinite(plan.water_value_per_mwh[row])
    }
    return {
        "water_value_per_mwh": water,
        "power_price_per_mwh": _row(plan.power_price_per_mwh, _MONEY_DECIMALS),
        "ramp_price_per_mw": _row(plan.ramp_price_per_mw, _MONEY_DECIMALS),
        "cap_price_per_mw": _row(plan.cap_price_per_mw, _MONEY_DECIMALS),
        "costs": {name: round(value, _MONEY_DECIMALS) + 0.0 for name, value in plan.costs.items()},
    }


def _row(values: Floats, decimals: int = _MW_DECIMALS) -> list[float]:
    return [round(float(value), decimals) + 0.0 for value in values]


def _mw(value: float) -> float:
    return round(value, _MW_DECIMALS) + 0.0


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
