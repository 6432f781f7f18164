"""Acts on the plant: propose, hold, execute. Every act is an order, which admission and the plant check again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agents.plant.narrative import say_reason
from agents.plant.proposal import Proposal, propose
from mcp_server.actions.plan_answers import DRY_RUN, open_plan_answer, plan_answer, rules_behind
from mcp_server.answers.acting import ActionReceipt, AssetReceipt, PlanAnswer, PlanStanding
from mcp_server.answers.orders import OrderLine
from mcp_server.answers.sanitize import plain
from mcp_server.queries.context import QuestionError, ReadContext, utc
from mcp_server.queries.orders import list_orders, row_of, standing_orders
from mcp_server.queries.rules import library
from mcp_server.security.auth import principal_of
from topologies.control.plan_book import PlanBook
from vpp.domain import iso
from vpp.errors import MessageError, RefusedError, UnreachableError
from vpp.fleet.schema import Zone
from vpp.messages import Decision, Order, OrderStage, OrderVerdict, read_decision
from vpp.store.tables import DECISIONS, SETPOINTS

HEARD_WITHIN_S = 8.0
"""Longest wait for the verdict of admission."""
PLANT_WITHIN_S = 2.0
"""Longest wait for the effect in the plant, after that verdict."""
PRIORITY = 10
EFFECTIVE = (OrderStage.ACTING, OrderStage.CLAMPED)


@dataclass(frozen=True, slots=True)
class OrderTimes:
    """Start and end of an order; ``moved`` describes a change of the requested start, None if there is none."""

    starts_at: datetime
    expires_at: datetime
    moved: str | None = None

    def fields(self) -> dict[str, datetime]:
        """Return them as fields of an order."""
        return {"starts_at": self.starts_at, "expires_at": self.expires_at}


@dataclass(frozen=True)
class Acts:
    """The acts of the MCP server on one run.

    Attributes:
        context: Store, fleet and clock of the run.
        book: Stores plans and sends orders.
        pause: Waits the given seconds between two queries for a receipt.
    """

    context: ReadContext
    book: PlanBook
    pause: Callable[[float], None] = time.sleep

    @property
    def principal(self) -> str:
        """Principal of the current call."""
        return principal_of(self.context.settings)

    def zone(self, name: str | None) -> Zone:
        """Return the configuration of a zone; None stands for the only zone.

        Raises:
            QuestionError: The zone is unknown, no zone was given and there are several, or nothing runs yet.
        """
        chosen = self.context.choose(name)
        config = None if chosen is None else self.context.config(chosen)
        if config is None:
            raise QuestionError("there is no plant to act on yet", hint="start `vpp up` first")
        return config

    def run_clock(self, zone: Zone) -> datetime:
        """Return the run clock: the end of the newest closed slot, or the wall clock if there is none."""
        return self.context.as_of(zone.zone) or self.context.now()

    def last_decision(self, zone: Zone) -> Decision | None:
        """Return the zone's newest decision of revision 0, None if there is none or it cannot be read."""
        rows = self.context.store.latest(DECISIONS, zone.zone, filters={"revision": 0}, columns=("body",))
        body = next(iter(rows.column("body")), None)
        try:
            return None if body is None else read_decision(body)
        except MessageError:
            return None

    def since(self, zone: Zone, decision: Decision | None) -> list[Order]:
        """Return the orders in force that the last decision did not include, in order of arrival."""
        weighed = set() if decision is None else {order.order_id for order in decision.orders}
        return [order for order in standing_orders(self.context, zone.zone) if order.order_id not in weighed]

    def standing(self, zone: Zone) -> list[Order]:
        """Return the zone's orders that have not ended, in order of arrival."""
        return standing_orders(self.context, zone.zone)

    def new_order(self, zone: Zone, action: str, principal: str, reason: str, **fields: Any) -> Order:
        """Return an unapproved order that is issued now by the run clock.

        Args:
            zone: The zone's configuration.
            action: As in ``Order``.
            principal: Principal of the caller.
            reason: Reason for the audit log.
            **fields: Further fields of the order.

        Raises:
            QuestionError: The reason is empty.
        """
        if not plain(reason).strip():
            raise QuestionError("an order needs a reason", hint="give a reason: a sentence for the audit log")
        return Order(
            zone=zone.zone,
            order_id=self.book.new_id(),
            action=action,
            principal=principal,
            reason=plain(reason),
            issued_at=self.run_clock(zone),
            priority=PRIORITY,
            **fields,
        )

    def propose(self, order: Order, principal: str) -> PlanAnswer:
        """Price and check an order, store it as a plan and return the plan; nothing is sent to the plant."""
        zone = self.zone(order.zone)
        proposal = self.priced(zone, order)
        state = self.book.propose(proposal, principal)
        return open_plan_answer(self.context, zone, proposal, state)

    def preview(self, order: Order) -> PlanAnswer:
        """Price and check an order and return the result; nothing is stored or sent."""
        zone = self.zone(order.zone)
        return plan_answer(self.context, zone, self.priced(zone, order))

    def withdraw(self, plan_id: str, principal: str, reason: str) -> ActionReceipt | None:
        """Withdraw an open plan of the caller and return the receipt, None if there is no such open plan.

        Nothing is sent to the plant.

        Raises:
            QuestionError: The plan was proposed by another principal.
            RefusedError: The plan was approved, rejected or executed at the same time.
        """
        plan = self.book.find(plan_id)
        if plan is None or plan.status(self.book.now()) not in ("proposed", "approved"):
            return None
        if plan.proposer != principal:
            raise QuestionError(f"plan {plan_id} was proposed by {plan.proposer}", hint=f"`vpp reject {plan_id}`")
        self.book.reject(plan_id, principal, plain(reason))
        return ActionReceipt(
            as_of=self.context.as_of(),
            order_id=plan_id,
            status="withdrawn",
            ended=True,
            reason=f"{plan_id} is withdrawn",
        )

    def priced(self, zone: Zone, order: Order) -> Proposal:
        """Return an order priced and checked against the newest decision; nothing is stored."""
        decision = self.last_decision(zone)
        since = self.since(zone, decision)
        return propose(
            zone,
            decision,
            order,
            since=since,
            longest=timedelta(hours=self.context.settings.longest_order_h),
            rules=library(self.context).checks(order.issued_at.date()),
        )

    def times(self, zone: Zone, start: datetime | None, duration_min: float) -> OrderTimes:
        """Return start and end of an order: whole slots, not before the first undecided slot.

        Raises:
            QuestionError: The order ends in the past, starts too far ahead, or lasts too long.
        """
        step, longest = zone.step, timedelta(hours=self.context.settings.longest_order_h)
        first = step.floor(self.run_clock(zone)) + step.delta
        at = utc(start) or first
        slots = max(round(duration_min / step.minutes), 1)
        if at - first > longest:
            raise QuestionError(
                f"start {iso(at)} lies too far ahead",
                hint=f"give a start before {iso(first + longest)}, or leave it out",
            )
        if at + slots * step.delta <= first:
            raise QuestionError(
                f"from {iso(at)} for {duration_min:g} min lies in the past",
                hint=f"the first undecided slot starts at {iso(first)}",
            )
        begin = max(step.floor(at), first)
        if begin + slots * step.delta - self.run_clock(zone) > longest:
            raise QuestionError(
                f"{duration_min:g} min is too long",
                hint=f"an order lasts {longest.total_seconds() / 3600:g} h at most (VPP_LONGEST_ORDER_H)",
            )
        moved = None
        if start is not None and begin != at:
            moved = f"start {iso(at)} was moved to {iso(begin)}, the start of an undecided slot"
        return OrderTimes(begin, begin + slots * step.delta, moved)

    def hold(
        self, zone: str | None, principal: str, reason: str, asset_ids: list[str], wait_s: float = PLANT_WITHIN_S
    ) -> ActionReceipt:
        """Send a hold to one zone, to the zones of the named assets, or to every zone; return one receipt.

        All holds are sent before the first answer is awaited.

        Args:
            zone: Name of the zone; None: every zone.
            principal: Principal of the caller.
            reason: Reason for the audit log.
            asset_ids: Ids of assets; empty: the whole fleet.
            wait_s: Seconds to wait for the effect.

        Raises:
            QuestionError: Nothing runs yet, or the zone is unknown.
            UnreachableError: The broker did not accept all holds; the message names the zones whose hold it accepted.
        """
        orders: list[Order] = []
        for order in self._holds(zone, principal, reason, asset_ids):
            try:
                self.book.send(order)
            except UnreachableError as error:
                zone_names = ", ".join(order.zone for order in orders) or "no zone"
                raise UnreachableError(f"{error}; a hold was sent to {zone_names}", hint=error.hint) from error
            orders.append(order)
        return _together([self.receipt(order, wait_s) for order in orders])

    def hold_cost(self, zone: str | None, principal: str, reason: str, asset_ids: list[str]) -> ActionReceipt:
        """Return the cost of a hold over the look-ahead; nothing is stored or sent.

        Args:
            zone: Name of the zone; None: every zone. Several zones are listed in the warnings.
            principal: Principal of the caller.
            reason: Reason of the hold.
            asset_ids: Ids of assets; empty: the whole fleet.

        Raises:
            QuestionError: Nothing runs yet, or the zone is unknown.
        """
        plans = [self.preview(order) for order in self._holds(zone, principal, reason, asset_ids)]
        leading = plans[0]
        costs = [f"{plan.zone}: {_cost_words(plan)}" for plan in plans] if len(plans) > 1 else []
        return ActionReceipt(
            as_of=leading.as_of,
            status=DRY_RUN,
            dry_run=True,
            reason=f"a hold of {leading.zone} would cost {_cost_words(leading)}",
            cost_change=leading.cost_change,
            currency=leading.currency,
            warnings=[*costs, *leading.warnings],
            hint="nothing was sent; call again without dry_run to stop the fleet",
        )

    def _holds(self, zone: str | None, principal: str, reason: str, asset_ids: list[str]) -> list[Order]:
        """Return the holds for one zone, for the zones of the named assets, or for every zone."""
        names = self.context.zones() if zone is None else [self.zone(zone).zone]
        configs = [config for name in names if (config := self.context.config(name)) is not None]
        if asset_ids and zone is None:
            mine = [c for c in configs if any(asset.asset_id in asset_ids for asset in c.assets)]
            configs = mine or configs[:1]
        if not configs:
            raise QuestionError("there is no plant to act on yet", hint="start `vpp up` first")
        holds = []
        for config in configs:
            zone_assets = {asset.asset_id for asset in config.assets}
            named_assets = [name for name in asset_ids if name in zone_assets or len(configs) == 1]
            holds.append(self.new_order(config, "hold", principal, reason, asset_ids=named_assets))
        return holds

    def execute(self, plan_id: str, principal: str, wait_s: float = PLANT_WITHIN_S) -> ActionReceipt:
        """Send the order of an approved plan and return its receipt. A refusal is a receipt too, not an error.

        Args:
            plan_id: Id of the plan.
            principal: Principal of the caller.
            wait_s: Seconds to wait for the effect.
        """
        try:
            order = self.book.execute(plan_id, principal)
        except RefusedError as error:
            plan = self.book.find(plan_id)
            status = "refused"
            if plan is not None and plan.status(self.book.now()) == "proposed":
                status = "needs_approval"
            return ActionReceipt(order_id=plan_id, status=status, reason=str(error), hint=error.hint)
        return self.receipt(order, wait_s)

    def receipt(self, order: Order, wait_s: float = PLANT_WITHIN_S) -> ActionReceipt:
        """Return the verdict of admission on an order, and its state in the plant.

        Args:
            order: An order that was sent.
            wait_s: Seconds to wait for an effect after admission has answered.
        """
        verdict: dict[str, Any] = {}
        for attempt in range(round(HEARD_WITHIN_S / 0.25)):
            verdict = row_of(self.context, order) or {}
            if verdict.get("verdict"):
                break
            if attempt:
                self.pause(0.25)
        status = verdict.get("verdict") or "sent"
        receipt = ActionReceipt(
            as_of=self.context.as_of(order.zone),
            order_id=order.order_id,
            status=status,
            reason=verdict.get("verdict_reason"),
            approved_by=order.approved_by,
            acts_from=order.starts_at,
            rules=rules_behind(order, self.book),
            page=self.context.page_link("orders", order.zone),
        )
        if status == "sent":
            receipt.hint = "sent, but admission has not answered yet: see get_pipeline_health (orders, storage)"
        if status != "sent":
            line = self._line(order, wait_s)
            receipt.stage, receipt.life, receipt.ended = line.stage, line.life, line.ended
            if not line.ended and line.stage not in EFFECTIVE:
                receipt.hint = "the order has no effect yet; list_orders shows its further states"
        if status == "accepted":
            receipt.assets = self._at_assets(order)
        return receipt

    def _line(self, order: Order, wait_s: float) -> OrderLine:
        """Return an order with its states as soon as it has an effect or has ended, or after ``wait_s`` seconds."""
        for tries_left in range(round(wait_s / 0.25), -1, -1):
            (line,) = list_orders(self.context, order.zone, order.order_id).orders
            if line.ended or line.stage in EFFECTIVE or not tries_left:
                break
            self.pause(0.25)
        return line

    def _at_assets(self, order: Order) -> list[AssetReceipt]:
        zone = self.zone(order.zone)
        rows = self.context.store.latest(SETPOINTS, order.zone).dicts()
        last: dict[str, dict[str, Any]] = {}
        for row in rows:
            if row["asset_id"] not in last or row["revision"] > last[row["asset_id"]]["revision"]:
                last[row["asset_id"]] = row
        verdict = self._plant_verdict(order)
        receipts = []
        for asset in zone.assets:
            if order.asset_ids and asset.asset_id not in order.asset_ids:
                continue
            row = last.get(asset.asset_id, {})
            is_hold = order.action == "hold" and row.get("revision", 0) > 0
            if verdict is not None:
                outcome: str = verdict.outcome
                reason = say_reason(verdict)
            else:
                outcome, reason = "accepted" if is_hold else "waiting", None
            if reason is None and is_hold:
                reason = row.get("reason")
            if outcome == "waiting" and reason is None and order.starts_at is not None:
                reason = f"acts from {iso(order.starts_at)}"
            power = row.get("power_mw") if is_hold or outcome != "waiting" else None
            receipts.append(AssetReceipt(asset_id=asset.asset_id, outcome=outcome, power_mw=power, reason=reason))
        return receipts

    def _plant_verdict(self, order: Order) -> OrderVerdict | None:
        """Return the verdict of the last decision on an order, None if the decision did not include it."""
        decision = self.last_decision(self.zone(order.zone))
        verdicts = [] if decision is None else decision.verdicts
        return next((verdict for verdict in verdicts if verdict.order_id == order.order_id), None)


def _together(receipts: list[ActionReceipt]) -> ActionReceipt:
    """Return one receipt of several zones: the first that was not accepted, else the first, with all assets."""
    leading = next((receipt for receipt in receipts if receipt.status != "accepted"), receipts[0])
    if len(receipts) == 1:
        return leading
    statuses = [f"{r.order_id}: {r.status}" + (f" ({r.reason})" if r.reason else "") for r in receipts]
    return leading.model_copy(update={"assets": [asset for r in receipts for asset in r.assets], "warnings": statuses})


def standing_answers(orders: Sequence[Order]) -> list[PlanStanding]:
    """Return orders in force as answers of a tool."""
    return [
        PlanStanding(
            order_id=order.order_id,
            action=order.action,
            asset_ids=order.asset_ids,
            principal=order.principal,
            reason=order.reason,
            expires_at=order.expires_at,
        )
        for order in orders
    ]


def _cost_words(plan: PlanAnswer) -> str:
    return "an unknown amount" if plan.cost_change is None else f"{plan.cost_change:,.2f} {plan.currency}"
