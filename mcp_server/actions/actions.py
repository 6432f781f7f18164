"""Acting on the plant: propose, hold, execute. Every act is an order that admission and the plant check again."""

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
PLANT_WITHIN_S = 2.0
PRIORITY = 10
EFFECTIVE = (OrderStage.ACTING, OrderStage.CLAMPED)


@dataclass(frozen=True, slots=True)
class OrderTimes:
    """Start and end of an order; ``moved``: what was changed of the start that was asked for, None where nothing."""

    starts_at: datetime
    expires_at: datetime
    moved: str | None = None

    def fields(self) -> dict[str, datetime]:
        """Return them as fields of an order."""
        return {"starts_at": self.starts_at, "expires_at": self.expires_at}


@dataclass(frozen=True)
class Acts:
    """What acting needs besides reading.

    Attributes:
        context: Store, fleet and clock of the run.
        book: Keeps the plans and sends orders.
        pause: Waits between two looks for a receipt.
    """

    context: ReadContext
    book: PlanBook
    pause: Callable[[float], None] = time.sleep

    @property
    def principal(self) -> str:
        """Who calls."""
        return principal_of(self.context.settings)

    def zone(self, name: str | None) -> Zone:
        """Return the configuration of the zone that is meant.

        Raises:
            QuestionError: There is none, or it is unknown.
        """
        chosen = self.context.choose(name)
        config = None if chosen is None else self.context.config(chosen)
        if config is None:
            raise QuestionError("there is no plant to act on yet", hint="start `vpp up` first")
        return config

    def run_clock(self, zone: Zone) -> datetime:
        """Return now by the run's clock: the end of the newest closed slot; the wall where nothing has run."""
        return self.context.as_of(zone.zone) or self.context.now()

    def last_decision(self, zone: Zone) -> Decision | None:
        """Return the zone's newest decision of revision 0."""
        rows = self.context.store.latest(DECISIONS, zone.zone, filters={"revision": 0}, columns=("body",))
        body = next(iter(rows.column("body")), None)
        try:
            return None if body is None else read_decision(body)
        except MessageError:
            return None

    def since(self, zone: Zone, decision: Decision | None) -> list[Order]:
        """Return the orders that stand and that the last decision does not know yet, in order of arrival."""
        weighed = set() if decision is None else {order.order_id for order in decision.orders}
        return [order for order in standing_orders(self.context, zone.zone) if order.order_id not in weighed]

    def standing(self, zone: Zone) -> list[Order]:
        """Return the orders that the plant weighs or will weigh, in order of arrival."""
        return standing_orders(self.context, zone.zone)

    def new_order(self, zone: Zone, action: str, principal: str, reason: str, **fields: Any) -> Order:
        """Return an order that nobody approved yet, issued now by the run's clock.

        Args:
            zone: The zone's configuration.
            action: As in ``Order``.
            principal: Who acts.
            reason: Why, as it will be recorded.
            **fields: Further fields of the order.
        """
        if not plain(reason).strip():
            raise QuestionError("an order needs a reason", hint="give reason, a sentence for the audit")
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
        """Price and check an order, write the plan down and return it; nothing is sent to the plant."""
        zone = self.zone(order.zone)
        proposal = self.priced(zone, order)
        state = self.book.propose(proposal, principal)
        return open_plan_answer(self.context, zone, proposal, state)

    def preview(self, order: Order) -> PlanAnswer:
        """Price and check an order and return it; nothing is written and nothing is sent."""
        zone = self.zone(order.zone)
        return plan_answer(self.context, zone, self.priced(zone, order))

    def withdraw(self, plan_id: str, principal: str, reason: str) -> ActionReceipt | None:
        """Take back an open plan of one's own and return what became of it, None where no such plan is open.

        Nothing is sent.

        Raises:
            QuestionError: It is another's plan.
            RefusedError: It was decided in this moment.
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
        """Return an order priced and checked against the newest decision; nothing is written."""
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
        """Return start and end of an order: whole slots, not before the first slot that is undecided.

        Raises:
            QuestionError: It would be over before it could act, start too far ahead, or live longer than orders may.
        """
        step, longest = zone.step, timedelta(hours=self.context.settings.longest_order_h)
        first = step.floor(self.run_clock(zone)) + step.delta
        at = utc(start) or first
        slots = max(round(duration_min / step.minutes), 1)
        if at - first > longest:
            raise QuestionError(
                f"start {iso(at)} lies too far ahead", hint=f"give a start before {iso(first + longest)}, or none"
            )
        if at + slots * step.delta <= first:
            raise QuestionError(
                f"from {iso(at)} for {duration_min:g} min lies in the past",
                hint=f"the first slot that is not decided starts at {iso(first)}",
            )
        begin = max(step.floor(at), first)
        if begin + slots * step.delta - self.run_clock(zone) > longest:
            raise QuestionError(
                f"{duration_min:g} min is too long",
                hint=f"an order lives {longest.total_seconds() / 3600:g} h at most (VPP_LONGEST_ORDER_H)",
            )
        moved = None
        if start is not None and begin != at:
            moved = f"start {iso(at)} was moved to {iso(begin)}, the start of a slot that is not decided"
        return OrderTimes(begin, begin + slots * step.delta, moved)

    def hold(
        self, zone: str | None, principal: str, reason: str, asset_ids: list[str], wait_s: float = PLANT_WITHIN_S
    ) -> ActionReceipt:
        """Send holds at once - to one zone, else to every zone, or those of the named assets - and return the receipts.

        All are sent before any answer is waited for.

        Args:
            zone: Name of the zone; None: every zone.
            principal: Who acts.
            reason: Why, as it will be recorded.
            asset_ids: Names of assets; empty: the whole fleet.
            wait_s: Seconds to wait for the effect.

        Raises:
            QuestionError: There is no plant, or no such zone.
            UnreachableError: The broker took not all of them; the message says for which zones it did.
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
        """Return what a hold would cost over the look-ahead; nothing is written and nothing is sent.

        Args:
            zone: Name of the zone; None: every zone, each with a line of its own where there are several.
            principal: Who asks.
            reason: Why.
            asset_ids: Names of assets; empty: the whole fleet.

        Raises:
            QuestionError: There is no plant, or no such zone.
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
        """Return the holds of one zone, of every zone, or of the zones that have the named assets."""
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
        """Send an approved plan's order and return its receipt; an unapproved plan gives a receipt, not an error.

        Args:
            plan_id: The plan.
            principal: Who executes it.
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
        """Return admission's verdict, with what the plant has made of the order.

        Args:
            order: An order that was sent.
            wait_s: Seconds to wait for its effect after admission has answered.
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
            receipt.hint = "it was sent, but admission has not answered: see get_pipeline_health (orders, storage)"
        if status != "sent":
            line = self._line(order, wait_s)
            receipt.stage, receipt.life, receipt.ended = line.stage, line.life, line.ended
            if not line.ended and line.stage not in EFFECTIVE:
                receipt.hint = "it has no effect yet; list_orders follows it to its end"
        if status == "accepted":
            receipt.assets = self._at_assets(order)
        return receipt

    def _line(self, order: Order, wait_s: float) -> OrderLine:
        """Return an order with its life, once it has an effect or has ended, or the time to wait is over."""
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
        """Return what the last decision made of an order, None where it did not weigh it."""
        decision = self.last_decision(self.zone(order.zone))
        verdicts = [] if decision is None else decision.verdicts
        return next((verdict for verdict in verdicts if verdict.order_id == order.order_id), None)


def _together(receipts: list[ActionReceipt]) -> ActionReceipt:
    """Return the receipts of several zones as one: the first that was not accepted leads, the assets of all follow."""
    leading = next((receipt for receipt in receipts if receipt.status != "accepted"), receipts[0])
    if len(receipts) == 1:
        return leading
    statuses = [f"{r.order_id}: {r.status}" + (f" ({r.reason})" if r.reason else "") for r in receipts]
    return leading.model_copy(update={"assets": [asset for r in receipts for asset in r.assets], "warnings": statuses})


def standing_answers(orders: Sequence[Order]) -> list[PlanStanding]:
    """Return orders in force, as they are shown."""
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
    return "an unknown sum" if plan.cost_change is None else f"{plan.cost_change:,.2f} {plan.currency}"
