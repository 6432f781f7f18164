"""Receipts at work: a decision made again from nothing but its own record, and what another action would have cost.

A decision holds the state before, the bids and the orders; with the zone's configuration that is all it was made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from agents.clearing.solve import what_if
from agents.clearing.stochastic_solve import regrets
from agents.plant import build_problem
from agents.plant.decide import Chooser
from agents.plant.decision_record import planned_from, zone_hash
from agents.plant.ledger import Settled
from agents.plant.recorded_problem import reopen
from agents.plant.state import AssetKept, Head, LastBid, PlanKept, PlantState, Standing
from vpp.errors import RefusedError
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, Decision, Order, SlotClosed, TraderBid
from vpp.streams.reducer import Origin

_KINDS: dict[str, type[ActorBid] | type[TraderBid]] = {"actor": ActorBid, "trader": TraderBid}


@dataclass(frozen=True, slots=True)
class Difference:
    """What another first action costs more than the plan, in money; cost is positive.

    ``extra_cost`` is the sum of ``items``: the cost items of the two plans at the expected net load, ``priority`` (what
    the service factor adds to penalties when the plant weighs them), and ``flexibility`` (only the stochastic
    programme: what the action takes from its power to answer what is not expected). ``power_mw``: the first slot of
    the other plan by asset, as far as physics lets it. ``notes``: what the other plan could not meet.
    """

    extra_cost: float
    items: dict[str, float]
    power_mw: dict[str, float]
    notes: tuple[str, ...]


def configured(zones: Iterable[Zone], decision: Decision) -> Zone:
    """Return the one of ``zones`` that is configured as when the decision was made.

    Raises:
        RefusedError: None is.
    """
    for zone in zones:
        if zone.zone == decision.zone and decision.versions.get("zone") == zone_hash(zone):
            return zone
    raise RefusedError(
        f"zone {decision.zone} is configured otherwise than when decision {decision.decision_id} was made",
        hint="give the fleet file of that run with --fleet",
    )


def recompute(zone: Zone, decision: Decision, clear: build_problem.Clear = build_problem.clear) -> Decision:
    """Return the decision made again from its record; its id equals the record's when nothing was changed.

    Args:
        zone: The zone as it was configured then.
        decision: A decision of the clearing, of a reflex, or a revision by a hold.
        clear: The clearing that made it.

    Raises:
        RefusedError: The zone's configuration is another one, or the record is not whole.
    """
    state, closed, observation = _situation(configured([zone], decision), decision)
    chooser = Chooser(zone, clear, explore=bool(decision.alternatives))
    if not decision.revision:
        return chooser.choose(state, closed, observation, list(decision.missing)).decision
    state.plan = PlanKept(closed + 1, "", decision.revision - 1, {})
    held = chooser.hold_now(state, state.standing.orders[0], Origin("", 0, 0)) if state.standing.orders else None
    if held is None:
        raise RefusedError(f"decision {decision.decision_id} is a revision without the order that asked for it")
    return held.decision


def why_not(
    zone: Zone, decision: Decision, first_mw: Mapping[str, float], clear: build_problem.Clear = build_problem.clear
) -> Difference:
    """Return what it would have cost more to force some assets' power in the decided slot.

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
    if isinstance(opened, str):
        raise RefusedError(f"decision {decision.decision_id} cannot be solved again: {opened}")
    found = opened.problem(opened.orders, keep_decided=False)
    if found is None or decision.revision:
        raise RefusedError(f"decision {decision.decision_id} solved nothing: {decision.binding}")
    problem = found[0]
    plan = clear(problem)
    stochastic = plan.engine == "dp"
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


def _situation(zone: Zone, decision: Decision) -> tuple[PlantState, int, SlotClosed | None]:
    """Return the plant's memory as it was, as far as the decision rests on it."""
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
        plan=planned_from(decision.state, closed + 1),
    )
    return state, closed, observation


def _last(zone: Zone, policy: str, content: dict[str, Any]) -> LastBid:
    blank = SlotClosed(zone=zone.zone, slot=zone.step.start(0), step_min=zone.step_min, values={}, net_load_mw=None)
    bid = msgspec.convert({**content, "observation": msgspec.to_builtins(blank)}, _KINDS[policy])
    return LastBid(bid, ("", 0, 0))
