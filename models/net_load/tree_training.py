"""Trees on what the linear stages leave, pooled over horizons, and the weight that a validation tail gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from features.feature_spec import FeatureSpec
from models.learners.boosted_trees import Trees, fit_trees
from models.net_load.linear_stages import Columns, Linear
from models.net_load.model import tree_inputs
from vpp.numerics.arrays import Floats, Ints

HALF_LIFE_DAYS = 365.0
KEEP_DAYS = 365.0
TAIL_SHARE = 0.15
NEAR_ROWS, FAR_ROWS = 2400, 700
NEAR_MIN = 480
BANDS_MIN = (60, 120, 240, 480, 720, 1440)
WEIGHTS = np.arange(0.0, 1.01, 0.05)
ROUNDS, DEPTH = 100, 4
CLEAR_GAIN = 0.1
MATURE_ROW_DAYS = 90.0
MIN_WEIGHT = 0.1
"""A smaller weight is noise of the tail, and would cost every forecast the traversal."""


@dataclass
class _Sample:
    inputs: npt.NDArray[np.float32]
    linear: Floats
    change: Floats
    day: Floats
    is_mature: bool = True

    def every(self, stride: int, offset: int = 0) -> _Sample:
        """Return every ``stride``-th row."""
        rows = slice(offset, None, stride)
        parts = (np.ascontiguousarray(self.inputs[rows]), self.linear[rows], self.change[rows], self.day[rows])
        return _Sample(*parts, self.is_mature)


class TreeRows:
    """Rows for the trees, of all horizons, drawn evenly from the forward predictions."""

    def __init__(self, minutes: tuple[int, ...]) -> None:
        self._limit = [NEAR_ROWS if m <= NEAR_MIN else FAR_ROWS for m in minutes]
        self._parts: list[list[_Sample]] = [[] for _ in minutes]
        self._stride = [1] * len(minutes)

    def add(
        self,
        horizon: int,
        rows: Floats,
        *,
        columns: Ints,
        places: Columns,
        linear: Linear,
        change: Floats,
        day: Floats,
        is_mature: bool,
    ) -> None:
        """Keep a batch of forward predictions of one horizon.

        Args:
            horizon: Number of the horizon.
            rows: Features, shape (features, n).
            columns: Rows of ``rows`` that the trees read, shape (columns,).
            places: Where the table keeps what the stages derive.
            linear: The forward predictions.
            change: Actual change, MW, shape (n,).
            day: Time of the targets in days, shape (n,).
            is_mature: Whether the linear stages had learned enough for what they left to be typical.
        """
        stride = self._stride[horizon]
        inputs = tree_inputs(rows, columns, places, linear.first, linear.final, linear.case)
        whole = _Sample(inputs, linear.final, change, day, is_mature)
        parts = self._parts[horizon]
        parts.append(whole.every(stride, horizon % stride))
        # Twice what is wanted: thin all evenly, so that memory stays bounded however long the history is.
        while sum(len(p.day) for p in parts) > 2 * self._limit[horizon]:
            parts[:] = [p.every(2) for p in parts]
            self._stride[horizon] *= 2

    def sample(self, horizon: int) -> _Sample | None:
        """Return evenly spaced rows of one horizon from the last year, and forget what is older."""
        parts = self._parts[horizon]
        if not any(len(p.day) for p in parts):
            return None
        last = max(float(p.day.max()) for p in parts if len(p.day))
        parts[:] = [p for p in parts if len(p.day) and float(p.day.max()) > last - KEEP_DAYS]
        mature = [p for p in parts if p.is_mature]
        enough = sum(float(p.day[-1] - p.day[0]) for p in mature) >= MATURE_ROW_DAYS
        used = mature if enough else parts
        stride = max(1, sum(len(p.day) for p in used) // self._limit[horizon])
        drawn = [p.every(stride) for p in used]
        return _Sample(
            np.concatenate([p.inputs for p in drawn]),
            np.concatenate([p.linear for p in drawn]),
            np.concatenate([p.change for p in drawn]),
            np.concatenate([p.day for p in drawn]),
            enough or len(mature) == len(parts),
        )


def fit_weighted_trees(rows: TreeRows, spec: FeatureSpec, width: int) -> tuple[Trees, Floats, Floats]:
    """Return the trees, their unit per horizon (MW) and their weight per horizon.

    The weight minimises the absolute error on the last part of the rows, by trees that did not see them; the trees that
    serve are then fitted on all rows.
    """
    minutes = np.array(spec.horizons_min)
    samples = [rows.sample(h) for h in range(len(minutes))]
    scale = np.ones(len(samples))
    for h, s in enumerate(samples):
        if s is not None and len(s.change):
            scale[h] = max(float(np.std(s.change - s.linear)), 1e-9)
    horizon = np.concatenate([np.full(len(s.day), h) for h, s in enumerate(samples) if s is not None])
    joined = {
        name: np.concatenate([getattr(s, name) for s in samples if s is not None])
        for name in ("inputs", "linear", "change", "day")
    }
    target = (joined["change"] - joined["linear"]) / scale[horizon]
    target = np.clip(target, -8.0, 8.0)
    age = joined["day"].max() - joined["day"]
    weight = 0.5 ** (age / HALF_LIFE_DAYS)
    cut = np.quantile(joined["day"], 1.0 - TAIL_SHARE)
    early = joined["day"] < cut - 1.0
    tail = joined["day"] >= cut
    share = np.zeros(len(samples))
    if early.sum() >= 500 and tail.sum() >= 100:
        judge = fit_trees(joined["inputs"][early], target[early], weight[early], rounds=ROUNDS, depth=DEPTH)
        leaves = judge.predict(np.ascontiguousarray(joined["inputs"][tail])) * scale[horizon[tail]]
        left = joined["change"][tail] - joined["linear"][tail]
        share = tail_weights(minutes, horizon[tail], leaves, left, scale)
        settled = np.array([s is not None and s.is_mature for s in samples])
        share = np.where(settled, share, 0.0)
    served = fit_trees(joined["inputs"], target, weight, rounds=ROUNDS, depth=DEPTH)
    assert served.features == width
    return served, scale, share


def tail_weights(minutes: Floats, horizon: Ints, leaves: Floats, left: Floats, scale: Floats) -> Floats:
    """Return the weight of the trees per horizon, by bands of horizons.

    A band takes half of the weight that is best on the tail, since a short tail flatters, and all of it where the trees
    win clearly, as in a zone whose history is too short for the linear stages.

    Args:
        minutes: Horizons in minutes, shape (H,).
        horizon: Number of the horizon of each row, shape (rows,).
        leaves: What the trees add, MW, shape (rows,).
        left: Errors of the linear stages, MW, shape (rows,).
        scale: Unit of each horizon, MW, shape (H,).
    """
    out = np.zeros(len(minutes))
    below = 0
    for limit in BANDS_MIN:
        band = np.flatnonzero((minutes > below) & (minutes <= limit))
        inside = np.isin(horizon, band)
        below = limit
        if inside.sum() < 30:
            continue
        unit = scale[horizon[inside]]
        costs = np.array([np.mean(np.abs(left[inside] - w * leaves[inside]) / unit) for w in WEIGHTS])
        best = int(np.argmin(costs))
        weight = WEIGHTS[best] * (1.0 if costs[best] < (1.0 - CLEAR_GAIN) * costs[0] else 0.5)
        out[band] = weight if weight >= MIN_WEIGHT else 0.0
    return out
