"""Features of the last days beside the level features: means and extremes of prices, sides, flows, old errors.

Level features compare each slot with its own usual price and clip the difference; these columns keep the plain level of
the last hours and days, on which the worth of stored energy hangs.
"""

from __future__ import annotations

import numpy as np

from models.price.realtime.inputs import NET, InputShape
from models.price.realtime.profile_features import LevelRows
from models.price.series import PriceSeries
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

Floats32 = np.ndarray[tuple[int, ...], np.dtype[np.float32]]

_PRICE_MEANS_MIN = (60, 120, 240, 360, 720, 1440, 2880, 4320, 10080)
_SIDE_MEANS_MIN = (120, 240, 720, 1440, 4320)
_FLOW_LAGS_MIN = (30, 60, 120, 240, 1440)
_ERROR_LAGS = (0, 1, 2)
_ERROR_MEANS_MIN = (120, 240, 720, 1440)
_CAP_PER_MWH = 1000.0
_DAY = 1440


def trail_columns(data: PriceSeries, rows: LevelRows, shape: InputShape) -> Floats32:
    """Return the columns of n origins, shape (n, K).

    Prices (clipped at 1000 either way) as departures from the mean of the day's profile in units of its scale: means
    over an hour to a week, least, greatest and standard deviation of the last day. Then means of each side series; each
    flow now and its changes up to a day; and, where net load is published ahead, how far it has come out from that: the
    last three slots and means up to a day.

    Invariants:
        - A row reads prices and sides up to its origin, NaN is skipped, and published values of slots that have closed.
    """
    error = _published_error(data, shape)
    with_error = error.size > 0
    widths = _slots(_PRICE_MEANS_MIN, data.step_min)
    of_sides, of_error = _slots(_SIDE_MEANS_MIN, data.step_min), _slots(_ERROR_MEANS_MIN, data.step_min)
    count = widths.size + 3 + data.sides.shape[0] * of_sides.size
    of_flows = _slots(_FLOW_LAGS_MIN, data.step_min)
    count += data.flows.shape[0] * (1 + of_flows.size)
    count += len(_ERROR_LAGS) + of_error.size if with_error else 0
    out = np.empty((rows.origins.size, count), dtype=np.float32)
    _fill(
        data.prices,
        data.sides,
        data.flows,
        error,
        rows.origins,
        rows.base,
        rows.scale,
        _DAY // data.step_min,
        widths,
        of_sides,
        of_flows,
        len(_ERROR_LAGS),
        of_error,
        out,
    )
    return out


def _slots(minutes: tuple[int, ...], step_min: int) -> Ints:
    return np.array([max(1, m // step_min) for m in minutes], dtype=np.int64)


def _published_error(data: PriceSeries, shape: InputShape) -> Floats:
    """Return net load minus its published forecast, as known at each slot; empty without either."""
    if not shape.published or NET not in shape.sides:
        return np.empty(0)
    net = data.sides[shape.sides.index(NET)]
    error = np.full(net.size, np.nan)
    error[shape.lead :] = net[shape.lead :] - data.published[0, : net.size - shape.lead]
    return error


@kernel
def _means(values: Floats, t: int, widths: Ints, cap: float, out: Floats32) -> None:
    """Write the means of the last ``widths`` values up to ``t``, shortest first; NaN if all of them are missing."""
    total, count, i = 0.0, 0, 0
    for k in range(widths.size):
        while i < widths[k] and t - i >= 0:
            value = values[t - i]
            if not np.isnan(value):
                total += min(max(value, -cap), cap)
                count += 1
            i += 1
        out[k] = total / count if count else np.nan


@kernel
def _fill(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    prices: Floats,
    sides: Floats,
    flows: Floats,
    error: Floats,
    origins: Ints,
    base: Floats,
    scale: Floats,
    per_day: int,
    widths: Ints,
    of_sides: Ints,
    of_flows: Ints,
    error_lags: int,
    of_error: Ints,
    out: Floats32,
) -> None:
    """Write the rows of ``trail_columns`` to ``out``."""
    for n in range(origins.size):
        t, middle, row = origins[n], base[n].mean(), out[n]
        k = widths.size
        _means(prices, t, widths, _CAP_PER_MWH, row[:k])
        least, most, total, squares, count = np.inf, -np.inf, 0.0, 0.0, 0
        for i in range(max(0, t - per_day + 1), t + 1):
            if not np.isnan(prices[i]):
                value = (min(max(prices[i], -_CAP_PER_MWH), _CAP_PER_MWH) - middle) / scale[n]
                least, most = min(least, value), max(most, value)
                total, squares, count = total + value, squares + value * value, count + 1
        for j in range(k):
            row[j] = (row[j] - middle) / scale[n]
        row[k] = least if count else np.nan
        row[k + 1] = most if count else np.nan
        row[k + 2] = np.sqrt(max(squares / count - (total / count) ** 2, 0.0)) if count else np.nan
        k += 3
        for s in range(sides.shape[0]):
            _means(sides[s], t, of_sides, np.inf, row[k : k + of_sides.size])
            k += of_sides.size
        for s in range(flows.shape[0]):
            row[k] = flows[s, t]
            for j in range(of_flows.size):
                row[k + 1 + j] = flows[s, t] - flows[s, t - of_flows[j]] if t >= of_flows[j] else np.nan
            k += 1 + of_flows.size
        if error.size:
            for lag in range(error_lags):
                row[k + lag] = error[t - lag] if t >= lag else np.nan
            k += error_lags
            _means(error, t, of_error, np.inf, row[k:])
