"""The plant's decision: the plan of the clearing, a reflex without one, or rest under a hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.registry import type_of
from agents.assets.state import AssetState, Interval
from agents.assets.twin import deliver
from agents.clearing.price_curve import seen_prices, with_price_curve
from agents.plant import build_problem
from agents.plant.conditions import Condition, bid_missing, derated, hold, reflex, soc_held, unreachable
from agents.plant.decision_record import (
    Grounds,
    Outcome,
    kept_plan,
    messages_of,
    outcome_of_plan,
    outcome_of_reflex,
    snapshot_of,
)
from agents.plant.order_account import counted_assets, limited
from agents.plant.orders_in_force import Asked, asked, in_force, names, reach_notes, verdicts
from agents.plant.settlement import is_distrusted
from agents.plant.state import AssetKept, Counted, DecidedPlan, PlacedBid, PlantState, fleet_state, reach_of
from vpp.fleet.schema import Zone
from vpp.messages import (
    REFLEXES,
    Decision,
    Engine,
    MissingBid,
    Order,
    OrderVerdict,
    Receipt,
    Setpoint,
    SlotClosed,
)
from vpp.streams.reducer import Origin

BLIND_AFTER = 2
"""After this many slots without a measured net load the plant holds; until then it keeps its plan without curves."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision with its setpoints, the plan to remember, and its conditions for alerts."""

    decision: Decision
    setpoints: list[Setpoint]
    plan: DecidedPlan
    conditions: dict[str, Condition]


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """Inputs of a decision, besides the zone's configuration.

    ``closed``: index of the slot that it follows. ``assets``: the fleet after that slot. ``grid_mw``: its grid power
    (MW), None if it is unknown. ``bids``: the last bid of each policy. ``observation``: the closed slot, None
    where it never came. ``missing``: policies without a current bid. ``previous``: the plan published before.
    """

    closed: int
    assets: Mapping[str, AssetKept]
    grid_mw: float | None
    blind_slots: int
    orders: list[Order]
    bids: Mapping[str, PlacedBid]
    observation: SlotClosed | None
    missing: list[MissingBid]
    previous: DecidedPlan | None


def inputs_of(
    zone: Zone, state: PlantState, closed: int, observation: SlotClosed | None, missing: list[MissingBid]
) -> DecisionInputs:
    """Return the inputs of the decision after slot ``closed`` was settled.

    Args:
        zone: The zone.
        state: The plant's memory.
        closed: Index of the slot just settled.
        observation: That slot, None if it never came.
        missing: Policies without a bid for it.
    """
    return DecisionInputs(
        closed=closed,
        assets=state.head.assets,
        grid_mw=_grid_before(zone, state, closed),
        blind_slots=state.head.blind_slots,
        orders=state.standing.orders,
        bids=state.last,
        observation=observation,
        missing=missing,
        previous=state.plan,
    )


def _why_unplanned(missing: Sequence[MissingBid]) -> str:
    withheld = next((bid.policy for bid in missing if bid.cause == "not_ready"), None)
    return "no net-load forecast covers this slot" if withheld is None else f"the {withheld} is not ready"


def _grid_before(zone: Zone, state: PlantState, closed: int) -> float | None:
    """Return grid power of the closed slot, the base of the next ramp.

    If net load was not measured: its forecast, else the mean of the slot before and the next forecast, else None.
    Without this base no ramp would count and the plant's power could jump.
    """
    settled, before = state.settled[closed], state.settled.get(closed - 1)
    actor = build_problem.basis_of(state.last).actor
    if settled.grid_mw is not None or actor is None or not actor.net_mw:
        return settled.grid_mw
    late = closed - zone.step.index(actor.slot)
    if late > 0:
        expected = float(np.interp(late * zone.step_min, actor.horizon_min, actor.net_mw))
    elif before is not None and before.net_mw is not None:
        expected = 0.5 * (before.net_mw + actor.net_mw[0])
    else:
        return None
    return expected - sum(settled.power_mw.values())


@dataclass(frozen=True)
class Chooser:
    """Makes decisions with the zone's clearing; may price alternatives (three more solves)."""

    zone: Zone
    clear: build_problem.Clear
    explore: bool

    @cached_property
    def _zone_hash(self) -> str:
        return self.zone.config_hash

    def choose(self, inputs: DecisionInputs) -> Choice:
        """Return the decision for the slot after ``inputs.closed``, which is settled already."""
        zone = self.zone
        fleet = fleet_state(zone, inputs.assets, inputs.grid_mw)
        outcome, asked_for = self._outcome(inputs, fleet)
        power = np.array([outcome.setpoints[asset.asset_id].power_mw for asset in zone.assets])
        actor = build_problem.basis_of(inputs.bids).actor
        grounds = Grounds(
            closed=inputs.closed,
            revision=0,
            missing=inputs.missing,
            state=snapshot_of(
                zone,
                inputs.assets,
                grid_mw=inputs.grid_mw,
                blind_slots=inputs.blind_slots,
                observation=inputs.observation,
                previous=inputs.previous,
            ),
            bids={policy: last.bid for policy, last in sorted(inputs.bids.items())},
            orders=inputs.orders,
            verdicts=verdicts(zone, asked_for, power, outcome.notes),
            spec_hash=None if actor is None else actor.spec_hash,
            model_id=None if actor is None else actor.model_id,
            receipt=Receipt(offsets={policy: last.place for policy, last in sorted(inputs.bids.items())}),
            zone_hash=self._zone_hash,
        )
        decision, setpoints = messages_of(zone, outcome, grounds)
        conditions = self._conditions(inputs, outcome, asked_for)
        plan = kept_plan(outcome, decision, inputs.closed + 1)
        plan.counted = self._counted(inputs, fleet, asked_for) if outcome.plan is not None else {}
        return Choice(decision, setpoints, plan, conditions)

    def _counted(self, inputs: DecisionInputs, fleet: FleetState, asked_for: Asked) -> dict[str, Counted]:
        """Return the assets that count for orders with a cost limit, by one more solve without these orders."""
        zone, closed = self.zone, inputs.closed
        orders = limited(inputs.orders, zone.step.start(closed + 1))
        if not orders:
            return {}
        other_orders = [order for order in inputs.orders if order not in orders]
        built = build_problem.problem_of(
            zone,
            closed,
            build_problem.basis_of(inputs.bids),
            state=fleet,
            orders=other_orders,
            observation=inputs.observation,
            planned=inputs.previous,
            reach_mw=reach_of(inputs.assets),
        )
        if built is None:
            return {}
        return counted_assets(zone, orders, asked_for, self.clear(built.problem).power_mw[:, 0])

    def _outcome(self, inputs: DecisionInputs, fleet: FleetState) -> tuple[Outcome, Asked]:
        zone, closed, blind = self.zone, inputs.closed, inputs.blind_slots
        if blind >= BLIND_AFTER:
            now = self._asked_now(inputs, fleet)
            power = build_problem.stale_power(zone, fleet, now.ruling, zone.step.start(closed + 1))
            reason = f"net load has not been measured for {blind} slots: batteries rest, peakers stay where they are"
            return outcome_of_reflex(
                zone, fleet, power, index=closed + 1, engine=Engine.REFLEX_STALE, reason=reason
            ), now
        basis = build_problem.basis_of(inputs.bids)
        built = build_problem.problem_of(
            zone,
            closed,
            basis,
            state=fleet,
            orders=inputs.orders,
            observation=inputs.observation,
            planned=inputs.previous,
            reach_mw=reach_of(inputs.assets),
        )
        if built is None:
            now = self._asked_now(inputs, fleet)
            power = self._unplanned(fleet, now.ruling, closed + 1)
            reason = f"{_why_unplanned(inputs.missing)}: the fleet rests"
            return outcome_of_reflex(
                zone, fleet, power, index=closed + 1, engine=Engine.REFLEX_REST, reason=reason
            ), now
        problem, asked_for, first_slots = built.problem, built.asked, built.first_slots
        plan = self.clear(problem)
        options = build_problem.alternatives(problem, plan) if self.explore else {}
        if blind or is_distrusted(inputs.observation):
            plan = build_problem.without_curve(plan)
        else:
            plan = with_price_curve(problem, plan, basis.trader, seen_prices(zone, basis.trader, closed))
        outcome = outcome_of_plan(
            zone,
            problem,
            plan,
            observation=inputs.observation,
            first_slots=first_slots,
            options=options,
            ruling=asked_for.ruling,
            quiet=frozenset(
                asset_id for asset_id, asset in inputs.assets.items() if asset.quiet or asset.conduct.derating
            ),
        )
        short = reach_notes(zone, asked_for.bands, problem.bands, problem.step_h)
        return msgspec.structs.replace(outcome, notes=(*outcome.notes, *short)), asked_for

    def _asked_now(self, inputs: DecisionInputs, fleet: FleetState) -> Asked:
        """Return what orders ask of the slot decided alone, where nothing is planned."""
        zone = self.zone
        return asked(zone, inputs.orders, fleet, [zone.step.start(inputs.closed + 1)], np.array([zone.step.hours]))

    def _rest(self, fleet: FleetState, row: int, index: int) -> float:
        """Return an asset's power (MW) in slot ``index`` on its fastest way to rest."""
        zone, asset = self.zone, self.zone.assets[row]
        at = zone.local(zone.step.start(index))
        return deliver(asset, AssetState.of(fleet, row), 0.0, zone.step.hours, at=at).power_mw

    def _unplanned(self, fleet: FleetState, ruling: Sequence[Order | None], index: int) -> dict[str, float]:
        """Return each asset's power (MW) in slot ``index`` without a plan: rest, except for energy due to its users."""
        zone = self.zone
        interval = Interval(zone.step.hours, zone.local(zone.step.start(index)))
        power = {}
        for row, (asset, ruler) in enumerate(zip(zone.assets, ruling, strict=True)):
            state = AssetState.of(fleet, row)
            is_held = ruler is not None and ruler.action == "hold"
            power_mw = 0.0 if is_held else type_of(asset).unplanned_mw(asset, state, interval)
            power[asset.asset_id] = deliver(asset, state, power_mw, interval.hours, at=interval.at).power_mw
        return power

    def _conditions(self, inputs: DecisionInputs, outcome: Outcome, asked_for: Asked) -> dict[str, Condition]:
        conditions = {f"missing-{bid.policy}": bid_missing(bid) for bid in inputs.missing}
        if outcome.engine in REFLEXES:
            conditions[outcome.engine.replace(":", "-")] = reflex(outcome.binding)
        for asset, ruler in zip(self.zone.assets, asked_for.ruling, strict=True):
            if ruler is not None and ruler.action == "hold":
                conditions[f"hold-{ruler.order_id}"] = hold(ruler)
            state = inputs.assets[asset.asset_id]
            if state.conduct.derating is not None or state.conduct.is_trial:
                conditions[f"derated-{asset.asset_id}"] = derated(asset.asset_id, state.conduct.derating)
            elif not state.available:
                conditions[f"unavailable-{asset.asset_id}"] = unreachable(asset.asset_id)
            if state.conduct.soc_held and state.conduct.soc_reading is not None:
                conditions[f"soc-{asset.asset_id}"] = soc_held(asset.asset_id, state.conduct.soc_reading, state.soc)
        return conditions

    def hold_now(self, inputs: DecisionInputs, order: Order, origin: Origin) -> Choice | None:
        """Return the revision of the setpoints in force that a hold asks for at once, None if there are none.

        Only the assets that the order names get a new setpoint: on their fastest way to rest.

        Args:
            inputs: The plant after the last closed slot; ``previous`` is the plan whose setpoints are in force.
            order: The hold.
            origin: Position of the order in the log.
        """
        zone, closed, plan = self.zone, inputs.closed, inputs.previous
        if plan is None or plan.index != closed + 1:
            return None
        end = zone.step.start(closed + 2)
        if (order.starts_at is not None and order.starts_at >= end) or not in_force(
            order, max(order.starts_at or zone.step.start(closed + 1), zone.step.start(closed + 1))
        ):
            return None
        fleet = fleet_state(zone, inputs.assets, inputs.grid_mw)
        power = {a.asset_id: self._rest(fleet, row, closed + 1) for row, a in enumerate(zone.assets) if names(order, a)}
        if not power:
            return None
        reason = f"hold by {order.principal}: {order.reason}"
        outcome = outcome_of_reflex(zone, fleet, power, index=closed + 1, engine=Engine.HOLD, reason=reason)
        grounds = Grounds(
            closed=closed,
            revision=plan.revision + 1,
            missing=[],
            state=snapshot_of(
                zone, inputs.assets, grid_mw=inputs.grid_mw, blind_slots=inputs.blind_slots, observation=None
            ),
            bids={},
            orders=[order],
            verdicts=[OrderVerdict(order_id=order.order_id, action="hold", outcome="accepted")],
            model_id=None,
            receipt=Receipt(offsets={"order": (origin.topic, origin.partition, origin.offset)}),
            zone_hash=self._zone_hash,
        )
        decision, setpoints = messages_of(zone, outcome, grounds)
        condition = {f"hold-{order.order_id}": hold(order)}
        return Choice(decision, setpoints, kept_plan(outcome, decision, closed + 1, plan), condition)
