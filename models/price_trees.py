"""Boosted trees for a day's 24 prices: alone, and on what walk-forward linear forecasts leave.

Rows are hours; the target is scaled by the market's daily movement, so that calm and wild years weigh alike; older days
count half after every half-life. Learning the residual of *in-sample* linear fits would teach the trees an error that
the linear forecast will not make: the mix given here must be walk-forward.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from models.price_days import HOURS
from models.price_view import Flags, Floats


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """Rounds and shape of the trees, training window and half-life in days, and how many seeds are averaged."""

    rounds: int = 250
    eta: float = 0.04
    depth: int = 5
    columns: float = 0.3
    rows: float = 0.7
    min_child: float = 10.0
    bins: int = 64
    window_days: int = 545
    half_life_days: float = 300.0
    seeds: int = 1
    objective: str = "reg:absoluteerror"

    def parameters(self, seed: int) -> dict[str, object]:
        """Return XGBoost's parameters; one thread, so that the same rows give the same trees."""
        return {
            "objective": self.objective, "eta": self.eta, "max_depth": self.depth, "colsample_bytree": self.columns,
            "subsample": self.rows, "min_child_weight": self.min_child, "max_bin": self.bins, "tree_method": "hist",
            "nthread": 1, "seed": seed, "verbosity": 0,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class TreeModel:
    """Boosters of several seeds; their forecasts are averaged."""

    boosters: tuple[xgb.Booster, ...]

    def predict(self, rows: Floats) -> Floats:
        """Return the mean forecast for feature rows (n, K), shape (n,)."""
        X = np.ascontiguousarray(rows, dtype=np.float32)
        return np.asarray(np.mean([b.inplace_predict(X) for b in self.boosters], axis=0), dtype=np.float64)

    def dump(self) -> dict[str, bytes]:
        """Return the boosters in XGBoost's binary JSON, by number."""
        return {str(i): bytes(b.save_raw(raw_format="ubj")) for i, b in enumerate(self.boosters)}

    @classmethod
    def load(cls, raw: list[bytes]) -> TreeModel:
        """Return the model that ``dump`` wrote."""
        boosters = []
        for data in raw:
            booster = xgb.Booster()
            booster.load_model(bytearray(data))
            booster.set_param({"nthread": 1})
            boosters.append(booster)
        return cls(tuple(boosters))


def fit_trees(values: Floats, goal: Floats, settings: TreeSettings) -> TreeModel:
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
    known = np.isfinite(y)
    if not known.any():
        raise ValueError("no day of the training window has a price")
    data = xgb.QuantileDMatrix(
        X[known].astype(np.float32), label=y[known], weight=weight[known], max_bin=settings.bins, nthread=1
    )
    return TreeModel(
        tuple(xgb.train(settings.parameters(seed), data, settings.rounds) for seed in range(settings.seeds))
    )


def tree_walk(
    values: Floats, goal: Floats, fit_at: Flags, settings: TreeSettings, progress: Callable[[float], None]
) -> tuple[Floats, TreeModel | None]:
    """Forecast every day from the first fit on by the newest trees fitted on the days before it.

    Args:
        values: Features, shape (n, 24, K).
        goal: Scaled target, shape (n, 24); row D is used only for rows after D.
        fit_at: Rows before which new trees are fitted, shape (n + 1,); the last entry is for the day after the table.
        settings: As ``TreeSettings``.
        progress: Told the share done (0-1).

    Returns:
        Scaled forecasts (n, 24), NaN before the first fit, and the newest trees.
    """
    n = goal.shape[0]
    out = np.full(goal.shape, np.nan)
    model: TreeModel | None = None
    rows = np.flatnonzero(fit_at)
    for done, (row, stop) in enumerate(zip(rows, [*rows[1:], n], strict=True)):
        progress(done / rows.size)
        if np.isfinite(goal[max(0, row - settings.window_days) : row]).any():
            model = fit_trees(values[:row], goal[:row], settings)
        if model is not None and row < n:
            out[row:stop] = model.predict(values[row:stop].reshape(-1, values.shape[2])).reshape(-1, HOURS)
    return out, model


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
