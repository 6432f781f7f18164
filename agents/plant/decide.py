"""What the plant does next: the clearing's plan, a reflex where there is none, or the rest that a hold asks for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.twin import AssetState, deliver
from agents.clearing.price_curve import seen_prices, with_price_curve
from agents.plant import build_problem
from agents.plant.decision_record import (
    Grounds,
    Outcome,
    bid_content,
    kept_plan,
    messages_of,
    outcome_of_plan,
    outcome_of_reflex,
    planned_of,
    state_of,
)
from agents.plant.orders_in_force import Asked, asked, in_force, names, reach_notes, verdicts
from agents.plant.state import PlanKept, PlantState, fleet_state
from vpp.domain import iso
from vpp.fleet.schema import Zone
from vpp.messages import Decision, Order, Receipt, Setpoint, SlotClosed
from vpp.streams.reducer import Origin

BLIND_AFTER = 2
"""So many slots without a measured net load, and the plant holds: before, it stays on its plan and follows nothing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision with its setpoints, what to remember of it, and the conditions that people should know of."""

    decision: Decision
    setpoints: list[Setpoint]
    plan: PlanKept
    conditions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Chooser:
    """How decisions are made: the zone, the clearing, and whether alternatives are priced (three more solves)."""

    zone: Zone
    clear: build_problem.Clear
    explore: bool

    def choose(self, state: PlantState, closed: int, observation: SlotClosed | None, missing: list[str]) -> Choice:
        """Return the decision for the slot after ``closed``, which is settled already.

        Args:
            state: The plant's memory; not changed.
            closed: Index of the slot just settled.
            observation: That slot, None when it never came.
            missing: Whose bid is missing, and why.
        """
        zone = self.zone
        fleet = fleet_state(zone, state.head.assets, self._grid_mw(state, closed))
        orders = state.standing.orders
        outcome, said = self._outcome(state, closed, fleet, observation)
        power = np.array([outcome.setpoints[asset.asset_id].power_mw for asset in zone.assets])
        basis = build_problem.basis_of(state.last)
        grounds = Grounds(
            closed=closed,
            revision=0,
            missing=missing,
            state={
                **state_of(zone, fleet, observation, zone.step.start(closed), state.head),
                **planned_of(zone, state.plan),
            },
            bids={policy: bid_content(last.bid) for policy, last in sorted(state.last.items())},
            orders=orders,
            verdicts=verdicts(zone, said, power, outcome.notes),
            spec_hash=None if basis.actor is None else basis.actor.spec_hash,
            model_id=None if basis.actor is None else basis.actor.model_id,
            receipt=Receipt(offsets={policy: last.place for policy, last in sorted(state.last.items())}),
        )
        decision, setpoints = messages_of(zone, outcome, grounds)
        conditions = self._conditions(state, closed, outcome, said, missing)
        return Choice(decision, setpoints, kept_plan(outcome, decision, closed + 1), conditions)

    def _outcome(
        self, state: PlantState, closed: int, fleet: FleetState, observation: SlotClosed | None
    ) -> tuple[Outcome, Asked]:
        zone, orders = self.zone, state.standing.orders
        hours = np.array([zone.step.hours])
        now = asked(zone, orders, fleet, [zone.step.start(closed + 1)], hours)
        blind = state.head.blind_slots
        if blind >= BLIND_AFTER:
            power = build_problem.stale_power(zone, fleet, now.ruling)
            why = f"net load has not been measured for {blind} slots: batteries rest, peakers stay where they are"
            return outcome_of_reflex(zone, fleet, power, engine="reflex:stale", why=why), now
        basis = build_problem.basis_of(state.last)
        found = build_problem.problem_of(
            zone, closed, basis, state=fleet, orders=orders, observation=observation, planned=state.plan
        )
        if found is None:
            power = {a.asset_id: self._rest(fleet, row) for row, a in enumerate(zone.assets)}
            why = "no forecast of net load reaches this slot: the fleet rests"
            return outcome_of_reflex(zone, fleet, power, engine="reflex:rest", why=why), now
        problem, said, first_slots = found
        plan = self.clear(problem)
        options = build_problem.alternatives(problem, plan) if self.explore else {}
        if blind:
            plan = build_problem.without_curve(plan)
        else:
            plan = with_price_curve(problem, plan, basis.trader, seen_prices(zone, basis.trader, closed))
        outcome = outcome_of_plan(
            zone, problem, plan, observation=observation, first_slots=first_slots, options=options, ruling=said.ruling,
            quiet=frozenset(asset_id for asset_id, kept in state.head.assets.items() if kept.quiet),
        )  # fmt: skip
        short = reach_notes(zone, said.bands, problem.bands, problem.step_h)
        return replace(outcome, notes=(*outcome.notes, *short)), said

    def _grid_mw(self, state: PlantState, closed: int) -> float | None:
        """Return grid power of the closed slot, the base of the next ramp.

        Where its net load was not measured: what was expected of it, else halfway from the slot before to what is
        expected next. A ramp that is not counted would let the plant jump. None where nothing tells.
        """
        now, before = state.settled[closed], state.settled.get(closed - 1)
        actor = build_problem.basis_of(state.last).actor
        if now.grid_mw is not None or actor is None or not actor.net_mw:
            return now.grid_mw
        late = closed - self.zone.step.index(actor.slot)
        if late > 0:
            expected = float(np.interp(late * self.zone.step_min, actor.horizon_min, actor.net_mw))
        elif before is not None and before.net_mw is not None:
            expected = 0.5 * (before.net_mw + actor.net_mw[0])
        else:
            return None
        return expected - sum(now.power_mw.values())

    def _rest(self, fleet: FleetState, row: int) -> float:
        asset = self.zone.assets[row]
        return deliver(asset, AssetState.of(fleet, row), 0.0, self.zone.step.hours).power_mw

    def _conditions(
        self, state: PlantState, closed: int, outcome: Outcome, said: Asked, missing: list[str]
    ) -> dict[str, str]:
        zone = self.zone
        found = {f"missing-{text.split(':')[0]}": text for text in missing}
        if outcome.engine.startswith("reflex"):
            found[outcome.engine.replace(":", "-")] = outcome.binding
        grid = state.settled[closed].grid_mw
        if grid is not None and grid > zone.limits.import_cap_mw + 1e-6:
            found["cap-breach"] = f"grid power {grid:.2f} MW is above the cap of {zone.limits.import_cap_mw:g} MW"
        for row, asset in enumerate(zone.assets):
            ruler = said.ruling[row]
            if ruler is not None and ruler.action == "hold":
                found[f"hold-{ruler.order_id}"] = f"hold by {ruler.principal}: {ruler.reason}"
            if not state.head.assets[asset.asset_id].available:
                found[f"unavailable-{asset.asset_id}"] = f"{asset.asset_id} cannot be reached"
        return found

    def hold_now(self, state: PlantState, order: Order, origin: Origin) -> Choice | None:
        """Return the revision of the setpoints in force that a hold asks for at once, None where there are none.

        Only the assets that the order names get a new setpoint: on their fastest way to rest.
        """
        zone, closed, plan = self.zone, state.head.closed, state.plan
        if closed is None or plan is None or plan.index != closed + 1:
            return None
        end = zone.step.start(closed + 2)
        if (order.starts_at is not None and order.starts_at >= end) or not in_force(
            order, max(order.starts_at or zone.step.start(closed + 1), zone.step.start(closed + 1))
        ):
            return None
        fleet = fleet_state(zone, state.head.assets, state.settled[closed].grid_mw)
        held = {a.asset_id: self._rest(fleet, row) for row, a in enumerate(zone.assets) if names(order, a)}
        if not held:
            return None
        why = f"hold by {order.principal}: {order.reason}"
        outcome = outcome_of_reflex(zone, fleet, held, engine="hold", why=why)
        grounds = Grounds(
            closed=closed,
            revision=plan.revision + 1,
            missing=[],
            state=state_of(zone, fleet, None, zone.step.start(closed), state.head),
            bids={},
            orders=[order],
            verdicts=[{"order_id": order.order_id, "action": "hold", "outcome": "accepted"}],
            model_id=None,
            receipt=Receipt(offsets={"order": (origin.topic, origin.partition, origin.offset)}),
        )
        decision, setpoints = messages_of(zone, outcome, grounds)
        condition = {f"hold-{order.order_id}": f"{why} (from {iso(order.issued_at)})"}
        return Choice(decision, setpoints, kept_plan(outcome, decision, closed + 1, plan), condition)
