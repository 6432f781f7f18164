"""Boosted trees for a day's 24 prices: direct, and on the residual of walk-forward linear forecasts.

Rows are hours; the target is scaled by the market's daily movement, so calm and wild years weigh alike; older days
count half after every half-life. Learning the residual of *in-sample* linear fits would teach the trees an error that
the linear forecast will not make: the mix given here must be walk-forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from models.learners.boosted_trees import Trees
from models.price.dayahead.day_table import HOURS
from vpp.numerics.arrays import Bools, Floats


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """Rounds and shape of the trees, training window and half-life in days."""

    rounds: int = 250
    eta: float = 0.04
    depth: int = 5
    columns: float = 0.3
    rows: float = 0.7
    min_child: float = 10.0
    bins: int = 64
    window_days: int = 545
    half_life_days: float = 300.0
    objective: str = "reg:absoluteerror"

    def parameters(self) -> dict[str, object]:
        """Return XGBoost's parameters; one thread, so the same rows give the same trees."""
        return {
            "objective": self.objective,
            "eta": self.eta,
            "max_depth": self.depth,
            "colsample_bytree": self.columns,
            "subsample": self.rows,
            "min_child_weight": self.min_child,
            "max_bin": self.bins,
            "tree_method": "hist",
            "nthread": 1,
            "seed": 0,
            "verbosity": 0,
        }


def fit_trees(values: Floats, goal: Floats, settings: TreeSettings) -> Trees:
    """Fit on whole days, the last row being the newest.

    Args:
        values: Features, shape (days, 24, K); NaN is missing.
        goal: Scaled target, shape (days, 24); NaN is skipped.
        settings: As ``TreeSettings``; only the last ``window_days`` are used.

    Raises:
        ValueError: No row has a target.
    """
    values, goal = values[-settings.window_days :], goal[-settings.window_days :]
    age = np.arange(goal.shape[0] - 1, -1, -1, dtype=float)
    weight = np.repeat(0.5 ** (age / settings.half_life_days), HOURS)
    X, y = values.reshape(-1, values.shape[2]), goal.reshape(-1)
    is_known = np.isfinite(y)
    if not is_known.any():
        raise ValueError("no day of the training window has a price")
    data = xgb.QuantileDMatrix(
        X[is_known].astype(np.float32), label=y[is_known], weight=weight[is_known], max_bin=settings.bins, nthread=1
    )
    booster = xgb.train(settings.parameters(), data, settings.rounds)
    return Trees(bytes(booster.save_raw("json")), X.shape[1])


def tree_walk(values: Floats, goal: Floats, fit_at: Bools, settings: TreeSettings, start: int = 0) -> Floats:
    """Forecast every day from the first fit on by the newest trees fitted on the days before it.

    Args:
        values: Features, shape (n, 24, K).
        goal: Scaled target, shape (n, 24); row D is used only for rows after D.
        fit_at: Rows before which new trees are fitted, shape (n or more,).
        settings: As ``TreeSettings``.
        start: First row that is learned from.

    Returns:
        Scaled forecasts (n, 24), NaN before the first fit.
    """
    n = goal.shape[0]
    out = np.full(goal.shape, np.nan)
    model: Trees | None = None
    rows = np.flatnonzero(fit_at[:n])
    for row, stop in zip(rows, [*rows[1:], n], strict=True):
        if np.isfinite(goal[start:row][-settings.window_days :]).any():
            model = fit_trees(values[start:row], goal[start:row], settings)
        if model is not None:
            out[row:stop] = tree_days(model, values[row:stop])
    return out


def tree_days(trees: Trees, values: Floats) -> Floats:
    """Return the trees' scaled forecasts (m, 24) for the features (m, 24, K) of m days."""
    rows = np.ascontiguousarray(values.reshape(-1, values.shape[2]), dtype=np.float32)
    return trees.predict(rows).astype(np.float64).reshape(-1, HOURS)


def stack_values(values: Floats, mix: Floats, members: Floats, ref: Floats, scale: Floats) -> Floats:
    """Return the features of the stack: those of the hour, the mix, and how far each member lies from it.

    Args:
        values: Features, shape (n, 24, K).
        mix: Walk-forward mean of the members, shape (n, 24).
        members: Walk-forward forecasts, shape (M, n, 24).
        ref: Reference price, shape (n, 24).
        scale: Scale, shape (n,).
    """
    s = scale[:, None]
    extra = [(mix - ref) / s, mix, *((m - mix) / s for m in members)]
    return np.concatenate([values, np.stack(extra, axis=2)], axis=2)
