"""A priced order as the answer of a tool: checks with their clauses, path, and how to approve it."""

from __future__ import annotations

from typing import Any

from agents.plant.proposal import Proposal
from mcp_server.answers.acting import PlanAnswer
from mcp_server.queries.context import ReadContext
from mcp_server.queries.rules import check_answer, library
from topologies.control.plan_book import PlanBook, PlanState
from vpp.domain import iso
from vpp.fleet.schema import Zone
from vpp.messages import Order
from vpp.rules.clauses import NOTES_VERSION, cited

MAX_PATH_POINTS = 24
DRY_RUN = "dry_run"
HOW_TO_APPROVE = {
    "operator": "an operator runs `vpp approve {plan_id}`; then call execute_plan",
    "elicit": "call execute_plan: it asks the user of this client",
    "budget": "call execute_plan: within the daily budget it needs no approval, above it an operator approves",
}


def plan_answer(context: ReadContext, zone: Zone, proposal: Proposal) -> PlanAnswer:
    """Return a priced order as the answer of a dry run. It is not stored, so it cannot be approved."""
    order = proposal.order
    columns, points = _path(proposal)
    documents = library(context)
    return PlanAnswer(
        as_of=context.as_of(zone.zone),
        status=DRY_RUN,
        outcome=proposal.outcome,
        zone=zone.zone,
        action=order.action,
        asset_ids=order.asset_ids,
        starts_at=order.starts_at,
        ends_at=order.expires_at,
        checks=[check_answer(check, documents, is_quoted=check.outcome != "ok") for check in proposal.checks],
        currency=zone.market.currency,
        cost_change=proposal.cost_change,
        max_loss=proposal.max_loss,
        costs={name: value for name, value in proposal.costs.items() if value},
        energy_change_mwh=proposal.energy_change_mwh,
        moved_mwh=proposal.moved_mwh,
        cap_slack_mw=proposal.cap_slack_mw,
        ramp_slack_mw=proposal.ramp_slack_mw,
        columns=columns,
        points=points,
        warnings=proposal.reasons,
        hint="correct the values of the refused checks and propose again" if proposal.outcome == "refused" else None,
    )


def open_plan_answer(context: ReadContext, zone: Zone, proposal: Proposal, state: PlanState) -> PlanAnswer:
    """Return a stored plan with its id and how to approve it.

    Args:
        context: Store, fleet and clock of the run.
        zone: The order's zone.
        proposal: The priced order.
        state: The stored plan.
    """
    answer = plan_answer(context, zone, proposal)
    answer.plan_id, answer.digest, answer.status = state.plan_id, state.digest, state.status(context.now())
    answer.expires_at = state.proposal.expires_at
    answer.page = context.page_link("orders", zone.zone)
    if proposal.outcome != "refused":
        answer.approval = HOW_TO_APPROVE[context.settings.mcp.approval].format(plan_id=state.plan_id)
    return answer


def rules_behind(order: Order, book: PlanBook) -> list[str]:
    """Return the clauses, with versions, that an order's plan was checked against; a hold has no plan."""
    if order.action == "hold":
        return [cited("SITE.hold", NOTES_VERSION)]
    plan = book.find(order.order_id)
    return [] if plan is None else plan.proposal.rules


def _path(proposal: Proposal) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of power and SoC by slot, with and without the order, for at most four of its assets."""
    asset_ids = set(proposal.order.asset_ids)
    paths = [p for p in proposal.paths if not asset_ids or p.asset_id in asset_ids][:4]
    columns = ["slot"]
    series: list[list[float]] = []
    for path in paths:
        for name, values in (
            ("power_mw", path.power_mw),
            ("power_without_mw", path.power_without_mw),
            ("soc", path.soc),
            ("soc_without", path.soc_without),
        ):
            if values:
                columns.append(f"{path.asset_id} {name}")
                series.append(values)
    rows = [[iso(start), *(values[h] for values in series)] for h, start in enumerate(proposal.starts)]
    return (columns, rows[:MAX_PATH_POINTS]) if series else ([], [])
