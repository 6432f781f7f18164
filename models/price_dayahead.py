"""The price part of a day-ahead market: published prices as they are, then the next day's blend and the day after.

The first local day without published prices is forecast by the members, mix and trees of the backtest, from what the
ring holds; a forecast that is not out yet is that of a week before. Later days are forecast by the ridge that looks two
days ahead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from models.price_dayahead_fits import DayAheadFits, DayAheadShape, MemberHistory, from_arrays, to_arrays
from models.price_days import HOURS, DayTable, day_table
from models.price_fallback import fallback
from models.price_rows import series
from models.price_spread import GRID
from models.price_trees import stack_values
from models.price_view import (
    FALLBACK_PROFILE,
    MODEL,
    Floats,
    Ints,
    PriceForecast,
    RingView,
    local_minutes,
    with_published,
)
from models.price_walk import AuctionView, WalkSettings, blend_of
from models.trees import Trees
from vpp.domain import PRICE, QUANTILE_LEVELS, horizons_min

_DAY = 1440
_WINDOW_DAYS = 33
_AHEAD_DAYS = 2
_KNOWN_HOURS = 20
_LEVELS = np.array(QUANTILE_LEVELS)
_KEPT_DAYS = 4


@dataclass(frozen=True, slots=True)
class DayForecast:
    """Prices of the first unpublished day (24,) by name, of the day after (24,), and their scales."""

    experts: dict[str, Floats]
    tail: Floats
    scale: float
    tail_scale: float


@dataclass(frozen=True, slots=True)
class DayAheadPart:
    """Next-day models of one zone; forecasts of a day are kept while their inputs stay the same."""

    shape: DayAheadShape
    fits: DayAheadFits
    history: MemberHistory
    settings: WalkSettings
    _kept: dict[bytes, DayForecast] = field(default_factory=dict, repr=False, compare=False)

    def forecast(self, ring: RingView, slot_index: int, levels: Floats = _LEVELS) -> PriceForecast:
        """Return the forecast issued when ``slot_index`` closed.

        Args:
            ring: Values up to that slot and published values of later ones.
            slot_index: Index of the last closed slot.
            levels: Levels that stand for the nominal ones, shape (7,) or (H, 7).
        """
        step = self.shape.step_min
        first = slot_index + 1
        today = int(self._local(first, first + 1)[0]) // _DAY
        end = self._index(today + _AHEAD_DAYS + 1)
        minutes = self._local(first, end)
        known = ring.window(PRICE, first, end)
        target = self._first_unknown(ring, today)
        horizon_min = horizons_min(step)
        at = np.array(horizon_min, dtype=np.int64) // step - 1
        outlook_min = tuple(int(step * (i + 1)) for i in range(end - first))
        day = self._day(ring, target)
        if day is None:
            return self._without_model(ring, slot_index, known, at)
        row, hour = minutes // _DAY - target, minutes % _DAY // 60
        experts = {
            name: np.where(row == 0, values[hour], np.where(row > 0, day.tail[hour], np.nan))
            for name, values in day.experts.items()
        }
        experts["last_week"] = ring.window(PRICE, first - 7 * _DAY // step, end - 7 * _DAY // step)
        mean = experts["next_day"][at]
        errors = self._errors(day, row[at], hour[at], levels)
        quantiles = np.clip(mean[:, None] + errors, self.shape.floor_per_mwh, self.shape.cap_per_mwh)
        made = PriceForecast(MODEL, quantiles, mean, outlook_min, known, experts)
        return with_published(made, known[at])

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the part as arrays and one JSON value."""
        return to_arrays(self.shape, self.fits, self.history)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], meta: Mapping[str, Any], settings: WalkSettings) -> DayAheadPart:
        """Return the part that ``to_arrays`` wrote; ``settings`` are those of the fit."""
        return cls(*from_arrays(arrays, meta), settings)

    def _local(self, first: int, last: int) -> Ints:
        return local_minutes(first, last, step_min=self.shape.step_min, time_zone=self.shape.time_zone)

    def _index(self, day: int) -> int:
        """Return the index of the first slot of a local day number."""
        midnight = datetime.combine(date(1970, 1, 1) + timedelta(days=day), datetime.min.time())
        utc = midnight.replace(tzinfo=ZoneInfo(self.shape.time_zone)).astimezone(UTC)
        return int(utc.timestamp()) // (60 * self.shape.step_min)

    def _first_unknown(self, ring: RingView, today: int) -> int:
        per_hour = 60 // self.shape.step_min if self.shape.step_min < 60 else 1
        for day in range(today, today + _AHEAD_DAYS):
            prices = ring.window(PRICE, self._index(day), self._index(day + 1))
            if np.isfinite(prices).sum() < _KNOWN_HOURS * per_hour:
                return day
        return today + _AHEAD_DAYS

    def _day(self, ring: RingView, target: int) -> DayForecast | None:
        """Return the forecast of day ``target`` and the day after; None where a month of prices is not half known."""
        first, last = self._index(target - _WINDOW_DAYS + 1), self._index(target + 1)
        columns = {name: ring.window(name, first, last) for name in self.shape.channels}
        columns[PRICE][self._index(target) - first :] = np.nan
        digest = hashlib.blake2b(str(target).encode(), digest_size=16)
        for values in columns.values():
            digest.update(values.tobytes())
        key = digest.digest()
        if key not in self._kept:
            if 2 * np.isfinite(columns[PRICE]).sum() < columns[PRICE].size:
                return None
            while len(self._kept) >= _KEPT_DAYS:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._predict(self._table(columns, first))
        return self._kept[key]

    def _table(self, columns: dict[str, Floats], first: int) -> DayTable:
        return day_table(
            columns,
            first_index=first,
            step_min=self.shape.step_min,
            time_zone=self.shape.time_zone,
            holidays=set(self.shape.holidays),
        )

    def _predict(self, table: DayTable) -> DayForecast:
        fits, view = self.fits, AuctionView.of(table, self.shape.convention, self.shape.weight)
        scale, ref = view.features.scale[-1:], view.features.ref[-1:]
        members = [ref[0] + scale[0] * fits.ridge.predict(view.ridge[-1])]
        weights = [float(fits.weights[0])]
        for lasso, weight in zip(fits.lassos, fits.weights[1:], strict=True):
            members.append(members[0] if lasso is None else lasso.predict(view.lasso[-1:])[0])
            weights.append(0.0 if lasso is None else float(weight))
        stacked = np.stack(members)
        mix = np.asarray(np.array(weights) / sum(weights) @ stacked)
        experts = {"mix": mix}
        values = view.features.values[-1:]
        alone = None if fits.alone is None else ref[0] + scale[0] * _tree_day(fits.alone, values)
        stack = None
        if fits.stack is not None:
            given = stack_values(values, mix[None], stacked[:, None], ref, scale)
            stack = mix + scale[0] * _tree_day(fits.stack, given)
        experts["next_day"] = _blend(stack, alone, mix, self.settings)
        if alone is not None:
            experts["trees"] = alone
        next_day = int(table.days[-1]) + 1
        longer = table.longer(float(next_day in self.shape.holidays))
        after = AuctionView.two_days_ahead(longer, self.shape.weight)
        tail_scale = float(after.features.scale[-1])
        tail = after.features.ref[-1] + tail_scale * fits.tail.predict(after.ridge[-1])
        low, high = self.shape.floor_per_mwh, self.shape.cap_per_mwh
        experts = {name: np.clip(prices, low, high) for name, prices in experts.items()}
        return DayForecast(experts, np.clip(tail, low, high), float(scale[0]), tail_scale)

    def _errors(self, day: DayForecast, row: Ints, hour: Ints, levels: Floats) -> Floats:
        per_horizon = np.broadcast_to(levels, (row.size, levels.shape[-1]))
        out = np.empty(per_horizon.shape)
        for i in range(row.size):
            table, scale = (self.fits.errors, day.scale) if row[i] <= 0 else (self.fits.tail_errors, day.tail_scale)
            out[i] = scale * np.interp(per_horizon[i], GRID, table[hour[i]])
        return np.sort(out, axis=1)

    def _without_model(self, ring: RingView, slot_index: int, known: Floats, at: Ints) -> PriceForecast:
        first = slot_index - 16 * _DAY // self.shape.step_min
        data = series(
            ring.window(PRICE, first, slot_index + 1),
            np.empty((0, slot_index + 1 - first)),
            first_index=first,
            step_min=self.shape.step_min,
            time_zone=self.shape.time_zone,
        )
        name, quantiles, mean = fallback(data, at + 1)
        horizon_min = horizons_min(self.shape.step_min)
        made = PriceForecast(name, quantiles, mean, horizon_min, known[at], {FALLBACK_PROFILE: mean})
        return with_published(made, known[at])


def _tree_day(trees: Trees, values: Floats) -> Floats:
    rows = np.ascontiguousarray(values.reshape(HOURS, -1), dtype=np.float32)
    return trees.predict(rows).astype(np.float64)


def _blend(stack: Floats | None, alone: Floats | None, mix: Floats, settings: WalkSettings) -> Floats:
    if stack is not None and alone is not None:
        return blend_of(stack, alone, mix, settings)
    return mix if alone is None else 0.5 * alone + 0.5 * mix
