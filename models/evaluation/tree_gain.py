"""Reduction of the net-load error by XGBoost: the same backtest with it and without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from models.evaluation.backtest import Backtest
from models.net_load.model import ServedNetLoad
from models.net_load.residual_trees import GROUPS_MIN
from models.served import ServedModel


def tree_gain(full: Backtest, linear: Backtest, models: Sequence[ServedModel]) -> list[dict[str, Any]]:
    """Return one row for each horizon that trees may correct.

    ``mae``, ``mae_linear``: mean absolute error of the mean with XGBoost and without, MW, on the ``n`` origins where
    both exist; ``saved``: 1 - mae / mae_linear; ``weight``: of the trees, mean over the models that served.

    Args:
        full: The backtest as served.
        linear: The same without XGBoost.
        models: The models that served.
    """
    weights = [m.net_load.trees.weight for m in models if isinstance(m.net_load, ServedNetLoad)]
    weight = np.mean(weights, axis=0) if weights else np.zeros(len(full.horizons_min))
    errors = np.stack([np.abs(run.mean.astype(float) - run.actual) for run in (full, linear)])
    rows = []
    for h, minutes in enumerate(full.horizons_min):
        if minutes > GROUPS_MIN[-1]:
            break
        scored = np.isfinite(errors[:, :, h]).all(axis=0)
        mae, mae_linear = (float(e[scored, h].mean()) if scored.any() else None for e in errors)
        rows.append(
            {
                "horizon_min": minutes,
                "n": int(scored.sum()),
                "mae": mae,
                "mae_linear": mae_linear,
                "saved": 1.0 - mae / mae_linear if mae is not None and mae_linear else None,
                "weight": float(weight[h]),
            }
        )
    return rows
