"""Recomputes a decision from its own record, prices another first action, and rebuilds the plant that decided.

A decision holds the state before, the bids and the orders; with the zone's configuration these are all its inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from agents.clearing.solve import what_if
from agents.clearing.stochastic_solve import regrets
from agents.orders.approval import was_admitted
from agents.plant import build_problem
from agents.plant.decide import Choice, Chooser, DecisionInputs
from agents.plant.decision_record import previous_plan
from agents.plant.following import Conduct
from agents.plant.ledger import SettledSlot
from agents.plant.order_lives import OrderLives
from agents.plant.recorded_problem import Unsolved, reopen
from agents.plant.settlement import is_provisional, price_per_mwh, served_net_mw
from agents.plant.state import AssetKept, DecidedPlan, OrdersInForce, PlacedBid, PlantHead, PlantState, fleet_at_start
from vpp.errors import RefusedError
from vpp.fleet.schema import Zone
from vpp.messages import AssetSnapshot, Decision, Engine, PlanNote, read_decision
from vpp.streams.reducer import Origin

_NOWHERE = Origin("", 0, 0)


@dataclass(frozen=True, slots=True)
class Difference:
    """Extra cost of another first action over the plan; cost is positive.

    ``extra_cost`` is the sum of ``items``: the cost items of the two plans at the expected net load, ``priority`` (what
    the service factor adds to penalties when the plant weighs them), and ``flexibility`` (only the stochastic
    programme: what the action takes from its power to answer what is not expected). ``power_mw``: the first slot of
    the other plan by asset, within physical limits. ``notes``: what the other plan could not meet.
    """

    extra_cost: float
    items: dict[str, float]
    power_mw: dict[str, float]
    notes: tuple[PlanNote, ...]


class Resumption(msgspec.Struct):
    """What the plant of a zone continues from where its log is lost.

    ``decision``: the last decision as it was stored. ``lives``: orders that have not ended.
    """

    decision: str
    lives: OrderLives

    def charges(self) -> dict[str, float]:
        """Return the state of charge (0-1) after the last settled slot, by asset with a store."""
        assets = read_decision(self.decision).state.assets
        return {asset_id: snapshot.soc for asset_id, snapshot in assets.items() if snapshot.soc is not None}


def resumed_state(zone: Zone, resumption: Resumption, chooser: Chooser, key: bytes | None) -> PlantState:
    """Return the plant after its last decision: fleet, setpoints in force, orders, and the slot that was settled.

    Setpoints are decided again from the record, so they are the same ones where the zone is configured as before.

    Args:
        zone: The zone as it is configured now; without the recorded assets it has no setpoints in force.
        resumption: What was stored.
        chooser: Makes the decision again.
        key: With it an order continues only if the admission step signed it.
    """
    decision = read_decision(resumption.decision)
    inputs = _recorded_inputs(zone, decision)
    closed, seen = inputs.closed, inputs.observation
    state = PlantState(
        PlantHead(
            closed=closed,
            first=closed,
            blind_slots=inputs.blind_slots,
            assets={**fleet_at_start(zone, {}), **inputs.assets},
            heard=dict.fromkeys(decision.bids, closed),
        )
    )
    for policy, placed in inputs.bids.items():
        index = zone.step.index(placed.bid.slot)
        state.keep_last(index, placed)
        state.mark_bid(policy, index)
    lives = {
        order_id: life
        for order_id, life in resumption.lives.open.items()
        if key is None or was_admitted(life.order, key)
    }
    state.standing = OrdersInForce([life.order for life in lives.values()], OrderLives(lives, resumption.lives.number))
    if set(inputs.assets) == {asset.asset_id for asset in zone.assets}:
        choice = _choice(decision, inputs, chooser)
        state.plan = None if choice is None else choice.plan
    state.keep_settled(
        SettledSlot(
            index=closed,
            net_mw=served_net_mw(zone, seen),
            price_per_mwh=price_per_mwh(zone, seen),
            power_mw={asset_id: asset.power_mw for asset_id, asset in inputs.assets.items()},
            observed=seen is not None,
            provisional=is_provisional(seen),
        )
    )
    for kind in ("head", "plan", "orders"):
        state.changed.mark(kind)
    return state


def configured(zones: Iterable[Zone], decision: Decision) -> Zone:
    """Return the one of ``zones`` that is configured as when the decision was made.

    Raises:
        RefusedError: None is.
    """
    for zone in zones:
        if zone.zone == decision.zone and decision.versions.get("zone") == zone.config_hash:
            return zone
    raise RefusedError(
        f"zone {decision.zone} is configured otherwise than when decision {decision.decision_id} was made",
        hint="give the fleet file of that run with --fleet",
    )


def recompute(zone: Zone, decision: Decision, clear: build_problem.Clear = build_problem.clear) -> Decision:
    """Return the decision made again from its record; of form 2, its id equals the record's where nothing was changed.

    Args:
        zone: The zone as it was configured then.
        decision: A decision of the clearing, of a reflex, or a revision by a hold.
        clear: The clearing that made it.

    Raises:
        RefusedError: The zone's configuration is another one, or the record is not whole.
    """
    chooser = Chooser(configured([zone], decision), clear, explore=bool(decision.alternatives))
    choice = _choice(decision, _recorded_inputs(zone, decision), chooser)
    if choice is None:
        raise RefusedError(f"decision {decision.decision_id} is a revision without the order that asked for it")
    return choice.decision


def why_not(
    zone: Zone, decision: Decision, first_mw: Mapping[str, float], clear: build_problem.Clear = build_problem.clear
) -> Difference:
    """Return the extra cost of fixing some assets' power in the decided slot.

    In the linear programme the other assets answer as is best; in the stochastic one (one battery) the peaker stays as
    it was decided.

    Args:
        zone: The zone as it was configured then.
        decision: The decision in question.
        first_mw: Asset id to power (MW, positive into the grid).
        clear: The clearing that made it.

    Raises:
        RefusedError: The decision solved nothing (a reflex or a revision), or the zone's configuration is another one.
        KeyError: The zone has no such asset.
    """
    opened = reopen(configured([zone], decision), decision)
    if isinstance(opened, Unsolved):
        raise RefusedError(f"decision {decision.decision_id} cannot be solved again: {opened}")
    built = opened.problem(opened.orders, keep_decided=False)
    if built is None or decision.revision:
        raise RefusedError(f"decision {decision.decision_id} solved nothing: {decision.binding}")
    problem = built.problem
    plan = clear(problem)
    stochastic = plan.engine is Engine.DP
    planned = {asset.asset_id: float(plan.power_mw[row, 0]) for row, asset in enumerate(zone.assets)}
    other = what_if(problem, {**planned, **first_mw} if stochastic else first_mw)
    items = {name: other.costs[name] - value for name, value in plan.costs.items()}
    items["priority"] = (problem.service_factor - 1.0) * (items["ramp"] + items["cap"])
    if stochastic:
        extra = regrets(problem, plan, {"other": first_mw})["other"]
        items["flexibility"] = extra - sum(items.values())
    return Difference(
        extra_cost=sum(items.values()),
        items=items,
        power_mw={asset.asset_id: float(other.power_mw[row, 0]) for row, asset in enumerate(zone.assets)},
        notes=tuple(note for note in other.notes if note not in plan.notes),
    )


def _choice(decision: Decision, inputs: DecisionInputs, chooser: Chooser) -> Choice | None:
    """Return the choice that a record tells of, made again; None for a revision without the order that asked for it."""
    if not decision.revision:
        return chooser.choose(inputs)
    return chooser.hold_now(inputs, decision.orders[0], _NOWHERE) if decision.orders else None


def _recorded_inputs(zone: Zone, decision: Decision) -> DecisionInputs:
    """Return the inputs of a decision as its record holds them; a revision changes the plan that was in force."""
    state, closed = decision.state, zone.step.index(decision.slot)
    revised = DecidedPlan(closed + 1, "", decision.revision - 1, {}) if decision.revision else None
    return DecisionInputs(
        closed=closed,
        assets={asset_id: _asset(snapshot) for asset_id, snapshot in state.assets.items()},
        grid_mw=state.grid_mw,
        blind_slots=state.blind_slots,
        orders=decision.orders,
        bids={policy: PlacedBid(bid, ("", 0, 0)) for policy, bid in decision.bids.items()},
        observation=state.observation,
        missing=decision.missing,
        previous=revised or previous_plan(zone, decision),
    )


def _asset(snapshot: AssetSnapshot) -> AssetKept:
    return AssetKept(
        soc=snapshot.soc,
        power_mw=snapshot.power_mw,
        running_min=snapshot.running_min,
        ready_in_min=snapshot.ready_in_min,
        available=snapshot.available,
        silent_slots=snapshot.silent_slots,
        gap_slots=snapshot.gap_slots,
        conduct=Conduct(
            derating=snapshot.derating,
            soc_reading=snapshot.soc_reading,
            soc_held=0 if snapshot.soc_reading is None else 1,
        ),
    )
