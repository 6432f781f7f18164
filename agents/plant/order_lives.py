"""States of orders at the plant: each change is sent once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from agents.plant.narrative import say_reason
from agents.plant.orders_in_force import in_force
from vpp.domain import iso
from vpp.fleet.scale import significant
from vpp.messages import ENDED_STAGES, INSTANT_ACTIONS, Order, OrderStage, OrderState, OrderVerdict

_STAGE_OF = {
    "accepted": OrderStage.ACTING,
    "clamped": OrderStage.CLAMPED,
    "waiting": OrderStage.WAITING,
    "superseded": OrderStage.WAITING,
}


class OrderLife(msgspec.Struct):
    """One order that has not ended.

    ``stage``: as sent last. ``acted``: whether it ever acted. ``moved_mwh``, ``lost``: as in ``OrderState``.
    """

    order: Order
    stage: OrderStage = OrderStage.ACCEPTED
    acted: bool = False
    moved_mwh: float = 0.0
    lost: float = 0.0


class OrderLives(msgspec.Struct):
    """Orders that have not ended, by id in order of arrival; ``number`` counts the states that were sent."""

    open: dict[str, OrderLife] = {}
    number: int = 0

    def arrive(self, order: Order, at: datetime) -> list[OrderState]:
        """Return the first state of an order at the plant.

        A hold acts at once; an instant action is done when it comes; all else waits for its start.
        """
        if order.action in INSTANT_ACTIONS:
            for_guard = order.action == "release_quarantine"
            reason = "the guard judges it with its next slot" if for_guard else "it took effect at once"
            return [self._state(order, at, OrderStage.DONE, reason)]
        self.open[order.order_id] = OrderLife(order)
        if order.action == "hold" and in_force(order, max(at, order.starts_at or at)):
            return self._turn(order.order_id, at, OrderStage.ACTING)
        starts = at if order.starts_at is None else max(order.starts_at, at)
        return self._turn(order.order_id, at, OrderStage.WAITING, f"it is weighed for slots from {iso(starts)} on")

    def refuse(self, order: Order, at: datetime, reason: str, *, over: bool) -> OrderState:
        """Return the state of an order that the plant refuses.

        Args:
            order: The order.
            at: The run's clock.
            reason: Why.
            over: Its time has passed.
        """
        return self._state(order, at, OrderStage.EXPIRED if over else OrderStage.REFUSED, reason)

    def withdraw(self, ended: Iterable[Order], at: datetime, reason: str) -> list[OrderState]:
        """Return the states of orders that somebody, or their own limit, ended."""
        return [state for order in ended for state in self._turn(order.order_id, at, OrderStage.WITHDRAWN, reason)]

    def weigh(self, verdicts: Sequence[OrderVerdict], at: datetime, decision_id: str) -> list[OrderState]:
        """Return the states that a decision for the slot at ``at`` changes."""
        return [
            state
            for verdict in verdicts
            for state in self._turn(verdict.order_id, at, _STAGE_OF[verdict.outcome], say_reason(verdict), decision_id)
        ]

    def expire(self, standing: Sequence[Order], at: datetime) -> list[OrderState]:
        """Return the states of orders that are not standing any more: done where they acted, else expired."""
        ids = {order.order_id for order in standing}
        states = []
        for order_id in [order_id for order_id in self.open if order_id not in ids]:
            life = self.open[order_id]
            end = life.order.expires_at or at
            if life.acted:
                states += self._turn(order_id, end, OrderStage.DONE)
            else:
                states += self._turn(order_id, end, OrderStage.EXPIRED, "it never acted")
        return states

    def _turn(
        self, order_id: str, at: datetime, stage: OrderStage, reason: str | None = None, decision_id: str | None = None
    ) -> list[OrderState]:
        life = self.open.get(order_id)
        if life is None or life.stage is stage:
            return []
        life.stage = stage
        life.acted = life.acted or stage in (OrderStage.ACTING, OrderStage.CLAMPED)
        if stage in ENDED_STAGES:
            del self.open[order_id]
        state = self._state(life.order, at, stage, reason, decision_id)
        if not life.acted:
            return [state]
        return [msgspec.structs.replace(state, moved_mwh=significant(life.moved_mwh), lost=significant(life.lost))]

    def _state(
        self, order: Order, at: datetime, stage: OrderStage, reason: str | None = None, decision_id: str | None = None
    ) -> OrderState:
        self.number += 1
        return OrderState(
            zone=order.zone,
            order_id=order.order_id,
            at=at,
            number=self.number,
            stage=stage,
            reason=reason,
            decision_id=decision_id,
        )
