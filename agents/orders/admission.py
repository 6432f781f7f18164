"""Admission of orders: form, approval, scope and static limits. The plant judges time and state of charge.

Every order leaves with a verdict and an audit record. A refused order is published with its reason, never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from agents.assets.limits import power_excess, soc_excess
from agents.assets.registry import store_of
from agents.orders.approval import approval_of, refuse_approval, sign_admission
from agents.orders.budget import Budget, Spending, charge
from agents.orders.refusal import Refusal
from agents.orders.replay_memory import HOLDS_WITHIN, MAX_HOLDS, OrderMemory
from vpp.domain import iso
from vpp.errors import MessageError
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.messages import INSTANT_ACTIONS, Alert, AlertCode, AlertEffect, Audit, Message, Order, unjudged_digest
from vpp.streams.reducer import Load, Origin, Output
from vpp.streams.state_codec import ChangedValues, pack, unpack

_SHAPES = {"memory": "orders-2", "spending": "spending-1"}
MAX_LIFE = timedelta(days=7)
"""No setting lets an order live longer."""
MAX_PRIORITY = 100
NO_BUDGET = Budget()
_WISHES = frozenset({"target", "band", "soc_target"})
_ACTIONS = _WISHES | {"hold"} | INSTANT_ACTIONS
_MUST_EXPIRE = _WISHES | {"release_quarantine"}


@dataclass
class OrdersState:
    """Which orders were judged already, and what budgets approved."""

    memory: OrderMemory = field(default_factory=OrderMemory)
    spending: Spending = field(default_factory=Spending)
    changed: ChangedValues = field(default_factory=ChangedValues)


class OrdersReducer:
    """Judges each order once.

    Args:
        zone: The zone whose assets may be ordered.
        approval_key: The secret that approvals are signed with; None takes them unsigned.
        budget: What a budget may approve by principal and day; by default nothing.
        longest: Longest life of an order.
    """

    def __init__(
        self,
        zone: Zone,
        *,
        approval_key: bytes | None = None,
        budget: Budget = NO_BUDGET,
        longest: timedelta = MAX_LIFE,
    ) -> None:
        self._zone = zone
        self._longest = longest
        self._key = approval_key
        self._budget = budget

    def initial(self, zone: str) -> OrdersState:
        """Return the state before the first order."""
        return OrdersState()

    def load(self, zone: str, get: Load) -> OrdersState:
        """Return the stored state, or the initial state if it cannot be read."""
        spending = unpack(get("spending"), Spending, _SHAPES["spending"]) or Spending()
        memory = unpack(get("memory"), OrderMemory, _SHAPES["memory"]) or OrderMemory()
        return OrdersState(memory, spending)

    def changes(self, state: OrdersState) -> Mapping[str, bytes | None]:
        """Return the changed state values."""
        return {key.name: pack(getattr(state, key.kind), _SHAPES[key.kind]) for key in state.changed.take()}

    def step(self, state: OrdersState, message: Message, origin: Origin) -> tuple[OrdersState, list[Output]]:
        """Judge one message of ``orders``.

        Raises:
            MessageError: The message is no order, or has no id to answer it by.
        """
        if not isinstance(message, Order):
            raise MessageError(f"{type(message).__name__} is not an order", reason="schema")
        if not message.order_id:
            raise MessageError("an order needs an order_id", reason="schema")
        if state.memory.has(message):
            return state, []
        refusal = refuse(self._zone, message, self._key, state.memory.sent_at(origin), longest=self._longest)
        if refusal is None and message.action == "hold" and state.memory.holds_too_often(message, origin):
            refusal = Refusal(
                "too_often",
                f"{message.principal} gave {MAX_HOLDS} holds within {HOLDS_WITHIN.seconds // 60} min; they stand",
            )
        approval = approval_of(message)
        if refusal is None and message.action != "hold" and approval is not None and approval.mode == "budget":
            state.spending, refusal = charge(self._budget, state.spending, message, approval)
            state.changed.mark("spending")
        # Only an order that is accepted occupies its id.
        if refusal is None:
            state.memory.note(message, origin)
            state.changed.mark("memory")
        return state, self._answer(message, refusal)

    def _answer(self, order: Order, refusal: Refusal | None) -> list[Output]:
        verdict = "accepted" if refusal is None else "expired" if refusal.code == "over" else "refused"
        judged = msgspec.structs.replace(
            order, verdict=verdict, verdict_reason=None if refusal is None else str(refusal)
        )
        digest = unjudged_digest(order)
        audit = Audit(
            zone=order.zone,
            audit_id=f"order-{order.order_id}",
            at=order.issued_at,
            principal=order.principal,
            action=f"order:{order.action}",
            verdict=verdict,
            detail=order.reason if refusal is None else str(refusal),
            digest=digest,
        )
        signed = sign_admission(judged, self._key)
        outputs = [Output("bids", signed), Output("audit", audit)]
        if refusal is None and order.action == "release_quarantine":
            outputs.append(Output("telemetry.raw", signed))
        if refusal is not None:
            alert = Alert(
                zone=order.zone,
                slot=self._zone.step.floor(order.issued_at),
                alert_id=f"order-refused-{digest}",
                severity="warning",
                topic="order",
                code=AlertCode.ORDER_REFUSED,
                effect=AlertEffect.ORDER_NOT_FOLLOWED,
                text=f"order {order.order_id} ({order.action}) by {order.principal} refused: {refusal}",
            )
            outputs.append(Output("alerts", alert))
        return outputs


def refuse(
    zone: Zone,
    order: Order,
    approval_key: bytes | None = None,
    sent_at: datetime | None = None,
    *,
    longest: timedelta = MAX_LIFE,
) -> Refusal | None:
    """Return why an order is refused, None if it is admitted.

    Args:
        zone: The zone whose assets it may name.
        order: The order.
        approval_key: The secret that approvals are signed with; None takes them unsigned.
        sent_at: The broker's time of the order, against which an approval's life is held; None if no broker is.
        longest: Longest life of an order.
    """
    checks = (_form(order), _times(order, longest), _approval(order, approval_key, sent_at), _scope(zone, order))
    refusal = next((verdict for verdict in checks if verdict is not None), None)
    return refusal if refusal is not None or order.action not in _WISHES else _limits(zone, order)


def _form(order: Order) -> Refusal | None:
    if order.action not in _ACTIONS:
        return Refusal("unknown_action", f"{order.action!r} is none of {', '.join(sorted(_ACTIONS))}")
    if not order.principal.strip() or not order.reason.strip():
        return Refusal("incomplete", "an order needs principal and reason")
    if not 0 <= order.priority <= MAX_PRIORITY:
        return Refusal("priority", f"{order.priority} is not within 0 to {MAX_PRIORITY}")
    lacks = {
        "target": order.power_mw is None,
        "band": order.min_mw is None and order.max_mw is None,
        "soc_target": order.soc is None,
        "cancel": not order.cancels,
        "release_quarantine": not order.cancels,
    }
    if lacks.get(order.action, False):
        return Refusal("incomplete", f"a {order.action} order lacks its value")
    if order.min_mw is not None and order.max_mw is not None and order.min_mw > order.max_mw:
        return Refusal("band", f"min_mw {order.min_mw:g} is above max_mw {order.max_mw:g}")
    return None


def _times(order: Order, longest: timedelta) -> Refusal | None:
    if order.expires_at is not None and order.sent_at is not None and order.expires_at <= order.sent_at:
        return Refusal("over", f"it ended at {iso(order.expires_at)}; it was sent at {iso(order.sent_at)} of the run")
    begins: datetime = max(order.issued_at, order.starts_at or order.issued_at)
    if order.expires_at is None:
        return Refusal("expiry", f"a {order.action} order must expire") if order.action in _MUST_EXPIRE else None
    if order.expires_at <= begins:
        return Refusal("expiry", "the order expires before it starts")
    if order.action in _MUST_EXPIRE and order.expires_at - order.issued_at > longest:
        return Refusal("expiry", f"an order lives {longest.total_seconds() / 3600:g} h at most")
    return None


def _approval(order: Order, key: bytes | None, sent_at: datetime | None) -> Refusal | None:
    # Stopping needs no approval, only the signature of the server that took it; all else needs an approval.
    if order.action == "hold" and key is None:
        return None
    if not order.approved_by:
        return Refusal("approval", f"a {order.action} order needs approval")
    reason = refuse_approval(order, key, sent_at)
    return None if reason is None else Refusal("approval", f"the approval does not hold: {reason}")


def _scope(zone: Zone, order: Order) -> Refusal | None:
    asset_ids = {asset.asset_id for asset in zone.assets}
    foreign = [asset_id for asset_id in order.asset_ids if asset_id not in asset_ids]
    if foreign:
        return Refusal("unknown_asset", f"{', '.join(foreign)} is not in {zone.zone}")
    if order.action in {"target", "band"} and not order.asset_ids:
        return Refusal("scope", f"a {order.action} order names its assets")
    return None


def _limits(zone: Zone, order: Order) -> Refusal | None:
    for asset in _named(zone, order):
        if order.action == "soc_target":
            reason = soc_excess(asset, order.soc)
        else:
            bounds = (order.power_mw,) if order.action == "target" else (order.min_mw, order.max_mw)
            reason = next((r for r in (power_excess(zone, asset, power) for power in bounds) if r is not None), None)
        if reason is not None:
            return Refusal("limit", reason)
    return None


def _named(zone: Zone, order: Order) -> list[Asset]:
    if order.asset_ids:
        return [asset for asset in zone.assets if asset.asset_id in order.asset_ids]
    return [asset for asset in zone.assets if store_of(asset) is not None]
