"""Queries for orders and their states, from admission, the plant and the run clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from agents.orders.approval import order_digest, was_admitted
from mcp_server.answers.orders import LifeStep, OrderLine, OrderPage
from mcp_server.queries.context import NOTHING_YET, ReadContext, UnknownNameError, utc
from vpp.errors import nearest_hint
from vpp.messages import ENDED_STAGES, INSTANT_ACTIONS, Order, OrderStage
from vpp.store.tables import ORDER_STATES, ORDERS

LOOK_BACK = timedelta(days=8)
"""No order lasts longer than a week."""
_SHOWN = 200
_FIELDS = ("power_mw", "min_mw", "max_mw", "soc", "cancels")


def list_orders(
    context: ReadContext,
    zone: str | None = None,
    order_id: str | None = None,
    *,
    is_open: bool = False,
    since: datetime | None = None,
    limit: int = 20,
) -> OrderPage:
    """Return orders with all their states, newest first.

    Args:
        context: The run.
        zone: One zone; None: every zone.
        order_id: Id of one order; None: all orders.
        is_open: Only orders that have not ended.
        since: Earliest time of issue; None: the last eight days of the run.
        limit: Maximum number of orders.

    Raises:
        QuestionError: The zone or order is unknown.
    """
    chosen = None if zone is None else context.choose(zone)
    names = context.zones() if chosen is None else [chosen]
    lines = [line for name in names for line in _lines(context, name, since)]
    if order_id is not None:
        ids = [line.order_id for line in lines]
        if order_id not in ids:
            raise UnknownNameError(f"there is no order {order_id!r} of the last days", hint=nearest_hint(order_id, ids))
        lines = [line for line in lines if line.order_id == order_id]
    if is_open:
        lines = [line for line in lines if not line.ended]
    lines.sort(key=lambda line: line.issued_at, reverse=True)
    return OrderPage(
        as_of=context.as_of(chosen),
        orders=lines[:limit],
        total=len(lines),
        truncated=len(lines) > limit,
        page=context.page_link("orders", chosen),
        hint=None if names else NOTHING_YET,
    )


def standing_orders(context: ReadContext, zone: str) -> list[Order]:
    """Return the orders of a zone that have not ended, in order of arrival at the plant.

    Orders that the plant has not answered yet come last, in order of issue.
    """
    rows, states = _rows(context, zone, None)
    clock = context.as_of(zone)
    standing = []
    for row in rows:
        order = _order(row)
        order_states = states.get(order.order_id, [])
        if order.action in INSTANT_ACTIONS or row.get("verdict") != OrderStage.ACCEPTED:
            continue
        if OrderStage(_steps(order, row, order_states, clock)[-1].stage) not in ENDED_STAGES:
            standing.append((order_states[0]["number"] if order_states else float("inf"), order.issued_at, order))
    return [order for *_, order in sorted(standing, key=lambda item: item[:2])]


def row_of(context: ReadContext, order: Order) -> dict[str, Any] | None:
    """Return the stored row of a sent order, None if there is none. A row with its id but other content is ignored."""
    rows = context.store.read(
        ORDERS,
        zone=order.zone,
        start=order.issued_at,
        end=order.issued_at + timedelta(seconds=1),
        filters={"order_id": order.order_id},
    ).dicts()
    own = [row for row in rows if row.get("body") and order_digest(_order(row)) == order_digest(order)]
    return next(iter(one_by_id(own, context.settings.approval_secret)), None)


def _rows(
    context: ReadContext, zone: str, since: datetime | None
) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    clock = context.as_of(zone)
    start = utc(since) if since is not None or clock is None else clock - LOOK_BACK
    rows = one_by_id(context.store.read(ORDERS, zone=zone, start=start).dicts(), context.settings.approval_secret)
    states: dict[str, list[dict[str, Any]]] = {}
    for row in context.store.read(ORDER_STATES, zone=zone, start=start).dicts():
        states.setdefault(row["order_id"], []).append(row)
    return rows, {order_id: sorted(records, key=lambda row: row["number"]) for order_id, records in states.items()}


def one_by_id(rows: Sequence[dict[str, Any]], key: bytes | None) -> list[dict[str, Any]]:
    """Return one row for each id; another order with the id of an admitted order is ignored.

    Args:
        rows: Rows of the table of orders.
        key: Secret that signs admissions; None accepts unsigned ones.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for row in (row for row in rows if row.get("body")):
        chosen_row = chosen.setdefault(row["order_id"], row)
        if chosen_row is not row and not _is_admitted(chosen_row, key) and _is_admitted(row, key):
            chosen[row["order_id"]] = row
    return list(chosen.values())


def _is_admitted(row: dict[str, Any], key: bytes | None) -> bool:
    if row["verdict"] != OrderStage.ACCEPTED or key is None:
        return bool(row["verdict"] == OrderStage.ACCEPTED)
    judged = {name: row[name] for name in ("verdict", "verdict_reason", "admission")}
    return was_admitted(msgspec.structs.replace(_order(row), **judged), key)


def _lines(context: ReadContext, zone: str, since: datetime | None) -> list[OrderLine]:
    rows, states = _rows(context, zone, since)
    clock = context.as_of(zone)
    return [_line(_order(row), row, states.get(row["order_id"], []), clock) for row in rows[-_SHOWN:]]


def _order(row: dict[str, Any]) -> Order:
    return msgspec.json.decode(row["body"], type=Order)


def _steps(
    order: Order, row: dict[str, Any], states: Sequence[dict[str, Any]], clock: datetime | None
) -> list[LifeStep]:
    """Return the states of an order; empty before admission has answered. An order ends at its expiry in run time."""
    steps = []
    if row.get("verdict"):
        steps.append(LifeStep(stage=row["verdict"], at=order.sent_at or order.issued_at, reason=row["verdict_reason"]))
    steps += [LifeStep(stage=state["stage"], at=state["at"], reason=state["reason"]) for state in states]
    over = order.expires_at is not None and clock is not None and order.expires_at <= clock
    if order.expires_at is not None and over and (not steps or OrderStage(steps[-1].stage) not in ENDED_STAGES):
        acted = any(step.stage in (OrderStage.ACTING, OrderStage.CLAMPED) for step in steps)
        stage = OrderStage.DONE if acted else OrderStage.EXPIRED
        steps.append(LifeStep(stage=stage.value, at=order.expires_at, reason=None if acted else "it had no effect"))
    return steps


def _line(order: Order, row: dict[str, Any], states: Sequence[dict[str, Any]], clock: datetime | None) -> OrderLine:
    steps = _steps(order, row, states, clock)
    last = steps[-1] if steps else None
    counted = [state for state in states if state["lost"] is not None]
    return OrderLine(
        zone=order.zone,
        order_id=order.order_id,
        action=order.action,
        asked={name: value for name in _FIELDS if (value := getattr(order, name)) is not None},
        asset_ids=order.asset_ids,
        principal=order.principal,
        approved_by=order.approved_by,
        reason=order.reason,
        issued_at=order.issued_at,
        starts_at=order.starts_at,
        expires_at=order.expires_at,
        stage="sent" if last is None else last.stage,
        stage_reason=None if last is None else last.reason,
        ended=last is not None and OrderStage(last.stage) in ENDED_STAGES,
        moved_mwh=counted[-1]["moved_mwh"] if counted else None,
        lost=counted[-1]["lost"] if counted else None,
        life=steps,
    )
