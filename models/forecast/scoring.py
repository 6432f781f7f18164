"""Scores of waiting forecasts when the actual of a slot arrives, and the published skill."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from models.forecast.scoreboard import (
    ABS,
    ABS_PERSISTENCE,
    COVERED,
    LEVELS,
    PINBALL,
    SUM_BITS,
    SUMS,
    N,
    score_rows,
)
from models.forecast.waiting_forecasts import WaitingForecasts
from models.net_load.trailing_errors import Residuals, enter_matured
from vpp.domain import NET_LOAD, Target
from vpp.fleet.schema import Zone
from vpp.messages import Alert, AlertCode, AlertEffect, Promotion, Skill
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.significant_bits import round_significant

DRIFT_COVERAGE_DAY, DRIFT_COVERAGE_TWO_DAYS = 0.5, 0.7
"""Below this coverage of 90 % intervals to two hours ahead is no chance. Clean years of Great Britain, South Australia
and TenneT's area had days down to 0.60 and pairs of days down to 0.73."""

DRIFT_NEAR_MIN = 120
DRIFT_MIN_SCORES = 40
DRIFT_SKILL_DAYS = 3.0
JUMP_WIDTHS = 10.0


def score(index: int, actual: float, steps: Ints, waiting: WaitingForecasts, sums: Floats) -> None:
    """Score all forecasts of slot ``index``.

    Args:
        index: The closed slot.
        actual: Its actual.
        steps: Horizons in slots, shape (H,).
        waiting: Forecasts that wait.
        sums: Scores of the day, shape (H, 5), added to and rounded to what is kept of them.
    """
    score_rows(index, actual, steps, waiting.origin, waiting.now, waiting.quantiles, LEVELS, sums)
    round_significant(sums, SUM_BITS)


def mature(
    index: int, actuals: Floats, steps: Ints, waiting: WaitingForecasts, residuals: Residuals, group: int
) -> None:
    """Enter the errors of all forecasts of slot ``index``.

    Args:
        index: The closed slot.
        actuals: Net load (MW) from the farthest origin to the slot, which is the last entry, shape (n,).
        steps: Horizons in slots, shape (H,).
        waiting: Forecasts that wait.
        residuals: Trailing errors to enter into.
        group: Slot of the local day.
    """
    first_row = (index - int(steps[0])) % waiting.rows
    if waiting.origin[first_row] == index - steps[0] and waiting.by_model[first_row]:
        waiting.set_first_error(first_row, float(actuals[-1] - waiting.mean[first_row, 0]))
    entered = enter_matured(
        index,
        actuals,
        steps,
        waiting.origin,
        waiting.by_model,
        waiting.quantiles,
        waiting.mean,
        waiting.first_error,
        residuals.slots[group],
        residuals.recent,
        residuals.levels,
        residuals.gamma,
        residuals.memory,
    )
    if entered:
        residuals.touch(group)


def skill_message(
    zone: str, slot: datetime, target: str, horizons_min: tuple[int, ...], sums: Floats, decimals: int
) -> Skill | None:
    """Return the scores of the horizons that have some, None if none has.

    Args:
        zone: Zone name.
        slot: Last slot scored.
        target: ``net_load`` or ``price``.
        horizons_min: All H horizons.
        sums: Sums of scores, shape (H, 5).
        decimals: Decimals of errors in the target's unit.
    """
    scored = sums[:, N] > 0
    if not scored.any():
        return None
    counts = sums[scored, N]
    means = {
        column: np.round(sums[scored, column] / counts, 4 if column == COVERED else decimals).tolist()
        for column in range(N + 1, SUMS)
    }
    return Skill(
        zone=zone,
        slot=slot,
        target=target,
        horizon_min=np.array(horizons_min)[scored].tolist(),
        n=counts.astype(int).tolist(),
        mae=means[ABS],
        mae_persistence=means[ABS_PERSISTENCE],
        pinball=means[PINBALL],
        coverage_90=means[COVERED],
    )


def jump_alert(zone: Zone, index: int, actual: float, steps: Ints, waiting: WaitingForecasts) -> Alert | None:
    """Return an alert if an actual value is ten interval widths away from the model's forecast one step earlier.

    No weather does that; a meter that changed its unit does.

    Args:
        zone: Its configuration.
        index: Index of the slot that has closed.
        actual: Its net load, MW.
        steps: The horizons in slots, shape (H,).
        waiting: Forecasts that wait for their actuals.
    """
    row = (index - int(steps[0])) % waiting.rows
    if waiting.origin[row] != index - steps[0] or not waiting.by_model[row]:
        return None
    horizon_quantiles = waiting.quantiles[row, 0]
    low, median, high = horizon_quantiles.item(0), horizon_quantiles.item(3), horizon_quantiles.item(-1)
    if not abs(actual - median) > JUMP_WIDTHS * (high - low):
        return None
    slot, written = zone.step.start(index), zone.region_scale.rounded
    return Alert(
        zone=zone.zone,
        slot=slot,
        alert_id=f"{zone.zone}-jump-{slot:%Y%m%dT%H%M}",
        severity="critical",
        topic="drift",
        code=AlertCode.JUMP,
        channel=NET_LOAD,
        text="net load: the newest value is far from its forecast; check the meter and its unit",
        values={"net_load_mw": written(actual), "q05_mw": written(low), "q95_mw": written(high)},
    )


def retraining_alert(promotion: Promotion) -> Alert:
    """Return the alert on the result of a retraining after drift.

    Args:
        promotion: The model in force after it, the version that it made, and the verdict on the two.
    """
    zone, at, trained = promotion.zone, promotion.available_at, promotion.trained
    outcome = f"{trained} serves from now on" if trained == promotion.model_id else f"{promotion.model_id} serves on"
    result = f"retrained as {trained}" if trained else "nothing could be trained"
    return Alert(
        zone=zone,
        slot=at,
        alert_id=f"{zone}-retrained-{at:%Y%m%dT%H%M}",
        severity="info",
        topic="model",
        code=AlertCode.RETRAINED,
        text=f"drift: {result}; {outcome}: {promotion.verdict}",
    )


def drift_alert(  # noqa: PLR0913 - what was forecast, how it is judged, and three windows of scores
    zone: str,
    slot: datetime,
    target: str,
    horizons_min: tuple[int, ...],
    *,
    day: Floats,
    before: Floats,
    window: Floats,
    judged: slice,
    decimals: int,
) -> Alert | None:
    """Return a warning if the day's errors do not fit their intervals, or the skill of the window is lost.

    Errors are judged against the width that was forecast for them, so a hard week is no drift. Skill of net load is
    judged at the next step, where a sound model halves persistence's error; that of prices over all horizons, since the
    last price is hard to beat a step ahead.

    Args:
        zone: The zone.
        slot: The last slot of the day that is judged.
        target: Value of ``Target``.
        horizons_min: The H horizons in minutes.
        day: Sums of scores of the day, shape (H, 5).
        before: Those of the day before it, shape (H, 5).
        window: Those of the trailing window, shape (H, 5).
        judged: The horizons whose skill counts.
        decimals: Decimals of errors in the target's unit.
    """
    near = np.array(horizons_min) <= max(DRIFT_NEAR_MIN, horizons_min[0])
    scored, earlier = float(day[near, N].sum()), float(before[near, N].sum())
    if scored < DRIFT_MIN_SCORES * near.sum() / 2:
        return None
    hits = float(day[near, COVERED].sum())
    coverage, both_coverage = hits / scored, (hits + float(before[near, COVERED].sum())) / (scored + earlier)
    mae, naive, n = (float(window[judged, column].sum()) for column in (ABS, ABS_PERSISTENCE, N))
    lost = mae > naive and window[0, N] >= DRIFT_SKILL_DAYS * day[0, N]
    narrow = coverage < DRIFT_COVERAGE_DAY or (earlier >= scored / 2 and both_coverage < DRIFT_COVERAGE_TWO_DAYS)
    if not narrow and not lost:
        return None
    reason = "forecasts are worse than persistence" if lost else "actuals leave the 90 % interval too often"
    return Alert(
        zone=zone,
        slot=slot,
        alert_id=f"{zone}-drift-{target}-{slot:%Y%m%d}",
        severity="warning",
        topic="drift",
        code=AlertCode.SKILL_LOST if lost else AlertCode.INTERVAL_TOO_NARROW,
        channel=Target(target).channel,
        effect=AlertEffect.WORSE_FORECAST,
        text=f"{target}: {reason}; retrain with vpp train, or check the input data",
        values={
            "coverage_90_day": round(coverage, 4),
            "coverage_90_two_days": round(both_coverage, 4),
            "mae": round(mae / n, decimals),
            "mae_persistence": round(naive / n, decimals),
        },
    )
