"""Width of intervals: a log-linear model of the size of errors, and the distribution of the scaled errors.

v = exp(ridge on log(|r| / s + 0.1)) per horizon, with r the error and s its overall spread; quantile q of a forecast is
its mean + v s z(a), with z the empirical quantiles of r / (v s) and a the level that stands for q.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.learners.ridge import CLIP, Ridge, RidgeSettings, Scaling
from models.net_load.linear_stages import KNOWN, UNPUBLISHED
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

GRID = np.concatenate([[0.005, 0.01], np.arange(0.02, 0.981, 0.02), [0.99, 0.995]])
"""Levels at which the distribution of scaled errors is kept."""

EXTRA = 9
"""Inputs besides the table's: five trailing errors, sizes of the change and its parts, whether it is unpublished."""

TAIL = 0.1
"""Share of the distribution at either end whose mean slope continues beyond it."""

_LOW, _HIGH = -3.0, 2.0


def width_inputs(  # noqa: PLR0917 - what the width depends on
    rows: Floats,
    columns: Ints,
    first: Floats,
    final: Floats,
    base: Floats,
    case: Ints,
    volatility: Floats,
    scale: Floats,
) -> Floats:
    """Return the inputs of the width model, shape (columns + EXTRA, n): n origins of a horizon, or n horizons.

    Args:
        rows: Features, shape (all features, n).
        columns: Rows of ``rows`` that are read, shape (columns,).
        first: Change that stage A predicts, MW, shape (n,).
        final: Change that is forecast, MW, shape (n,).
        base: Bias-corrected published change, MW, shape (n,); read where ``case`` is ``KNOWN``.
        case: As ``models.net_load.linear_stages``.
        volatility: Trailing mean absolute errors, MW, shape (5, n).
        scale: Overall spread of the errors, MW, shape (n,).
    """
    out = np.empty((len(columns) + EXTRA, rows.shape[1]))
    _fill_inputs(rows, columns, first, final, base, case, volatility, scale, out)
    sizes = out[len(columns) : -1]
    np.log(sizes, out=sizes)
    return out


@kernel(error_model="numpy")
def _fill_inputs(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    rows: Floats,
    columns: Ints,
    first: Floats,
    final: Floats,
    base: Floats,
    case: Ints,
    volatility: Floats,
    scale: Floats,
    out: Floats,
) -> None:
    """Write the inputs into ``out``; the logarithm of trailing errors and sizes is not yet taken."""
    trailing = columns.shape[0]
    sizes = trailing + volatility.shape[0]
    for j in range(trailing):
        out[j] = rows[columns[j]]
    for n in range(out.shape[1]):
        for k in range(volatility.shape[0]):
            out[trailing + k, n] = volatility[k, n] / scale[n] + 0.1
        away = abs(final[n] - base[n]) if case[n] == KNOWN else 0.0
        out[sizes, n] = abs(final[n]) / scale[n] + 0.1
        out[sizes + 1, n] = abs(final[n] - first[n]) / scale[n] + 0.1
        out[sizes + 2, n] = away / scale[n] + 0.1
        out[sizes + 3, n] = 1.0 if case[n] == UNPUBLISHED else 0.0


def fit_width(inputs: Floats, error: Floats, scale: float, day: Floats) -> tuple[Scaling, Floats]:
    """Fit the width of one horizon; returns scaling and coefficients (columns + EXTRA + 1,).

    Args:
        inputs: Columns of ``width_inputs``, shape (n, columns + EXTRA).
        error: Errors of the forecast, MW, shape (n,).
        scale: What errors are divided by, MW.
        day: Day of each row, for their weight, shape (n,).
    """
    scaling = Scaling.of(inputs, np.arange(len(inputs)))
    ridge = Ridge(RidgeSettings(half_life_days=365.0, penalty=20.0), len(inputs) + 1)
    groups = np.zeros(len(error), dtype=np.int64)
    ridge.add(scaling.design(inputs), np.log(np.abs(error) / scale + 0.1), groups, day)
    ridge.solve()
    assert ridge.coefficients is not None
    return scaling, ridge.coefficients[0]


def widths(inputs: Floats, mean: Floats, sd: Floats, coefficients: Floats) -> Floats:
    """Return v for n columns of ``inputs``, shape (n,); a missing input counts as its mean.

    Args:
        inputs: As ``width_inputs``, shape (inputs, n).
        mean: Means of the inputs, shape (inputs, n).
        sd: Their standard deviations, shape (inputs, n).
        coefficients: One per input, the constant last, shape (inputs + 1, n).
    """
    out = np.empty(inputs.shape[1])
    _exponent(inputs, mean, sd, coefficients, out)
    return np.exp(out)


@kernel(error_model="numpy")
def _exponent(inputs: Floats, mean: Floats, sd: Floats, coefficients: Floats, out: Floats) -> None:
    """Write the bounded logarithm of the width: standardised inputs times coefficients, summed in order."""
    count = inputs.shape[0]
    out[:] = 0.0
    for j in range(count):
        for n in range(out.shape[0]):
            z = (inputs[j, n] - mean[j, n]) / sd[j, n]
            clipped = min(max(z, -CLIP), CLIP)
            out[n] += (0.0 if np.isnan(z) else clipped) * coefficients[j, n]
    for n in range(out.shape[0]):
        out[n] = min(max(out[n] + coefficients[count, n], _LOW), _HIGH)


@dataclass(frozen=True, slots=True)
class Width:
    """The width model of all horizons.

    ``columns``: those of the table that it reads. ``scale_mw``: shape (H,). ``mean``, ``sd``: shape (inputs, H).
    ``coefficients``: shape (inputs + 1, H).
    """

    columns: Ints
    scale_mw: Floats
    mean: Floats
    sd: Floats
    coefficients: Floats

    @staticmethod
    def of(columns: Ints, scale_mw: Floats, mean: Floats, sd: Floats, coefficients: Floats) -> Width:
        """Return it from arrays with the horizons first.

        Args:
            columns: Rows of the feature table that are read, shape (columns,).
            scale_mw: Shape (H,).
            mean: Shape (H, inputs).
            sd: Shape (H, inputs).
            coefficients: Shape (H, inputs + 1).
        """
        turned = (np.ascontiguousarray(values.T) for values in (mean, sd, coefficients))
        return Width(columns, scale_mw, *turned)

    def of_one(
        self, rows: Floats, first: Floats, final: Floats, base: Floats, case: Ints, volatility: Floats
    ) -> Floats:
        """Return the width (H,) of the forecast of one origin, MW.

        Args:
            rows: Features, shape (features, H).
            first: Change that stage A predicts, MW, shape (H,).
            final: Change that is forecast, MW, shape (H,).
            base: Bias-corrected published change, MW, shape (H,); read where ``case`` is ``KNOWN``.
            case: As ``models.net_load.linear_stages``.
            volatility: Trailing mean absolute errors, MW, shape (5, H).
        """
        inputs = width_inputs(rows, self.columns, first, final, base, case, volatility, self.scale_mw)
        return np.asarray(self.scale_mw * widths(inputs, self.mean, self.sd, self.coefficients))


def distribution(scaled_error: Floats) -> Floats:
    """Return the quantiles of scaled errors at ``GRID``, shifted to median 0.

    The shift keeps the forecast itself in the middle: the median of past errors is a worse guess than none.
    """
    return np.asarray(np.quantile(scaled_error, GRID) - np.median(scaled_error))


def quantiles(center: Floats, width: Floats, tables: Floats, levels: Floats) -> Floats:
    """Return forecast quantiles, shape (H, 7), sorted.

    Args:
        center: Shape (H,), MW.
        width: Shape (H,), MW.
        tables: Scaled errors at ``GRID``, shape (H, len(GRID)).
        levels: Quantile level of each output, 0 to 1, shape (H, 7).
    """
    out = np.empty(levels.shape)
    _interpolate(center, width, tables, levels, GRID, out)
    return out


@kernel
def _interpolate(center: Floats, width: Floats, tables: Floats, levels: Floats, grid: Floats, out: Floats) -> None:
    """Write ``center + width × table(level)``, each row sorted.

    The table is linear between grid points and continues outside with the mean slope of its outer tenth, so levels
    adapted past 0 or 1 still widen the interval when errors outgrow all that was seen. The slope of its very last
    points would be ten times steeper: far horizons, whose errors come late, then overshoot to absurd widths.
    """
    last = grid.shape[0] - 1
    tail = np.searchsorted(grid, TAIL)
    for h in range(out.shape[0]):
        table = tables[h]
        for q in range(out.shape[1]):
            level = levels[h, q]
            if level > grid[last]:
                slope = (table[last] - table[last - tail]) / (grid[last] - grid[last - tail])
                z = table[last] + slope * (level - grid[last])
            elif level < grid[0]:
                slope = (table[tail] - table[0]) / (grid[tail] - grid[0])
                z = table[0] + slope * (level - grid[0])
            else:
                i = max(np.searchsorted(grid, level), 1)
                share = (level - grid[i - 1]) / (grid[i] - grid[i - 1])
                z = table[i - 1] + share * (table[i] - table[i - 1])
            out[h, q] = center[h] + width[h] * z
        _sort(out[h])


@kernel
def _sort(values: Floats) -> None:
    """Sort a few values in place by insertion: sorted values, as most quantiles are, cost nothing."""
    for i in range(1, values.shape[0]):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
