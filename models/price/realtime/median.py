"""The median price, which in a two-sided market is far from the expected price.

An imbalance price jumps between a long and a short system; its mean lies where it seldom is. Least absolute deviations
by reweighted ridge regressions (weights ``1 / max(|r|, delta)``) on the level features and the last four deviations,
unclipped, at the anchor horizons; coefficients in between are interpolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.price.realtime.profile_features import LevelRows
from models.price.series import PriceSeries
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

WIDE_CLIP = 12.0
_LAST = 4
_ROUNDS = 10
_DELTA = 0.05
_PENALTY = 5.0
_MAX_ROWS = 9_000


@dataclass(frozen=True, slots=True)
class MedianModel:
    """Coefficients from ``median_columns`` to scaled deviations, shape (K, H)."""

    coefficients: Floats

    def predict(self, columns: Floats) -> Floats:
        """Return scaled deviations, shape (n, H)."""
        return np.asarray(columns @ self.coefficients)


def median_columns(data: PriceSeries, rows: LevelRows) -> Floats:
    """Return the level features and the last four prices as deviations from the profile, shape (n, K).

    A missing price counts as no deviation.
    """
    return _columns(data.prices, rows.origins, rows.features, rows.base, rows.scale, _LAST)


@kernel(error_model="numpy")
def _columns(prices: Floats, origins: Ints, features: Floats, base: Floats, scale: Floats, last: int) -> Floats:
    width = features.shape[1]
    out = np.empty((origins.size, width + last))
    for n in range(origins.size):
        out[n, :width] = features[n]
        for k in range(last):
            t = origins[n] - k
            off = (prices[t] - base[n, 0]) / scale[n] if t >= 0 else np.nan
            out[n, width + k] = min(max(off, -WIDE_CLIP), WIDE_CLIP) if np.isfinite(off) else 0.0
    return out


def fit_median(columns: Floats, goal: Floats, steps: Ints, anchors: Ints) -> MedianModel:
    """Fit at the anchors.

    Args:
        columns: As ``median_columns``, shape (n, K).
        goal: Scaled deviations of the actual prices, shape (n, H); NaN is skipped.
        steps: Horizons in slots, shape (H,).
        anchors: Positions of the anchors among the horizons, shape (anchors,).
    """
    stride = max(1, -(-columns.shape[0] // _MAX_ROWS))
    columns, goal = columns[::stride], goal[::stride]
    at_anchors = np.stack([_least_absolute(columns, goal[:, h]) for h in anchors], axis=1)
    coefficients = np.stack([np.interp(steps, steps[anchors], row) for row in at_anchors])
    return MedianModel(coefficients)


def _least_absolute(X: Floats, y: Floats) -> Floats:
    is_finite = np.isfinite(y)
    X, y = X[is_finite], y[is_finite]
    ridge = _PENALTY * np.eye(X.shape[1])
    b = np.linalg.solve(X.T @ X + ridge, X.T @ y)
    for _ in range(_ROUNDS):
        weight = 1.0 / np.maximum(np.abs(y - X @ b), _DELTA)
        weighted = X * (weight / weight.mean())[:, None]
        b = np.linalg.solve(weighted.T @ X + ridge, weighted.T @ y)
    return np.asarray(b, dtype=np.float64)


@kernel
def around_median(mean: Floats, errors: Floats, median: Floats, floor: float, cap: float) -> Floats:
    """Return the quantiles ``mean + errors`` (H, 7) with the median in their middle, within floor and cap.

    Quantiles that cross the median stop at it. ``mean``, ``median``: shape (H,).

    Args:
        mean: Shape (H,).
        errors: Quantiles of the error, shape (H, 7).
        median: Shape (H,).
        floor: Least price per MWh.
        cap: Greatest price per MWh.
    """
    middle = errors.shape[1] // 2
    out = np.empty(errors.shape)
    for h in range(errors.shape[0]):
        for q in range(errors.shape[1]):
            value = mean[h] + errors[h, q]
            if q == middle:
                value = median[h]
            elif q < middle:
                value = min(value, median[h])
            else:
                value = max(value, median[h])
            out[h, q] = min(max(value, floor), cap)
    return out
