"""Queries for the newest forecast: levels, the next ramp, and the skill of past forecasts."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from mcp_server.answers.reading import ForecastAnswer, Ramp, RampStep, SkillFigures
from mcp_server.answers.sanitize import brief
from mcp_server.queries.context import NOTHING_YET, ReadContext
from vpp.domain import QUANTILE_NAMES, Target, iso
from vpp.numerics.quantile_distribution import cumulative
from vpp.store.tables import BIDS, FORECASTS, SKILL, TELEMETRY

BRIEF = ("q10", "q50", "q90")
FLAT_SHARE = 0.001
STEEPEST = 5
STEP_COLUMNS = (
    "horizon_min",
    "change_mw",
    "change_q10_mw",
    "change_q90_mw",
    "ramp_limit_mw",
    "probability_beyond_limit",
)


def get_forecast(
    context: ReadContext, target: str, zone: str | None, horizon_h: float, *, all_quantiles: bool
) -> ForecastAnswer:
    """Return the newest forecast of net load or price up to ``horizon_h``, with the live skill of its horizons.

    Args:
        context: Store, fleet and clock of the run.
        target: ``net_load`` or ``price``.
        zone: Name of the zone; None if there is only one.
        horizon_h: Longest horizon in hours.
        all_quantiles: Whether to return seven quantiles instead of three.

    Raises:
        QuestionError: The zone is unknown.
    """
    chosen = context.choose(zone)
    if chosen is None:
        return ForecastAnswer(target=target, hint=NOTHING_YET)
    rows = _newest(context, chosen, target)
    if not rows:
        return ForecastAnswer(
            as_of=context.as_of(chosen), zone=chosen, target=target, hint=_why_none(context, chosen, target)
        )
    names = QUANTILE_NAMES if all_quantiles else BRIEF
    issued_at: datetime = rows[0]["issued_at"]
    listed = [row for row in rows if row["horizon_min"] <= horizon_h * 60]
    return ForecastAnswer(
        as_of=context.as_of(chosen),
        zone=chosen,
        target=target,
        unit=Target(target).unit(context.currency(chosen)),
        issued_at=issued_at,
        source=rows[0]["source"],
        model_id=rows[0]["model_id"],
        columns=["slot", "horizon_min", *names],
        points=[
            [
                iso(issued_at + timedelta(minutes=row["horizon_min"])),
                row["horizon_min"],
                *(_round(row[n]) for n in names),
            ]
            for row in listed
        ],
        last_observed=_observed(context, chosen, issued_at, Target(target).channel),
        skill=some_skills(context, chosen, target=target),
        truncated=len(listed) < len(rows),
        hint=None if listed else f"the shortest horizon is {rows[0]['horizon_min']} min",
        warnings=_caveats(context, chosen, rows),
    )


def predict_ramp(context: ReadContext, zone: str | None, horizon_min: int | None) -> Ramp:
    """Return the expected change of net load from the observed slot to a horizon, and the steps of a day.

    The change at a horizon is the forecast level minus the observed level, so its quantiles are those of the level,
    shifted. The steps between slots have their own forecasts.

    Raises:
        QuestionError: The zone is unknown.
    """
    chosen = context.choose(zone)
    rows = _newest(context, chosen, Target.NET_LOAD) if chosen is not None else []
    if chosen is None or not rows:
        hint = NOTHING_YET if chosen is None else _why_none(context, chosen, Target.NET_LOAD)
        return Ramp(zone=chosen, hint=hint, as_of=context.as_of(chosen) if chosen else None)
    issued_at: datetime = rows[0]["issued_at"]
    row = min(rows, key=lambda r: abs(r["horizon_min"] - (horizon_min or rows[0]["horizon_min"])))
    ramp = Ramp(
        as_of=context.as_of(chosen),
        zone=chosen,
        issued_at=issued_at,
        source=row["source"],
        horizon_min=row["horizon_min"],
        observed_net_load_mw=_observed(context, chosen, issued_at, "net_load_mw"),
        warnings=_caveats(context, chosen, rows),
    )
    if horizon_min not in (None, row["horizon_min"]):
        ramp.warnings.append(f"no forecast for {horizon_min} min; the nearest horizon is {row['horizon_min']} min")
    if ramp.observed_net_load_mw is None:
        ramp.hint = "net load of the last slot is missing, so the change is unknown; see get_pipeline_health"
        return ramp
    _describe(context, chosen, ramp, row, rows)
    return ramp


def some_skills(
    context: ReadContext, zone: str, *, target: str | None = None, until: datetime | None = None
) -> list[SkillFigures]:
    """Return the newest live scores by target at up to four horizons, shortest to longest.

    Args:
        context: Store, fleet and clock of the run.
        zone: Name of the zone.
        target: ``net_load`` or ``price``; None: both.
        until: Latest time of a score; None: no limit.
    """
    filters = None if target is None else {"target": target}
    if until is None:
        rows = context.store.latest(SKILL, zone, filters=filters).dicts()
    else:
        last = context.store.read(
            SKILL, zone=zone, end=until, filters=filters, columns=("slot",), order="desc", limit=1
        ).column("slot")
        rows = context.store.read(SKILL, zone=zone, start=last[0], end=until, filters=filters).dicts() if last else []
    rows.sort(key=lambda row: (row["target"], row["horizon_min"]))
    by_target = itertools.groupby(rows, key=lambda row: row["target"])
    return [_skill(row) for _, group in by_target for row in _four(list(group))]


def _describe(context: ReadContext, zone: str, ramp: Ramp, row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    observed = ramp.observed_net_load_mw
    assert observed is not None
    levels = [row[name] for name in QUANTILE_NAMES]
    change = row["q50"] - observed
    ramp.expected_change_mw = brief(change)
    ramp.change_q10_mw, ramp.change_q90_mw = brief(row["q10"] - observed), brief(row["q90"] - observed)
    ramp.mw_per_min = brief(change / row["horizon_min"])
    is_flat = abs(change) <= FLAT_SHARE * max(abs(observed), abs(row["q50"]))
    ramp.direction = "flat" if is_flat else "up" if change > 0 else "down"
    ramp.probability_up = round(1.0 - cumulative(levels, observed), 4)
    ramp.large_ramp_mw = row["large_ramp_mw"]
    ramp.p_large_rise, ramp.p_large_fall = row["p_rise"], row["p_fall"]
    config = context.config(zone)
    limit = None
    if config is not None:
        factor = config.share.factor
        limit = config.limits.ramp_limit_mw / factor / config.step.minutes
        ramp.served_change_mw = brief(change * factor)
    steps = _steps(ramp.issued_at, rows, limit)
    step = next((step for step in steps if step.horizon_min == row["horizon_min"]), None)
    if step is not None:
        ramp.ramp_limit_mw, ramp.probability_beyond_limit = step.ramp_limit_mw, step.probability_beyond_limit
    ramp.steepest = sorted(steps, key=lambda step: (-abs(step.mw_per_min), step.horizon_min))[:STEEPEST]
    ramp.columns = ["slot", *STEP_COLUMNS]
    ramp.steps = [[iso(step.at), *(getattr(step, name) for name in STEP_COLUMNS)] for step in steps]
    ramp.meaning = {
        "up": "net load rises: more demand to cover, so discharge or dispatch up (positive power)",
        "down": "net load falls: less demand to cover, so charge or dispatch down (negative power)",
        "flat": "net load is stable: no ramp to cover",
    }[ramp.direction]


def _steps(issued_at: datetime | None, rows: list[dict[str, Any]], limit_mw_per_min: float | None) -> list[RampStep]:
    """Return the steps of a forecast in order; empty if the forecast has no steps."""
    assert issued_at is not None
    steps, before_min = [], 0
    for row in rows:
        minutes = row["horizon_min"] - before_min
        before_min = row["horizon_min"]
        if row["step_mw"] is None:
            continue
        steps.append(
            RampStep(
                at=issued_at + timedelta(minutes=row["horizon_min"]),
                horizon_min=row["horizon_min"],
                change_mw=row["step_mw"],
                change_q10_mw=row["step_q10_mw"],
                change_q90_mw=row["step_q90_mw"],
                mw_per_min=row["step_mw"] / minutes,
                ramp_limit_mw=None if limit_mw_per_min is None else limit_mw_per_min * minutes,
                probability_beyond_limit=row["p_limit"],
            )
        )
    return steps


def _newest(context: ReadContext, zone: str, target: str) -> list[dict[str, Any]]:
    rows = context.store.latest(FORECASTS, zone, filters={"target": str(target)}).dicts()
    return sorted((row for row in rows if row["q50"] is not None), key=lambda row: row["horizon_min"])


def _observed(context: ReadContext, zone: str, slot: datetime, column: str) -> float | None:
    rows = context.store.read(TELEMETRY, zone=zone, start=slot, end=slot + timedelta(seconds=1), columns=(column,))
    value: float | None = next((row[0] for row in rows), None)
    return value


def _why_none(context: ReadContext, zone: str, target: str) -> str:
    bid = next(iter(context.store.latest(BIDS, zone, columns=("reason",), filters={"policy": "actor"})), (None,))
    cause = f": {bid[0]}" if bid[0] else ""
    return f"there is no {target} forecast of {zone} yet{cause}; get_pipeline_health shows the progress"


def _caveats(context: ReadContext, zone: str, rows: list[dict[str, Any]]) -> list[str]:
    caveats = []
    if rows[0]["source"] != "model":
        caveats.append(f"this is the fallback {rows[0]['source']}, not the model")
    newest = context.newest().get(zone)
    if newest is not None and rows[0]["issued_at"] < newest:
        caveats.append(f"issued at {iso(rows[0]['issued_at'])}, before the newest slot {iso(newest)}")
    return caveats


def _four(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the shortest, the longest and two horizons between them."""
    if len(rows) <= 4:
        return rows
    return [rows[round(i * (len(rows) - 1) / 3)] for i in range(4)]


def _skill(row: dict[str, Any]) -> SkillFigures:
    persistence = row["mae_persistence"]
    return SkillFigures(
        zone=row["zone"],
        target=row["target"],
        horizon_min=row["horizon_min"],
        n=row["n"],
        mae=brief(row["mae"]),
        mae_persistence=brief(persistence),
        better_pct=round(100.0 * (1.0 - row["mae"] / persistence), 2) if persistence else None,
        pinball=brief(row["pinball"]),
        coverage_90=round(row["coverage_90"], 4),
    )


def _round(value: float | None) -> float | None:
    return None if value is None else brief(value)
