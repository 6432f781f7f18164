"""Features of each hour of a day before its auction: prices to D-1, published forecasts to D, the calendar.

``ref`` is the mean price of the same hour on D-1, D-2, D-3 and D-7; ``scale`` the four-week mean of the absolute change
from day to day. Prices enter as ``(price - ref) / scale``, so a year at 40 per MWh and one at 400 teach the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from models.price.dayahead.day_table import HOURS, DayTable, filled
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

_WINDOW = 28
_AROUND = (-2, -1, 1, 2)
_CALENDAR = ("hour", "day_type", "day_type_yesterday", "annual_sine", "annual_cosine")
MIN_DAYS = _WINDOW + 2
"""A row has features from this row of the table on."""


@dataclass(frozen=True, slots=True)
class Lags:
    """Which earlier days' prices are known and used: the newest, the reference days, and all."""

    newest: int
    reference: tuple[int, ...]
    all: tuple[int, ...]


NEXT_DAY = Lags(1, (1, 2, 3, 7), (1, 2, 3, 7, 14))
DAY_AFTER = Lags(2, (2, 3, 7, 8), (2, 3, 4, 7, 14))


@dataclass(frozen=True, slots=True)
class DayFeatures:
    """``values``: shape (n, 24, K); ``ref``: (n, 24); ``scale``: (n,); ``names``: K.

    Of every day of the table, also where n is fewer, (days, 24): ``residual``, residual load in MW, and ``price``,
    prices with their gaps filled.
    """

    values: Floats
    ref: Floats
    scale: Floats
    names: tuple[str, ...]
    residual: Floats
    price: Floats

    def scaled(self, prices: Floats) -> Floats:
        """Return prices (n, 24) as ``(price - ref) / scale``."""
        return (prices - self.ref) / self.scale[:, None]

    def prices_of(self, row: int, scaled: Floats) -> Floats:
        """Return scaled values of one day (24,) as prices."""
        return np.asarray(self.ref[row] + self.scale[row] * scaled)


def renewables_weight(table: DayTable, last_row: int) -> float:
    """Return the MW of load that one MW of forecast wind and solar offsets, learned on prices before ``last_row``.

    1 where both forecasts cover the same area; less where the load forecast is that of a part of it. Least squares of
    the price change from day to day on both changes; within 0.2 to 1, and 1 from 0.7 on.
    """
    if not np.isfinite(table.renewables[:last_row]).any() or not np.isfinite(table.load[:last_row]).any():
        return 1.0
    changes = [np.diff(m[:last_row], axis=0).ravel() for m in (table.price, table.load, table.renewables)]
    is_known = np.isfinite(changes[0]) & np.isfinite(changes[1]) & np.isfinite(changes[2])
    if is_known.sum() < 28 * HOURS:
        return 1.0
    X = np.stack([changes[1][is_known], changes[2][is_known]], axis=1)
    slope = np.linalg.lstsq(X, changes[0][is_known], rcond=None)[0]
    if slope[0] <= 0.0:
        return 1.0
    weight = float(np.clip(-slope[1] / slope[0], 0.2, 1.0))
    return 1.0 if weight > 0.7 else weight


def day_features(table: DayTable, weight: float, lags: Lags = NEXT_DAY, first: int = 0) -> DayFeatures:
    """Return the features of the days of ``table`` from row ``first`` on; rows before ``MIN_DAYS`` are NaN.

    Args:
        table: Days as the auction sees them (``price_days.as_known``).
        weight: As ``renewables_weight``.
        lags: Which earlier prices are known; by default those to D-1.
        first: First row to compute; it is the first row of the result.

    Invariants:
        - Row D reads prices of rows ``lags.newest`` and more before D, and forecasts of rows up to D.
        - A row has the same bits for every ``first``.
    """
    renewables = np.where(np.isfinite(table.renewables), table.renewables, 0.0)
    residual = table.load - weight * renewables
    series = {name: values for name, values in {"residual": residual, **table.series}.items() if _any_known(values)}
    names = _names(lags, tuple(series), tuple(table.neighbours))
    rows = table.days.size - first
    out, ref, scale = np.full((rows, HOURS, len(names)), np.nan), np.empty((rows, HOURS)), np.empty(rows)
    price, begin = filled(table.price), max(first, MIN_DAYS)
    filled_rows = out[begin - first :]
    _fill_prices(price, lags.newest, lags.reference, lags.all, first, begin, ref, scale, filled_rows)
    at = len(_price_names(lags))
    for values in series.values():
        _fill_series(np.ascontiguousarray(values), NEXT_DAY.reference, begin, at, filled_rows)
        at += _SERIES_COLUMNS
    for values in table.neighbours.values():
        _fill_neighbour(np.ascontiguousarray(values), NEXT_DAY.reference, begin, at, filled_rows)
        at += _NEIGHBOUR_COLUMNS
    _fill_calendar(table, begin, filled_rows[:, :, at:])
    return DayFeatures(out, ref, scale, names, residual, price)


def _any_known(values: Floats) -> bool:
    return bool(np.isfinite(values).any())


@lru_cache(maxsize=64)
def _names(lags: Lags, series: tuple[str, ...], neighbours: tuple[str, ...]) -> tuple[str, ...]:
    own_names = [name for channel in series for name in _series_names(channel.removesuffix("_forecast_da_mw"))]
    neighbour_names = [f"{zone}_residual{ending}" for zone in neighbours for ending in ("", "_vs_ref", "_day_change")]
    return (*_price_names(lags), *own_names, *neighbour_names, *_CALENDAR)


def _price_names(lags: Lags) -> list[str]:
    """Return the names of the columns of ``_fill_prices``, in its order."""
    around = [f"{name}_{offset:+d}h" for offset in _AROUND for name in ("price_newest", "ref")]
    levels = ["price_mean7", "price_mean28", "price_ref", "price_ref_level", "price_scale"]
    newest = [f"price_newest_{name}" for name in ("mean", "min", "max", "last")]
    return [*(f"price_d{lag}" for lag in lags.all), *levels, *newest, "ref_mean", *around]


def _series_names(name: str) -> list[str]:
    """Return the names of the columns of ``_fill_series``, in its order."""
    against = [f"{name}_vs_{other}" for other in ("ref", "d1", "d7", "mean28")]
    of_day = [f"{name}_day_{figure}" for figure in ("mean", "min", "max", "change")]
    return [name, *against, *of_day, *(f"{name}_{offset:+d}h" for offset in _AROUND)]


_SERIES_COLUMNS = 13
_NEIGHBOUR_COLUMNS = 3


@kernel
def _mean(values: Floats) -> float:
    """Return the mean of 24 values, added up as ``np.mean`` does: by eight, then in pairs."""
    a, b = values[0] + values[8] + values[16], values[1] + values[9] + values[17]
    c, d = values[2] + values[10] + values[18], values[3] + values[11] + values[19]
    e, f = values[4] + values[12] + values[20], values[5] + values[13] + values[21]
    g, h = values[6] + values[14] + values[22], values[7] + values[15] + values[23]
    total: float = ((a + b) + (c + d)) + ((e + f) + (g + h))
    return total / HOURS


@kernel
def _extremes(values: Floats) -> tuple[float, float]:
    """Return the least and the greatest value, NaN if one is missing."""
    low, high = values[0], values[0]
    for value in values:
        if np.isnan(value):
            return np.nan, np.nan
        low, high = min(low, value), max(high, value)
    return low, high


@kernel
def _trailing_mean(values: Floats, row: int, days: int, lag: int) -> Floats:
    """Return the mean of each column over the ``days`` rows that end ``lag`` rows before ``row``; NaN if incomplete."""
    out = np.full(values.shape[1], np.nan)
    if row >= days - 1 + lag:
        out[:] = 0.0
        for past in range(row - lag - days + 1, row - lag + 1):
            out += values[past]
        out /= days
    return out


@kernel
def reference(values: Floats, lags: tuple[int, ...], first: int = 0) -> Floats:
    """Return the mean of each hour over the days ``lags`` before, (n - first, 24); NaN if there are not all."""
    out = np.empty((values.shape[0] - first, values.shape[1]))
    for row in range(first, values.shape[0]):
        out[row - first] = _reference(values, row, lags)
    return out


@kernel
def _reference(values: Floats, row: int, lags: tuple[int, ...]) -> Floats:
    """Return one row of ``reference``."""
    out = np.full(values.shape[1], np.nan)
    if row >= max(lags):
        out[:] = values[row - lags[0]]
        for lag in lags[1:]:
            out += values[row - lag]
        out /= len(lags)
    return out


@kernel
def _around(hour: int, offset: int) -> int:
    """Return the hour of the same day ``offset`` hours later, the edge beyond it."""
    return min(max(hour + offset, 0), HOURS - 1)


@kernel(error_model="numpy")
def _fill_prices(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    price: Floats,
    newest: int,
    reference_lags: tuple[int, ...],
    all_lags: tuple[int, ...],
    first: int,
    begin: int,
    ref: Floats,
    scale: Floats,
    out: Floats,
) -> None:
    """Write ``ref`` and ``scale`` of the rows from ``first`` on, and the columns of prices from ``begin`` on."""
    n = price.shape[0]
    moves = np.full((n, 1), np.nan)
    for row in range(max(1, first - newest - _WINDOW), n):
        moves[row, 0] = _mean(np.abs(price[row] - price[row - 1]))
    for row in range(first, n):
        ref[row - first] = _reference(price, row, reference_lags)
        scale[row - first] = np.maximum(_trailing_mean(moves, row, _WINDOW - 1, newest)[0], 0.5)
    for row in range(begin, n):
        usual, s, yesterday, out_row = ref[row - first], scale[row - first], price[row - newest], out[row - begin]
        week, month = _trailing_mean(price, row, 7, newest), _trailing_mean(price, row, _WINDOW, newest)
        usual_mean, (low, high) = _mean(usual), _extremes(yesterday)
        newest_mean = (_mean(yesterday) - usual_mean) / s
        for h in range(HOURS):
            k = 0
            for lag in all_lags:
                out_row[h, k] = (price[row - lag, h] - usual[h]) / s
                k += 1
            out_row[h, k] = (week[h] - usual[h]) / s
            out_row[h, k + 1] = (month[h] - usual[h]) / s
            out_row[h, k + 2] = usual[h] / s
            out_row[h, k + 3] = usual[h]
            out_row[h, k + 4] = s
            out_row[h, k + 5] = newest_mean
            out_row[h, k + 6] = (low - usual[h]) / s
            out_row[h, k + 7] = (high - usual[h]) / s
            out_row[h, k + 8] = (yesterday[HOURS - 1] - usual[h]) / s
            out_row[h, k + 9] = (usual_mean - usual[h]) / s
            k += 10
            for offset in _AROUND:
                beside = _around(h, offset)
                out_row[h, k] = (yesterday[beside] - yesterday[h]) / s
                out_row[h, k + 1] = (usual[beside] - usual[h]) / s
                k += 2


@kernel
def _fill_series(values: Floats, reference_lags: tuple[int, ...], begin: int, at: int, out: Floats) -> None:
    """Write the columns of one published series from row ``begin`` and column ``at`` on."""
    for row in range(begin, values.shape[0]):
        today, out_row = values[row], out[row - begin]
        usual, month = _reference(values, row, reference_lags), _trailing_mean(values, row, _WINDOW, 1)
        mean, (low, high) = _mean(today), _extremes(today)
        change = mean - _mean(usual)
        for h in range(HOURS):
            out_row[h, at] = today[h]
            out_row[h, at + 1] = today[h] - usual[h]
            out_row[h, at + 2] = today[h] - values[row - 1, h]
            out_row[h, at + 3] = today[h] - values[row - 7, h]
            out_row[h, at + 4] = today[h] - month[h]
            out_row[h, at + 5] = mean
            out_row[h, at + 6] = low
            out_row[h, at + 7] = high
            out_row[h, at + 8] = change
            k = at + 9
            for offset in _AROUND:
                out_row[h, k] = today[_around(h, offset)] - today[h]
                k += 1


@kernel
def _fill_neighbour(values: Floats, reference_lags: tuple[int, ...], begin: int, at: int, out: Floats) -> None:
    """Write the columns of a neighbour's residual load from row ``begin`` and column ``at`` on."""
    for row in range(begin, values.shape[0]):
        usual, out_row = _reference(values, row, reference_lags), out[row - begin]
        change = _mean(values[row]) - _mean(usual)
        for h in range(HOURS):
            out_row[h, at] = values[row, h]
            out_row[h, at + 1] = values[row, h] - usual[h]
            out_row[h, at + 2] = change


def _fill_calendar(table: DayTable, begin: int, out: Floats) -> None:
    """Write the columns of ``_CALENDAR`` of the rows from ``begin`` on, shape (rows, 24, 5)."""
    kind = table.day_type
    columns = (kind[begin:], kind[begin - 1 : -1], np.sin(table.annual[begin:]), np.cos(table.annual[begin:]))
    out[:, :, 0] = np.arange(HOURS)
    for k, values in enumerate(columns, 1):
        out[:, :, k] = values[:, None]
