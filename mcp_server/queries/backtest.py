"""Replays stored days under another policy: the same bids, actuals and clearing, against no action and foresight."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.evaluation.grid_score import GridRun, GridSeries, no_action, perfect_foresight, run, settle
from mcp_server.answers.reading import BacktestDone, BacktestRun
from mcp_server.queries.context import Desk, QuestionError, period
from mcp_server.queries.reports import Reports
from vpp.domain import iso
from vpp.fleet.schema import Battery, Zone
from vpp.messages import ActorBid, TraderBid
from vpp.numerics.arrays import Floats
from vpp.store.tables import BIDS, TELEMETRY

PolicyName = Literal["joint", "grid_only", "trade_only"]

MAX_SLOTS = 700
MIN_SLOTS = 8
WINDOW_STEPS = 32
NO_LIMIT_MW = 1e6


@dataclass(frozen=True, slots=True)
class Study:
    """What a backtest runs on: contiguous slots that have a bid of each policy before them, and actuals."""

    zone: Zone
    start: datetime
    series: GridSeries
    skipped: int


def open_study(desk: Desk, zone: str | None, start: datetime | None, end: datetime | None) -> Study:
    """Read bids and actuals of a window.

    Raises:
        QuestionError: Zone or window is unusable, or there are too few or too many slots.
    """
    chosen = desk.choose(zone)
    as_of = desk.as_of(chosen) if chosen is not None else None
    config = None if chosen is None else desk.config(chosen)
    if chosen is None or as_of is None or config is None:
        raise QuestionError("nothing has run yet", hint="start `vpp up`, and ask again after a day of slots")
    if config.step_min < 30:
        raise QuestionError(f"slots of {config.step_min} min are not replayed here", hint="use `vpp backtest`")
    window = period(as_of, start, end, default=timedelta(days=3))
    bids = _bids(desk, config, window.start - config.step.delta, window.end)
    actual = {
        slot: (net, price)
        for slot, net, price in desk.store.read(
            TELEMETRY, zone=chosen, start=window.start - config.step.delta, end=window.end,
            columns=("slot", "net_load_mw", "price_per_mwh"),
        )
    }  # fmt: skip
    slots = _run_of_slots(config, bids, actual, window.start, window.end)
    if not MIN_SLOTS <= len(slots) <= MAX_SLOTS:
        raise QuestionError(
            f"{window.text()} has {len(slots)} slots in a row with bids and actuals, not {MIN_SLOTS} to {MAX_SLOTS}",
            hint="give another start and end; get_pipeline_health tells what is stored",
        )
    wanted = round((window.end - window.start) / config.step.delta)
    return Study(config, slots[0], _series(config, slots, bids, actual), wanted - len(slots))


def run_by_day(
    study: Study, policy: PolicyName, hedge: float | None, service_factor: float | None
) -> Iterator[GridRun]:
    """Yield the closed loop of a policy day by day; the fleet goes from one day into the next.

    A peaker that runs at midnight counts as running long enough to stop.
    """
    zone, series = _under_policy(study, policy, hedge)
    factor = service_factor if service_factor is not None else 1.0 if policy == "grid_only" else zone.service_factor
    per_day = zone.step.per_day
    state: FleetState | None = None
    for first in range(0, len(series.actual_mw), per_day):
        part = series.part(first, min(first + per_day, len(series.actual_mw)))
        done = run(zone, part, service_factor=factor, start=state)
        last = done.power_mw[:, -1]
        initial = FleetState.initial(zone)
        soc = np.where(np.isnan(initial.soc), np.nan, done.soc[:, -1])
        state = replace(initial, soc=soc, power_mw=last, running_min=np.where(last > 1e-6, 1e4, 0.0))
        yield done


def finish(
    desk: Desk, study: Study, policy: PolicyName, days: list[GridRun], run_id: str, reports: Reports
) -> BacktestDone:
    """Return the result against no action and perfect foresight on the same actuals, and keep its report."""
    zone, series = study.zone, study.series
    power = np.concatenate([day.power_mw for day in days], axis=1)
    soc = np.concatenate([day.soc for day in days], axis=1)
    found = {
        policy: settle(zone, series, power, soc, fallbacks=sum(day.fallbacks for day in days)),
        "no_action": no_action(zone, series),
        "perfect_foresight": perfect_foresight(zone, series),
    }
    idle, best = found["no_action"].cost, found["perfect_foresight"].cost
    gain = idle - best
    end = study.start + len(series.actual_mw) * zone.step.delta
    answer = BacktestDone(
        as_of=desk.as_of(zone.zone),
        run_id=run_id,
        zone=zone.zone,
        policy=policy,
        window=f"{iso(study.start)}/{iso(end)}",
        slots=len(series.actual_mw),
        currency=zone.market.currency,
        value=round(idle - found[policy].cost, 2),
        score=round(100.0 * (idle - found[policy].cost) / gain, 2) if gain > 1e-9 else None,
        runs=[_said(zone, name, one) for name, one in found.items()],
        report=f"vpp://reports/{run_id}",
        warnings=[f"{study.skipped} slots of the window have no bids or actuals"] if study.skipped else [],
    )
    reports.keep(run_id, report_text(answer))
    return answer


def report_text(done: BacktestDone) -> str:
    """Return a backtest as Markdown."""
    lines = [
        f"# Backtest {done.run_id}: {done.policy} in {done.zone}",
        "",
        f"{done.window}, {done.slots} slots, money in {done.currency}. Value against no action {done.value:,.2f}"
        + ("" if done.score is None else f", score {done.score:.1f} of 100 (perfect foresight)."),
        "",
        "| run | cost | energy | wear | fuel | ramp penalty | cap penalty | ramp breaches | cap breaches | cycles |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in done.runs:
        items = " | ".join(f"{one.costs.get(name, 0.0):,.2f}" for name in ("energy", "wear", "fuel", "ramp", "cap"))
        lines.append(
            f"| {one.name} | {one.cost:,.2f} | {items} | {one.ramp_breaches} | {one.cap_breaches} | {one.cycles:.2f} |"
        )
    lines += ["", *done.warnings, "Costs count energy left in store as income; the same bids and actuals for each run."]
    return "\n".join(lines) + "\n"


def _bids(
    desk: Desk, zone: Zone, start: datetime, end: datetime
) -> dict[datetime, tuple[ActorBid | None, TraderBid | None]]:
    found: dict[datetime, tuple[ActorBid | None, TraderBid | None]] = {}
    rows = desk.store.read(BIDS, zone=zone.zone, start=start, end=end, columns=("slot", "policy", "body"))
    for slot, policy, body in rows:
        actor, trader = found.get(slot, (None, None))
        if policy == "actor":
            actor = msgspec.json.decode(body, type=ActorBid)
        else:
            trader = msgspec.json.decode(body, type=TraderBid)
        found[slot] = actor, trader
    return found


def _run_of_slots(
    zone: Zone, bids: dict[datetime, Any], actual: dict[datetime, Any], start: datetime, end: datetime
) -> list[datetime]:
    """Return the longest run of slots whose bids came the slot before and whose actuals are known."""
    runs: list[list[datetime]] = [[]]
    step = zone.step
    for index in range(step.index(start), step.index(end)):
        slot = step.start(index)
        actor, trader = bids.get(slot - step.delta, (None, None))
        is_usable = (
            actor is not None
            and len(actor.horizon_min) >= WINDOW_STEPS
            and (trader is None or not trader.horizon_min or len(trader.horizon_min) >= WINDOW_STEPS)
            and actual.get(slot, (None, None))[0] is not None
        )
        if is_usable:
            runs[-1].append(slot)
        elif runs[-1]:
            runs.append([])
    return max(runs, key=len)


def _series(zone: Zone, slots: list[datetime], bids: dict[datetime, Any], actual: dict[datetime, Any]) -> GridSeries:
    factor, step = zone.share.factor, zone.step
    flat = zone.energy_price_flat_per_mwh or 0.0
    actors = [bids[slot - step.delta][0] for slot in slots]
    traders = [bids[slot - step.delta][1] for slot in slots]

    def rows(name: str) -> Floats:
        return np.array([getattr(actor, name)[:WINDOW_STEPS] for actor in actors])

    expected = np.array(
        [t.price_per_mwh[:WINDOW_STEPS] if t is not None and t.horizon_min else [flat] * WINDOW_STEPS for t in traders]
    )
    prices = [actual[slot][1] for slot in slots]
    stored = [v for t in traders if t is not None for v in t.stored_value_per_mwh]
    before = actual.get(slots[0] - step.delta, (None, None))[0]
    return GridSeries(
        actual_mw=np.array([actual[slot][0] * factor for slot in slots]),
        before_mw=(before if before is not None else actual[slots[0]][0]) * factor,
        net_mw=rows("net_mw"),
        ramp_sd_mw=rows("ramp_sd_mw"),
        level_sd_mw=rows("level_sd_mw"),
        carry=rows("carry"),
        price_per_mwh=np.array([flat if price is None else price for price in prices]),
        expected_price_per_mwh=expected,
        stored_value_per_mwh=float(np.mean(stored)) if stored else 0.95 * flat,
    )


def _under_policy(study: Study, policy: PolicyName, hedge: float | None) -> tuple[Zone, GridSeries]:
    zone, series = study.zone, study.series
    if hedge is not None:
        zone = zone.model_copy(update={"hedge": hedge})
    if policy == "grid_only":
        mean = float(series.expected_price_per_mwh.mean())
        series = replace(series, expected_price_per_mwh=np.full_like(series.expected_price_per_mwh, mean))
    if policy == "trade_only":
        limits = zone.limits.model_copy(update={"ramp_limit_mw": NO_LIMIT_MW, "import_cap_mw": NO_LIMIT_MW})
        zone = zone.model_copy(update={"limits": limits})
    return zone, series


def _said(zone: Zone, name: str, one: GridRun) -> BacktestRun:
    cycles = 0.0
    for row, asset in enumerate(zone.assets):
        if isinstance(asset, Battery):
            out_mwh = float(np.maximum(one.power_mw[row], 0.0).sum()) * zone.step.hours
            cycles += out_mwh / (asset.energy_mwh * asset.discharge_efficiency)
    return BacktestRun(
        name=name,
        cost=round(one.cost, 2),
        costs={item: round(value, 2) for item, value in one.costs.items() if value},
        ramp_breaches=one.ramp_breaches,
        cap_breaches=one.cap_breaches,
        cycles=round(cycles, 3),
    )
