"""Metrics of ramps in a backtest: forecasts of large ramps, and the accuracy of each step."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.evaluation.backtest import Backtest, RampForecasts
from models.forecast.ramp_events import ALARM_SHARE, HOURS, alarm_scores
from vpp.fleet.scale import significant
from vpp.numerics.arrays import Bools, Floats

CLIMATE_DAYS = 42
LEAST_CLIMATE_DAYS = 14


def ramp_metrics(run: Backtest) -> dict[str, Any] | None:
    """Return the figures of large ramps by hours ahead and of steps, None if the run has none.

    A large ramp is a change over so many hours from the origin that only the largest tenth of the six weeks before
    reaches, as published with each forecast. ``brier``: mean square of the probability of one, up or down, less the
    outcome (0 or 1). ``brier_climatology``: the same of the share of large ramps at the same slot of the day over the
    six weeks before the origin. ``by_probability``: the alarm as it is raised, from the published level on.
    ``by_median``: the alarm from an expected change of 93 % of the size. POD = hits / events, FAR = false alarms /
    alarms, CSI = hits / (events + false alarms); a hit has the event's direction.

    ``steps``: mean absolute error of each step's change, and of the difference of neighbouring medians; coverage of its
    80 % interval. ``steepest``: the mean of the steepest step that a forecast states, of what came in its direction,
    the share of wrong signs and the mean absolute error; ``by_difference``: likewise of the differences.
    """
    ramps = run.ramps
    if ramps is None:
        return None
    by_hours = {
        f"{hours}h": _large(run, ramps, run.horizons_min.index(60 * hours), hours)
        for hours in HOURS
        if 60 * hours in run.horizons_min
    }
    return {"large": {name: row for name, row in by_hours.items() if row is not None}, **_steps(run, ramps)}


def _large(run: Backtest, ramps: RampForecasts, h: int, hours: int) -> dict[str, Any] | None:
    now = run.now.astype(float)
    large, change = ramps.large_mw[:, h].astype(float), run.actual[:, h] - now
    median = run.quantiles[:, h, 3] - now
    is_known = np.isfinite(large) & np.isfinite(change) & np.isfinite(median)
    if not is_known.any():
        return None
    rise, fall = ramps.p_rise[:, h].astype(float), ramps.p_fall[:, h].astype(float)
    event = np.abs(change) >= large
    climate = _climate(run, event, is_known, hours)
    is_scored = is_known & np.isfinite(climate)
    likely = np.maximum(rise, fall) >= ramps.alarm_level
    return {
        "n": int(is_scored.sum()),
        "share": _mean(event[is_scored]),
        "brier": _mean((rise + fall - event)[is_scored] ** 2),
        "brier_climatology": _mean((climate - event)[is_scored] ** 2),
        "by_probability": alarm_scores(
            likely[is_scored], (rise > fall)[is_scored], event[is_scored], (change > 0.0)[is_scored]
        ),
        "by_median": alarm_scores(
            (np.abs(median) >= ALARM_SHARE * large)[is_scored],
            (median > 0.0)[is_scored],
            event[is_scored],
            (change > 0.0)[is_scored],
        ),
    }


def _climate(run: Backtest, event: Bools, is_known: Bools, hours: int) -> Floats:
    """Return the share of events at each origin's slot of the day over the weeks that were known then, NaN if few."""
    per_day = run.zone.step.per_day
    slot = run.zone.step.index(run.origins[0].to_pydatetime()) + np.round(
        (run.origins - run.origins[0]).total_seconds().to_numpy() / 60.0 / run.zone.step_min
    ).astype(np.int64)
    wait_days = -(-hours // 24)
    out = np.full(len(event), np.nan)
    for place in range(per_day):
        at = np.flatnonzero((slot % per_day == place) & is_known)
        for n in range(wait_days, len(at)):
            past = event[at[max(n - wait_days + 1 - CLIMATE_DAYS, 0) : n - wait_days + 1]]
            if len(past) >= LEAST_CLIMATE_DAYS:
                out[at[n]] = past.mean()
    return out


def _steps(run: Backtest, ramps: RampForecasts) -> dict[str, Any]:
    now = run.now.astype(float)
    actual = np.diff(run.actual.astype(float), axis=1, prepend=now[:, None])
    differences = np.diff(run.quantiles[:, :, 3].astype(float), axis=1, prepend=now[:, None])
    steps_mw = ramps.step_mw.astype(float)
    is_known = np.isfinite(actual) & np.isfinite(steps_mw) & np.isfinite(differences)
    inside = (actual >= ramps.step_q10_mw) & (actual <= ramps.step_q90_mw)
    is_whole = is_known.all(axis=1)
    minutes = np.diff(np.array(run.horizons_min), prepend=0)
    return {
        "steps": {
            "n": int(is_known.sum()),
            "mae": _mean(np.abs(steps_mw - actual)[is_known]),
            "mae_by_difference": _mean(np.abs(differences - actual)[is_known]),
            "coverage_80": _mean(inside[is_known]),
        },
        "steepest": {
            **_steepest(steps_mw[is_whole], actual[is_whole], minutes),
            "by_difference": _steepest(differences[is_whole], actual[is_whole], minutes),
        },
    }


def _steepest(stated: Floats, actual: Floats, minutes: Floats) -> dict[str, Any]:
    """Return figures of the steepest step of each forecast (rows of ``stated``) against the actual change."""
    if not len(stated):
        return {"n": 0, "stated_mw": None, "came_mw": None, "wrong_sign": None, "mae": None}
    at = np.argmax(np.abs(stated) / minutes, axis=1)[:, None]
    stated_mw, real = np.take_along_axis(stated, at, axis=1)[:, 0], np.take_along_axis(actual, at, axis=1)[:, 0]
    return {
        "n": len(stated_mw),
        "stated_mw": _mean(np.abs(stated_mw)),
        "came_mw": _mean(real * np.sign(stated_mw)),
        "wrong_sign": _mean(real * stated_mw < 0.0),
        "mae": _mean(np.abs(real - stated_mw)),
    }


def _mean(values: Floats | Bools) -> float | None:
    return significant(float(values.mean())) if values.size else None
