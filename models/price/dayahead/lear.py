"""LEAR-style lasso: each hour of a day from all 24 hours of recent prices and published forecasts.

All 24 hours share one design, so one Gram matrix serves them. Coordinate descent on it runs down a path of penalties
and Akaike's criterion ``n log(rss / n) + 2 k`` picks one per hour. Values enter as
``asinh((x - median) / (1.4826 MAD))`` per series and window
(Uniejewski, Weron, Ziel 2018; Lago et al. 2021, Applied Energy 293:116983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.price.dayahead.day_table import HOURS, DayTable, filled, previous_day
from models.price.dayahead.features import DayFeatures
from vpp.numerics.arrays import Bools, Floats
from vpp.numerics.compiled import kernel

_PRICE_LAGS = (1, 2, 3, 7)
_SERIES_LAGS = (0, 1, 7)
_RANGE_DAYS = 90
_MIN_DAYS = 56
_DUMMIES = 7
_PATIENCE = 3
_PATH = np.geomspace(1.0, 0.002, 13)


@dataclass(frozen=True, slots=True)
class LassoSettings:
    """Window in days, passes of coordinate descent per penalty."""

    window_days: int = 728
    passes: int = 12


@kernel
def lasso_path(  # noqa: C901, PLR0912 - one compiled loop
    G: Floats, C: Floats, energy: Floats, n: int, path: Floats, passes: int
) -> Floats:
    """Return the coefficients that Akaike's criterion picks along a path of penalties, shape (K, outputs).

    A path ends after the third penalty in a row that the criterion likes less.

    Args:
        G: ``X'X / n`` of standardised columns, shape (K, K).
        C: ``X'Y / n``, shape (K, outputs).
        energy: ``mean(y^2)``, shape (outputs,).
        n: Number of rows.
        path: Penalties as shares of the smallest that gives no coefficient, descending, shape (penalties,).
        passes: Passes over the coordinates per penalty.
    """
    k, outputs = C.shape
    best = np.zeros((k, outputs))
    for h in range(outputs):
        b = np.zeros(k)
        gradient = C[:, h].copy()
        top = np.max(np.abs(gradient))
        best_score = np.inf
        worse = 0
        for share in path:
            penalty = share * top
            for sweep in range(passes):
                largest = 0.0
                for j in range(k):
                    if G[j, j] <= 0.0 or (sweep > 0 and sweep < passes - 1 and b[j] == 0.0):
                        continue
                    rho = gradient[j] + G[j, j] * b[j]
                    new = 0.0
                    if rho > penalty:
                        new = (rho - penalty) / G[j, j]
                    elif rho < -penalty:
                        new = (rho + penalty) / G[j, j]
                    change = new - b[j]
                    if change != 0.0:
                        for i in range(k):
                            gradient[i] -= change * G[j, i]
                        b[j] = new
                        largest = max(largest, abs(change))
                if largest < 1e-4 and sweep > 0:
                    break
            rss = energy[h]
            used = 0
            for j in range(k):
                if b[j] != 0.0:
                    rss -= b[j] * (C[j, h] + gradient[j])
                    used += 1
            score = n * np.log(max(rss, 1e-9)) + 2.0 * used
            if score < best_score:
                best_score = score
                best[:, h] = b
                worse = 0
            else:
                worse += 1
                if worse == _PATIENCE:
                    break
    return best


def lasso_columns(table: DayTable, features: DayFeatures, first: int = 0) -> Floats:
    """Return the design before scaling, shape (n, K): row D holds prices to D-1, forecasts to D and day dummies.

    Args:
        table: Days as the auction sees them.
        features: Their features; the prices and residual load of all days are read.
        first: First row to compute; it is the first row of the result.
    """
    parts = [previous_day(features.price, lag, first) for lag in _PRICE_LAGS]
    for values in (features.residual, *table.series.values()):
        parts.extend(previous_day(values, lag, first) for lag in _SERIES_LAGS)
    parts.extend(values[first:] for values in table.neighbours.values())
    parts.append((table.day_type[first:, None] == np.arange(_DUMMIES)).astype(float))
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True, slots=True)
class LassoFit:
    """One fitted window: scaling of the columns, coefficients (K, 24), scaling of the price, and the range it may take.

    ``column_scale``: shape (2, K), median and spread under the asinh (spread 0: the column enters as it is);
    ``column_shift``: shape (2, K), mean and deviation after it; ``price_scale``: median, spread; ``centre``: (24,);
    ``bounds``: lowest and highest price of the last 90 days.
    """

    column_scale: Floats
    column_shift: Floats
    coefficients: Floats
    price_scale: Floats
    centre: Floats
    bounds: Floats

    def predict(self, columns: Floats) -> Floats:
        """Return prices (m, 24) for the columns (m, K) of m days."""
        z = _standard(columns, self.column_scale, self.column_shift) @ self.coefficients + self.centre
        price = self.price_scale[0] + self.price_scale[1] * np.sinh(np.clip(z, -9.0, 9.0))
        return np.asarray(np.clip(price, self.bounds[0], self.bounds[1]))

    def terms(self, columns: Floats) -> Floats:
        """Return the contribution of each column (K,) of one day before the sinh, shape (K, 24)."""
        z = _standard(columns[None], self.column_scale, self.column_shift)
        return np.asarray(z[0][:, None] * self.coefficients)


def fit_lasso(columns: Floats, price: Floats, settings: LassoSettings) -> LassoFit | None:
    """Fit on the last ``window_days`` of the rows given; None if fewer than eight weeks of them are known.

    Args:
        columns: As ``lasso_columns``, shape (n, K).
        price: Prices of the same rows, shape (n, 24); a day with a missing price is left out.
        settings: Window and passes.
    """
    recent = price[-_RANGE_DAYS:]
    columns, price = columns[-settings.window_days :], price[-settings.window_days :]
    usable = np.isfinite(price).all(axis=1) & np.isfinite(columns[:, :HOURS]).all(axis=1)
    if usable.sum() < _MIN_DAYS:
        return None
    columns, price = columns[usable], price[usable]
    column_scale = _column_scale(columns)
    squashed = _squash(columns, column_scale)
    shift = np.stack([squashed.mean(axis=0), squashed.std(axis=0)])
    X = _standard(columns, column_scale, shift)
    price_scale = np.array(_centre(price.ravel()))
    Y = np.arcsinh((price - price_scale[0]) / price_scale[1])
    centre = Y.mean(axis=0)
    Y = Y - centre
    n = X.shape[0]
    b = lasso_path(X.T @ X / n, X.T @ Y / n, (Y**2).mean(axis=0), n, _PATH, settings.passes)
    bounds = np.array([np.nanmin(recent), np.nanmax(recent)])
    return LassoFit(column_scale, shift, b, price_scale, centre, bounds)


def lasso_walk(
    columns: Floats, price: Floats, fit_at: Bools, settings: LassoSettings
) -> tuple[Floats, LassoFit | None]:
    """Forecast every row from the first fit on by the newest fit on the window before it.

    Args:
        columns: As ``lasso_columns``, shape (n, K).
        price: Prices, shape (n, 24); row D is used only for rows after D.
        fit_at: Rows before which a new fit is made, shape (n + 1,); the last entry is for the day after the table.
        settings: Window and passes.

    Returns:
        Prices (n, 24), NaN before the first fit, and the newest fit.
    """
    n = price.shape[0]
    out = np.full(price.shape, np.nan)
    prices = filled(price)
    model: LassoFit | None = None
    rows = np.flatnonzero(fit_at)
    for row, stop in zip(rows, [*rows[1:], n], strict=True):
        model = fit_lasso(columns[:row], prices[:row], settings) or model
        if model is not None and row < n:
            out[row:stop] = model.predict(columns[row:stop])
    return out, model


def _centre(values: Floats) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle))) + 1e-9


def _column_scale(columns: Floats) -> Floats:
    """Return median and spread for each column, one pair for each block of 24 hours; spread 0 for the day dummies."""
    scale = np.zeros((2, columns.shape[1]))
    for block in range((columns.shape[1] - _DUMMIES) // HOURS):
        part = slice(block * HOURS, (block + 1) * HOURS)
        finite = columns[:, part][np.isfinite(columns[:, part])]
        if finite.size == 0:
            continue
        middle, spread = _centre(finite)
        scale[0, part] = middle
        scale[1, part] = spread if spread > 1e-6 else float(finite.std()) + 1e-9
    return scale


def _squash(columns: Floats, scale: Floats) -> Floats:
    spread = np.where(scale[1] > 0.0, scale[1], 1.0)
    out = np.where(scale[1] > 0.0, np.arcsinh((columns - scale[0]) / spread), columns)
    return np.where(np.isfinite(out), out, 0.0)


def _standard(columns: Floats, scale: Floats, shift: Floats) -> Floats:
    squashed = _squash(columns, scale)
    moving = shift[1] > 1e-9
    return np.where(moving, (squashed - shift[0]) / np.where(moving, shift[1], 1.0), 0.0)
