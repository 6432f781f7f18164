"""Backtests of another policy on stored days: they replay the stored log through the plant's reducers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from agents.assets.registry import store_of
from agents.evaluation.grid_score import GridRun
from mcp_server.answers.reading import BacktestDone, BacktestRun
from mcp_server.queries.context import QuestionError, ReadContext, period
from mcp_server.queries.reports import Reports
from topologies.backtests.deliveries import Deliveries
from topologies.backtests.stored_days import Policy, StoredDays, settled, stored_days
from vpp.domain import iso
from vpp.errors import DataError
from vpp.fleet.schema import Zone

MAX_SLOTS = 700
MIN_SLOTS = 8
DEFAULT_PERIOD = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class BacktestCase:
    """Input of a backtest: stored days, the changed zone, and the number of slots without a decision."""

    days: StoredDays
    zone: Zone
    policy: Policy
    without_decision: int


def open_case(
    context: ReadContext,
    policy: Policy,
    zone: str | None,
    start: datetime | None,
    end: datetime | None,
    *,
    hedge: float | None,
    service_factor: float | None,
) -> BacktestCase:
    """Read the input of a backtest.

    Args:
        context: Store and fleet of the run.
        policy: Policy of the plant: ``joint``, ``grid_only`` or ``trade_only``.
        zone: Name of the zone; None if there is only one.
        start: Start of the first slot to settle; None: three days before ``end``, at most 700 slots.
        end: End of the last slot, exclusive; None: the end of the newest slot.
        hedge: Replaces the hedge of the bids; None keeps it.
        service_factor: Replaces the service factor of the zone; None keeps it.

    Raises:
        QuestionError: The zone is unknown, the window is empty, or it has too few or too many slots.
    """
    chosen = context.choose(zone)
    as_of = context.as_of(chosen) if chosen is not None else None
    config = None if chosen is None else context.config(chosen)
    if chosen is None or as_of is None or config is None:
        raise QuestionError("nothing has run yet", hint="start `vpp up`, and ask again after a day of slots")
    window = period(as_of, start, end, default=min(DEFAULT_PERIOD, MAX_SLOTS * config.step.delta))
    slots = round((window.end - window.start) / config.step.delta)
    hint = "give another start and end; get_pipeline_health shows what is stored"
    if slots > MAX_SLOTS:
        raise QuestionError(f"{window.text()} has {slots} slots, not {MIN_SLOTS} to {MAX_SLOTS}", hint=hint)
    try:
        days = stored_days(context.store, config, window.start, window.end)
    except DataError as error:
        raise QuestionError(str(error), hint=hint) from error
    if days.slots < MIN_SLOTS:
        raise QuestionError(
            f"{window.text()} has {days.slots} slots with decisions, not {MIN_SLOTS} to {MAX_SLOTS}", hint=hint
        )
    changes = {"hedge": hedge, "service_factor": service_factor}
    served = config.model_copy(update={name: value for name, value in changes.items() if value is not None})
    return BacktestCase(days, served, policy, slots - days.slots)


def finish(
    context: ReadContext, case: BacktestCase, deliveries: Deliveries, run_id: str, reports: Reports
) -> BacktestDone:
    """Return the result against no action and perfect foresight on the same actual values, and store its report.

    Args:
        context: Store, fleet and clock of the run.
        case: Zone, days and policy.
        deliveries: What the plant delivered.
        run_id: Id of the backtest.
        reports: Stores the report.
    """
    days, zone = case.days, case.days.zone
    runs = settled(days, case.policy, deliveries)
    cost, idle, best = (runs[name].cost for name in (case.policy, "no_action", "perfect_foresight"))
    gain = idle - best
    warnings = {
        "slots of the window have no decision": case.without_decision,
        "slots have no measured net load; it was bridged": days.missing,
        "slots were decided by a reflex": runs[case.policy].fallbacks,
    }
    answer = BacktestDone(
        as_of=context.as_of(zone.zone),
        run_id=run_id,
        zone=zone.zone,
        policy=case.policy,
        window=f"{iso(days.start)}/{iso(days.start + days.slots * zone.step.delta)}",
        slots=days.slots,
        currency=zone.market.currency,
        value=round(idle - cost, 2),
        score=round(100.0 * (idle - cost) / gain, 2) if gain > 1e-9 else None,
        runs=[_run_answer(zone, name, run) for name, run in runs.items()],
        report=f"vpp://reports/{run_id}",
        warnings=[f"{count} {text}" for text, count in warnings.items() if count],
    )
    reports.keep(run_id, report_text(answer))
    return answer


def report_text(result: BacktestDone) -> str:
    """Return the report of a backtest as Markdown."""
    lines = [
        f"# Backtest {result.run_id}: {result.policy} in {result.zone}",
        "",
        f"{result.window}, {result.slots} slots, money in {result.currency}. "
        f"Value against no action {result.value:,.2f}"
        + ("" if result.score is None else f", score {result.score:.1f} of 100 (perfect foresight)."),
        "",
        "| run | cost | energy | wear | fuel | ramp penalty | cap penalty | ramp breaches | cap breaches | cycles |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for run in result.runs:
        items = " | ".join(f"{run.costs.get(name, 0.0):,.2f}" for name in ("energy", "wear", "fuel", "ramp", "cap"))
        lines.append(
            f"| {run.name} | {run.cost:,.2f} | {items} | {run.ramp_breaches} | {run.cap_breaches} | {run.cycles:.2f} |"
        )
    lines += [
        "",
        *result.warnings,
        "Stored energy at the end counts as income. All runs are settled on the same actual net load and prices.",
    ]
    return "\n".join(lines) + "\n"


def _run_answer(zone: Zone, name: str, run: GridRun) -> BacktestRun:
    cycles = 0.0
    for row, asset in enumerate(zone.assets):
        store = store_of(asset)
        if store is not None:
            out_mwh = float(np.maximum(run.power_mw[row], 0.0).sum()) * zone.step.hours
            cycles += out_mwh / (store.energy_mwh * store.discharge_efficiency)
    return BacktestRun(
        name=name,
        cost=round(run.cost, 2),
        costs={item: round(value, 2) for item, value in run.costs.items() if value},
        ramp_breaches=run.ramp_breaches,
        cap_breaches=run.cap_breaches,
        cycles=round(cycles, 3),
    )
