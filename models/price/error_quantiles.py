"""Price quantiles from the distribution of past errors, scaled by the current volatility of the market.

The error at horizon h is taken as ``v z``: ``log v`` is linear in the logs of recent deviations (a ridge on
``log(|error| / scale + 0.1)``), ``z`` has the empirical distribution of past ``error / (scale v)`` of that horizon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

GRID = np.concatenate(([0.002, 0.005, 0.01], np.linspace(0.02, 0.98, 97), [0.99, 0.995, 0.998]))
_RIDGE = 20.0
_SCALE_COLUMNS = 4


@dataclass(frozen=True, slots=True)
class SpreadModel:
    """Coefficients of ``log v`` per horizon, shape (H, 4), and the quantiles of z on ``GRID``, shape (H, len(GRID))."""

    coefficients: Floats
    table: Floats

    def quantiles(self, columns: Floats, scale: Floats, levels: Floats) -> Floats:
        """Return error quantiles per MWh, shape (n, H, L), ascending along the levels.

        Args:
            columns: As ``spread_columns`` makes them, shape (n, H, 4).
            scale: Scale of deviations of each row, shape (n,).
            levels: Quantile levels, shape (L,) for all horizons or (H, L) for each, ascending.
        """
        per_horizon = np.tile(levels, (self.table.shape[0], 1)) if levels.ndim == 1 else levels
        return _quantiles(columns, self.coefficients, scale, self.table, GRID, per_horizon)


@kernel
def _width(columns: Floats, coefficients: Floats) -> Floats:
    """Return v, shape (n, H), for the columns of ``spread_columns`` (n, H, 4)."""
    n, h, k = columns.shape
    out = np.empty((n, h))
    for i in range(n):
        for j in range(h):
            total = 0.0
            for c in range(k):
                total += columns[i, j, c] * coefficients[j, c]
            out[i, j] = np.exp(min(max(total, -6.0), 6.0))
    return out


@kernel
def _quantiles(
    columns: Floats, coefficients: Floats, scale: Floats, table: Floats, grid: Floats, levels: Floats
) -> Floats:
    """Return each row's width times the tables read at the levels, held at their ends."""
    z = np.empty(levels.shape)
    for h in range(levels.shape[0]):
        for q in range(levels.shape[1]):
            level = min(max(levels[h, q], grid[0]), grid[-1])
            i = max(np.searchsorted(grid, level), 1)
            share = (level - grid[i - 1]) / (grid[i] - grid[i - 1])
            z[h, q] = table[h, i - 1] + share * (table[h, i] - table[h, i - 1])
            if q > 0:
                z[h, q] = max(z[h, q], z[h, q - 1])
    width = _width(columns, coefficients)
    out = np.empty((width.shape[0], *levels.shape))
    for n in range(width.shape[0]):
        for h in range(levels.shape[0]):
            for q in range(levels.shape[1]):
                out[n, h, q] = scale[n] * width[n, h] * z[h, q]
    return out


@kernel
def spread_columns(features: Floats, spread: Floats, scale: Floats) -> Floats:
    """Return the regressors of the width of the errors, shape (n, H, 4).

    Args:
        features: Level features, shape (n, K); columns 1 and 4 are the last price deviation and its shortest mean.
        spread: Mean absolute deviation of the target's slot of day, shape (n, H).
        scale: Scale of deviations, shape (n,).
    """
    out = np.ones((*spread.shape, _SCALE_COLUMNS))
    for n in range(spread.shape[0]):
        out[n, :, 2] = np.log(abs(features[n, 1]) + 0.1)
        out[n, :, 3] = np.log(abs(features[n, 4]) + 0.1)
        for h in range(spread.shape[1]):
            out[n, h, 1] = np.log(spread[n, h] / scale[n] + 0.05)
    return out


def fit_spread(errors: Floats, columns: Floats, scale: Floats, distribution_rows: int) -> SpreadModel:
    """Fit the width of past errors and their distribution.

    Args:
        errors: Actual minus forecast per MWh of out-of-sample forecasts, shape (n, H), in time order; NaN is skipped.
        columns: As ``spread_columns``.
        scale: Scale of deviations, shape (n,).
        distribution_rows: The last rows whose ``z`` makes the distribution; all rows make the width.
    """
    ratio = errors / scale[:, None]
    n_horizons = errors.shape[1]
    coefficients = np.zeros((n_horizons, _SCALE_COLUMNS))
    for h in range(n_horizons):
        rows = np.isfinite(ratio[:, h])
        X, y = columns[rows, h], np.log(np.abs(ratio[rows, h]) + 0.1)
        coefficients[h] = np.linalg.solve(X.T @ X + _RIDGE * np.eye(_SCALE_COLUMNS), X.T @ y)
    z = ratio / _width(columns, coefficients)
    recent = z[-distribution_rows:]
    table = np.array([_grid_quantiles(recent[:, h], z[:, h]) for h in range(n_horizons)])
    return SpreadModel(coefficients, table)


def _grid_quantiles(recent: Floats, all_rows: Floats) -> Floats:
    finite = recent[np.isfinite(recent)]
    if finite.size < 50:
        finite = all_rows[np.isfinite(all_rows)]
    if finite.size == 0:
        return np.zeros(GRID.size)
    return np.asarray(np.quantile(finite, GRID))
