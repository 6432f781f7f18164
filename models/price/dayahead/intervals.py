"""Quantiles of day-ahead prices: the distribution of past errors, by a width that follows the market, adaptive levels.

The width of a slot is log-linear in its trailing errors (half-lives of two weeks and of six), in how far the members
lie apart and in the error of the day before, all in units of the market's daily movement. The scaled errors of all
slots make one distribution. The levels of each slot's quantiles adapt once the price is known
(``models.learners.conformal``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.learners.conformal import EVERY, HIGHEST_LEVEL, LEAST_LEVEL, NOMINAL, adapt_levels
from models.price.dayahead.day_table import HOURS
from models.price.error_quantiles import GRID
from vpp.numerics.arrays import Bools, Floats

GAMMA = 0.015
ERROR_DAYS = 182
WIDTH_DAYS = 364
MIN_ERROR_DAYS = 14

_HALF_LIVES_DAYS = (14.0, 45.0)
_FIT_EVERY_DAYS = 14
_FLOOR = 0.05
_RIDGE = 20.0
_COLUMNS = 5


@dataclass(frozen=True, slots=True)
class DaySpreadFit:
    """What widens a day's forecast to quantiles.

    ``trailing``: mean absolute error of each slot by half-life, shape (2, slots); ``newest``: of the newest day; both
    per MWh, NaN before the first error. ``coefficients``: of the log width, shape (5,). ``table``: quantiles of the
    errors in widths on ``price_spread.GRID``, NaN while too few are known. ``levels``: what stands for the nominal
    levels, shape (slots, 7).
    """

    trailing: Floats
    newest: Floats
    coefficients: Floats
    table: Floats
    levels: Floats

    def columns(self, scale: float, apart: Floats) -> Floats:
        """Return the regressors of the width, shape (slots, 5); ``apart``: spread of the members, shape (slots,)."""
        parts = np.empty((_COLUMNS - 1, apart.size))
        parts[:-2], parts[-2], parts[-1] = self.trailing, self.newest, apart
        out = np.ones((apart.size, _COLUMNS))
        out[:, 1:] = np.log(np.where(np.isfinite(parts), parts, scale) / scale + _FLOOR).T
        return out

    def quantiles(self, forecast: Floats, scale: float, apart: Floats) -> Floats:
        """Return the quantiles of a day, shape (slots, 7), ascending.

        Args:
            forecast: Prices, shape (slots,).
            scale: The market's daily movement.
            apart: Standard deviation of the members' forecasts per MWh, shape (slots,); 0 if there is one.
        """
        width = scale * np.exp(self.columns(scale, apart) @ self.coefficients)
        errors = np.interp(self.levels, GRID, self.table)
        return np.asarray(np.sort(forecast[:, None] + width[:, None] * errors, axis=1))


class DaySpread:
    """Learns the spread a day at a time; a day enters once its prices are known. ``fit``: as the next day sees it.

    Args:
        slots: Slots of a day.
    """

    def __init__(self, slots: int = HOURS) -> None:
        empty = np.full((len(_HALF_LIVES_DAYS), slots), np.nan)
        nothing = np.full(GRID.size, np.nan)
        self.fit = DaySpreadFit(empty, np.array(np.nan), np.zeros(_COLUMNS), nothing, np.tile(NOMINAL, (slots, 1)))
        self._ratios = np.empty((0, slots))
        self._columns = np.empty((0, slots, _COLUMNS))
        self._count = 0

    def enter(self, price: Floats, forecast: Floats, scale: float, apart: Floats) -> None:
        """Add a day: its prices, NaN missing, and its forecasts; a NaN forecast is left out.

        Args:
            price: Prices, shape (slots,).
            forecast: As ``DaySpreadFit.quantiles``.
            scale: As ``DaySpreadFit.quantiles``.
            apart: As ``DaySpreadFit.quantiles``.
        """
        has_price: Bools = np.isfinite(price)
        if not np.isfinite(forecast).all() or not has_price.any():
            return
        fit, error = self.fit, np.abs(price - forecast)
        levels = fit.levels.copy()
        if np.isfinite(fit.table).all():
            below = price[:, None] < fit.quantiles(forecast, scale, apart)
            for slot in np.flatnonzero(has_price):
                adapt_levels(levels[slot], below[slot], GAMMA, EVERY, LEAST_LEVEL, HIGHEST_LEVEL)
        self._ratios = np.concatenate([self._ratios, ((price - forecast) / scale)[None]])[-WIDTH_DAYS:]
        self._columns = np.concatenate([self._columns, fit.columns(scale, apart)[None]])[-WIDTH_DAYS:]
        coefficients = self._width() if self._count % _FIT_EVERY_DAYS == 0 else fit.coefficients
        self._count += 1
        self.fit = DaySpreadFit(
            trailing=np.stack([_trailed(*pair, error) for pair in zip(_HALF_LIVES_DAYS, fit.trailing, strict=True)]),
            newest=np.array(error[has_price].mean()),
            coefficients=coefficients,
            table=self._table(coefficients),
            levels=levels,
        )

    def _width(self) -> Floats:
        """Fit the log width by ridge; no width of its own while too few errors are known."""
        ratio = self._ratios.reshape(-1)
        is_finite = np.isfinite(ratio)
        if is_finite.sum() < MIN_ERROR_DAYS * self._ratios.shape[1]:
            return np.zeros(_COLUMNS)
        X, y = self._columns.reshape(-1, _COLUMNS)[is_finite], np.log(np.abs(ratio[is_finite]) + _FLOOR)
        return np.asarray(np.linalg.solve(X.T @ X + _RIDGE * np.eye(_COLUMNS), X.T @ y))

    def _table(self, coefficients: Floats) -> Floats:
        scaled = self._ratios[-ERROR_DAYS:] / np.exp(self._columns[-ERROR_DAYS:] @ coefficients)
        finite = scaled[np.isfinite(scaled)]
        if finite.size < MIN_ERROR_DAYS * self._ratios.shape[1]:
            return np.full(GRID.size, np.nan)
        return np.asarray(np.quantile(finite, GRID))


def _trailed(half_life_days: float, before: Floats, error: Floats) -> Floats:
    """Return the exponential mean of the slots' errors, each averaged with its neighbours."""
    last = error.size - 1
    around = np.stack([error[np.clip(np.arange(error.size) + shift, 0, last)] for shift in (-1, 0, 1)])
    is_finite = np.isfinite(around)
    near = np.where(is_finite, around, 0.0).sum(axis=0) / np.maximum(is_finite.sum(axis=0), 1)
    keep = 0.5 ** (1.0 / half_life_days)
    moved = np.where(np.isfinite(before), keep * before + (1.0 - keep) * near, near)
    return np.asarray(np.where(is_finite.any(axis=0), moved, before))
