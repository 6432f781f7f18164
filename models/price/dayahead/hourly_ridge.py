"""A ridge per hour of the day on exponentially forgotten moments, updated every day (recursive least squares).

For each hour the weighted moments ``G = sum w x x'`` and ``c = sum w x y`` decay by ``0.5 ** (1 / half_life)`` a day
and take in the day just priced; the coefficients solve ``(G + lambda I) b = c`` with the moments of the neighbouring
hours added at smaller weight. A row whose error under the coefficients in force was large counts less (Huber weights).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.learners.order_statistics import between
from models.price.dayahead.day_table import HOURS, DayTable
from models.price.dayahead.features import MIN_DAYS, NEXT_DAY, DayFeatures, reference
from vpp.numerics.arrays import Bools, Floats, Ints
from vpp.numerics.compiled import kernel

_KERNEL = (1.0, 0.6, 0.3)
_CLIP = 6.0
_KNOTS = np.array([0.10, 0.25, 0.75, 0.90])
_KNOT_DAYS = 28
_DAY_KINDS, _KINDS_BEFORE = np.arange(7), np.array([5, 6])


@dataclass(frozen=True, slots=True)
class HourlyRidgeSettings:
    """Half-lives in days (their forecasts are averaged), penalty, Huber threshold in standard deviations."""

    half_lives: tuple[float, ...] = (90.0, 365.0)
    penalty: float = 30.0
    huber: float = 1.5


def ridge_columns(table: DayTable, features: DayFeatures, first: int = 0) -> Floats:
    """Return the regressors before scaling, shape (n, 24, K): the features, hinges of residual load, day dummies.

    A hinge is the residual load beyond its trailing 28-day quantile (10, 25, 75, 90 %): the level, and the change from
    the reference days where the level lies beyond.

    Args:
        table: Days as the auction sees them.
        features: Their features from row ``first`` on.
        first: First row to compute; it is the first row of the result.
    """
    keep, residual = _without_clock(features.names), features.residual
    hinges = 2 * len(_KNOTS) if np.isfinite(residual).any() else 0
    width, n = keep.size + hinges, residual.shape[0] - first
    out = np.empty((n, HOURS, width + _DAY_KINDS.size + _KINDS_BEFORE.size))
    out[:, :, : keep.size] = features.values[:, :, keep]
    if hinges:
        change = residual[first:] - reference(residual, NEXT_DAY.reference, first)
        knots = trailing_quantiles(residual, _KNOT_DAYS, _KNOTS, first)
        _fill_hinges(residual[first:], change, knots, _KNOTS, out[:, :, keep.size : width])
    kind = table.day_type
    before = kind[np.maximum(np.arange(first, kind.size) - 1, 0)]
    out[:, :, width : width + _DAY_KINDS.size] = (kind[first:, None] == _DAY_KINDS)[:, None]
    out[:, :, width + _DAY_KINDS.size :] = (before[:, None] == _KINDS_BEFORE)[:, None]
    return out


@lru_cache(maxsize=64)
def _without_clock(names: tuple[str, ...]) -> Ints:
    """Return the places of the features that a model per hour of the day reads: neither hour nor day type."""
    clock = ("hour", "day_type", "day_type_yesterday")
    return np.array([i for i, name in enumerate(names) if name not in clock], dtype=np.int64)


@kernel
def _fill_hinges(residual: Floats, change: Floats, knots: Floats, levels: Floats, out: Floats) -> None:
    """Write level and change beyond each knot, shape (n, 24, 2 × knots); ``knots``: shape (knots, n)."""
    for row in range(residual.shape[0]):
        for h in range(residual.shape[1]):
            for k in range(levels.size):
                beyond = residual[row, h] - knots[k, row]
                if beyond > 0.0 if levels[k] < 0.5 else beyond < 0.0:
                    beyond = 0.0
                out[row, h, 2 * k] = beyond
                out[row, h, 2 * k + 1] = change[row, h] if beyond != 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class RidgeFit:
    """Coefficients in force, shape (half-lives, 24, K + 1), with their scaler."""

    scaler: Scaler
    coefficients: Floats

    def predict(self, columns: Floats) -> Floats:
        """Return scaled prices (24,) for one day's columns (24, K)."""
        X = self.scaler(columns)
        return np.asarray(np.mean([np.einsum("hk,hk->h", X, b) for b in self.coefficients], axis=0))


class RidgeLearner:
    """The moments of every half-life, learned a day at a time; ``fit`` holds the coefficients last solved.

    Args:
        settings: Penalty, half-lives, Huber threshold.
    """

    def __init__(self, settings: HourlyRidgeSettings) -> None:
        self._settings = settings
        self._members: list[_Hourly] = []
        self._scaler: Scaler | None = None
        self.fit: RidgeFit

    def walk(
        self, columns: Floats, features: DayFeatures, price: Floats, solve_at: Bools, stop: int, delay: int = 0
    ) -> Floats:
        """Learn the days before row ``stop``, forecasting each by the coefficients in force before it.

        Args:
            columns: As ``ridge_columns``, shape (n, 24, K).
            features: Reference and scale of prices.
            price: Prices, shape (n, 24); row D is used only for rows after D.
            solve_at: Rows before which the coefficients are solved again, shape (stop + 1,); the last one must be.
            stop: First row that is not learned (with ``delay``, that many rows before it are not either).
            delay: Days more that a price comes late.

        Returns:
            Prices (stop, 24), NaN before the first solution.
        """
        goal = features.scaled(price)
        out = np.full((stop, HOURS), np.nan)
        first = int(np.argmax(solve_at))
        begin = max(MIN_DAYS, first - int(4 * max(self._settings.half_lives)))
        self._scaler = Scaler.of(columns[begin : max(begin + 1, first)])
        self._members = [_Hourly(columns.shape[2] + 1, half, self._settings) for half in self._settings.half_lives]
        for row in range(begin, stop + 1):
            if solve_at[row]:
                self.solve()
            if row == stop:
                break
            if row >= first:
                out[row] = features.prices_of(row, self.fit.predict(columns[row]))
            if row - delay >= begin:
                self.learn(columns[row - delay], goal[row - delay])
        return out

    def learn(self, columns: Floats, goal: Floats) -> None:
        """Take in a day: its columns (24, K) and scaled prices (24,), NaN missing."""
        assert self._scaler is not None
        X = self._scaler(columns)
        for member in self._members:
            member.update(X, goal)

    def solve(self) -> None:
        """Solve for new coefficients."""
        assert self._scaler is not None
        for member in self._members:
            member.solve()
        self.fit = RidgeFit(self._scaler, np.stack([member.b for member in self._members]))


@dataclass(frozen=True, slots=True)
class Scaler:
    """Standardises by fixed mean and deviation, clips at six deviations, missing becomes the mean; appends 1."""

    mean: Floats
    sd: Floats

    @staticmethod
    def of(past: Floats) -> Scaler:
        """Return the scaler of the rows (n, 24, K) of past days."""
        flat = past.reshape(-1, past.shape[2])
        is_finite = np.isfinite(flat)
        count = np.maximum(is_finite.sum(axis=0), 1)
        mean = np.where(is_finite, flat, 0.0).sum(axis=0) / count
        centred = np.where(is_finite, flat - mean, 0.0)
        return Scaler(mean, np.sqrt((centred**2).sum(axis=0) / count) + 1e-9)

    def __call__(self, rows: Floats) -> Floats:
        """Return scaled rows (m, K + 1)."""
        z = np.clip((rows - self.mean) / self.sd, -_CLIP, _CLIP)
        return np.concatenate([np.where(np.isfinite(z), z, 0.0), np.ones((rows.shape[0], 1))], axis=1)


class _Hourly:
    """Moments and coefficients of the 24 hours for one half-life."""

    def __init__(self, k: int, half_life: float, settings: HourlyRidgeSettings) -> None:
        self.decay = 0.5 ** (1.0 / half_life)
        self.settings = settings
        self.G = np.zeros((HOURS, k, k))
        self.c = np.zeros((HOURS, k))
        self.b = np.zeros((HOURS, k))
        self.solved = False
        self.spread = np.nan

    def predict(self, X: Floats) -> Floats:
        return np.asarray(np.einsum("hk,hk->h", X, self.b))

    def update(self, X: Floats, y: Floats) -> None:
        error = np.abs(y - self.predict(X)) if self.solved else np.zeros(HOURS)
        is_finite = np.isfinite(y)
        if self.solved and is_finite.any():
            median = 1.4826 * float(np.median(error[is_finite]))
            self.spread = median if np.isnan(self.spread) else 0.97 * self.spread + 0.03 * median
        limit = self.settings.huber * self.spread
        weight = np.minimum(1.0, limit / np.maximum(error, 1e-9)) if limit > 0 else np.ones(HOURS)
        weight = np.where(is_finite, weight, 0.0)
        _add_day(self.G, self.c, X, np.where(is_finite, y, 0.0), weight, self.decay)

    def solve(self) -> None:
        k = self.c.shape[1]
        G, c = _hour_kernel(self.G), _hour_kernel(self.c)
        self.b = np.asarray(np.linalg.solve(G + self.settings.penalty * np.eye(k), c[:, :, None])[:, :, 0], dtype=float)
        self.solved = True


@kernel
def _add_day(G: Floats, c: Floats, X: Floats, y: Floats, weight: Floats, decay: float) -> None:
    hours, k = X.shape
    for h in range(hours):
        for i in range(k):
            scaled = weight[h] * X[h, i]
            c[h, i] = decay * c[h, i] + scaled * y[h]
            for j in range(k):
                G[h, i, j] = decay * G[h, i, j] + scaled * X[h, j]


def _hour_kernel(moments: Floats) -> Floats:
    out = _KERNEL[0] * moments
    for distance in range(1, len(_KERNEL)):
        out[distance:] += _KERNEL[distance] * moments[:-distance]
        out[:-distance] += _KERNEL[distance] * moments[distance:]
    return out


@kernel
def trailing_quantiles(values: Floats, days: int, levels: Floats, first: int = 0) -> Floats:
    """Return the quantiles of each row over all columns of the ``days`` rows before it, shape (levels, n - first).

    Rows from ``first`` on. Missing values are left out; NaN while there are none. Linear between order statistics, to
    the bits of ``np.nanquantile``; the window stays sorted from row to row.

    Args:
        values: Shape (n, columns), NaN missing.
        days: Rows of the window.
        levels: Quantile levels, 0 to 1, shape (levels,).
        first: First row of the result.
    """
    n, width = values.shape
    out = np.full((levels.size, n - first), np.nan)
    window, other = np.empty(days * width), np.empty(days * width)
    nothing = np.empty(0)
    before = _sorted(values[max(0, first - days) : first].ravel())
    size = before.size
    window[:size] = before
    for row in range(first, n):
        for k in range(levels.size if size else 0):
            place = (size - 1) * levels[k]
            low = int(np.floor(place))
            share = place - low
            below, above = window[low], window[min(low + 1, size - 1)]
            out[k, row - first] = between(below, above, share)
        old = _sorted(values[row - days]) if row >= days else nothing
        size = _renew(window[:size], old, _sorted(values[row]), other)
        window, other = other, window
    return out


@kernel
def _sorted(values: Floats) -> Floats:
    """Return the known values, ascending."""
    return np.sort(values[~np.isnan(values)])


@kernel
def _renew(window: Floats, old: Floats, new: Floats, out: Floats) -> int:
    """Write ``window`` without ``old`` and with ``new`` to ``out``, all ascending; return how many they are."""
    size = leaving = come = 0
    for value in window:
        if leaving < old.size and value == old[leaving]:
            leaving += 1
            continue
        while come < new.size and new[come] <= value:
            out[size] = new[come]
            size += 1
            come += 1
        out[size] = value
        size += 1
    for i in range(come, new.size):
        out[size] = new[i]
        size += 1
    return size
