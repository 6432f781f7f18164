"""Verification of an order at the plant, independent of the admission step and of other topics."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta

from agents.orders.admission import MAX_LIFE, refuse
from agents.orders.approval import was_admitted
from agents.orders.refusal import Refusal
from vpp.domain import iso
from vpp.fleet.schema import Zone
from vpp.messages import Alert, AlertCode, AlertEffect, DeadLetter, Order, encode
from vpp.streams.reducer import Origin, Output


def refuse_admitted(
    zone: Zone, order: Order, key: bytes, sent_at: datetime | None, longest: timedelta = MAX_LIFE
) -> Refusal | None:
    """Return why an order marked as admitted must not act, None if it may.

    The admission step must have signed it with its verdict, and all that admission checks holds again here: form,
    times, approval (signature, content, zone, life), scope and limits.

    Args:
        zone: The zone that it acts in.
        order: The order.
        key: The secret that approvals and admissions are signed with.
        sent_at: The broker's time of the record, None if no broker is.
        longest: Longest life of an order.
    """
    if order.zone != zone.zone:
        return Refusal("admission", f"it is for the zone {order.zone}")
    if not was_admitted(order, key):
        return Refusal("admission", "the admission step did not sign it")
    return refuse(zone, order, key, sent_at, longest=longest)


def refused_order(order: Order, slot: datetime, origin: Origin, refusal: Refusal, by: str = "plant") -> list[Output]:
    """Return the alert and the dead letter of an order that is refused where it would act.

    Args:
        order: The order.
        slot: The slot that is decided next.
        origin: Its position in the log.
        refusal: Why.
        by: Who refuses it.
    """
    raw = encode(order)
    digest = hashlib.blake2b(raw, digest_size=8).hexdigest()
    alert = Alert(
        zone=order.zone,
        slot=slot,
        alert_id=f"{by}-order-refused-{digest}",
        severity="critical" if refusal.code in {"admission", "approval"} else "warning",
        topic="order",
        code=AlertCode.ORDER_REFUSED,
        effect=AlertEffect.ORDER_NOT_FOLLOWED,
        text=f"the {by} refused order {order.order_id} ({order.action}) by {order.principal}: {refusal}; "
        f"issued at {iso(order.issued_at)}",
    )
    letter = DeadLetter(
        zone=order.zone,
        reason=f"order_{refusal.code}",
        detail=refusal.detail,
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
        raw=base64.b64encode(raw).decode(),
    )
    return [Output("alerts", alert), Output("dlq", letter)]
