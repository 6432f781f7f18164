"""Reopens a decision: rebuilds the clearing problem that it solved from its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from msgspec.structs import replace

from agents.assets.fleet_state import FleetState
from agents.plant.build_problem import Basis, BuiltProblem, basis_of_bids, problem_of
from agents.plant.decision_record import previous_plan
from agents.plant.state import DecidedPlan, fleet_state, reach_of
from vpp.fleet.schema import Zone
from vpp.messages import Decision, Order, SlotClosed


@dataclass(frozen=True, slots=True)
class Reopened:
    """Recorded inputs of a decision.

    ``closed``: index of the slot that it followed. ``decided_mw``: planned power of the slot it decided, by asset.
    ``planned``: the plan before it, where departing from it has a price. ``reach_mw``: limits of derated assets.
    """

    zone: Zone
    closed: int
    basis: Basis
    state: FleetState
    orders: tuple[Order, ...]
    observation: SlotClosed | None
    decided_mw: dict[str, float]
    planned: DecidedPlan | None = None
    reach_mw: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    @property
    def free_from(self) -> datetime:
        """Start of the first slot that is not decided yet."""
        return self.zone.step.start(self.closed + 2)

    def problem(self, orders: Sequence[Order], *, keep_decided: bool = True) -> BuiltProblem | None:
        """Return the problem with other orders in force.

        None if no net load reaches the slot, so there is nothing to clear.

        Args:
            orders: Orders in force.
            keep_decided: Let the slot that was decided stay as it is; False opens it again too.
        """
        built = problem_of(
            self.zone,
            self.closed,
            self.basis,
            state=self.state,
            orders=orders,
            observation=self.observation,
            planned=self.planned,
            reach_mw=self.reach_mw,
        )
        if built is None or not keep_decided:
            return built
        problem = built.problem
        fixed = problem.bands.fixed_mw.copy()
        for row, asset in enumerate(self.zone.assets):
            fixed[row, 0] = self.decided_mw.get(asset.asset_id, fixed[row, 0])
        return replace(built, problem=replace(problem, bands=replace(problem.bands, fixed_mw=fixed)))


@dataclass(frozen=True, slots=True)
class Unsolved:
    """Why a decision holds no problem to solve again: the fleet is another one now, or nothing was solved."""

    code: Literal["fleet_changed", "no_plan"]
    decision: Decision

    def __str__(self) -> str:
        """Return the reason as a clause."""
        if self.code == "fleet_changed":
            return "the fleet has changed since the last decision"
        return f"the plant is on {self.decision.engine} ({self.decision.binding}): there is no plan to weigh against"


def reopen(zone: Zone, decision: Decision) -> Reopened | Unsolved:
    """Return the inputs of a decision, or why it has no problem to solve again.

    Args:
        zone: The zone as it is configured now; the assets must be those of the decision.
        decision: The decision, revision 0.
    """
    assets = decision.state.assets
    if set(assets) != {asset.asset_id for asset in zone.assets}:
        return Unsolved("fleet_changed", decision)
    if decision.plan is None:
        return Unsolved("no_plan", decision)
    planned = decision.plan.assets
    return Reopened(
        zone=zone,
        closed=zone.step.index(decision.slot),
        basis=basis_of_bids(decision.bids),
        state=fleet_state(zone, assets, decision.state.grid_mw),
        orders=tuple(decision.orders),
        observation=decision.state.observation,
        decided_mw={asset_id: asset.power_mw[0] for asset_id, asset in planned.items()},
        planned=previous_plan(zone, decision),
        reach_mw=reach_of(assets),
    )


def step_ends(starts: Sequence[datetime], step_h: Sequence[float]) -> list[datetime]:
    """Return the end of each step."""
    return [start + timedelta(hours=float(hours)) for start, hours in zip(starts, step_h, strict=True)]
