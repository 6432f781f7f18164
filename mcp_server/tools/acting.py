"""The acting tools: safe ones that propose or stop, dangerous ones that execute an approved plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastmcp import Context, FastMCP
from fastmcp.server.auth import require_scopes
from fastmcp.server.dependencies import get_access_token
from mcp_types import InputRequiredResult, ToolAnnotations
from pydantic import Field

from agents.assets.registry import stores_of
from agents.orders.budget import Budget
from agents.plant.orders_in_force import admit
from agents.plant.proposal import refuse_wish
from mcp_server.actions.actions import Acts, standing_answers
from mcp_server.actions.elicitation import ask_person
from mcp_server.answers import acting
from mcp_server.answers.acting import ActionReceipt
from mcp_server.queries.context import UnknownNameError
from mcp_server.security.auth import APPROVE, OPERATE
from mcp_server.tools.reading import AssetId, Zone
from mcp_server.tools.registration import add_tool
from topologies.control.operator_orders import open_episode
from topologies.control.plan_book import PlanState
from vpp.errors import RefusedError
from vpp.fleet.scale import power_text
from vpp.messages import INSTANT_ACTIONS, Order

SAFE = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
DANGEROUS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)

Reason = Annotated[str, Field(min_length=3, max_length=300, description="reason for the audit log")]
AssetIds = Annotated[list[AssetId], Field(min_length=1, max_length=50)]
SomeAssets = Annotated[list[AssetId] | None, Field(max_length=50, description="default: the whole fleet")]
EachZone = Annotated[str | None, Field(description="default: every zone", max_length=80)]
Minutes = Annotated[float, Field(gt=0, le=10_080)]
Power = Annotated[float, Field(ge=-100_000, le=100_000)]
WaitS = Annotated[float, Field(ge=0, le=20, description="seconds to wait for an effect")]
Policy = Literal["automatic", "limit", "keep_soc", "cancel", "release_quarantine"]


def propose_dispatch(
    acts: Acts,
    asset_ids: AssetIds,
    power_mw: Annotated[Power, Field(description="per asset; positive: into the grid (discharge)")],
    duration_min: Minutes,
    reason: Reason,
    zone: Zone = None,
    start: Annotated[datetime | None, Field(description="UTC; default: the next undecided slot")] = None,
) -> acting.PlanAnswer:
    """Price and check a dispatch with the plant's own clearing: SoC path, cost, slack, rules. Sends nothing."""
    config = acts.zone(zone)
    times = acts.times(config, start, duration_min)
    order = acts.new_order(
        config, "target", acts.principal, reason, asset_ids=asset_ids, power_mw=power_mw, **times.fields()
    )
    plan = acts.propose(order, acts.principal)
    if times.moved is not None:
        plan.warnings = [times.moved, *plan.warnings]
    return plan


def hold_fleet(
    acts: Acts,
    reason: Reason,
    zone: EachZone = None,
    asset_ids: SomeAssets = None,
    dry_run: Annotated[bool, Field(description="true: only return its cost")] = False,
    wait_s: WaitS = 2.0,
) -> acting.ActionReceipt:
    """Emergency stop: end automatic setpoints now and bring assets to rest. Needs no approval; a release does."""
    if dry_run:
        return acts.hold_cost(zone, acts.principal, reason, asset_ids or [])
    return acts.hold(zone, acts.principal, reason, asset_ids or [], wait_s)


async def execute_plan(
    acts: Acts, plan_id: Annotated[str, Field(max_length=40)], call: Context, wait_s: WaitS = 2.0
) -> acting.ActionReceipt | InputRequiredResult:
    """Execute an approved plan once; a repeated call returns the same receipt. Unapproved: returns how to approve."""
    principal = acts.principal
    answer = await _approval(acts, plan_id, principal, call)
    if answer is None:
        answer = await anyio.to_thread.run_sync(acts.execute, plan_id, principal, wait_s)
    if isinstance(answer, ActionReceipt) and answer.as_of is None:
        answer.as_of = await anyio.to_thread.run_sync(acts.context.as_of)
    return answer


def set_policy(
    acts: Acts,
    policy: Annotated[
        Policy,
        Field(
            description="automatic: release holds; limit: power band; keep_soc: SoC target; cancel: end an order or "
            "plan; release_quarantine: use measured values (order_id: the guard's alert)"
        ),
    ],
    reason: Reason,
    zone: Zone = None,
    asset_ids: SomeAssets = None,
    min_mw: Power | None = None,
    max_mw: Power | None = None,
    soc: Annotated[float | None, Field(ge=0, le=1)] = None,
    order_id: Annotated[str | None, Field(max_length=60)] = None,
    duration_min: Minutes = 240.0,
    dry_run: Annotated[bool, Field(description="false: make a plan for execute_plan")] = True,
) -> acting.PolicyChange:
    """Change how the plant acts on its own bids: return a priced preview, or make a plan that needs approval."""
    wish = {"asset_ids": asset_ids or [], "min_mw": min_mw, "max_mw": max_mw, "soc": soc, "cancels": order_id}
    return change_policy(acts, policy, reason, zone, wish, duration_min, dry_run=dry_run)


TOOLS = (
    (propose_dispatch, SAFE, "Propose dispatch"),
    (hold_fleet, SAFE, "Hold fleet"),
    (execute_plan, DANGEROUS, "Execute plan"),
    (set_policy, DANGEROUS, "Set policy"),
)


def add_acting_tools(server: FastMCP, acts: Acts, *, with_scopes: bool) -> dict[str, dict[str, Any]]:
    """Register the tools that act; return the full schemas of their answers by tool.

    Args:
        server: The server.
        acts: The acts on the plant.
        with_scopes: Require the operate scope; False without authentication, where there are no scopes.
    """
    scope = require_scopes(OPERATE) if with_scopes else None
    return {
        function.__name__: add_tool(server, acts, function, title, annotations=annotations, auth=scope)
        for function, annotations, title in TOOLS
    }


def change_policy(
    acts: Acts,
    policy: Policy,
    reason: str,
    zone: str | None,
    wish: dict[str, Any],
    duration_min: float,
    *,
    dry_run: bool,
) -> acting.PolicyChange:
    """Return the orders in force before and after a change, and its price; without ``dry_run`` make it a plan.

    ``cancel`` withdraws a plan at once if the caller proposed it and it is not executed yet.

    Args:
        acts: Writes orders.
        policy: The policy.
        reason: Reason for the audit log.
        zone: Name of the zone; None if there is only one.
        wish: The tool's arguments by name; None if an argument was not given.
        duration_min: Duration in minutes from the next slot.
        dry_run: Whether to only report the change.

    Raises:
        QuestionError: The zone or order is unknown, there is nothing to end, or the duration is not valid.
    """
    config = acts.zone(zone)
    plan_id = wish["cancels"] if policy == "cancel" and not dry_run else None
    receipt = None if plan_id is None else acts.withdraw(plan_id, acts.principal, reason)
    if receipt is not None:
        return acting.PolicyChange(
            as_of=receipt.as_of, zone=config.zone, policy=policy, dry_run=False, receipt=receipt, hint=receipt.reason
        )
    order = _policy_order(acts, config, policy, reason, wish, duration_min)
    standing = acts.standing(config)
    _must_change_something(acts, order, standing)
    refusal = refuse_wish(config, order, timedelta(hours=acts.context.settings.longest_order_h))
    after = standing if refusal is not None else admit(standing, order)
    change = acting.PolicyChange(
        as_of=acts.context.as_of(config.zone),
        zone=config.zone,
        policy=policy,
        dry_run=dry_run,
        before=standing_answers(standing),
        after=standing_answers([o for o in after if o.action not in INSTANT_ACTIONS]),
        warnings=[] if refusal is None else [f"the change would be refused: {refusal}"],
    )
    if dry_run:
        change.plan = acts.preview(order) if refusal is None else None
        change.hint = "nothing was changed; call again with dry_run=false to make a plan"
    else:
        change.plan = acts.propose(order, order.principal)
        change.hint = change.plan.approval
    return change


def _policy_order(
    acts: Acts, config: Any, policy: Policy, reason: str, wish: dict[str, Any], duration_min: float
) -> Order:
    action = {"automatic": "release", "limit": "band", "keep_soc": "soc_target"}.get(policy, policy)
    fields = {
        "release": ("asset_ids",),
        "band": ("asset_ids", "min_mw", "max_mw"),
        "soc_target": ("asset_ids", "soc"),
        "cancel": ("cancels",),
        "release_quarantine": ("cancels",),
    }[action]
    arguments = {name: wish[name] for name in fields}
    if action == "band" and not arguments["asset_ids"]:
        arguments["asset_ids"] = list(stores_of(config))
    if action in ("band", "soc_target", "release_quarantine"):
        arguments |= acts.times(config, None, duration_min).fields()
    return acts.new_order(config, action, acts.principal, reason, **arguments)


def _must_change_something(acts: Acts, order: Order, standing: Sequence[Order]) -> None:
    """Refuse to end an order, a hold or a quarantine that is not in force: a plan without effect would mislead.

    Raises:
        QuestionError: There is nothing to end.
    """
    listed = ", ".join(f"{other.order_id} ({other.action} by {other.principal})" for other in standing) or "none"
    if order.action == "cancel" and order.cancels not in {other.order_id for other in standing}:
        raise UnknownNameError(f"no order {order.cancels!r} is in force", hint=f"give order_id; in force: {listed}")
    if order.action == "release_quarantine":
        open_episode(acts.context.store, order.cancels or "", order.zone)
    if order.action == "release" and len(admit(list(standing), order)) == len(standing):
        raise UnknownNameError("no such hold is in force", hint=f"in force: {listed}")


async def _approval(
    acts: Acts, plan_id: str, principal: str, call: Context
) -> ActionReceipt | InputRequiredResult | None:
    """Get an open plan approved as ``mcp.approval`` allows; return the answer if the call ends here, else None."""
    mcp = acts.context.settings.mcp
    plan = await anyio.to_thread.run_sync(acts.book.find, plan_id)
    if plan is None or plan.status(acts.book.now()) != "proposed" or mcp.approval == "operator":
        return None
    if mcp.approval == "budget":
        budget = Budget(mcp.budget_mw, mcp.budget_mwh_per_day, mcp.budget_cost_per_day)
        try:
            refusal = await anyio.to_thread.run_sync(acts.book.approve_within, plan_id, principal, budget)
        except RefusedError:
            return None
        return None if refusal is None else _unapproved(plan_id, f"beyond the daily budget: {refusal}")
    token = get_access_token()
    if token is not None and APPROVE not in token.scopes:
        return _unapproved(plan_id, f"this token may not approve ({APPROVE})")
    answer = await ask_person(call, _question(plan), plan.digest)
    if isinstance(answer, InputRequiredResult):
        return answer
    if answer is not True:
        verdict = "nobody to ask" if answer is None else "declined"
        await anyio.to_thread.run_sync(acts.book.note_answer, plan, principal, verdict)
        if answer is None:
            return _unapproved(plan_id, "this client cannot ask its user")
        return ActionReceipt(order_id=plan_id, status="declined", reason="the user of this client did not approve")
    await anyio.to_thread.run_sync(acts.book.approve, plan_id, principal, "elicit")
    return None


def _unapproved(plan_id: str, reason: str) -> ActionReceipt:
    hint = f"an operator approves it with: vpp approve {plan_id}"
    return ActionReceipt(order_id=plan_id, status="needs_approval", reason=reason, hint=hint)


def _question(plan: PlanState) -> str:
    order, proposal = plan.proposal.order, plan.proposal
    questions = {
        "target": f"{_power(order.power_mw)} of {', '.join(order.asset_ids)}",
        "band": f"limit {', '.join(order.asset_ids)} to {_power(order.min_mw)} .. {_power(order.max_mw)}",
        "soc_target": f"bring {', '.join(order.asset_ids) or 'all batteries'} to SoC {order.soc}",
        "release": "release holds: automatic dispatch continues",
        "cancel": f"cancel order {order.cancels}",
        "release_quarantine": f"use measured values: release the quarantine {order.cancels}",
    }.get(order.action, order.action)
    times = f" from {order.starts_at} to {order.expires_at}" if order.starts_at else ""
    cost = "" if proposal.cost_change is None else f" Expected extra cost {proposal.cost_change:.2f}."
    return f"Approve in zone {order.zone}: {questions}{times}?{cost} Asked by {plan.proposer}: {order.reason}"


def _power(power_mw: float | None) -> str:
    return "any" if power_mw is None else power_text(power_mw, signed=True)
