"""Trees beside the level-updated profile: published forecasts, calendar and the recent path of real-time prices.

One model serves a dozen anchor horizons, the horizon being a column; between them it is interpolated. It learns the
price's departure from the profile and is given the linear forecast of it, walk-forward and never in-sample. The served
mean lies between the two, at the weight that eight weeks kept out of a first fit gave the trees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xgboost as xgb

from features.kernel_reads import leaf
from models.learners.boosted_trees import Trees
from models.price.realtime.inputs import InputShape
from models.price.realtime.profile_features import LevelRows
from models.price.series import PriceSeries
from vpp.numerics.arrays import Bools, Floats, Ints
from vpp.numerics.compiled import kernel

Floats32 = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

ANCHORS_MIN = (30, 60, 90, 120, 180, 240, 360, 480, 600, 720, 900, 1080, 1440)
_SHORT_ANCHORS_MIN = (5, 15)
RECENT_UNITS = np.array((0, 1, 2, 3, 4, 6, 8, 12))
SIDE_UNITS = np.array((1, 2, 4, 8, 48))
_OWN = 12
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
            "objective": "reg:squarederror",
            "eta": self.eta,
            "max_depth": self.depth,
            "subsample": 0.7,
            "colsample_bytree": self.columns,
            "min_child_weight": self.min_child,
            "max_bin": 64,
            "tree_method": "hist",
            "nthread": 1,
            "seed": 1,
            "verbosity": 0,
        }


@dataclass(frozen=True, slots=True)
class BoostModel:
    """Trees, the positions of their anchors among the horizons, and their weight in the mean (0 to 1) there."""

    trees: Trees
    anchors: Ints
    weight: Floats

    def departures(self, table: Floats32, steps: Ints) -> Floats:
        """Return the trees' departures from the profile in units of its scale, shape (n, H).

        Args:
            table: ``boost_table`` of n origins at the anchors, shape (n * anchors, K).
            steps: Horizons in slots, shape (H,).
        """
        departures = self.trees.predict(table).reshape(-1, self.anchors.size)
        return _between(steps, self.anchors, departures)

    def weights(self, steps: Ints) -> Floats:
        """Return the trees' weight in the mean at each horizon, shape (H,)."""
        return np.asarray(np.interp(steps, steps[self.anchors], self.weight))


@kernel
def _between(steps: Ints, anchors: Ints, departures: Floats32) -> Floats:
    """Return the values (n, anchors), clipped, at all horizons, shape (n, H), linear in the steps between anchors."""
    out = np.empty((departures.shape[0], steps.size))
    for n in range(out.shape[0]):
        j = 0
        for h in range(steps.size):
            while j < anchors.size - 2 and h >= anchors[j + 1]:
                j += 1
            low, high = steps[anchors[j]], steps[anchors[j + 1]]
            departure = min(max(np.float64(departures[n, j]), -_CLIP), _CLIP)
            right = min(max(np.float64(departures[n, j + 1]), -_CLIP), _CLIP)
            out[n, h] = departure + (steps[h] - low) / (high - low) * (right - departure)
    return out


def anchors_of(horizon_min: tuple[int, ...]) -> Ints:
    """Return the positions of the anchor horizons: the first, the last, and those of the table."""
    horizons = {horizon_min[0], *_SHORT_ANCHORS_MIN, *ANCHORS_MIN, horizon_min[-1]}
    return np.array([i for i, minutes in enumerate(horizon_min) if minutes in horizons], dtype=np.int64)


def boost_table(data: PriceSeries, rows: LevelRows, level: Floats, steps: Ints, anchors: Ints) -> Floats32:
    """Return the trees' features, shape (n * anchors, K), origin by origin.

    Columns of the target: horizon, linear forecast, profile, its spread, clock, weekday, scale, prices of the same slot
    one, two and seven days ago, published series against now and against past days. Then what all anchors of an origin
    share: level features, path of the last prices, changes of the side series, published series now.

    Args:
        data: The series of the rows.
        rows: Features of n origins.
        level: Linear forecasts, shape (n, H).
        steps: Horizons in slots, shape (H,).
        anchors: Positions of the anchor horizons in ``steps``, shape (anchors,).

    Invariants:
        - A row reads prices and sides up to its origin, and of published series only what was known there.
    """
    shared = shared_columns(data, rows)
    out = np.empty((rows.origins.size * anchors.size, _OWN + 2 * len(data.published) + shared), dtype=np.float32)
    _fill_table(
        data.prices,
        data.sides,
        data.published,
        data.known,
        data.minutes,
        data.step_min,
        rows.origins,
        rows.features,
        rows.base,
        rows.spread,
        rows.scale,
        level,
        steps,
        anchors,
        RECENT_UNITS,
        SIDE_UNITS,
        out,
    )
    return out


def shared_columns(data: PriceSeries, rows: LevelRows) -> int:
    """Return the number of last columns of ``boost_table`` that are the same at every anchor of an origin."""
    of_sides = (len(SIDE_UNITS) + 1) * len(data.sides)
    return int(rows.features.shape[1]) - 1 + len(RECENT_UNITS) + of_sides + len(data.published)


@leaf
def _seen(values: Floats, s: int, i: int) -> float:
    """Return series ``s`` at position ``i``, NaN outside."""
    return values[s, i] if 0 <= i < values.shape[1] else np.nan


@leaf
def _put(out: Floats32, row: int, column: int, value: float) -> None:
    """Write ``value``, clipped to a million either way."""
    out[row, column] = 1e6 if value > 1e6 else -1e6 if value < -1e6 else value


@leaf
def _usual_published(published: Floats, s: int, at: int, per_day: int) -> float:
    """Return the mean of the published series at the same slot one, two, three and seven days before ``at``."""
    total = 0.0
    count = 0
    for day in (1, 2, 3, 7):
        value = _seen(published, s, at - day * per_day)
        if not np.isnan(value):
            total += value
            count += 1
    return total / count if count else np.nan


@leaf
def _fill_table(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    prices: Floats,
    sides: Floats,
    published: Floats,
    limit: Ints,
    minutes: Ints,
    step_min: int,
    origins: Ints,
    features: Floats,
    base: Floats,
    spread: Floats,
    scale: Floats,
    level: Floats,
    steps: Ints,
    anchors: Ints,
    recent: Ints,
    side_lags: Ints,
    out: Floats32,
) -> None:
    """Write the rows of ``boost_table`` to ``out``."""
    n_anchors, shared = anchors.size, _OWN + 2 * published.shape[0]
    per_day, unit = _DAY // step_min, max(1, 30 // step_min)
    for n in range(origins.size):
        t = origins[n]
        for j in range(n_anchors):
            h, row = anchors[j], n * n_anchors + j
            at, usual = t + steps[h], base[n, h]
            minute = minutes[at] % _DAY
            _put(out, row, 0, float(steps[h] * step_min))
            _put(out, row, 1, (level[n, h] - usual) / scale[n])
            _put(out, row, 2, (usual - base[n, anchors[0]]) / scale[n])
            _put(out, row, 3, spread[n, h] / scale[n])
            _put(out, row, 4, np.sin(2 * np.pi * minute / _DAY))
            _put(out, row, 5, np.cos(2 * np.pi * minute / _DAY))
            _put(out, row, 6, float((minutes[at] // _DAY + 3) % 7))
            _put(out, row, 7, np.log(scale[n]))
            _put(out, row, 8, usual / scale[n])
            for k, day in enumerate((1, 2, 7)):
                i = at - day * per_day
                before = prices[i] if 0 <= i < prices.size else np.nan
                _put(out, row, 9 + k, (before - usual) / scale[n])
            for s in range(published.shape[0]):
                ahead = _seen(published, s, at) if at <= limit[t] else np.nan
                _put(out, row, _OWN + 2 * s, ahead - _seen(published, s, t))
                _put(out, row, _OWN + 2 * s + 1, ahead - _usual_published(published, s, at, per_day))
        row, column = n * n_anchors, shared
        for k in range(1, features.shape[1]):
            _put(out, row, column, features[n, k])
            column += 1
        for k in range(recent.size):
            i = t - unit * recent[k]
            price = prices[i] if i >= 0 else np.nan
            _put(out, row, column, (price - base[n, 0]) / scale[n])
            column += 1
        for s in range(sides.shape[0]):
            now = _seen(sides, s, t)
            for k in range(side_lags.size):
                _put(out, row, column, now - _seen(sides, s, t - unit * side_lags[k]))
                column += 1
            _put(out, row, column, now)
            column += 1
        for s in range(published.shape[0]):
            _put(out, row, column, _seen(published, s, t))
            column += 1
        for j in range(1, n_anchors):
            for k in range(shared, column):
                out[row + j, k] = out[row, k]


def fit_boost(
    data: PriceSeries, rows: LevelRows, level: Floats, actual: Floats, shape: InputShape, settings: BoostSettings
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
        predicted = first.predict(table[late]).reshape(-1, anchors.size)
        share = _weights(predicted - linear[kept_out], (goal - linear)[kept_out])
    trees = _train(table, goal.reshape(-1), weight, np.ones(early.size, dtype=np.bool_), settings)
    return BoostModel(trees, anchors, share)


def _train(table: Floats32, goal: Floats, weight: Floats, use: Bools, settings: BoostSettings) -> Trees:
    use = use & np.isfinite(goal)
    matrix = xgb.QuantileDMatrix(table[use], label=goal[use], weight=weight[use], max_bin=64, nthread=1)
    booster = xgb.train(settings.parameters(), matrix, num_boost_round=settings.rounds)
    return Trees(bytes(booster.save_raw("json")), table.shape[1])


def _weights(step: Floats, target: Floats) -> Floats:
    """Return the least-squares weight per anchor, within 0 to 1, shared with neighbouring anchors.

    Args:
        step: Trees minus linear forecast, shape (n, anchors).
        target: Actual minus linear forecast, shape (n, anchors); NaN is skipped.
    """
    is_finite = np.isfinite(target)
    cross = np.where(is_finite, step * np.where(is_finite, target, 0.0), 0.0).sum(axis=0)
    energy = np.where(is_finite, step**2, 0.0).sum(axis=0)
    kernel = np.array([0.5, 1.0, 0.5])
    cross, energy = np.convolve(cross, kernel, "same"), np.convolve(energy, kernel, "same")
    return np.asarray(np.clip(cross / np.maximum(energy, 1e-9), 0.0, 1.0))
