"""Explains a decision from its record; prices another first step by solving the recorded problem again."""

from __future__ import annotations

from datetime import datetime

from agents.clearing.plan_notes import say_note
from agents.plant.narrative import say_check, say_missing, say_verdict, story
from mcp_server.answers.explanation import DecisionExplanation, ExplainedSetpoint, WhyNot
from mcp_server.answers.sanitize import brief
from mcp_server.queries.context import NOTHING_YET, QuestionError, ReadContext, UnknownNameError, utc
from vpp.domain import iso
from vpp.errors import DataError, RefusedError
from vpp.messages import Decision
from vpp.store.decisions import by_id, decision_at, frequency_answers, newest, setpoints_of
from vpp.store.tables import DECISIONS

MAX_ORDERS = 10


def explain_decision(
    context: ReadContext,
    *,
    zone: str | None,
    decision_id: str | None,
    at: datetime | None,
    why_not_asset: str | None,
    why_not_mw: float | None,
) -> DecisionExplanation:
    """Explain one decision: by its id, else the decision for the slot at ``at``, else the newest.

    Args:
        context: Store, fleet and clock of the run.
        zone: Name of the zone; None if there is only one.
        decision_id: Id of a decision.
        at: A time in the decided slot.
        why_not_asset: Asset whose first step is replaced and priced.
        why_not_mw: Power of this first step (MW, positive into the grid).

    Raises:
        QuestionError: Zone, decision or asset is unknown.
    """
    chosen = context.choose(zone)
    if chosen is None:
        return DecisionExplanation(hint=NOTHING_YET)
    decision = _find(context, chosen, decision_id, at)
    if decision is None:
        return DecisionExplanation(
            as_of=context.as_of(chosen), zone=chosen, hint=_what_there_is(context, chosen, decision_id)
        )
    explanation = _explained(context, chosen, decision)
    if why_not_asset is not None:
        if why_not_mw is None:
            raise QuestionError("why_not_mw is missing", hint="give why_not_mw with why_not_asset")
        explanation.why_not, reason = _why_not(context, chosen, decision, why_not_asset, why_not_mw)
        explanation.warnings += [reason] if reason else []
    return explanation


def _find(context: ReadContext, zone: str, decision_id: str | None, at: datetime | None) -> Decision | None:
    try:
        if decision_id is not None:
            return by_id(context.store, decision_id, zone).decision
        instant = utc(at)
        return (newest(context.store, zone) if instant is None else decision_at(context.store, zone, instant)).decision
    except DataError:
        return None


def _explained(context: ReadContext, zone: str, decision: Decision) -> DecisionExplanation:
    duals = decision.duals
    return DecisionExplanation(
        as_of=context.as_of(zone),
        zone=zone,
        decision_id=decision.decision_id,
        slot=decision.slot,
        for_slot=decision.for_slot,
        engine=decision.engine,
        binding=decision.binding,
        story=story(
            decision,
            setpoints_of(context.store, decision),
            context.config(zone),
            frequency_answers(context.store, decision),
        ),
        setpoints=_setpoints(context, decision),
        currency=context.currency(zone),
        costs={name: value for name, value in decision.costs.items() if value},
        alternatives=decision.alternatives,
        water_value_per_mwh=duals.water_value_per_mwh,
        power_worth_per_mwh=next(iter(duals.power_price_per_mwh), None),
        grid_mw_before=decision.state.grid_mw,
        expected_net_mw=None if decision.plan is None else decision.plan.net_mw[0],
        model_id=decision.model_id,
        page=context.page_link("plan", zone, decision.slot),
        bid_sources={name: bid.source for name, bid in decision.bids.items()},
        missing_bids=[say_missing(bid) for bid in decision.missing],
        orders=[say_verdict(verdict) for verdict in decision.verdicts][:MAX_ORDERS],
        notes=[*map(say_check, decision.checks), *map(say_note, decision.notes)][:MAX_ORDERS],
    )


def _setpoints(context: ReadContext, decision: Decision) -> list[ExplainedSetpoint]:
    before = decision.state.assets
    return [
        ExplainedSetpoint(
            asset_id=row["asset_id"],
            power_mw=row["power_mw"],
            reason=row["reason"] or "",
            soc_before=before[row["asset_id"]].soc if row["asset_id"] in before else None,
        )
        for row in setpoints_of(context.store, decision)
    ]


def _why_not(
    context: ReadContext, zone: str, decision: Decision, asset_id: str, power_mw: float
) -> tuple[WhyNot | None, str | None]:
    from agents.plant.recompute import why_not  # loads the solver, which no other query needs

    config = context.config(zone)
    if config is None or asset_id not in {asset.asset_id for asset in config.assets}:
        raise UnknownNameError(f"there is no asset {asset_id!r} in {zone}", hint="see list_assets")
    try:
        alternative = why_not(config, decision, {asset_id: power_mw})
    except RefusedError as error:
        return None, str(error)
    scale = config.served_scale
    answer = WhyNot(
        asset_id=asset_id,
        power_mw=brief(alternative.power_mw[asset_id]),
        extra_cost=scale.money(alternative.extra_cost),
        items={name: cost for name, value in alternative.items.items() if (cost := scale.money(value))},
        notes=[say_note(note) for note in alternative.notes],
    )
    return answer, None


def _what_there_is(context: ReadContext, zone: str, decision_id: str | None) -> str:
    span = next((span for span in context.store.spans(DECISIONS) if span.zone == zone), None)
    if span is None:
        return f"nothing is decided in {zone} yet; get_pipeline_health shows the progress of the plant"
    problem = f"there is no decision {decision_id}" if decision_id else "there is none for this time"
    return f"{problem}; decisions of {zone} follow slots from {iso(span.first)} to {iso(span.last)}"
