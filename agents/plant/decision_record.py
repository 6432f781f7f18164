"""Messages of a decision: checked setpoints, and the record for explaining and recomputing the decision."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.registry import store_of, type_of
from agents.assets.state import AssetState
from agents.assets.twin import delivered_mw
from agents.clearing.checker import SetpointVerdict, check
from agents.clearing.plan_reasons import say_asset
from agents.clearing.problem import ClearingProblem, Plan
from agents.plant.build_problem import potentials_now, starting
from agents.plant.state import AssetKept, Bid, DecidedPlan, Planned
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone
from vpp.messages import (
    DECISION_VERSION,
    AssetPlan,
    AssetSnapshot,
    Decision,
    Duals,
    Engine,
    MissingBid,
    Order,
    OrderVerdict,
    PlanNote,
    PlanTable,
    PlantSnapshot,
    PublishedPlan,
    Receipt,
    Setpoint,
    SetpointCheck,
    SlotClosed,
    encode,
)
from vpp.numerics.arrays import Floats
from vpp.numerics.decimal_rounding import rounded

_LEAST_DECIMALS = 6
_PRICE_DECIMALS = 4


class Outcome(msgspec.Struct, frozen=True):
    """Choice for one slot, before it becomes messages.

    ``setpoints``: by asset, checked. ``reasons``: by asset, why. ``checks``: what the checker clamped or refused.
    """

    engine: Engine
    objective: float | None
    binding: str
    setpoints: dict[str, Planned]
    reasons: dict[str, str]
    checks: list[SetpointCheck] = msgspec.field(default_factory=list)
    notes: tuple[PlanNote, ...] = ()
    plan: PlanTable | None = None
    duals: Duals = msgspec.field(default_factory=Duals)
    costs: dict[str, float] = msgspec.field(default_factory=dict)
    alternatives: dict[str, float] = msgspec.field(default_factory=dict)
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    ahead_index: list[int] = msgspec.field(default_factory=list)
    ahead_mw: dict[str, list[float]] = msgspec.field(default_factory=dict)


class Grounds(msgspec.Struct, frozen=True):
    """Inputs of a decision that its receipt repeats."""

    closed: int
    revision: int
    missing: list[MissingBid]
    state: PlantSnapshot
    bids: dict[str, Bid]
    orders: list[Order]
    verdicts: list[OrderVerdict]
    model_id: str | None
    receipt: Receipt
    zone_hash: str
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

    ``ruling``: the order that rules each asset in the first slot, None if none does; empty: none at all. ``quiet``:
    assets whose reading is overdue; like the whole fleet while the net load is not seen, they follow nothing.

    Args:
        zone: The zone's configuration.
        problem: The solved problem.
        plan: The solution.
        observation: The closed slot; None: nothing was measured.
        first_slots: Slot index at which each step of the plan begins.
        options: Cost of each alternative first step, money.
        ruling: Order that rules each asset in the first slot, None if none does; empty: no orders.
        quiet: Assets whose reading is overdue; they follow no curve.
    """
    power_mw = {asset.asset_id: float(plan.power_mw[row, 0]) for row, asset in enumerate(zone.assets)}
    verdicts = check(
        zone,
        problem.state,
        power_mw,
        zone.step.hours,
        net_mw=float(problem.net_mw[0]),
        potential_mw=potentials_now(zone, observation),
        start=problem.start,
    )
    starts = starting(zone, plan, problem.step_h)
    is_measured = observation is not None and observation.net_load_mw is not None
    setpoints: dict[str, Planned] = {}
    reasons: dict[str, str] = {}
    for row, (asset, verdict) in enumerate(zip(zone.assets, verdicts, strict=True)):
        order = ruling[row] if ruling else None
        follows = is_measured and asset.asset_id not in quiet and verdict.outcome == "accepted"
        is_held = order is not None and order.action == "hold"
        droop = type_of(asset).frequency_curve(zone, asset) if follows and not is_held else []
        setpoints[asset.asset_id] = Planned(
            power_mw=_mw(zone, verdict.power_mw),
            curve=_curve(zone, problem, row, plan.curve_net_mw, plan.curve_mw) if follows else [],
            frequency_curve=droop,
            price_curve=_curve(zone, problem, row, plan.price_curve_per_mwh, plan.price_curve_mw) if follows else [],
            start=asset.asset_id in starts,
        )
        reasons[asset.asset_id] = _reason(problem, plan, row, verdict, order)
    decimals = _decimals(zone)
    return Outcome(
        engine=plan.engine,
        objective=zone.served_scale.money(plan.objective),
        binding=plan.binding,
        setpoints=setpoints,
        reasons=reasons,
        checks=_checks(zone, power_mw, verdicts),
        notes=plan.notes,
        plan=_table(zone, problem, plan),
        duals=_duals(zone, plan),
        costs={name: zone.served_scale.money(value) for name, value in plan.costs.items()},
        alternatives=dict(options),
        versions={"solver": plan.solver} if plan.solver else {},
        ahead_index=first_slots,
        ahead_mw={a.asset_id: _row(plan.power_mw[row], decimals) for row, a in enumerate(zone.assets)},
    )


def outcome_of_reflex(
    zone: Zone, state: FleetState, power: Mapping[str, float], *, index: int, engine: Engine, reason: str
) -> Outcome:
    """Return a named reflex's powers in slot ``index`` as checked setpoints; ``power`` may be of some assets only.

    Args:
        zone: The zone's configuration.
        state: State of the fleet.
        power: MW by asset; may be of some assets only.
        index: Index of the slot.
        engine: Name of the reflex.
        reason: Cause of the reflex, in words.
    """
    verdicts = check(zone, state, power, zone.step.hours, start=zone.step.start(index))
    setpoints = {verdict.asset_id: Planned(_mw(zone, verdict.power_mw)) for verdict in verdicts}
    return Outcome(
        engine=engine,
        objective=None,
        binding=reason,
        setpoints=setpoints,
        reasons=dict.fromkeys(setpoints, reason),
        checks=_checks(zone, power, verdicts),
    )


def messages_of(zone: Zone, outcome: Outcome, grounds: Grounds) -> tuple[Decision, list[Setpoint]]:
    """Return the decision, its id a hash of its content without the receipt, and its setpoints in the zone's order."""
    index = grounds.closed + 1
    slot, end = zone.step.start(index), zone.step.start(index + 1)
    decision = Decision(
        version=DECISION_VERSION,
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
        orders=grounds.orders,
        verdicts=grounds.verdicts,
        checks=outcome.checks,
        notes=list(outcome.notes),
        plan=outcome.plan,
        duals=outcome.duals,
        costs=outcome.costs,
        alternatives=outcome.alternatives,
        spec_hash=grounds.spec_hash,
        model_id=grounds.model_id,
        versions={**outcome.versions, "zone": grounds.zone_hash},
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


def kept_plan(outcome: Outcome, decision: Decision, index: int, before: DecidedPlan | None = None) -> DecidedPlan:
    """Return the plan to remember of a decision; a revision replaces only the setpoints that it contains.

    Args:
        outcome: Setpoints and plan.
        decision: The published decision.
        index: Index of the decided slot.
        before: The plan that a revision changes; None: a whole decision.
    """
    setpoints, ahead_index, ahead_mw = outcome.setpoints, outcome.ahead_index, outcome.ahead_mw
    if before is not None:
        setpoints, ahead_index, ahead_mw = {**before.setpoints, **setpoints}, before.ahead_index, before.ahead_mw
    return DecidedPlan(index, decision.decision_id, decision.revision, setpoints, ahead_index, ahead_mw)


def snapshot_of(
    zone: Zone,
    assets: Mapping[str, AssetKept],
    *,
    grid_mw: float | None,
    blind_slots: int,
    observation: SlotClosed | None,
    previous: DecidedPlan | None = None,
) -> PlantSnapshot:
    """Return the state of the plant before a decision, for its record.

    Args:
        zone: The zone; only its assets are recorded.
        assets: The fleet after the closed slot.
        grid_mw: Grid power of the closed slot (MW), None if it is unknown.
        blind_slots: Slots in a row without a measured net load.
        observation: The closed slot, None if it never came.
        previous: The plan published before; recorded only where departing from it has a price.
    """
    return PlantSnapshot(
        assets={asset.asset_id: _asset_snapshot(assets[asset.asset_id]) for asset in zone.assets},
        grid_mw=grid_mw,
        blind_slots=blind_slots,
        observation=observation,
        previous=_published(zone, previous),
    )


def _asset_snapshot(asset: AssetKept) -> AssetSnapshot:
    return AssetSnapshot(
        soc=asset.soc,
        power_mw=asset.power_mw,
        running_min=asset.running_min,
        ready_in_min=asset.ready_in_min,
        available=asset.available,
        silent_slots=asset.silent_slots,
        gap_slots=1 if asset.silent_slots is None else asset.gap_slots,
        derating=asset.conduct.derating,
        soc_reading=asset.conduct.soc_reading if asset.conduct.soc_held else None,
    )


def _published(zone: Zone, plan: DecidedPlan | None) -> PublishedPlan | None:
    if plan is None or zone.churn_price_per_mwh <= 0:
        return None
    return PublishedPlan(starts=[zone.step.start(index) for index in plan.ahead_index], power_mw=plan.ahead_mw)


def previous_plan(zone: Zone, decision: Decision) -> DecidedPlan | None:
    """Return the plan published before a decision, as far as its record has it."""
    published = decision.state.previous
    if published is None:
        return None
    first_slots = [zone.step.index(start) for start in published.starts]
    return DecidedPlan(zone.step.index(decision.slot), "", 0, {}, first_slots, published.power_mw)


def _curve(zone: Zone, problem: ClearingProblem, row: int, at: Floats, power_mw: Floats) -> list[tuple[float, float]]:
    """Return a battery's curve, limited to the deliveries of the twin."""
    asset = zone.assets[row]
    if len(at) == 0 or store_of(asset) is None:
        return []
    given_mw = delivered_mw(asset, AssetState.of(problem.state, row), power_mw[row].tolist(), zone.step.hours)
    decimals = _decimals(zone)
    return list(zip(_row(at, decimals), _row(np.array(given_mw), decimals), strict=True))


def _reason(problem: ClearingProblem, plan: Plan, row: int, verdict: SetpointVerdict, order: Order | None) -> str:
    """Return the reason of a setpoint: the checker's reason, else the order that applies, else its value."""
    if verdict.reason is not None:
        return f"clamped: {verdict.reason}, {power_text(plan.power_mw[row, 0])} was planned"
    if order is not None:
        return f"{order.action} {order.order_id} by {order.principal}: {order.reason}"
    return plan.binding if plan.is_reflex else say_asset(problem, plan, row)


def _checks(zone: Zone, power_mw: Mapping[str, float], verdicts: Sequence[SetpointVerdict]) -> list[SetpointCheck]:
    return [
        SetpointCheck(
            asset_id=verdict.asset_id,
            outcome=verdict.outcome,
            reason=None if verdict.reason is None else verdict.reason.value,
            wanted_mw=_mw(zone, power_mw[verdict.asset_id]),
            power_mw=_mw(zone, verdict.power_mw),
        )
        for verdict in verdicts
        if verdict.outcome != "accepted"
    ]


def _table(zone: Zone, problem: ClearingProblem, plan: Plan) -> PlanTable:
    decimals = _decimals(zone)
    minutes = np.round(np.cumsum(problem.step_h) * 60.0).astype(int)
    return PlanTable(
        horizon_min=[int(value) for value in minutes],
        net_mw=_row(problem.net_mw, decimals),
        price_per_mwh=_row(problem.price_per_mwh, _LEAST_DECIMALS),
        grid_mw=_row(plan.grid_mw, decimals),
        assets={
            asset.asset_id: AssetPlan(
                power_mw=_row(plan.power_mw[row], decimals),
                soc=_row(plan.soc[row], decimals) if type_of(asset).energy_mwh(asset) is not None else [],
            )
            for row, asset in enumerate(zone.assets)
        },
    )


def _duals(zone: Zone, plan: Plan) -> Duals:
    return Duals(
        water_value_per_mwh={
            asset.asset_id: round(float(plan.water_value_per_mwh[row]), _PRICE_DECIMALS)
            for row, asset in enumerate(zone.assets)
            if math.isfinite(plan.water_value_per_mwh[row])
        },
        power_price_per_mwh=_row(plan.power_price_per_mwh, _PRICE_DECIMALS),
        ramp_price_per_mw=_row(plan.ramp_price_per_mw, _PRICE_DECIMALS),
        cap_price_per_mw=_row(plan.cap_price_per_mw, _PRICE_DECIMALS),
    )


def _row(values: Floats, decimals: int) -> list[float]:
    row: list[float] = (rounded(values, decimals) + 0.0).tolist()
    return row


def _mw(zone: Zone, value: float) -> float:
    return round(value, _decimals(zone)) + 0.0


def _decimals(zone: Zone) -> int:
    """Return the number of decimals of decided powers in MW: one watt, or finer in a small zone."""
    return max(_LEAST_DECIMALS, zone.served_scale.decimals + 2)
