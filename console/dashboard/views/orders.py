"""The screen Orders: waiting for approval, in force, closed; the history of each, and the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from agents.assets.registry import kind_name
from agents.plant.plan_sentences import money
from console.dashboard.views.moment import Moment
from console.dashboard.views.texts import joined, span
from mcp_server.actions.actions import Acts
from mcp_server.answers.orders import LifeStep, OrderLine
from mcp_server.queries.orders import list_orders, one_by_id
from topologies.control.plan_book import PlanState
from vpp.messages import ENDED_STAGES, Order, OrderStage
from vpp.store.tables import AUDIT, ORDERS

AUDIT_ROWS = 60
_STAGES = {
    OrderStage.ACCEPTED: "admitted",
    OrderStage.WAITING: "waits",
    OrderStage.ACTING: "acts",
    OrderStage.CLAMPED: "acts as far as it can",
    OrderStage.DONE: "done",
    OrderStage.EXPIRED: "expired",
    OrderStage.REFUSED: "refused",
    OrderStage.WITHDRAWN: "withdrawn",
}
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
    def lives(self) -> dict[str, OrderLine]:
        """Orders of the last days with their lives, by id; looking back, as far as they had come."""
        page = list_orders(self.moment.context, self.moment.zone, limit=200)
        return {line.order_id: _until(line, self.moment.at) for line in page.orders}

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
        """Return the number of plans that wait for approval."""
        return 0 if self.moment.at is not None else len(self.open_plans())


def _until(line: OrderLine, at: datetime | None) -> OrderLine:
    if at is None:
        return line
    steps = [step for step in line.life if step.at <= at]
    stage = steps[-1].stage if steps else "sent"
    ended = bool(steps) and OrderStage(stage) in ENDED_STAGES
    return line.model_copy(update={"life": steps, "stage": stage, "ended": ended})


def orders(book: OrderBook) -> dict[str, Any]:
    """Return the screen of orders."""
    moment, wall = book.moment, book.wall
    standing = book.standing()
    stand_ids = {order.order_id for order in standing}
    rows = one_by_id(moment.rows(ORDERS, order="desc", limit=200), moment.context.settings.approval_secret)
    verdicts = {row["order_id"]: row for row in rows}
    lives = book.lives
    by_id = {plan.plan_id: plan for plan in book.plans}
    closed = [
        _plan_line(moment, plan, wall)
        for plan in book.plans
        if plan.plan_id not in stand_ids and plan.status(wall) not in ("proposed", "approved")
    ]
    other_rows = [row for row in verdicts.values() if row["order_id"] not in stand_ids and row["order_id"] not in by_id]
    closed += [_order_line(moment, _order(row), lives.get(row["order_id"])) for row in other_rows]
    refused = sum(line["status"] == "refused" for line in closed)
    return {
        "wall": wall,
        "waiting": [_plan_line(moment, plan, wall) for plan in book.open_plans()],
        "approved": [_plan_line(moment, p, wall) for p in book.plans if p.status(wall) == "approved"],
        "standing": [_order_line(moment, order, lives.get(order.order_id)) for order in standing],
        "closed": closed[:CLOSED_ROWS],
        "refused": refused,
        "lives": {
            order_id: life(moment, by_id.get(order_id), lives.get(order_id), wall)
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
    """Return the request of an order in short form: ``Battery +6.0 MW``."""
    principal = _who(moment, order)
    match order.action:
        case "target" if order.power_mw is not None:
            return f"{principal} {moment.signed_power(order.power_mw)}"
        case "band":
            low = "any" if order.min_mw is None else moment.signed_power(order.min_mw)
            high = "any" if order.max_mw is None else moment.signed_power(order.max_mw)
            return f"{principal} {low} to {high}"
        case "soc_target" if order.soc is not None:
            return f"{principal} keeps {100 * order.soc:.0f} %"
        case "hold":
            return f"Hold of {'the whole fleet' if not order.asset_ids else principal.lower()}"
        case "release":
            return "Release of holds"
        case "cancel":
            return f"Cancel of {order.cancels}"
        case "release_quarantine":
            return f"Release of quarantine {order.cancels}"
        case _:
            return f"{principal} {order.action}"


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


def _order_line(moment: Moment, order: Order, line: OrderLine | None) -> dict[str, Any]:
    return {
        "id": order.order_id,
        "is_plan": False,
        "title": wish(moment, order),
        "action": order.action,
        "starts_at": order.starts_at,
        "ends_at": order.expires_at,
        "reason": order.reason,
        "by": order.principal,
        "approved_by": order.approved_by,
        "status": "sent" if line is None else line.stage,
        "note": "" if line is None else line.stage_reason or "",
        "lost": None if line is None else line.lost,
    }


def _order(row: dict[str, Any]) -> Order:
    return msgspec.json.decode(row["body"], type=Order)


def life(moment: Moment, plan: PlanState | None, line: OrderLine | None, wall: datetime) -> list[dict[str, Any]]:
    """Return the life of an order as steps: ``state`` is ``done``, ``waits``, ``failed`` or ``ahead``.

    Args:
        moment: What the page shows of the zone.
        plan: Its plan; None: it has none.
        line: The order with its states; None: it was not sent.
        wall: Wall time.
    """
    steps = [] if plan is None else _plan_steps(plan, wall, moment.currency)
    if line is None:
        return [*steps, _step("waits", "Waits for the orders worker")] if plan is not None and plan.executed else steps
    steps.append(_step("done", f"Sent by {line.principal}"))
    for at, state in enumerate(line.life):
        is_last = at == len(line.life) - 1
        steps.append(_step(_state_of(OrderStage(state.stage), is_last=is_last), _life_words(state)))
    if not line.ended and line.expires_at is not None:
        steps.append(_step("ahead", f"Ends {line.expires_at:%H:%M}"))
    return steps


def _state_of(stage: OrderStage, *, is_last: bool) -> str:
    if stage in (OrderStage.EXPIRED, OrderStage.REFUSED, OrderStage.WITHDRAWN):
        return "failed"
    return "waits" if is_last and stage is OrderStage.WAITING else "done"


def _life_words(step: LifeStep) -> str:
    words = _STAGES[OrderStage(step.stage)]
    reason = f": {step.reason}" if step.reason else ""
    return f"{step.at:%H:%M} {words}{reason}"


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


def _step(state: str, text: str) -> dict[str, Any]:
    return {"state": state, "text": text}


def audit(moment: Moment) -> list[dict[str, Any]]:
    """Return the newest acts on the zone; ``run`` marks rows whose time is the run clock."""
    rows = moment.context.store.read(
        AUDIT,
        zone=[moment.zone, "all"],
        order="desc",
        limit=AUDIT_ROWS * 3,
        columns=("at", "principal", "action", "verdict", "audit_id"),
    ).dicts()
    # Calls of tools and steps of the agent have places of their own.
    acts = [row for row in rows if not row["action"].startswith(("mcp:", "agent:"))]
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
        "propose": "proposed",
        "approve": "approved",
        "reject": "rejected",
        "execute": "sent",
        "hold": "sent a hold",
        "release": "sent a release",
        "ask": "asked a person",
        "alert:acknowledge": "acknowledged an alert",
        "alert:silence": "silenced alerts",
        "alert:maintenance": "planned maintenance",
    }.get(act, act)


def horizon(starts: Sequence[datetime], step: timedelta) -> str:
    """Return the span of a look-ahead."""
    return "" if not starts else span(starts[0], starts[-1] + step)
