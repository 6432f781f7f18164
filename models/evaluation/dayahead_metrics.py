"""Metrics of a day-ahead backtest, as in ``metrics.json``: over all slots, and by hour of the local day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.dayahead_backtest import DEFAULTS, DayAheadRun, run_day_ahead
from models.evaluation.html_report import WORST_DAYS, DayCurves
from models.evaluation.metrics import worst_week
from models.price.dayahead.day_table import HOURS, Convention
from models.price.dayahead.ensemble import WalkSettings
from vpp.domain import QUANTILE_LEVELS, iso
from vpp.errors import ConfigError
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Bools, Floats
from vpp.progress import Progress, no_progress, part_of

AUCTION_TO_MIDNIGHT_MIN = 720
"""Minutes from the auction at noon to the first hour that it prices."""

_LEVELS = np.array(QUANTILE_LEVELS)


_NAIVE = ("week", "yesterday")
_BESIDE = ("day_ahead_mae", "day_ahead_rmae", "day_ahead_coverage_90", "day_ahead_width_90")


def backtest_day_ahead(  # noqa: PLR0913 - each is a choice of the command line
    frame: pd.DataFrame,
    zone: Zone,
    *,
    train_to: datetime,
    test_from: datetime,
    test_to: datetime,
    refit_days: int | None = 1,
    compare: Sequence[str] | None = None,
    settings: WalkSettings = DEFAULTS,
    progress: Progress = no_progress,
) -> tuple[dict[str, Any], DayAheadRun]:
    """Return ``metrics.json`` of a day-ahead backtest and its run under the benchmark's convention.

    The figures are those of the benchmark's convention (all forecasts of the day known); beside them stand
    ``*_load_only``, with wind and solar forecasts of the day before, as an auction at noon really has them.

    Args:
        frame: As ``run_day_ahead``.
        zone: As ``run_day_ahead``.
        train_to: As ``run_day_ahead``.
        test_from: As ``run_day_ahead``.
        test_to: As ``run_day_ahead``.
        refit_days: As ``run_day_ahead``.
        compare: As ``day_ahead_figures``.
        settings: As ``run_day_ahead``.
        progress: As ``run_day_ahead``.

    Raises:
        ConfigError: As ``run_day_ahead`` and ``day_ahead_figures``.
        DataError: As ``run_day_ahead``.
    """
    _baselines(compare)

    def run(convention: Convention, start: float) -> DayAheadRun:
        return run_day_ahead(
            frame,
            zone,
            train_to=train_to,
            test_from=test_from,
            test_to=test_to,
            convention=convention,
            refit_days=refit_days,
            settings=settings,
            progress=part_of(progress, start, start + 0.5),
        )

    benchmark, blind = run("benchmark", 0.0), run("load_only", 0.5)
    beside = day_ahead_figures(blind, ())
    figures = {
        "target": "price",
        "zone": zone.zone,
        "train_to": iso(train_to),
        "test_from": iso(test_from),
        "test_to": iso(test_to),
        "refit_days": refit_days,
        "origins": int(benchmark.days.size),
        "convention": "benchmark",
        **day_ahead_figures(benchmark, compare),
        **{f"{name}_load_only": beside[name] for name in _BESIDE},
    }
    progress(1.0, "done")
    return figures, benchmark


def _baselines(compare: Sequence[str] | None) -> tuple[str, ...]:
    names = _NAIVE if compare is None else tuple(name for name in compare if name != "persistence")
    for name in names:
        if name not in _NAIVE:
            raise ConfigError(
                f"unknown baseline {name!r} of a day-ahead price", hint="one of persistence, " + ", ".join(_NAIVE)
            )
    return names


def day_ahead_figures(run: DayAheadRun, compare: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the figures of a run: ``day_ahead_*`` over all slots, and one entry per hour of the local day.

    Scored are the slots whose price exists. ``day_ahead_rmae`` is the ratio of mean absolute errors to the same hour
    last week, on slots that have both. ``horizon_min`` counts from the auction at noon of the day before to the hour's
    start (720 is midnight). MAE and pinball loss are those of the published quantiles, RMSE that of the mean; coverage
    is a fraction; unknown is None.

    Args:
        run: The backtest.
        compare: Baselines to score beside persistence; None: all.

    Raises:
        ConfigError: A baseline that a day-ahead backtest does not have.
    """
    names = _baselines(compare)
    scored: Bools = np.isfinite(run.actual) & np.isfinite(run.by_slot(run.price))
    naive = {name: run.by_slot(values) for name, values in run.baselines.items()}
    return {
        **_overall(run, scored, naive),
        "horizons": [_hour(run, h, {n: naive[n] for n in names}, naive["yesterday"], scored) for h in range(HOURS)],
    }


def _overall(run: DayAheadRun, scored: Bools, naive: dict[str, Floats]) -> dict[str, Any]:
    error = np.abs(run.actual - run.by_slot(run.price))
    is_scored = scored & np.isfinite(naive["week"])
    week, of_both = _mean(np.abs(run.actual - naive["week"])[is_scored]), _mean(error[is_scored])
    quantiles = run.by_slot(run.quantiles)
    covered = _covered(run.actual, quantiles)
    has_band: Bools = scored & np.isfinite(covered)
    return {
        "day_ahead_mae": _mean(error[scored]),
        "day_ahead_rmae": None if not week or of_both is None else round(of_both / week, 5),
        "day_ahead_mae_week": _mean(np.abs(run.actual - naive["week"])[scored]),
        "day_ahead_mae_yesterday": _mean(np.abs(run.actual - naive["yesterday"])[scored]),
        "day_ahead_coverage_90": _mean(covered[scored]),
        "day_ahead_width_90": _mean((quantiles[:, -1] - quantiles[:, 0])[scored]),
        "day_ahead_worst_week_coverage_90": worst_week(covered[has_band] > 0.0, run.row[has_band] // 7),
        "day_ahead_mae_by_member": {
            name: _mean(np.abs(run.actual - run.by_slot(values))[scored]) for name, values in run.members.items()
        },
        "day_ahead_mae_second_day": _second_day(run),
    }


def _second_day(run: DayAheadRun) -> float | None:
    later = run.row > 0
    ahead = run.tail[run.row[later] - 1, run.slot[later]]
    return _mean(np.abs(run.actual[later] - ahead))


def _hour(run: DayAheadRun, h: int, naive: dict[str, Floats], yesterday: Floats, scored: Bools) -> dict[str, Any]:
    in_hour: Bools = scored & (run.hour == h)
    actual, q = run.actual[in_hour], run.by_slot(run.quantiles)[in_hour]
    mean = run.by_slot(run.price)[in_hour]
    median = np.where(np.isfinite(q[:, 3]), q[:, 3], mean)
    gap = actual[:, None] - q
    mae, persistence = _mean(np.abs(actual - median)), _mean(np.abs(actual - yesterday[in_hour]))
    covered = _covered(actual, q)
    has_band = np.isfinite(covered)
    squared = _mean((actual - mean) ** 2)
    return {
        "horizon_min": AUCTION_TO_MIDNIGHT_MIN + 60 * h,
        "n": int(in_hour.sum()),
        "mae": mae,
        "rmse": None if squared is None else round(float(np.sqrt(squared)), 5),
        "bias": _mean(median - actual),
        "pinball": _mean(np.maximum(_LEVELS * gap, (_LEVELS - 1.0) * gap)),
        "skill_vs_persistence": None if mae is None or not persistence else round(1.0 - mae / persistence, 5),
        "coverage_90": _mean(covered),
        "width_90": _mean(q[:, -1] - q[:, 0]),
        "worst_week_coverage_90": worst_week(covered[has_band] > 0.0, run.row[in_hour][has_band] // 7),
        "coverage_by_level": [_mean(_below(actual, q[:, i])) for i in range(_LEVELS.size)],
        "mae_by_baseline": {
            "persistence": persistence,
            **{name: _mean(np.abs(actual - values[in_hour])) for name, values in naive.items()},
        },
        "mae_day_ahead_known": None,
        "mae_day_ahead_unknown": None,
    }


def _covered(actual: Floats, quantiles: Floats) -> Floats:
    """Return 1 where the outer quantiles hold the actual, else 0; NaN if either is unknown."""
    inside = (actual >= quantiles[:, 0]) & (actual <= quantiles[:, -1])
    return np.where(np.isfinite(actual) & np.isfinite(quantiles[:, 0]), inside, np.nan)


def _below(actual: Floats, quantile: Floats) -> Floats:
    return np.where(np.isfinite(quantile), actual <= quantile, np.nan)


def _mean(values: Floats) -> float | None:
    finite = values[np.isfinite(values)]
    return round(float(finite.mean()), 5) if finite.size else None


def worst_day_ahead_days(run: DayAheadRun) -> list[DayCurves]:
    """Return the local days with the largest mean absolute error, worst first."""
    forecast, quantiles = run.by_slot(run.price), run.by_slot(run.quantiles)
    error = np.abs(run.actual - forecast)
    is_known = np.isfinite(error)
    total = np.bincount(run.row[is_known], error[is_known], run.days.size)
    mean = total / np.maximum(np.bincount(run.row[is_known], minlength=run.days.size), 1)
    unit = f"{run.zone.market.currency}/MWh"
    out = []
    for row in np.argsort(-mean, kind="stable")[:WORST_DAYS]:
        in_day = run.row == row
        label = (date(1970, 1, 1) + timedelta(days=int(run.days[row]))).isoformat()
        hours = (np.arange(in_day.sum()) * run.zone.step_min / 60.0).tolist()
        lines = {"actual": run.actual[in_day], "forecast": forecast[in_day]}
        lines |= {"q05": quantiles[in_day, 0], "q95": quantiles[in_day, -1]}
        out.append(
            DayCurves(
                f"{label}: mean absolute error {mean[row]:.0f} {unit}",
                "hours since local midnight",
                unit,
                hours,
                {name: values.tolist() for name, values in lines.items()},
            )
        )
    return out
