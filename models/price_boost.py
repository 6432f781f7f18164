"""Trees beside the level-updated profile: published forecasts, calendar and the recent path of real-time prices.

One model serves a dozen anchor horizons, the horizon being a column; between them it is interpolated. It learns the
price's departure from the profile and is given the linear forecast of it, walk-forward and never in-sample. The served
mean lies between the two, at the weight that eight weeks kept out of a first fit gave the trees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from numba import njit

from models.price_inputs import Shape
from models.price_rows import LevelRows, Series
from models.price_view import Flags, Floats, Ints
from models.trees import Trees

Floats32 = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

ANCHORS_MIN = (30, 60, 90, 120, 180, 240, 360, 480, 600, 720, 900, 1080, 1440)
_SHORT_ANCHORS_MIN = (5, 15)
_RECENT_UNITS = (0, 1, 2, 3, 4, 6, 8, 12)
_SIDE_UNITS = (1, 2, 4, 8, 48)
_CLIP = 6.0
_DAY = 1440


@dataclass(frozen=True, slots=True)
class BoostSettings:
    """Trees and how their weight is found; ``max_rows`` bounds origins times anchors.

    With fewer than ``min_rows`` to learn from, the trees have no weight.
    """

    rounds: int = 150
    eta: float = 0.06
    depth: int = 3
    columns: float = 0.5
    min_child: float = 500.0
    half_life_days: float = 400.0
    tail_days: int = 56
    max_rows: int = 220_000
    min_rows: int = 2_000

    def parameters(self) -> dict[str, object]:
        """Return XGBoost's parameters; one thread and a fixed seed."""
        return {
            "objective": "reg:squarederror", "eta": self.eta, "max_depth": self.depth, "subsample": 0.7,
            "colsample_bytree": self.columns, "min_child_weight": self.min_child, "max_bin": 64, "tree_method": "hist",
            "nthread": 1, "seed": 1, "verbosity": 0,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class BoostModel:
    """Trees, the positions of their anchors among the horizons, and their weight in the mean (0 to 1) there."""

    trees: Trees
    anchors: Ints
    weight: Floats

    def departures(self, data: Series, rows: LevelRows, level: Floats, steps: Ints) -> Floats:
        """Return the trees' departures from the profile per MWh, shape (n, H).

        Args:
            data: The series of the rows.
            rows: Features of n origins.
            level: Linear forecasts, shape (n, H).
            steps: Horizons in slots, shape (H,).
        """
        table = boost_table(data, rows, level, steps, self.anchors)
        made = self.trees.predict(table).reshape(rows.origins.size, self.anchors.size)
        scaled = np.clip(made, -_CLIP, _CLIP) * rows.scale[:, None]
        return np.stack([np.interp(steps, steps[self.anchors], row) for row in scaled])

    def weights(self, steps: Ints) -> Floats:
        """Return the trees' weight in the mean at each horizon, shape (H,)."""
        return np.asarray(np.interp(steps, steps[self.anchors], self.weight))


def anchors_of(horizon_min: tuple[int, ...]) -> Ints:
    """Return the positions of the anchor horizons: the first, the last, and those of the table."""
    wanted = {horizon_min[0], *_SHORT_ANCHORS_MIN, *ANCHORS_MIN, horizon_min[-1]}
    return np.array([i for i, minutes in enumerate(horizon_min) if minutes in wanted], dtype=np.int64)


def boost_table(data: Series, rows: LevelRows, level: Floats, steps: Ints, anchors: Ints) -> Floats32:
    """Return the trees' features, shape (n * anchors, K), origin by origin.

    Invariants:
        - A row reads prices and sides up to its origin, and of published series only what was known there.
    """
    at = rows.origins[:, None] + steps[anchors][None, :]
    n, a = at.shape
    scale, base = rows.scale[:, None], rows.base[:, anchors]
    minute = data.minutes[at] % _DAY
    weekday = (data.minutes[at] // _DAY + 3) % 7
    columns = [
        np.broadcast_to(steps[anchors].astype(float) * data.step_min, (n, a)),
        (level[:, anchors] - base) / scale,
        (base - base[:, :1]) / scale,
        rows.spread[:, anchors] / scale,
        np.sin(2 * np.pi * minute / _DAY),
        np.cos(2 * np.pi * minute / _DAY),
        weekday.astype(float),
        np.broadcast_to(np.log(scale), (n, a)),
        base / scale,
    ]
    per_day = _DAY // data.step_min
    before = _lagged(data.prices[None], at.reshape(-1), per_day * np.array((1, 2, 7)))[:, 0]
    columns.extend((before[:, k].reshape(n, a) - base) / scale for k in range(3))
    columns.extend(_published(data, rows, at))
    own = np.stack([np.asarray(c, dtype=np.float32) for c in columns], axis=2).reshape(n * a, len(columns))
    shared = np.repeat(
        np.concatenate([rows.features[:, 1:], _recent(data, rows)], axis=1).astype(np.float32), a, axis=0
    )
    return np.ascontiguousarray(np.clip(np.concatenate([own, shared], axis=1), -1e6, 1e6))


def shared_columns(data: Series, rows: LevelRows) -> int:
    """Return how many of the last columns of ``boost_table`` are the same at every anchor of an origin."""
    of_sides = (len(_SIDE_UNITS) + 1) * len(data.sides)
    return int(rows.features.shape[1]) - 1 + len(_RECENT_UNITS) + of_sides + len(data.published)


def _recent(data: Series, rows: LevelRows) -> Floats:
    """Return the path of the last slots: price deviations, changes of the side series, imbalance, published errors."""
    t, unit = rows.origins, max(1, 30 // data.step_min)
    path = _lagged(data.prices[None], t, unit * np.array(_RECENT_UNITS))[:, 0]
    sides = _lagged(data.sides, t, unit * np.array((0, *_SIDE_UNITS)))
    now = sides[:, :, :1]
    moved = np.concatenate([now - sides[:, :, 1:], now], axis=2).reshape(t.size, -1)
    ahead = _lagged(data.published, t, np.zeros(1, dtype=np.int64))[:, :, 0]
    return np.concatenate([(path - rows.base[:, :1]) / rows.scale[:, None], moved, ahead], axis=1)


@njit(cache=True)
def _lagged(values: Floats, at: Ints, lags: Ints) -> Floats:
    """Return the series (S, N) at positions (m,) minus each lag, shape (m, S, lags), NaN outside."""
    out = np.full((at.size, values.shape[0], lags.size), np.nan)
    for i in range(at.size):
        for s in range(values.shape[0]):
            for k in range(lags.size):
                place = at[i] - lags[k]
                if 0 <= place < values.shape[1]:
                    out[i, s, k] = values[s, place]
    return out


def _published(data: Series, rows: LevelRows, at: Ints) -> list[Floats]:
    """Return for each published series its value at the target against now and against the same slot of past days."""
    out: list[Floats] = []
    known = at <= data.known[rows.origins][:, None]
    per_day = _DAY // data.step_min
    near = _lagged(data.published, at.reshape(-1), per_day * np.array((0, 1, 2, 3, 7)))
    now = _lagged(data.published, rows.origins, np.zeros(1, dtype=np.int64))
    for j in range(len(data.published)):
        own = near[:, j].reshape(*at.shape, -1)
        ahead = np.where(known, own[:, :, 0], np.nan)
        out.extend([ahead - now[:, j], ahead - _mean_known(np.ascontiguousarray(np.moveaxis(own[:, :, 1:], 2, 0)))])
    return out


def _mean_known(stacked: Floats) -> Floats:
    known = np.isfinite(stacked)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)


def fit_boost(
    data: Series, rows: LevelRows, level: Floats, actual: Floats, shape: Shape, settings: BoostSettings
) -> BoostModel:
    """Fit the trees and their weight.

    Args:
        data: The series of the rows.
        rows: Features of n origins, in time order.
        level: Walk-forward linear forecasts, shape (n, H).
        actual: Prices at the targets, shape (n, H); NaN is skipped.
        shape: Horizons.
        settings: As ``BoostSettings``.
    """
    steps, anchors = shape.steps, anchors_of(shape.horizon_min)
    stride = max(1, -(-rows.origins.size * anchors.size // settings.max_rows))
    rows = rows.every(stride)
    level, actual = level[::stride], actual[::stride]
    table = boost_table(data, rows, level, steps, anchors)
    linear = ((level - rows.base) / rows.scale[:, None])[:, anchors]
    goal = np.clip((actual - rows.base)[:, anchors] / rows.scale[:, None], -_CLIP, _CLIP)
    per_day = _DAY // data.step_min
    last = int(rows.origins[-1])
    age = (last - rows.origins) / per_day
    weight = np.repeat(0.5 ** (age / settings.half_life_days), anchors.size)
    tail = min(settings.tail_days * per_day, (last - int(rows.origins[0])) // 3)
    early = np.repeat(rows.origins < last - tail - per_day, anchors.size)
    late = np.repeat(rows.origins >= last - tail, anchors.size)
    share = np.zeros(anchors.size)
    if early.sum() > settings.min_rows and late.any():
        first = _train(table, goal.reshape(-1), weight, early, settings)
        kept_out = late.reshape(-1, anchors.size)[:, 0]
        made = first.predict(table[late]).reshape(-1, anchors.size)
        share = _weights(made - linear[kept_out], (goal - linear)[kept_out])
    trees = _train(table, goal.reshape(-1), weight, np.ones(early.size, dtype=np.bool_), settings)
    return BoostModel(trees, anchors, share)


def _train(table: Floats32, goal: Floats, weight: Floats, use: Flags, settings: BoostSettings) -> Trees:
    use = use & np.isfinite(goal)
    matrix = xgb.QuantileDMatrix(table[use], label=goal[use], weight=weight[use], max_bin=64, nthread=1)
    booster = xgb.train(settings.parameters(), matrix, num_boost_round=settings.rounds)
    return Trees(bytes(booster.save_raw("json")), table.shape[1])


def _weights(step: Floats, wanted: Floats) -> Floats:
    """Return the least-squares weight per anchor, within 0 to 1, shared with neighbouring anchors.

    Args:
        step: Trees minus linear forecast, shape (n, anchors).
        wanted: Actual minus linear forecast, shape (n, anchors); NaN is skipped.
    """
    known = np.isfinite(wanted)
    cross = np.where(known, step * np.where(known, wanted, 0.0), 0.0).sum(axis=0)
    energy = np.where(known, step**2, 0.0).sum(axis=0)
    kernel = np.array([0.5, 1.0, 0.5])
    cross, energy = np.convolve(cross, kernel, "same"), np.convolve(energy, kernel, "same")
    return np.asarray(np.clip(cross / np.maximum(energy, 1e-9), 0.0, 1.0))
