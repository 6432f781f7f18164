"""`vpp plans`, `vpp approve`, `vpp reject`, `vpp hold`, `vpp release`: a person's decision on proposed plans."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, pairs, say, table
from mcp_server.answers.orders import OrderLine
from mcp_server.queries.context import ReadContext
from mcp_server.queries.orders import list_orders
from topologies.control.operator_orders import operator_order
from topologies.control.plan_book import PlanBook, PlanState
from topologies.control.publisher import Post
from vpp.errors import RefusedError
from vpp.fleet.scale import power_text
from vpp.messages import Order
from vpp.os_user import os_user
from vpp.settings import Settings
from vpp.store import open_store

Reason = Annotated[str, Parameter(name=["--reason", "-r"], help="why, for the audit")]
Assets = Annotated[list[str] | None, Parameter(name="--asset", help="only this asset; may be repeated")]


def plans(*, zone: str | None = None, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the plans of the last day: what agents proposed and what became of it, to the end of the order's life.

    Args:
        zone: Only this zone.
    """
    settings = common.settings()
    with plan_book(settings) as book:
        now = book.now()
        lives = {line.order_id: line for line in list_orders(ReadContext(settings, book.store), zone, limit=200).orders}
        summaries = [_summary(plan, now, lives.get(plan.plan_id)) for plan in book.recent(zone)]

    def render(rows: list[dict[str, Any]]) -> None:
        if not rows:
            out.print("no plans")
            return
        columns = [name for name in rows[0] if name != "rules"]  # they stand with a single plan, and in --json
        table(None, columns, [[row[name] for name in columns] for row in rows])

    answer(summaries, as_json=json, render=render)


def approve(plan_id: str, *, digest: str | None = None, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Approve a plan that you have seen: whoever proposed it may then execute it, once, while it lives.

    At a terminal the plan is shown and you are asked. Elsewhere name the digest of the plan that was seen.

    Args:
        plan_id: Its id.
        digest: Digest of the plan, as `vpp plans` shows it; required without a terminal.
    """
    with plan_book(common.settings()) as book:
        plan = book.find(plan_id)
        if plan is not None and digest is None:
            digest = _ask(plan, book.now(), json=json)
        plan = book.approve(plan_id, _user(), digest=digest)
        answer(_summary(plan, book.now()), as_json=json, render=pairs)


def _ask(plan: PlanState, now: datetime, *, json: bool) -> str:
    """Show a plan and return its digest where the person at the terminal approves it.

    Raises:
        RefusedError: Nobody can be asked, or the person does not approve.
    """
    if json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise RefusedError(
            f"plan {plan.plan_id} needs an approval, and this terminal cannot ask for one",
            hint=f"look at it with `vpp plans`, then: vpp approve {plan.plan_id} --digest DIGEST",
        )
    pairs(_summary(plan, now))
    if input("approve this plan? [yes/no] ").strip().casefold() != "yes":
        raise RefusedError(f"plan {plan.plan_id} was not approved", hint="it stays open until it expires")
    return plan.digest


def reject(plan_id: str, *, reason: Reason, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Reject a plan for good.

    Args:
        plan_id: Its id.
    """
    with plan_book(common.settings()) as book:
        plan = book.reject(plan_id, _user(), reason)
        answer(_summary(plan, book.now()), as_json=json, render=pairs)


def hold(zone: str, *, reason: Reason, asset: Assets = None, common: Common = NO_OPTIONS) -> None:
    """Stop automatic setpoints at once and bring assets to rest; `vpp release` ends it.

    Args:
        zone: The zone.
    """
    _order(common.settings(), zone, "hold", reason, asset)


def release(zone: str, *, reason: Reason, asset: Assets = None, common: Common = NO_OPTIONS) -> None:
    """End holds: the plant dispatches by itself again.

    Args:
        zone: The zone.
    """
    _order(common.settings(), zone, "release", reason, asset)


def _order(settings: Settings, zone: str, action: str, reason: str, assets: list[str] | None) -> None:
    with plan_book(settings) as book:
        order: Order = operator_order(
            book.store,
            zone,
            action,
            principal=_user(),
            reason=reason,
            now=book.now(),
            key=book.key,
            asset_ids=assets or [],
        )
        book.send(order)
    say(f"{action} of {', '.join(order.asset_ids) or 'the whole fleet'} in {zone} sent as {order.order_id}")


@contextmanager
def plan_book(settings: Settings) -> Iterator[PlanBook]:
    """Open the book of plans for a command of this process's user."""
    with open_store(settings, read_only=True) as store:
        post, clock = Post(settings, "cli"), lambda: datetime.now(UTC)
        yield PlanBook(store, post, settings.approval_secret, clock, settings.one_person)


def _summary(plan: PlanState, now: datetime, line: OrderLine | None = None) -> dict[str, Any]:
    order, proposal = plan.proposal.order, plan.proposal
    summary = {
        "target": _power(order.power_mw),
        "band": f"{_power(order.min_mw)} .. {_power(order.max_mw)}",
        "soc_target": f"SoC {order.soc}",
        "cancel": f"order {order.cancels}",
        "release_quarantine": f"alert {order.cancels}",
    }.get(order.action, "")
    return {
        "plan_id": plan.plan_id,
        "digest": plan.digest,
        "status": plan.status(now),
        "order_state": None if line is None else line.stage,
        "why": None if line is None else line.stage_reason,
        "zone": order.zone,
        "order": f"{order.action} {summary}".strip(),
        "assets": ", ".join(order.asset_ids) or "all",
        "from": order.starts_at,
        "to": order.expires_at,
        "extra_cost": proposal.cost_change,
        "max_loss": proposal.max_loss,
        "proposer": plan.proposer,
        "reason": order.reason,
        "approved_by": plan.approved_by,
        "expires_at": proposal.expires_at,
        "notes": "; ".join(proposal.reasons) or None,
        "rules": ", ".join(proposal.rules) or None,
    }


def _power(power_mw: float | None) -> str:
    return "any" if power_mw is None else power_text(power_mw, signed=True)


def _user() -> str:
    return f"local:{os_user()}"
