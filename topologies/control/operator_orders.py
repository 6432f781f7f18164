"""Orders of operators at the command line: issued by the run's clock, approved by whoever types them."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from vpp.errors import DataError
from vpp.messages import Order
from vpp.store import Store
from vpp.store.run_clock import run_clock
from vpp.store.tables import TELEMETRY

OPERATOR_PRIORITY = 50


def _issue_time(store: Store, zone: str) -> datetime:
    clock = run_clock(store, zone)
    if clock is None:
        zones = ", ".join(span.zone for span in store.spans(TELEMETRY))
        raise DataError(
            f"nothing of zone {zone!r} is stored yet", hint=f"zones with data: {zones}" if zones else "start `vpp up`"
        )
    return clock


def operator_order(
    store: Store,
    zone: str,
    action: str,
    *,
    principal: str,
    reason: str,
    now: datetime,
    key: bytes | None,
    order_id: str | None = None,
    **fields: Any,
) -> Order:
    """Return an order that its operator approves by giving it.

    Args:
        store: Tells the run's clock.
        zone: The zone.
        action: As in ``Order``.
        principal: Who gives it.
        reason: Why.
        now: Wall time.
        key: Signs the approval; None leaves it unsigned.
        order_id: Its id, where it follows from what asks for it; None: a new one.
        **fields: Further fields of the order.

    Raises:
        DataError: No slot of the zone is closed yet.
    """
    order = Order(
        zone=zone,
        order_id=order_id or "o" + secrets.token_hex(6),
        action=action,
        principal=principal,
        reason=reason,
        issued_at=(clock := _issue_time(store, zone)),
        sent_at=clock,
        priority=OPERATOR_PRIORITY,
        **fields,
    )
    mode = "hold" if action == "hold" else "operator"
    return approve(order, Approval(order_digest(order), principal, mode, now, now + PLAN_LIFE), key)
