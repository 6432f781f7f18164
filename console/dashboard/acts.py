"""Acts of people on the page: propose, approve, reject, hold, release, cancel; the rules are those of MCP and CLI.

Everything that moves power is an order. A hold needs no approval, since stopping is the safe direction; all else is a
plan that somebody with the right to approve approves by its digest, and that its proposer then sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from agents.assets.registry import stores_of
from agents.plant.proposal import Proposal
from console.dashboard.access import Person
from console.dashboard.views.moment import Moment
from console.dashboard.views.orders import wish
from mcp_server.actions.actions import Acts
from mcp_server.queries.context import UnknownNameError
from mcp_server.queries.rules import check_answer, library
from topologies.control.alert_desk import AlertDesk
from topologies.control.plan_book import PlanState
from vpp.errors import RefusedError
from vpp.fleet.schema import Zone
from vpp.messages import AlertCode, Order


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    zone: str = Field(min_length=1, max_length=80)
    reason: str = Field(min_length=3, max_length=300)


class ProposalWish(_Wish):
    """A dispatch that somebody wants to see priced."""

    action: Literal["target", "band", "soc_target", "release", "cancel"] = "target"
    asset_ids: list[str] = Field(default=[], max_length=50)
    power_mw: float | None = Field(default=None, ge=-100_000, le=100_000)
    min_mw: float | None = Field(default=None, ge=-100_000, le=100_000)
    max_mw: float | None = Field(default=None, ge=-100_000, le=100_000)
    soc: float | None = Field(default=None, ge=0, le=1)
    cancels: str | None = Field(default=None, max_length=60)
    start: datetime | None = None
    duration_min: float = Field(default=60.0, gt=0, le=10_080)


class HoldWish(_Wish):
    """A stop of automatic setpoints, of a zone or of some assets."""

    asset_ids: list[str] = Field(default=[], max_length=50)


class PlanVerdict(BaseModel):
    """Somebody's word on a plan; ``digest`` is the one that they were shown."""

    model_config = ConfigDict(extra="forbid")

    plan_id: str = Field(max_length=40)
    digest: str = Field(max_length=64)
    reason: str = Field(default="", max_length=300)


class AlertsTaken(BaseModel):
    """Alerts that somebody takes on."""

    model_config = ConfigDict(extra="forbid")

    zone: str = Field(min_length=1, max_length=80)
    alert_ids: list[str] = Field(min_length=1, max_length=50)
    reason: str = Field(default="", max_length=300)


class SilenceWish(_Wish):
    """Alerts whose notices somebody stops for a while; 0 hours end the silence of the same scope."""

    hours: float = Field(ge=0, le=720)
    alert_id: str | None = Field(default=None, max_length=120)
    code: AlertCode | None = None
    asset_id: str | None = Field(default=None, max_length=80)
    channel: str | None = Field(default=None, max_length=80)


class MaintenanceWish(_Wish):
    """Planned work, during which alerts that begin notify nobody; without an end, the window of that start ends."""

    since: AwareDatetime
    until: AwareDatetime | None = None
    code: AlertCode | None = None
    asset_id: str | None = Field(default=None, max_length=80)


class WhyNotWish(BaseModel):
    """Another first step whose cost somebody wants to know."""

    model_config = ConfigDict(extra="forbid")

    zone: str = Field(max_length=80)
    decision_id: str | None = Field(default=None, max_length=60)
    asset_id: str = Field(max_length=80)
    power_mw: float = Field(ge=-100_000, le=100_000)


@dataclass(frozen=True)
class OrderDesk:
    """Where people act.

    Attributes:
        acts: Sends orders and keeps plans.
    """

    acts: Acts

    def propose(self, wish: ProposalWish, person: Person) -> dict[str, Any]:
        """Price and check an order and write it down as a plan; nothing is sent to the plant.

        Raises:
            RefusedError: The person may not.
            QuestionError: Zone, assets or times make no sense.
        """
        _must(person.may_operate, "propose")
        zone = self.acts.zone(wish.zone)
        fields: dict[str, Any] = {}
        moved: str | None = None
        match wish.action:
            case "target":
                fields = {"asset_ids": wish.asset_ids, "power_mw": wish.power_mw}
            case "band":
                fields = {"asset_ids": wish.asset_ids, "min_mw": wish.min_mw, "max_mw": wish.max_mw}
            case "soc_target":
                fields = {"asset_ids": wish.asset_ids, "soc": wish.soc}
            case "release":
                fields = {"asset_ids": wish.asset_ids}
            case "cancel":
                fields = {"cancels": wish.cancels}
        if wish.action in ("target", "band", "soc_target"):
            times = self.acts.times(zone, wish.start, wish.duration_min)
            fields |= times.fields()
            moved = times.moved
        order = self.acts.new_order(zone, wish.action, person.name, wish.reason, **fields)
        plan = self.acts.propose(order, person.name)
        return {"plan_id": plan.plan_id, "status": plan.status, "outcome": plan.outcome, "note": moved}

    def preview(self, zone_name: str, plan_id: str) -> dict[str, Any]:
        """Return the effect of a plan, priced against the newest decision: paths, costs, checks, margins.

        Raises:
            QuestionError: There is no such plan.
        """
        plan = self._find(plan_id)
        zone = self.acts.zone(zone_name)
        proposal = self.acts.priced(zone, plan.proposal.order)
        return self._preview(zone, plan, proposal)

    def _preview(self, zone: Zone, plan: PlanState, proposal: Proposal) -> dict[str, Any]:
        order = plan.proposal.order
        asset_ids = set(order.asset_ids)
        moment, documents = Moment(self.acts.context, zone.zone), library(self.acts.context)
        return {
            "plan_id": plan.plan_id,
            "digest": plan.digest,
            "title": wish(moment, order),
            "status": plan.status(self.acts.book.now()),
            "by": plan.proposer,
            "reason": order.reason,
            "action": order.action,
            "starts_at": order.starts_at,
            "ends_at": order.expires_at,
            "expires_at": plan.proposal.expires_at,
            "approved_by": plan.approved_by,
            "outcome": proposal.outcome,
            "currency": zone.market.currency,
            "cost_change": proposal.cost_change,
            "costs": {name: value for name, value in proposal.costs.items() if value},
            "moved_mwh": proposal.moved_mwh,
            "max_loss": proposal.max_loss,
            "cap_slack_mw": proposal.cap_slack_mw,
            "ramp_slack_mw": proposal.ramp_slack_mw,
            "checks": [check_answer(check, documents, is_quoted=True).model_dump() for check in proposal.checks],
            "t": [int(start.timestamp()) for start in proposal.starts],
            "step_s": zone.step.seconds,
            "paths": [
                {
                    "asset_id": path.asset_id,
                    "power_mw": path.power_mw,
                    "power_without_mw": path.power_without_mw,
                    "soc": path.soc,
                    "soc_without": path.soc_without,
                    **_band(zone, path.asset_id),
                }
                for path in proposal.paths
                if not asset_ids or path.asset_id in asset_ids
            ][:4],
        }

    def approve(self, verdict: PlanVerdict, person: Person) -> dict[str, Any]:
        """Approve a plan by its digest; the approver's own plan is sent at once, another plan by its proposer.

        Raises:
            RefusedError: The person may not, the plan is not open, or its digest is not the one that was shown.
            UnreachableError: The broker does not take it.
        """
        _must(person.may_approve, "approve")
        plan = self._find(verdict.plan_id)
        if plan.digest != verdict.digest:
            raise RefusedError("the plan is not the one that was shown", hint="look at it again, then approve")
        approved = self.acts.book.approve(plan.plan_id, person.name)
        if approved.proposer != person.name:
            return {"status": "approved", "text": f"Approved. {approved.proposer} may send it now."}
        receipt = self.acts.execute(plan.plan_id, person.name)
        reason = f": {receipt.reason}" if receipt.reason else ""
        texts = {
            "accepted": "Approved, sent and admitted.",
            "sent": "Approved and sent; the orders worker has not answered.",
        }
        return {"status": receipt.status, "text": texts.get(receipt.status, f"{receipt.status.capitalize()}{reason}.")}

    def reject(self, verdict: PlanVerdict, person: Person) -> dict[str, Any]:
        """Reject a plan permanently.

        Raises:
            RefusedError: The person may not, or the plan is not open.
        """
        _must(person.may_approve, "reject")
        self.acts.book.reject(
            self._find(verdict.plan_id).plan_id, person.name, verdict.reason or "rejected on the page"
        )
        return {"status": "rejected", "text": "Rejected."}

    def hold(self, wish: HoldWish, person: Person) -> dict[str, Any]:
        """Stop automatic setpoints at once.

        Raises:
            RefusedError: The person may not.
            UnreachableError: The broker does not take it.
        """
        _must(person.may_operate, "hold the plant")
        receipt = self.acts.hold(wish.zone, person.name, wish.reason, wish.asset_ids)
        texts = {
            "accepted": "The plant is on hold.",
            "sent": "The hold was sent; the orders worker has not answered yet.",
        }
        return {"status": receipt.status, "text": texts.get(receipt.status, receipt.reason or receipt.status)}

    def acknowledge(self, taken_alerts: AlertsTaken, person: Person) -> dict[str, Any]:
        """Acknowledge alerts; they stay in the list until their cause has ended.

        Raises:
            RefusedError: The person may not.
            DataError: There is no such alert.
            UnreachableError: The broker does not take it.
        """
        _must(person.may_operate, "acknowledge alerts")
        desk = AlertDesk(self.acts.book.store, self.acts.book.post, self.acts.book.now)
        takers = {
            act.principal
            for act in desk.acknowledge(taken_alerts.alert_ids, person.name, taken_alerts.reason, taken_alerts.zone)
        }
        words = "Acknowledged." if takers == {person.name} else f"Acknowledged by {', '.join(sorted(takers))}."
        return {"status": "acknowledged", "text": words}

    def silence(self, wish: SilenceWish, person: Person) -> dict[str, Any]:
        """Stop the notices of alerts for a while, or end that; the alerts are still shown.

        Raises:
            RefusedError: The person may not.
            QuestionError: The zone is unknown.
            UnreachableError: The broker does not take it.
        """
        _must(person.may_operate, "silence alerts")
        zone = self.acts.zone(wish.zone).zone
        desk = AlertDesk(self.acts.book.store, self.acts.book.post, self.acts.book.now)
        scope = wish.model_dump(include={"alert_id", "code", "asset_id", "channel"})
        act = desk.silence(zone, person.name, wish.reason, timedelta(hours=wish.hours), **scope)
        text = f"Silenced until {act.until:%d %b %H:%M} UTC." if wish.hours else "The silence has ended."
        return {"status": "silenced" if wish.hours else "ended", "text": text}

    def maintain(self, wish: MaintenanceWish, person: Person) -> dict[str, Any]:
        """Plan work on a zone, or end that; alerts that begin meanwhile are shown and notify nobody.

        Raises:
            RefusedError: The person may not, or the times are refused.
            QuestionError: The zone is unknown.
            UnreachableError: The broker does not take it.
        """
        _must(person.may_operate, "plan maintenance")
        zone = self.acts.zone(wish.zone).zone
        desk = AlertDesk(self.acts.book.store, self.acts.book.post, self.acts.book.now)
        scope = wish.model_dump(include={"code", "asset_id"})
        if wish.until is None:
            desk.end_maintenance(zone, person.name, wish.reason, wish.since, **scope)
            return {"status": "ended", "text": "The maintenance window has ended."}
        desk.maintain(zone, person.name, wish.reason, wish.since, wish.until, **scope)
        since, until = wish.since.astimezone(UTC), wish.until.astimezone(UTC)
        return {"status": "planned", "text": f"Maintenance from {since:%d %b %H:%M} to {until:%d %b %H:%M} UTC."}

    def _find(self, plan_id: str) -> PlanState:
        plan = self.acts.book.find(plan_id)
        if plan is None:
            raise UnknownNameError(f"there is no plan {plan_id!r} of the last day", hint="propose it again")
        return plan

    def standing(self, zone: str) -> list[Order]:
        """Return the orders in force in a zone."""
        return self.acts.standing(self.acts.zone(zone))


def _band(zone: Zone, asset_id: str) -> dict[str, float | None]:
    store = stores_of(zone).get(asset_id)
    if store is None:
        return {"soc_min": None, "soc_max": None}
    return {"soc_min": store.floor_soc, "soc_max": store.soc_max}


def _must(may: bool, action: str) -> None:
    if not may:
        raise RefusedError(f"you may not {action} here", hint="ask for a token with the scope, or use one that has it")
