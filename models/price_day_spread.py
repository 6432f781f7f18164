"""Quantiles of day-ahead prices: past errors of the hour and its neighbours, at levels that adapt from day to day.

Errors count in units of the market's daily movement. The levels are adaptive conformal: after each day the level of an
hour's quantile moves by ``gamma (q - 1[price below it])`` (Gibbs, Candès: Adaptive conformal inference under
distribution shift, 2021).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from models.price_days import HOURS
from models.price_spread import GRID
from models.price_view import Flags, Floats
from vpp.domain import QUANTILE_LEVELS

ERROR_DAYS = 182
MIN_ERROR_DAYS = 14
GAMMA = 0.0
_NEAR_HOURS = 2


class DaySpread:
    """Errors of the last half year and the levels in force; a day enters once its prices are known.

    ``levels``: levels that stand for the nominal ones, shape (24, 7).
    """

    LEVELS = np.array(QUANTILE_LEVELS)

    def __init__(self) -> None:
        self.levels = np.tile(self.LEVELS, (HOURS, 1))
        self._errors = np.empty((0, HOURS))
        self._table: Floats | None = None

    @property
    def table(self) -> Floats:
        """Quantiles of scaled errors on ``price_spread.GRID``, shape (24, len(GRID)); NaN while too few are known."""
        if self._table is None:
            self._table = _table(self._errors)
        return self._table

    def quantiles(self, forecast: Floats, scale: float) -> Floats:
        """Return the quantiles around a day's forecast (24,), shape (24, 7), ascending; NaN while too few are known."""
        return day_quantiles(forecast, scale, self.table, self.levels)

    def enter(self, price: Floats, forecast: Floats, scale: float) -> None:
        """Enter a day: its prices (24,), NaN missing, and the forecast made of it; one that is NaN is left out."""
        if not np.isfinite(forecast).all():
            return
        edges = self.quantiles(forecast, scale)
        known: Flags = np.asarray(np.isfinite(price) & np.isfinite(edges[:, 0]))
        below = (price[:, None] < edges).astype(float)
        move = GAMMA * (self.LEVELS - below)
        self.levels[known] = np.clip(self.levels[known] + move[known], -0.5, 1.5)
        self._errors = np.concatenate([self._errors, ((price - forecast) / scale)[None]])[-ERROR_DAYS:]
        self._table = None


def day_quantiles(forecast: Floats, scale: float, table: Floats, levels: Floats) -> Floats:
    """Return quantiles of a day's prices, shape (24, 7), ascending.

    Args:
        forecast: Prices, shape (24,).
        scale: The market's daily movement.
        table: As ``DaySpread.table``.
        levels: Levels to read it at, shape (24, 7).
    """
    errors = np.stack([np.interp(levels[h], GRID, table[h]) for h in range(HOURS)])
    return np.asarray(np.sort(forecast[:, None] + scale * errors, axis=1))


def _table(errors: Floats) -> Floats:
    if np.isfinite(errors).all(axis=1).sum() < MIN_ERROR_DAYS:
        return np.full((HOURS, GRID.size), np.nan)
    return _near_quantiles(errors, GRID, _NEAR_HOURS)


@njit(cache=True)
def _near_quantiles(errors: Floats, grid: Floats, near: int) -> Floats:
    """Return the quantiles of each hour's errors and those of ``near`` hours on each side, shape (hours, len(grid))."""
    days, hours = errors.shape
    out = np.empty((hours, grid.size))
    for h in range(hours):
        first, last = max(0, h - near), min(hours, h + near + 1)
        pool = np.empty(days * (last - first))
        n = 0
        for d in range(days):
            for j in range(first, last):
                if not np.isnan(errors[d, j]):
                    pool[n] = errors[d, j]
                    n += 1
        ranked = np.sort(pool[:n])
        for i in range(grid.size):
            at = grid[i] * (n - 1)
            low = int(at)
            high = min(low + 1, n - 1)
            out[h, i] = ranked[low] + (at - low) * (ranked[high] - ranked[low])
    return out
