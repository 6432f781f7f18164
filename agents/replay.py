"""Receipts at work: a decision made again from nothing but its own record, and what another action would have cost.

A decision holds the state before, the bids and the orders; with the zone's configuration that is all it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from agents import dispatch
from agents.choice import Chooser
from agents.clearing import what_if
from agents.decision import zone_hash
from agents.ledger import Settled
from agents.plant_state import AssetKept, Head, LastBid, PlantState, Standing, fleet_state
from agents.problem import ClearingProblem, Plan
from vpp.errors import RefusedError
from vpp.fleet import Zone
from vpp.messages import ActorBid, Decision, Order, SlotClosed, TraderBid

_KINDS: dict[str, type[ActorBid] | type[TraderBid]] = {"actor": ActorBid, "trader": TraderBid}


@dataclass(frozen=True, slots=True)
class Difference:
    """What another first action costs more than the plan: the whole, and by cost item (money, cost positive)."""

    objective: float
    costs: dict[str, float]
    plan: Plan


def recompute(zone: Zone, decision: Decision, clear: dispatch.Clear = dispatch.clear) -> Decision:
    """Return the decision made again from its record; its id equals the record's when nothing was changed.

    Args:
        zone: The zone as it was configured then.
        decision: A decision of the clearing or of a reflex; revisions by orders are not recomputed.
        clear: The clearing that made it.

    Raises:
        RefusedError: The record is a revision, or the zone's configuration is another one.
    """
    state, closed, observation = _situation(zone, decision)
    choice = Chooser(zone, clear, explore=bool(decision.alternatives)).choose(
        state, closed, observation, list(decision.missing)
    )
    return choice.decision


def problem_of_decision(zone: Zone, decision: Decision) -> ClearingProblem:
    """Return the clearing problem that a decision solved.

    Raises:
        RefusedError: It solved none (a reflex or a revision), or the zone's configuration is another one.
    """
    state, closed, observation = _situation(zone, decision)
    fleet = fleet_state(zone, state.head.assets, state.settled[closed].grid_mw)
    found = dispatch.problem_of(
        zone,
        closed,
        dispatch.basis_of(state.last),
        state=fleet,
        orders=state.standing.orders,
        observation=observation,
    )
    if found is None:
        raise RefusedError(f"decision {decision.decision_id} solved nothing: {decision.binding}")
    return found[0]


def why_not(
    zone: Zone, decision: Decision, first_mw: Mapping[str, float], clear: dispatch.Clear = dispatch.clear
) -> Difference:
    """Return what it would have cost more to force some assets' power in the decided slot.

    Args:
        zone: The zone as it was configured then.
        decision: The decision in question.
        first_mw: Asset id to power (MW, positive into the grid).
        clear: The clearing that made it.

    Raises:
        RefusedError: The decision solved nothing, or the zone's configuration is another one.
        KeyError: The zone has no such asset.
    """
    problem = problem_of_decision(zone, decision)
    plan, other = clear(problem), what_if(problem, first_mw)
    costs = {name: other.costs[name] - value for name, value in plan.costs.items()}
    return Difference(other.objective - plan.objective, costs, other)


def _situation(zone: Zone, decision: Decision) -> tuple[PlantState, int, SlotClosed | None]:
    """Return the plant's memory as it was, as far as the decision rests on it."""
    if decision.revision:
        raise RefusedError(f"decision {decision.decision_id} is a revision by an order, not a clearing")
    if decision.versions.get("zone") != zone_hash(zone):
        raise RefusedError(
            f"zone {zone.zone} is configured otherwise than when decision {decision.decision_id} was made",
            hint="give the fleet file of that run with --fleet",
        )
    closed = zone.step.index(decision.slot)
    seen = decision.state["observation"]
    observation = msgspec.convert(seen, SlotClosed) if seen.get("values") is not None else None
    assets = {name: msgspec.convert(kept, AssetKept) for name, kept in decision.state["assets"].items()}
    grid = decision.state["grid_mw"]
    # Only the grid power counts of the settled slot: it is given back as the net load of a plant at rest.
    settled = Settled(closed, grid, None, dict.fromkeys(assets, 0.0))
    state = PlantState(
        head=Head(closed=closed, blind_slots=decision.state["blind_slots"], assets=assets),
        standing=Standing([msgspec.convert(order, Order) for order in decision.orders]),
        last={policy: _last(zone, policy, content) for policy, content in decision.bids.items()},
        settled={closed: settled},
    )
    return state, closed, observation


def _last(zone: Zone, policy: str, content: dict[str, Any]) -> LastBid:
    blank = SlotClosed(zone=zone.zone, slot=zone.step.start(0), step_min=zone.step_min, values={}, net_load_mw=None)
    bid = msgspec.convert({**content, "observation": msgspec.to_builtins(blank)}, _KINDS[policy])
    return LastBid(bid, ("", 0, 0))
