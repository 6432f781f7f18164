"""Backtest of grid response: forecast, actor and plant reducers over stored history, week by week, in money.

Leakage is impossible by construction: the reducers are fed in order of availability. Each week of 7 days from the test
range's start begins with the fleet at rest; energy counts at one flat price, so the score tells service from
trading. The score places a policy between doing nothing (0) and perfect foresight (100) over the same weeks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from agents.evaluation.grid_score import Actuals, GridRun, GridScore, score_of
from agents.evaluation.inslot_follow import CAP_MARGIN_SHARE, RAMP_MARGIN_SHARE
from models.evaluation.backtest import BacktestOptions, walk
from models.forecast.naive import PAST_DAYS, naive_forecast
from models.history import with_net_load
from topologies.backtests.grid_joint import joint_figures, joint_trial
from topologies.backtests.grid_policies import Lane, OriginalRuleLane, PlantLane
from topologies.backtests.grid_weeks import (
    NO_ACTION,
    PERFECT,
    WEEK_DAYS,
    Foreseen,
    History,
    Trial,
    walk_weeks,
)
from vpp.domain import NET_LOAD, NET_LOAD_CHANNELS, Target, iso
from vpp.errors import ConfigError, DataError
from vpp.files.zone_fitting import FLAT_PRICE_PER_MWH
from vpp.fleet.schema import Zone
from vpp.messages import Forecast
from vpp.numerics.arrays import Floats
from vpp.progress import Progress

PLANT = "plant"
STORED_SHARE = 0.95
LEARN_DAYS = 28
"""Days before the test over which the trader's paper accounts already run."""
FIRST_FIT_DAYS = 35
NAIVE = {"persistence": 0, "week_change": 7}
BASELINES = (*NAIVE, "original_rule")


@dataclass(frozen=True)
class GridOptions:
    """What to backtest; times are aware UTC, the range half-open.

    ``train_to`` ends the first fit, by default where the test begins; ``refit`` repeats it so often, None: never.
    ``compare``: baselines besides no action and perfect foresight. ``joint``: also weigh trading at actual prices.
    """

    test_from: datetime
    test_to: datetime
    train_to: datetime | None = None
    refit: timedelta | None = timedelta(days=28)
    compare: tuple[str, ...] = BASELINES
    joint: bool = False


@dataclass(frozen=True)
class GridBacktest:
    """Figures as ``metrics.json`` holds them, and per slot what happened, for the report.

    ``net_mw``, ``grid_mw``, ``idle_grid_mw``: served share, shape (slots,). ``power_mw``: by asset, shape (slots,).
    """

    zone: Zone
    figures: dict[str, Any]
    net_mw: Floats
    grid_mw: Floats
    idle_grid_mw: Floats
    power_mw: Mapping[str, Floats]


def run_grid_backtest(
    frame: pd.DataFrame,
    zone: Zone,
    options: GridOptions,
    progress: Progress,
    ticks: pd.DataFrame | None = None,
) -> GridBacktest:
    """Run a backtest.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing, training rows included.
        zone: Its configuration.
        options: Range, training and baselines.
        progress: Called with the share done (0-1) and the name of the current part.
        ticks: The same history in finer, equal parts of a slot; batteries then follow their curves tick by tick.

    Raises:
        ConfigError: The range holds no whole week, or a baseline is unknown.
        DataError: The frame has no net load, or does not hold the range and a slot before it.
    """
    if NET_LOAD not in frame and not set(NET_LOAD_CHANNELS) & set(frame.columns):
        raise DataError(
            f"the data of {zone.zone} hold no load, solar or wind", hint="the grid backtest needs measured net load"
        )
    frame = with_net_load(frame, zone)
    weeks = weeks_of(frame, zone, options)
    history = History(zone, frame, ticks)
    trials = [service_trial(history, options.compare)]
    if options.joint:
        trials.append(joint_trial(history))
    forecasts = _forecasts(frame, zone, options, weeks, progress)
    foreseen = walk_weeks(history, trials, weeks, forecasts, progress)
    result = _result(zone, options, history, trials[0], foreseen, weeks)
    if options.joint:
        result.figures["joint"] = joint_figures(trials[1])
    return result


def weeks_of(frame: pd.DataFrame, zone: Zone, options: GridOptions) -> list[int]:
    """Return the position in ``frame`` of the first slot of each whole week of the range; raises as the backtest."""
    unknown = set(options.compare) - set(BASELINES)
    if unknown:
        raise ConfigError(f"unknown baseline {min(unknown)!r}", hint="one of " + ", ".join(BASELINES))
    length = WEEK_DAYS * zone.step.per_day
    start = frame.index.searchsorted(pd.Timestamp(options.test_from))
    end = frame.index.searchsorted(pd.Timestamp(options.test_to))
    if start < 1 or start >= len(frame):
        raise DataError(
            f"the data of {zone.zone} run from {iso(frame.index[0].to_pydatetime())} to "
            f"{iso(frame.index[-1].to_pydatetime())}: there must be a slot before {iso(options.test_from)}",
            hint="choose --test-from inside the file",
        )
    weeks = list(range(start, end - length + 1, length))
    if not weeks:
        raise ConfigError(
            f"{iso(options.test_from)} to {iso(options.test_to)} holds no whole week of data",
            hint="choose --test-to at least seven days after --test-from, inside the file",
        )
    return weeks


def service_trial(history: History, compare: Sequence[str]) -> Trial:
    """Return the trial of service alone: the plant and baselines, with energy at one flat price."""
    zone = history.zone
    flat = FLAT_PRICE_PER_MWH if zone.energy_price_flat_per_mwh is None else zone.energy_price_flat_per_mwh
    update: dict[str, Any] = {"energy_price_flat_per_mwh": flat}
    if history.ticks is not None:
        share = zone.served_scale.share
        margins = {"cap_margin_mw": share(CAP_MARGIN_SHARE), "ramp_margin_mw": share(RAMP_MARGIN_SHARE)}
        update["limits"] = zone.limits.model_copy(update=margins)
    served = zone.model_copy(update=update)
    lanes: dict[str, Lane] = {PLANT: PlantLane(served)}
    for name in compare:
        if name in NAIVE:
            lanes[name] = PlantLane(served, forecaster=partial(_naive, history, NAIVE[name]))
        else:
            lanes[name] = OriginalRuleLane(served)

    def actuals(start: int, length: int) -> Actuals:
        return Actuals(
            actual_mw=history.filled[start : start + length],
            before_mw=float(history.filled[start - 1]),
            price_per_mwh=np.full(length, flat),
            stored_value_per_mwh=STORED_SHARE * flat,
            potential_mw=history.potential(start, length),
        )

    return Trial(served, lanes, actuals)


def _naive(history: History, lag_days: int, forecast: Forecast) -> Forecast:
    step = history.zone.step
    at = step.index(forecast.slot) - history.offset
    past = history.net[max(at + 1 - PAST_DAYS * step.per_day, 0) : at + 1]
    return naive_forecast(forecast, past, lag_days=lag_days, decimals=history.zone.region_scale.forecast_decimals)


def _forecasts(
    frame: pd.DataFrame, zone: Zone, options: GridOptions, weeks: Sequence[int], progress: Progress
) -> Iterator[Forecast]:
    begin = frame.index[weeks[0] - 1].to_pydatetime()
    if options.train_to is not None and options.train_to > options.test_from:
        raise ConfigError("--train-to must not lie after --test-from", hint="leave it out to train up to the test")
    end = frame.index[weeks[-1]].to_pydatetime() + timedelta(days=WEEK_DAYS)
    if options.joint:
        oldest = frame.index[0].to_pydatetime() + timedelta(days=FIRST_FIT_DAYS)
        begin = min(max(begin - timedelta(days=LEARN_DAYS), oldest), begin)
    train_to = min(options.train_to or begin, begin)
    targets = frozenset(Target) if options.joint else frozenset({Target.NET_LOAD})
    return walk(frame, zone, BacktestOptions(Target.NET_LOAD, train_to, begin, end, options.refit), progress, targets)


def _result(
    zone: Zone, options: GridOptions, history: History, trial: Trial, foreseen: Foreseen, weeks: Sequence[int]
) -> GridBacktest:
    runs, index, length = trial.runs, history.index, WEEK_DAYS * zone.step.per_day
    idle, best = runs[NO_ACTION], runs[PERFECT]
    scores = {name: score_of(run, idle, best) for name, run in runs.items()}
    plant = trial.lanes[PLANT]
    assert isinstance(plant, PlantLane)
    times = 1000.0 * np.array(plant.decision_s)
    figures = {
        "zone": zone.zone,
        "test_from": iso(index[weeks[0]].to_pydatetime()),
        "test_to": iso(index[weeks[-1]].to_pydatetime() + timedelta(days=WEEK_DAYS)),
        "weeks": len(weeks),
        "step_min": zone.step_min,
        "tick_min": None if history.ticks is None else zone.step_min / history.ticks.shape[1],
        "train_to": iso(options.train_to or index[weeks[0] - 1].to_pydatetime()),
        "refit_days": None if options.refit is None else options.refit.total_seconds() / 86400,
        **_scored(scores[PLANT]),
        "week_scores": {
            iso(index[at].to_pydatetime()): round(score, 2)
            for at, score in zip(weeks, scores[PLANT].week_scores, strict=True)
        },
        "ramp_events": foreseen.ramp_events(weeks[0]),
        "baselines": {name: _scored(score) for name, score in scores.items() if name != PLANT},
        "costs": _costs(runs),
        "missing_slots": int(np.isnan(history.served[weeks[0] : weeks[-1] + length]).sum()),
        "sources": foreseen.sources,
        "models": list(foreseen.models),
        "churn_mwh_per_day": round(sum(plant.churn_mwh.values()) / (len(weeks) * WEEK_DAYS), 3),
        "decision_ms": {"p50": _at(times, 0.5), "p99": _at(times, 0.99)},
    }
    return GridBacktest(
        zone=trial.zone,
        figures=figures,
        net_mw=np.concatenate([history.filled[at : at + length] for at in weeks]),
        grid_mw=np.concatenate([run.grid_mw for run in runs[PLANT]]),
        idle_grid_mw=np.concatenate([run.grid_mw for run in idle]),
        power_mw={
            asset.asset_id: np.concatenate([run.power_mw[row] for run in runs[PLANT]])
            for row, asset in enumerate(zone.assets)
        },
    )


def _scored(score: GridScore) -> dict[str, Any]:
    return {
        "score": round(score.score, 2),
        "worst_week_score": round(score.worst_week_score, 2),
        "cap_breaches": score.cap_breaches,
        "ramp_breach_pct": round(score.ramp_breach_pct, 3),
        "cost": round(score.cost, 2),
        "reflexes": score.fallbacks,
    }


def _costs(runs: Mapping[str, list[GridRun]]) -> dict[str, dict[str, float]]:
    return {
        name: {item: round(sum(week.costs[item] for week in weeks), 2) + 0.0 for item in weeks[0].costs}
        for name, weeks in runs.items()
    }


def _at(times: Floats, share: float) -> float | None:
    return round(float(np.quantile(times, share)), 2) if times.size else None
