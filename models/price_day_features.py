"""Features of each hour of a day before its auction: prices to D-1, published forecasts to D, the calendar.

``ref`` is the mean price of the same hour on D-1, D-2, D-3 and D-7; ``scale`` the four-week mean of the absolute change
from day to day. Prices enter as ``(price - ref) / scale``, so a year at 40 per MWh and one at 400 teach the same thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from models.price_days import HOURS, DayTable, filled, previous_day
from models.price_view import Floats

_WINDOW = 28
_AROUND = {offset: np.clip(np.arange(HOURS) + offset, 0, HOURS - 1) for offset in (-2, -1, 1, 2)}
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
    """``values``: shape (n, 24, K); ``ref``: (n, 24); ``scale``: (n,); ``names``: K; ``residual``: (n, 24) in MW."""

    values: Floats
    ref: Floats
    scale: Floats
    names: tuple[str, ...]
    residual: Floats

    def scaled(self, prices: Floats) -> Floats:
        """Return prices (n, 24) as ``(price - ref) / scale``."""
        return (prices - self.ref) / self.scale[:, None]

    def prices_of(self, row: int, scaled: Floats) -> Floats:
        """Return scaled values of one day (24,) as prices."""
        return np.asarray(self.ref[row] + self.scale[row] * scaled)


def renewables_weight(table: DayTable, last_row: int) -> float:
    """Return how many MW of load one MW of forecast wind and solar offsets, learned on prices before ``last_row``.

    1 where both forecasts cover the same area; less where the load forecast is that of a part of it. Least squares of
    the price change from day to day on both changes; within 0.2 to 1, and 1 from 0.7 on.
    """
    if not np.isfinite(table.renewables[:last_row]).any() or not np.isfinite(table.load[:last_row]).any():
        return 1.0
    changes = [np.diff(m[:last_row], axis=0).ravel() for m in (table.price, table.load, table.renewables)]
    known = np.isfinite(changes[0]) & np.isfinite(changes[1]) & np.isfinite(changes[2])
    if known.sum() < 28 * HOURS:
        return 1.0
    X = np.stack([changes[1][known], changes[2][known]], axis=1)
    slope = np.linalg.lstsq(X, changes[0][known], rcond=None)[0]
    if slope[0] <= 0.0:
        return 1.0
    weight = float(np.clip(-slope[1] / slope[0], 0.2, 1.0))
    return 1.0 if weight > 0.7 else weight


def day_features(table: DayTable, weight: float, lags: Lags = NEXT_DAY) -> DayFeatures:
    """Return the features of every day of ``table``; rows before ``MIN_DAYS`` are NaN.

    Args:
        table: Days as the auction sees them (``price_days.as_known``).
        weight: As ``renewables_weight``.
        lags: Which earlier prices are known; by default those to D-1.

    Invariants:
        - Row D reads prices of rows ``lags.newest`` and more before D, and forecasts of rows up to D.
    """
    price = filled(table.price)
    ref = reference(price, lags)
    moves = np.abs(price - previous_day(price)).mean(axis=1)
    scale = np.maximum(_trailing_mean(moves[:, None], _WINDOW - 1, lags.newest)[:, 0], 0.5)
    columns: dict[str, Floats] = {}
    _add_prices(columns, price, ref, scale, lags)
    renewables = np.where(np.isfinite(table.renewables), table.renewables, 0.0)
    residual = table.load - weight * renewables
    for name, values in {"residual": residual, **table.series}.items():
        if np.isfinite(values).any():
            _add_series(columns, name.removesuffix("_forecast_da_mw"), values)
    for name, values in table.neighbours.items():
        _add_neighbour(columns, name, values)
    _add_calendar(columns, table)
    stacked = np.stack(list(columns.values()), axis=2)
    stacked[:MIN_DAYS] = np.nan
    return DayFeatures(stacked, ref, scale, tuple(columns), residual)


def reference(values: Floats, lags: Lags = NEXT_DAY) -> Floats:
    """Return the mean of each hour over the reference days, shape (n, 24)."""
    out, first = np.full(values.shape, np.nan), max(lags.reference)
    days = [values[first - lag : values.shape[0] - lag] for lag in lags.reference]
    out[first:] = sum(days[1:], days[0]) / len(days)
    return out


@njit(cache=True)
def _trailing_mean(values: Floats, days: int, lag: int) -> Floats:
    """Return the mean over the ``days`` rows that end ``lag`` rows before each row; NaN while incomplete."""
    out = np.full(values.shape, np.nan)
    for row in range(days - 1 + lag, values.shape[0]):
        out[row] = 0.0
        for past in range(row - lag - days + 1, row - lag + 1):
            out[row] += values[past]
        out[row] /= days
    return out


def _around(values: Floats, offset: int) -> Floats:
    """Return the value ``offset`` hours later in the same day, the edge value beyond it."""
    return values[:, _AROUND[offset]]


def _all_hours(per_day: Floats) -> Floats:
    return np.repeat(per_day[:, None], HOURS, axis=1)


def _add_prices(columns: dict[str, Floats], price: Floats, ref: Floats, scale: Floats, lags: Lags) -> None:
    s = scale[:, None]
    yesterday = previous_day(price, lags.newest)
    for lag in lags.all:
        columns[f"price_d{lag}"] = (previous_day(price, lag) - ref) / s
    columns["price_mean7"] = (_trailing_mean(price, 7, lags.newest) - ref) / s
    columns["price_mean28"] = (_trailing_mean(price, _WINDOW, lags.newest) - ref) / s
    columns["price_ref"] = ref / s
    columns["price_ref_level"] = ref
    columns["price_scale"] = _all_hours(scale)
    columns["price_newest_mean"] = (_all_hours(yesterday.mean(axis=1)) - _all_hours(ref.mean(axis=1))) / s
    columns["price_newest_min"] = (_all_hours(yesterday.min(axis=1)) - ref) / s
    columns["price_newest_max"] = (_all_hours(yesterday.max(axis=1)) - ref) / s
    columns["price_newest_last"] = (_all_hours(yesterday[:, -1]) - ref) / s
    columns["ref_mean"] = (_all_hours(ref.mean(axis=1)) - ref) / s
    for offset in _AROUND:
        columns[f"price_newest_{offset:+d}h"] = (_around(yesterday, offset) - yesterday) / s
        columns[f"ref_{offset:+d}h"] = (_around(ref, offset) - ref) / s


def _add_series(columns: dict[str, Floats], name: str, values: Floats) -> None:
    ref = reference(values)
    columns[name] = values
    columns[f"{name}_vs_ref"] = values - ref
    columns[f"{name}_vs_d1"] = values - previous_day(values)
    columns[f"{name}_vs_d7"] = values - previous_day(values, 7)
    columns[f"{name}_vs_mean28"] = values - _trailing_mean(values, _WINDOW, 1)
    columns[f"{name}_day_mean"] = _all_hours(values.mean(axis=1))
    columns[f"{name}_day_min"] = _all_hours(values.min(axis=1))
    columns[f"{name}_day_max"] = _all_hours(values.max(axis=1))
    columns[f"{name}_day_change"] = _all_hours(values.mean(axis=1) - ref.mean(axis=1))
    for offset in _AROUND:
        columns[f"{name}_{offset:+d}h"] = _around(values, offset) - values


def _add_neighbour(columns: dict[str, Floats], name: str, values: Floats) -> None:
    ref = reference(values)
    columns[f"{name}_residual"] = values
    columns[f"{name}_residual_vs_ref"] = values - ref
    columns[f"{name}_residual_day_change"] = _all_hours(values.mean(axis=1) - ref.mean(axis=1))


def _add_calendar(columns: dict[str, Floats], table: DayTable) -> None:
    kind = table.day_type.astype(float)
    columns["hour"] = np.tile(np.arange(HOURS, dtype=float), (kind.size, 1))
    columns["day_type"] = _all_hours(kind)
    columns["day_type_yesterday"] = _all_hours(np.concatenate([[0.0], kind[:-1]]))
    columns["annual_sine"] = _all_hours(np.sin(table.annual))
    columns["annual_cosine"] = _all_hours(np.cos(table.annual))
