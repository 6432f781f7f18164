"""Orders of operators at the command line or a gateway: issued by the run clock, approved by their author."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from vpp.errors import DataError
from vpp.messages import EPISODES, Message, Order
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.run_clock import run_clock
from vpp.store.tables import ALERTS, TELEMETRY
from vpp.streams.topics import ORDERS

OPERATOR_PRIORITY = 50
GUARD = "guard"


def issue_time(store: Store, zone: str) -> datetime:
    """Return now by the run clock.

    Raises:
        DataError: No slot of the zone is closed yet.
    """
    clock = run_clock(store, zone)
    if clock is None:
        zones = ", ".join(span.zone for span in store.spans(TELEMETRY))
        raise DataError(
            f"nothing of zone {zone!r} is stored yet", hint=f"zones with data: {zones}" if zones else "start `vpp up`"
        )
    return clock


def open_episode(store: Store, alert_id: str, zone: str | None = None) -> str:
    """Return the zone of a quarantine that has not ended.

    Args:
        store: Tells which alerts there are.
        alert_id: The alert that it began with.
        zone: Only of this zone.

    Raises:
        DataError: There is no such quarantine, or it is over.
    """
    zone_of = {
        row["alert_id"]: row["zone"]
        for row in store.read(ALERTS, zone=zone, filters={"topic": GUARD}).dicts()
        if row["ended_at"] is None and row["code"] in EPISODES
    }
    if alert_id not in zone_of:
        raise DataError(
            f"the guard has no open quarantine {alert_id!r}", hint=f"open: {', '.join(sorted(zone_of)) or 'none'}"
        )
    return str(zone_of[alert_id])


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
        store: Tells the run clock.
        zone: The zone.
        action: As in ``Order``.
        principal: Who gives it.
        reason: Why.
        now: Wall time.
        key: Signs the approval; None leaves it unsigned.
        order_id: Its id, where it follows from what asks for it; None: a new one.
        **fields: Further fields of the order; without a priority it has an operator's.

    Raises:
        DataError: No slot of the zone is closed yet.
    """
    order = Order(
        zone=zone,
        order_id=order_id or "o" + secrets.token_hex(6),
        action=action,
        principal=principal,
        reason=reason,
        issued_at=(clock := issue_time(store, zone)),
        sent_at=clock,
        **{"priority": OPERATOR_PRIORITY, **fields},
    )
    mode = "hold" if action == "hold" else "operator"
    return approve(order, Approval(order_digest(order), principal, mode, now, now + PLAN_LIFE), key)


def gateway_order(
    settings: Settings,
    post: Callable[[str, Message], None],
    gateway: str,
    zone: str,
    action: str,
    reason: str,
    *,
    now: datetime,
    **fields: Any,
) -> Order:
    """Send an order that a gateway takes in, signed as an operator's, and return it.

    Args:
        settings: Where the store is, and the key.
        post: Writes a message to a topic and waits for the receipt.
        gateway: Name of the gateway.
        zone: The zone.
        action: As in ``Order``.
        reason: Why.
        now: Wall time.
        **fields: Further fields of the order.

    Raises:
        VppError: No slot of the zone is closed yet, or the broker does not take it.
    """
    with open_store(settings, read_only=True) as store:
        order = operator_order(
            store,
            zone,
            action,
            principal=f"gateway:{gateway}",
            reason=reason,
            now=now,
            key=settings.approval_secret,
            **fields,
        )
    post(ORDERS.name, order)
    return order
