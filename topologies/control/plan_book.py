"""Plans between proposal and execution, stored as append-only audit records.

A plan is an order that nobody approved yet. Proposing, approving, rejecting and executing each leave one audit record
with the digest of the order; what a plan is now is read from them. Its order id is the plan's id, and admission judges
an order id once, so a plan acts once however often and by how many servers it is executed.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import msgspec

from agents.orders.approval import PLAN_LIFE, Approval, approve, order_digest
from agents.orders.budget import WITHIN_BUDGET, Budget, Spent, beyond, effect
from agents.plant.proposal import Proposal
from topologies.control.record_signature import signed_record, verified_record
from vpp.domain import iso
from vpp.errors import MessageError, RefusedError
from vpp.messages import Audit, Message, Order
from vpp.messages.times import Time, settle_times
from vpp.store import Store
from vpp.store.run_clock import free_from, run_clock
from vpp.store.tables import AUDIT

Poster = Callable[[str, Message], None]
ACTS = ("propose", "approve", "reject", "execute")
LOOK_BACK = timedelta(hours=24)
_PLAN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_RECORD = Audit.__struct_fields__


class ProposedPlan(msgspec.Struct):
    """What the audit record of a proposal holds; ``rules``: the clauses, with versions, by which it was checked."""

    order: Order
    outcome: str
    reasons: list[str]
    expires_at: Time
    cost_change: float | None = None
    energy_change_mwh: float | None = None
    moved_mwh: float | None = None
    peak_change_mw: float | None = None
    max_loss: float | None = None
    rules: list[str] = []


@dataclass(frozen=True, slots=True)
class PlanState:
    """A plan and its status; the times are wall time.

    ``ambiguous``: several proposals claim its id. ``past``: by the run clock its order can no longer act.
    """

    plan_id: str
    proposer: str
    digest: str
    proposal: ProposedPlan
    approval: str | None = None
    approved_by: str | None = None
    rejected_by: str | None = None
    executed: bool = False
    ambiguous: bool = False
    past: bool = False

    def status(self, now: datetime) -> str:
        """Return ``refused``, ``executed``, ``rejected``, ``expired``, ``approved`` or ``proposed``."""
        if self.proposal.outcome == "refused":
            return "refused"
        if self.executed:
            return "executed"
        if self.rejected_by is not None:
            return "rejected"
        if self.past or now >= self.proposal.expires_at:
            return "expired"
        return "approved" if self.approved_by is not None else "proposed"


@dataclass
class PlanBook:
    """Reads and writes plans.

    Attributes:
        store: The store that audit records arrive in.
        post: Writes one message to a topic.
        key: Signs approvals and records; then only signed ones count. None leaves them unsigned.
        now: The wall clock.
        one_person: Whether whoever proposed a plan may approve it too.
    """

    store: Store
    post: Poster
    key: bytes | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    one_person: bool = False
    _own: dict[str, list[Audit]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _budget_lock: Lock = field(default_factory=Lock)

    def new_id(self) -> str:
        """Return an id for a new plan that nobody can guess."""
        return "p" + secrets.token_hex(6)

    def propose(self, proposal: Proposal, principal: str) -> PlanState:
        """Write a proposal down, also a refused one, and return it as a plan."""
        order = proposal.order
        proposed = ProposedPlan(
            order=order,
            outcome=proposal.outcome,
            reasons=proposal.reasons,
            expires_at=self.now() + PLAN_LIFE,
            cost_change=proposal.cost_change,
            energy_change_mwh=proposal.energy_change_mwh,
            moved_mwh=proposal.moved_mwh,
            peak_change_mw=proposal.peak_change_mw,
            max_loss=proposal.max_loss,
            rules=proposal.rules,
        )
        detail = msgspec.json.encode(proposed).decode()
        self._write(order.zone, f"propose:{order.order_id}", principal, proposal.outcome, detail, order_digest(order))
        return PlanState(order.order_id, principal, order_digest(order), proposed)

    def find(self, plan_id: str) -> PlanState | None:
        """Return a plan of the last day, None if there is none."""
        keys = {f"{act}:{plan_id}" for act in ACTS}
        since = self.now() - LOOK_BACK
        rows = self.store.read(AUDIT, start=since, filters={"audit_id": sorted(keys)}, columns=_RECORD)
        records = [Audit(**row) for row in rows.dicts()]
        records += self._own.get(plan_id, [])
        return next(iter(self._by_clock(_plans(records, self.key))), None)

    def recent(self, zone: str | None = None) -> list[PlanState]:
        """Return the plans of the last day, newest first."""
        actions = [f"plan:{act}" for act in ACTS]
        since = self.now() - LOOK_BACK
        rows = self.store.read(AUDIT, zone=zone, start=since, filters={"action": actions}, columns=_RECORD)
        records = [Audit(**row) for row in rows.dicts()]
        records += [a for sent_records in self._own.values() for a in sent_records if zone in (None, a.zone)]
        plans = self._by_clock(_plans(records, self.key))
        return sorted(plans, key=lambda plan: plan.proposal.expires_at, reverse=True)

    def _by_clock(self, plans: Sequence[PlanState]) -> list[PlanState]:
        """Return plans with their status by the run clock, which may run faster than the wall clock."""
        free = {zone: free_from(self.store, zone) for zone in {plan.proposal.order.zone for plan in plans}}
        return [replace(plan, past=_is_past(plan.proposal.order, free[plan.proposal.order.zone])) for plan in plans]

    def approve(self, plan_id: str, approver: str, mode: str = "operator", *, digest: str | None = None) -> PlanState:
        """Approve a plan and return it.

        Args:
            plan_id: Its id.
            approver: Who approves.
            mode: ``operator``, ``elicit`` or ``budget``, as in ``Approval``.
            digest: Of the order that the approver saw; None if nobody looked at it.

        Raises:
            RefusedError: There is no such plan, it is not open any more, it is not the one that was seen, or its own
                proposer would approve it.
        """
        with self._lock:
            plan = self._open(plan_id)
            if digest is not None and digest != plan.digest:
                raise RefusedError(
                    f"plan {plan_id} has the digest {plan.digest}, not {digest}", hint="look at it again: `vpp plans`"
                )
            if mode == "operator" and approver == plan.proposer and not self.one_person:
                raise RefusedError(
                    f"{approver} proposed plan {plan_id} and may not approve it too",
                    hint="let somebody else approve it, or set VPP_ONE_PERSON=true where one person runs the plant",
                )
            if plan.approved_by is not None:
                return plan
            expires_at = plan.proposal.expires_at
            approval = Approval(plan.digest, approver, mode, self.now(), expires_at, **_priced(plan, mode))
            approved = approve(plan.proposal.order, approval, self.key)
            self._write(
                plan.proposal.order.zone, f"approve:{plan_id}", approver, mode, approved.approval or "", plan.digest
            )
        return self._again(plan_id)

    def reject(self, plan_id: str, principal: str, reason: str) -> PlanState:
        """Reject a plan that is open and return it.

        Raises:
            RefusedError: There is no such plan, or it is not open any more.
        """
        with self._lock:
            plan = self._open(plan_id)
            self._write(plan.proposal.order.zone, f"reject:{plan_id}", principal, "rejected", reason, plan.digest)
        return self._again(plan_id)

    def approve_within(self, plan_id: str, principal: str, budget: Budget) -> str | None:
        """Approve a plan where the day's budget of its proposer allows it; return why not, None if it was approved.

        This counts what has arrived in the store, so a refusal comes early; admission counts again, for good.

        Raises:
            RefusedError: There is no such plan, or it is not open any more.
            UnreachableError: The broker does not take the record.
        """
        with self._budget_lock:
            plan = self._open(plan_id)
            _must_be_own(plan, principal)
            if plan.approved_by is not None:
                return None
            proposed = plan.proposal
            if proposed.order.action not in WITHIN_BUDGET:
                return f"a {proposed.order.action} order needs a person's approval"
            if proposed.peak_change_mw is None or proposed.moved_mwh is None or proposed.max_loss is None:
                return "its effect is not priced"
            spent = spent_today(self.recent(proposed.order.zone), principal, self.now())
            refusal = beyond(budget, spent, proposed.peak_change_mw, effect(proposed.moved_mwh, proposed.max_loss))
            if refusal is not None:
                return refusal
            self.approve(plan_id, principal, "budget")
        return None

    def note_answer(self, plan: PlanState, principal: str, verdict: str) -> None:
        """Write down that the person at a client was asked about a plan and did not approve it."""
        self._write(plan.proposal.order.zone, f"ask:{plan.plan_id}", principal, verdict, "", plan.digest)

    def execute(self, plan_id: str, principal: str) -> Order:
        """Send the order of an approved plan and return it; a plan that was executed gives the same order again.

        Raises:
            RefusedError: It is not approved, or not open any more, or was changed after its proposal, or is another's.
            UnreachableError: The broker did not take it.
        """
        with self._lock:
            plan = self.find(plan_id)
            if plan is None or not plan.executed:
                plan = self._open(plan_id)
            _must_be_own(plan, principal)
            if not plan.executed and plan.approved_by is None:
                raise RefusedError(
                    f"plan {plan_id} is not approved", hint=f"an operator approves it with: vpp approve {plan_id}"
                )
            order = plan.proposal.order
            order = msgspec.structs.replace(
                order,
                sent_at=run_clock(self.store, order.zone),
                approved_by=plan.approved_by,
                approval=plan.approval,
            )
            if plan.executed:
                return order
            # First the order, then the record: a crash between them leaves an order that admission judges once.
            self.post("orders", order)
            self._write(order.zone, f"execute:{plan_id}", principal, "sent", order.reason, plan.digest)
        return order

    def send(self, order: Order) -> None:
        """Send an order that needs no plan: a hold, which is signed here, or an order that its operator approves.

        Raises:
            UnreachableError: The broker did not take it.
        """
        if order.action == "hold" and order.approval is None and self.key is not None:
            now = self.now()
            approval = Approval(order_digest(order), order.principal, "hold", now, now + PLAN_LIFE)
            order = approve(order, approval, self.key)
        self.post("orders", order)
        self._write(
            order.zone, f"{order.action}:{order.order_id}", order.principal, "sent", order.reason, order_digest(order)
        )

    def _open(self, plan_id: str) -> PlanState:
        plan = self.find(plan_id)
        if plan is not None and plan.ambiguous:
            raise RefusedError(
                f"several proposals claim the id {plan_id}: one of them is forged", hint="propose it again; `vpp plans`"
            )
        if plan is None:
            raise RefusedError(f"there is no plan {plan_id!r} of the last day", hint="propose it again; `vpp plans`")
        if order_digest(plan.proposal.order) != plan.digest:
            raise RefusedError(f"plan {plan_id} was changed after its proposal", hint="propose it again")
        status = plan.status(self.now())
        if status not in ("proposed", "approved"):
            reason = {
                "refused": "it failed its checks: " + "; ".join(plan.proposal.reasons),
                "expired": _why_expired(plan),
                "rejected": f"{plan.rejected_by} rejected it",
                "executed": "it was executed already",
            }[status]
            raise RefusedError(f"plan {plan_id} is {status}: {reason}", hint="propose it again")
        return plan

    def _again(self, plan_id: str) -> PlanState:
        plan = self.find(plan_id)
        assert plan is not None
        return plan

    def _write(self, zone: str, audit_id: str, principal: str, verdict: str, detail: str, digest: str | None) -> None:
        act, _, plan_id = audit_id.partition(":")
        record = Audit(
            zone=zone,
            audit_id=audit_id,
            at=self.now(),
            principal=principal,
            action=f"plan:{act}",
            verdict=verdict,
            detail=detail,
            digest=digest,
        )
        record = signed_record(record, self.key)
        self.post("audit", record)
        self._own.setdefault(plan_id, []).append(record)
        while len(self._own) > 1000:
            self._own.pop(next(iter(self._own)))


def _is_past(order: Order, free: datetime | None) -> bool:
    return free is not None and order.expires_at is not None and order.expires_at <= free


def _why_expired(plan: PlanState) -> str:
    ends = plan.proposal.order.expires_at
    if plan.past and ends is not None:
        return f"its order was for the time up to {iso(ends)}, and the run is past that"
    return f"it expired at {iso(plan.proposal.expires_at)}"


def _must_be_own(plan: PlanState, principal: str) -> None:
    if plan.proposer != principal:
        raise RefusedError(
            f"plan {plan.plan_id} was proposed by {plan.proposer}", hint="propose it yourself, and have it approved"
        )


def _plans(records: Iterable[Audit], key: bytes | None) -> list[PlanState]:
    """Return the plans that audit records tell of; the first record of each act counts, if ``key`` signed it."""
    acts: dict[str, dict[str, list[Audit]]] = {}
    verified = (verified_record(record, key) for record in sorted(records, key=lambda record: record.at))
    for record in verified:
        if record is not None:
            act, _, plan_id = record.audit_id.partition(":")
            acts.setdefault(plan_id, {}).setdefault(act, []).append(record)
    return [plan for plan_id, records_of_plan in acts.items() if (plan := _plan(plan_id, records_of_plan)) is not None]


def _plan(plan_id: str, acts: dict[str, list[Audit]]) -> PlanState | None:
    proposals = acts.get("propose", [])
    # The id is part of commands that people copy into a shell; a record of another id comes from no server of ours.
    if not proposals or not _PLAN_ID.fullmatch(plan_id):
        return None
    proposed = proposals[0]
    try:
        plan = msgspec.json.decode(proposed.detail or "", type=ProposedPlan)
        settle_times(plan)
    except (msgspec.DecodeError, MessageError):
        return None
    # An approval counts only for the content that was proposed.
    approved = next((act for act in acts.get("approve", []) if act.digest == proposed.digest), None)
    rejected = next(iter(acts.get("reject", [])), None)
    return PlanState(
        plan_id=plan_id,
        proposer=proposed.principal,
        digest=proposed.digest or "",
        proposal=plan,
        approval=None if approved is None else approved.detail,
        approved_by=None if approved is None else approved.principal,
        rejected_by=None if rejected is None else rejected.principal,
        executed="execute" in acts,
        ambiguous=len({(act.principal, act.digest, act.detail) for act in proposals}) > 1,
    )


def _priced(plan: PlanState, mode: str) -> dict[str, Any]:
    """Return the effect that a plan is approved for: the plant holds its loss, admission counts it to a budget."""
    proposal = plan.proposal
    if mode != "budget":
        return {"cost": proposal.max_loss}
    return {"power_mw": proposal.peak_change_mw, "energy_mwh": proposal.moved_mwh, "cost": proposal.max_loss}


def spent_today(plans: Sequence[PlanState], principal: str, now: datetime) -> Spent:
    """Return the sum of a principal's own plans of this UTC day that were approved by a budget."""
    spent = [
        effect(plan.proposal.moved_mwh or 0.0, plan.proposal.max_loss or 0.0)
        for plan in plans
        if plan.approved_by == principal == plan.proposer
        and (plan.proposal.expires_at - PLAN_LIFE).date() == now.date()
    ]
    return Spent(sum(plan.energy_mwh for plan in spent), sum(plan.cost for plan in spent))
