"""Reopens a decision: the clearing problem that it solved, rebuilt from what it says of itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.clearing.problem import ClearingProblem
from agents.plant.build_problem import Basis, problem_of
from agents.plant.decision_record import planned_from
from agents.plant.orders_in_force import Asked
from agents.plant.state import PlanKept
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, Decision, Order, SlotClosed, TraderBid


@dataclass(frozen=True, slots=True)
class Reopened:
    """What a decision rested on.

    ``closed``: index of the slot that it followed. ``decided_mw``: planned power of the slot it decided, by asset.
    ``planned``: the plan before it, where departing from it has a price.
    """

    zone: Zone
    closed: int
    basis: Basis
    state: FleetState
    orders: tuple[Order, ...]
    observation: SlotClosed | None
    decided_mw: dict[str, float]
    planned: PlanKept | None = None

    @property
    def free_from(self) -> datetime:
        """Start of the first slot that is not decided yet."""
        return self.zone.step.start(self.closed + 2)

    def problem(
        self, orders: Sequence[Order], *, keep_decided: bool = True
    ) -> tuple[ClearingProblem, Asked, list[datetime]] | None:
        """Return the problem with other orders in force, what they ask, and each step's start.

        None where no net load reaches the slot, so that there is nothing to clear.

        Args:
            orders: Orders in force.
            keep_decided: Let the slot that was decided stay as it is; False opens it again too.
        """
        found = problem_of(
            self.zone,
            self.closed,
            self.basis,
            state=self.state,
            orders=orders,
            observation=self.observation,
            planned=self.planned,
        )
        if found is None:
            return None
        problem, said, first_slots = found
        starts = [self.zone.step.start(index) for index in first_slots]
        if not keep_decided:
            return problem, said, starts
        fixed = problem.bands.fixed_mw.copy()
        for row, asset in enumerate(self.zone.assets):
            fixed[row, 0] = self.decided_mw.get(asset.asset_id, fixed[row, 0])
        return replace(problem, bands=replace(problem.bands, fixed_mw=fixed)), said, starts


def reopen(zone: Zone, decision: Decision) -> Reopened | str:
    """Return what a decision rested on, or in words why it cannot be reopened.

    Args:
        zone: The zone as it is configured now; the assets must be those of the decision.
        decision: The decision, revision 0.
    """
    assets = decision.state.get("assets", {})
    if set(assets) != {asset.asset_id for asset in zone.assets}:
        return "the fleet has changed since the last decision"
    if not decision.plan:
        return f"the plant is on {decision.engine} ({decision.binding}): there is no plan to weigh against"
    observation = _observation(decision)
    seen = observation or SlotClosed(
        zone=zone.zone, slot=decision.slot, step_min=zone.step_min, values={}, net_load_mw=None
    )
    bids = {name: {**body, "observation": msgspec.to_builtins(seen)} for name, body in decision.bids.items()}
    try:
        basis = Basis(
            actor=msgspec.convert(bids["actor"], ActorBid) if "actor" in bids else None,
            trader=msgspec.convert(bids["trader"], TraderBid) if "trader" in bids else None,
        )
        orders = tuple(msgspec.convert(order, Order) for order in decision.orders)
    except msgspec.ValidationError as error:
        return f"the last decision cannot be read: {error}"
    return Reopened(
        zone=zone,
        closed=zone.step.index(decision.slot),
        basis=basis,
        state=_state(zone, assets, decision.state.get("grid_mw")),
        orders=orders,
        observation=observation,
        decided_mw={
            asset.asset_id: float(decision.plan[f"power_mw:{asset.asset_id}"][0])
            for asset in zone.assets
            if decision.plan.get(f"power_mw:{asset.asset_id}")
        },
        planned=planned_from(decision.state, zone.step.index(decision.for_slot)),
    )


def step_ends(starts: Sequence[datetime], step_h: Sequence[float]) -> list[datetime]:
    """Return the end of each step."""
    return [start + timedelta(hours=float(hours)) for start, hours in zip(starts, step_h, strict=True)]


def _observation(decision: Decision) -> SlotClosed | None:
    content = decision.state.get("observation") or {}
    try:
        return msgspec.convert(content, SlotClosed)
    except msgspec.ValidationError:
        return None


def _state(zone: Zone, assets: dict[str, dict[str, Any]], grid_mw: float | None) -> FleetState:
    rows = [assets[asset.asset_id] for asset in zone.assets]
    return FleetState(
        soc=np.array([math.nan if row["soc"] is None else row["soc"] for row in rows], dtype=float),
        power_mw=np.array([row["power_mw"] for row in rows], dtype=float),
        running_min=np.array([row["running_min"] for row in rows], dtype=float),
        ready_in_min=np.array([row["ready_in_min"] for row in rows], dtype=float),
        available=np.array([row["available"] for row in rows], dtype=bool),
        grid_mw=math.nan if grid_mw is None else grid_mw,
    )
