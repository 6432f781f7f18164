"""The next slot's price by separate trees, for markets that fix power before the price is known.

Three ensembles of different depth learn the departure from the day's profile, or what the linear forecast leaves of it,
in units of the profile's scale; their mean is the forecast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from models.learners.boosted_trees import Ensembles, Trees
from models.price.realtime.inputs import InputShape
from models.price.realtime.profile_features import LevelRows
from models.price.realtime.recent_features import trail_columns
from models.price.realtime.trees import boost_table
from models.price.series import PriceSeries
from vpp.numerics.arrays import Bools, Floats, Floats32

FIRST = np.zeros(1, dtype=np.int64)
_CLIP = 6.0


@dataclass(frozen=True, slots=True)
class NextSettings:
    """One member: its target and its trees."""

    on_linear: bool
    depth: int
    min_child: float
    rounds: int
    half_life_days: float = 400.0


MEMBERS = (
    NextSettings(on_linear=False, depth=3, min_child=100.0, rounds=200),
    NextSettings(on_linear=False, depth=5, min_child=50.0, rounds=150),
    NextSettings(on_linear=True, depth=5, min_child=50.0, rounds=150),
)
MIN_ROWS = 4_000


@dataclass(frozen=True, slots=True)
class NextModel:
    """One ensemble per member."""

    trees: Ensembles

    def prices(self, table: Floats32, rows: LevelRows, level: Floats) -> Floats:
        """Return the price of the first horizon per MWh, shape (n,).

        Args:
            table: ``next_table`` of n origins, shape (n, columns).
            rows: Features of the origins.
            level: Linear forecasts, shape (n, H).
        """
        departures = np.minimum(np.maximum(self.trees.predict(table), -_CLIP), _CLIP).astype(np.float64)
        linear = sum(member.on_linear for member in MEMBERS) / len(MEMBERS)
        base = linear * level[:, 0] + (1.0 - linear) * rows.base[:, 0]
        return np.asarray(base + departures.sum(axis=1) / len(MEMBERS) * rows.scale)


def next_table(table: Floats32, trail: Floats32) -> Floats32:
    """Return the members' input: ``boost_table`` of n origins at the first horizon, and the features of the last days.

    Args:
        table: ``boost_table`` at the first horizon, shape (n, K).
        trail: ``trail_columns`` of the origins, shape (n, columns).
    """
    return np.concatenate([table, trail], axis=1)


def fit_next(data: PriceSeries, rows: LevelRows, level: Floats, actual: Floats, shape: InputShape) -> NextModel | None:
    """Fit the members; None if there are too few rows.

    Args:
        data: The series of the rows.
        rows: Features of n origins, in time order.
        level: Walk-forward linear forecasts, shape (n, H).
        actual: Prices at the targets, shape (n, H); NaN is skipped.
        shape: Horizons.
    """
    is_known: Bools = np.asarray(np.isfinite(actual[:, 0]))
    if is_known.sum() < MIN_ROWS:
        return None
    rows, level, actual = rows.take(is_known), level[is_known], actual[is_known]
    table = next_table(boost_table(data, rows, level, shape.steps, FIRST), trail_columns(data, rows, shape))
    age = (int(rows.origins[-1]) - rows.origins) * data.step_min / 1440.0
    fitted = []
    for member in MEMBERS:
        base = level[:, 0] if member.on_linear else rows.base[:, 0]
        goal = np.clip((actual[:, 0] - base) / rows.scale, -_CLIP, _CLIP)
        weight = 0.5 ** (age / member.half_life_days)
        matrix = xgb.QuantileDMatrix(table, label=goal, weight=weight, max_bin=64, nthread=1)
        parameters = {
            "objective": "reg:squarederror",
            "eta": 0.05,
            "max_depth": member.depth,
            "subsample": 0.7,
            "colsample_bytree": 0.5,
            "min_child_weight": member.min_child,
            "max_bin": 64,
            "tree_method": "hist",
            "nthread": 1,
            "seed": 1,
            "verbosity": 0,
        }
        booster = xgb.train(parameters, matrix, num_boost_round=member.rounds)
        fitted.append(Trees(bytes(booster.save_raw("json")), table.shape[1]))
    return NextModel(Ensembles(tuple(fitted)))
