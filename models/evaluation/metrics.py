"""Metrics of a backtest by horizon, as in ``metrics.json``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.backtest import Backtest
from models.evaluation.baselines import Baselines
from vpp.domain import QUANTILE_LEVELS, iso
from vpp.fleet.scale import significant
from vpp.numerics.arrays import Floats

WEEK_MIN_SHARE = 0.5


def metrics(run: Backtest, compare: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the figures of a backtest.

    Scored are origins and targets whose actuals exist. MAE and quantile losses are those of the published quantiles
    (MAE of the median), RMSE that of the mean; the pinball loss is the mean over the seven levels. ``skill`` is
    1 - MAE / MAE of persistence on the same origins; coverage is a fraction; unknown is None.

    Args:
        run: The backtest.
        compare: Baselines to score beside persistence; None: all that the run can have.
    """
    baselines = Baselines(run)
    names = list(dict.fromkeys(["persistence", *(baselines.names() if compare is None else compare)]))
    forecasts = {name: baselines.make(name) for name in names}
    week = ((run.origins - run.origins[0]).days // 7).to_numpy()
    return {
        "target": run.options.target.value,
        "zone": run.zone.zone,
        "train_to": iso(run.options.train_to),
        "test_from": iso(run.options.test_from),
        "test_to": iso(run.options.test_to),
        "refit_days": None if run.options.refit is None else run.options.refit.total_seconds() / 86400,
        "origins": len(run.origins),
        "sources": {str(name): int(n) for name, n in zip(*np.unique(run.source, return_counts=True), strict=True)},
        "models": list(run.models),
        "horizons": [
            _horizon(run, h, {name: values[:, h] for name, values in forecasts.items()}, baselines, week)
            for h in range(len(run.horizons_min))
        ],
    }


def _horizon(
    run: Backtest, h: int, baselines: dict[str, Floats], naive_forecasts: Baselines, week: npt.NDArray[np.int64]
) -> dict[str, Any]:
    actual = run.actual[:, h].astype(float)
    quantiles = run.quantiles[:, h].astype(float)
    scored = ~np.isnan(actual) & ~np.isnan(quantiles[:, 0]) & ~np.isnan(run.now)
    actual, quantiles, week = actual[scored], quantiles[scored], week[scored]
    error = np.abs(actual - quantiles[:, 3])
    gap = actual[:, None] - quantiles
    levels = np.array(QUANTILE_LEVELS)
    covered = (actual >= quantiles[:, 0]) & (actual <= quantiles[:, -1])
    persistence = np.abs(actual - baselines["persistence"][scored])
    mae = _mean(error)
    naive = _mean(persistence)
    out: dict[str, Any] = {
        "horizon_min": run.horizons_min[h],
        "n": int(scored.sum()),
        "mae": mae,
        "rmse": _root(_mean((actual - run.mean[scored, h].astype(float)) ** 2)),
        "bias": _mean(quantiles[:, 3] - actual),
        "pinball": _mean(np.maximum(levels * gap, (levels - 1.0) * gap)),
        "skill_vs_persistence": None if mae is None or not naive else round(1.0 - mae / naive, 5),
        "coverage_90": _mean(covered.astype(float)),
        "width_90": _mean(quantiles[:, -1] - quantiles[:, 0]),
        "worst_week_coverage_90": worst_week(covered, week),
        "coverage_by_level": [_mean((actual <= quantiles[:, q]).astype(float)) for q in range(len(levels))],
        "mae_by_baseline": {name: _mean(np.abs(actual - values[scored])) for name, values in baselines.items()},
        "mae_day_ahead_known": None,
        "mae_day_ahead_unknown": None,
    }
    if naive_forecasts.known is not None:
        has_naive = naive_forecasts.known[scored, h]
        out["mae_day_ahead_known"] = _mean(error[has_naive])
        out["mae_day_ahead_unknown"] = _mean(error[~has_naive])
    return out


def worst_week(covered: npt.NDArray[np.bool_], week: npt.NDArray[np.int64]) -> float | None:
    """Return the lowest coverage of any week; weeks with less than half of the fullest are left out."""
    if len(week) == 0:
        return None
    counts = np.bincount(week)
    hits = np.bincount(week, weights=covered)
    is_whole = counts >= WEEK_MIN_SHARE * counts.max()
    return round(float((hits[is_whole] / counts[is_whole]).min()), 5)


def _mean(values: Floats) -> float | None:
    finite = values[~np.isnan(values)]
    return significant(float(finite.mean())) if finite.size else None


def _root(value: float | None) -> float | None:
    return None if value is None else significant(float(np.sqrt(value)))
