"""Orders: what waits for approval, what is in force, what is closed, how each came about, and the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from agents.plant.narrative import say_verdict
from agents.plant.plan_sentences import money
from console.dashboard.views.moment import Moment
from console.dashboard.views.texts import joined, kind_name, signed, span
from mcp_server.actions.actions import Acts
from topologies.control.plan_book import PlanState
from vpp.messages import Order
from vpp.store.tables import AUDIT, ORDERS

AUDIT_ROWS = 60
CLOSED_ROWS = 40


@dataclass(frozen=True)
class OrderBook:
    """Plans and orders of one zone.

    Attributes:
        moment: The zone.
        acts: Reads the plan book; writes nothing here.
    """

    moment: Moment
    acts: Acts

    @cached_property
    def wall(self) -> datetime:
        """The wall clock, by which plans expire."""
        return self.acts.book.now()

    @cached_property
    def plans(self) -> list[PlanState]:
        """Plans of the last day, newest first."""
        return self.acts.book.recent(self.moment.zone)

    @cached_property
    def _standing(self) -> list[Order]:
        config = self.moment.config
        return [] if config is None or self.moment.slot is None else self.acts.standing(config)

    def standing(self) -> list[Order]:
        """Return the orders in force or waiting to act; none while looking back."""
        return [] if self.moment.at is not None else self._standing

    def open_plans(self) -> list[PlanState]:
        """Return the plans that wait for approval, the first to end first."""
        waiting = [plan for plan in self.plans if plan.status(self.wall) == "proposed"]
        return sorted(waiting, key=lambda plan: plan.proposal.expires_at)

    def waiting(self) -> int:
        """Return how many plans wait for approval."""
        return 0 if self.moment.at is not None else len(self.open_plans())


def orders(book: OrderBook) -> dict[str, Any]:
    """Return the screen of orders."""
    moment, wall = book.moment, book.wall
    standing = book.standing()
    stand_ids = {order.order_id for order in standing}
    verdicts = {row["order_id"]: row for row in moment.rows(ORDERS, order="desc", limit=200)}
    by_id = {plan.plan_id: plan for plan in book.plans}
    closed = [
        _plan_line(moment, plan, wall)
        for plan in book.plans
        if plan.plan_id not in stand_ids and plan.status(wall) not in ("proposed", "approved")
    ]
    others = [row for row in verdicts.values() if row["order_id"] not in stand_ids and row["order_id"] not in by_id]
    closed += [_order_line(moment, _order(row), row) for row in others if row.get("body")]
    refused = sum(line["status"] == "refused" for line in closed)
    return {
        "wall": wall,
        "waiting": [_plan_line(moment, plan, wall) for plan in book.open_plans()],
        "approved": [_plan_line(moment, p, wall) for p in book.plans if p.status(wall) == "approved"],
        "standing": [_order_line(moment, order, verdicts.get(order.order_id)) for order in standing],
        "closed": closed[:CLOSED_ROWS],
        "refused": refused,
        "lives": {
            order_id: life(moment, order_id, by_id.get(order_id), verdicts.get(order_id), wall)
            for order_id in [*by_id, *verdicts][:80]
        },
        "audit": audit(moment),
        "assets": _assets(moment),
    }


def _assets(moment: Moment) -> list[dict[str, Any]]:
    assets = []
    for asset in () if moment.config is None else moment.config.assets:
        low, high = moment.limits_mw(asset)
        assets.append({"asset_id": asset.asset_id, "kind": asset.kind, "min_mw": low, "max_mw": high})
    return assets


def wish(moment: Moment, order: Order) -> str:
    """Return what an order asks, short: ``Battery +6.0 MW``."""
    who = _who(moment, order)
    match order.action:
        case "target" if order.power_mw is not None:
            return f"{who} {signed(order.power_mw)} MW"
        case "band":
            low = "any" if order.min_mw is None else signed(order.min_mw)
            high = "any" if order.max_mw is None else signed(order.max_mw)
            return f"{who} {low} to {high} MW"
        case "soc_target" if order.soc is not None:
            return f"{who} keeps {100 * order.soc:.0f} %"
        case "hold":
            return f"Hold of {'the whole fleet' if not order.asset_ids else who.lower()}"
        case "release":
            return "Release of holds"
        case "cancel":
            return f"Cancel of {order.cancels}"
        case _:
            return f"{who} {order.action}"


def _who(moment: Moment, order: Order) -> str:
    config = moment.config
    assets = () if config is None else config.assets
    kinds = [asset.kind for asset in assets if not order.asset_ids or asset.asset_id in order.asset_ids]
    several = {kind: sum(asset.kind == kind for asset in assets) for kind in kinds}
    if len(order.asset_ids) == 1 and kinds and several[kinds[0]] > 1:
        return order.asset_ids[0]
    if order.action == "soc_target" and not order.asset_ids:
        return "Batteries"
    if order.asset_ids and len(set(kinds)) == 1:
        return joined([kind_name(kinds[0])])
    return ", ".join(order.asset_ids) or "Whole fleet"


def _plan_line(moment: Moment, plan: PlanState, wall: datetime) -> dict[str, Any]:
    order = plan.proposal.order
    return {
        "id": plan.plan_id,
        "is_plan": True,
        "title": wish(moment, order),
        "action": order.action,
        "starts_at": order.starts_at,
        "ends_at": order.expires_at,
        "reason": order.reason,
        "by": plan.proposer,
        "approved_by": plan.approved_by,
        "status": plan.status(wall),
        "outcome": plan.proposal.outcome,
        "expires_at": plan.proposal.expires_at,
        "cost_change": plan.proposal.cost_change,
        "digest": plan.digest,
        "note": "; ".join(plan.proposal.reasons),
    }


def _order_line(moment: Moment, order: Order, row: dict[str, Any] | None) -> dict[str, Any]:
    now = moment.now
    begins = order.starts_at
    waits = begins is not None and now is not None and begins > now
    verdict = None if row is None else row.get("verdict")
    over = order.expires_at is not None and now is not None and order.expires_at <= now
    status = "refused" if verdict == "refused" else "ended" if over else "waits" if waits else "in force"
    return {
        "id": order.order_id,
        "is_plan": False,
        "title": wish(moment, order),
        "action": order.action,
        "starts_at": begins,
        "ends_at": order.expires_at,
        "reason": order.reason,
        "by": order.principal,
        "approved_by": order.approved_by,
        "status": status,
        "note": (row or {}).get("verdict_reason") or "",
    }


def _order(row: dict[str, Any]) -> Order:
    return msgspec.json.decode(row["body"], type=Order)


def life(
    moment: Moment, order_id: str, plan: PlanState | None, row: dict[str, Any] | None, wall: datetime
) -> list[dict[str, Any]]:
    """Return the life of an order as steps: ``state`` is ``done``, ``waits``, ``failed`` or ``ahead``.

    Args:
        moment: What the page shows of the zone.
        order_id: The order.
        plan: Its plan; None: it has none.
        row: Its row in the table ``orders``; None: it was not sent.
        wall: Wall time.
    """
    steps: list[dict[str, Any]] = []
    order = plan.proposal.order if plan is not None else None if row is None else _order(row)
    if plan is not None:
        steps += _plan_steps(plan, wall, moment.currency)
    if order is None or (plan is not None and not plan.executed and row is None):
        return steps
    verdict = None if row is None else row.get("verdict")
    steps.append(_step("done", f"Sent by {order.principal}"))
    if verdict is None:
        return [*steps, _step("waits", "Waits for the orders worker")]
    if verdict != "accepted":
        return [*steps, _step("failed", f"Refused: {(row or {}).get('verdict_reason') or 'no reason'}")]
    steps.append(_step("done", "Admitted by the orders worker"))
    return [*steps, *_acting_steps(moment, order)]


def _plan_steps(plan: PlanState, wall: datetime, currency: str) -> list[dict[str, Any]]:
    cost = plan.proposal.cost_change
    priced = "" if cost is None else f", {'gains' if cost < 0 else 'costs'} {money(abs(cost), currency)}"
    status = plan.status(wall)
    if status == "refused":
        return [_step("done", f"Proposed by {plan.proposer}"), _step("failed", "; ".join(plan.proposal.reasons))]
    steps = [_step("done", f"Proposed by {plan.proposer}{priced}")]
    if status == "rejected":
        return [*steps, _step("failed", f"Rejected by {plan.rejected_by}")]
    if plan.approved_by is None:
        late = status == "expired"
        return [
            *steps,
            _step("failed" if late else "waits", "Expired without approval" if late else "Waits for approval"),
        ]
    steps.append(_step("done", f"Approved by {plan.approved_by}"))
    if not plan.executed:
        late = status == "expired"
        text = "Expired before it was sent" if late else f"Waits for {plan.proposer} to send it"
        return [*steps, _step("failed" if late else "waits", text)]
    return steps


def _acting_steps(moment: Moment, order: Order) -> list[dict[str, Any]]:
    now, begins, ends = moment.now, order.starts_at or order.issued_at, order.expires_at
    if order.action in ("release", "cancel"):
        return [_step("done", "Took effect at once")]
    if now is None or begins > now:
        steps = [_step("waits", f"Waits: acts from {begins:%H:%M}")]
    else:
        steps = [_step("done", f"Acts since {begins:%H:%M}")]
        verdict = _plant_says(moment, order)
        steps += [] if verdict is None else [_step("done", verdict)]
    if ends is None:
        return steps
    over = now is not None and ends <= now
    return [*steps, _step("done" if over else "ahead", f"{'Ended' if over else 'Ends'} {ends:%H:%M}")]


def _plant_says(moment: Moment, order: Order) -> str | None:
    decision = moment.decision
    verdicts = [] if decision is None else decision.verdicts
    verdict = next((verdict for verdict in verdicts if verdict.order_id == order.order_id), None)
    return None if verdict is None else f"The plant: {say_verdict(verdict)}"


def _step(state: str, text: str) -> dict[str, Any]:
    return {"state": state, "text": text}


def audit(moment: Moment) -> list[dict[str, Any]]:
    """Return the newest acts on the zone; ``run`` marks rows whose time is the run's clock."""
    rows = moment.context.store.read(
        AUDIT, zone=[moment.zone, "all"], order="desc", limit=AUDIT_ROWS * 3,
        columns=("at", "principal", "action", "verdict", "audit_id"),
    ).dicts()  # fmt: skip
    acts = [row for row in rows if not row["action"].startswith("mcp:")]
    return [
        {
            "at": row["at"],
            "run": row["action"].startswith("order:"),
            "by": row["principal"] if not row["action"].startswith("order:") else "orders worker",
            "act": _act_words(row["action"], row["verdict"]),
            "id": row["audit_id"].removeprefix("order-").rpartition(":")[2],
            "verdict": row["verdict"],
            "failed": row["verdict"] in ("refused", "rejected"),
        }
        for row in acts[:AUDIT_ROWS]
    ]


def _act_words(action: str, verdict: str) -> str:
    if action.startswith("order:"):
        return "admitted" if verdict == "accepted" else verdict
    act = action.removeprefix("plan:")
    return {
        "propose": "proposed", "approve": "approved", "reject": "rejected", "execute": "sent", "hold": "sent a hold",
        "release": "sent a release", "ask": "asked a person",
    }.get(act, act)  # fmt: skip


def horizon(starts: Sequence[datetime], step: timedelta) -> str:
    """Return the span of a look-ahead."""
    return "" if not starts else span(starts[0], starts[-1] + step)
