"""The price part of a day-ahead market: published prices as they are, then the next day's blend and the day after.

The first local day without published prices is forecast by the members, mix and trees of the backtest, from what the
ring holds; a forecast that is not out yet is that of a week before. Later days are forecast by the ridge that looks two
days ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np

from models.price.contract import FALLBACK_PROFILE, MODEL, PUBLISHED, PriceForecast, RingView, with_published
from models.price.dayahead.artifact import DayAheadFits, DayAheadShape, from_arrays, to_arrays
from models.price.dayahead.day_table import DayTable, day_table
from models.price.dayahead.ensemble import AuctionView
from models.price.fallback import fallback
from models.price.series import series
from vpp.domain import PRICE, horizons_min
from vpp.local_time import local_minutes, utc_of
from vpp.messages import PriceOutlook
from vpp.numerics.arrays import Floats, Ints

_DAY = 1440
_WINDOW_DAYS = 44
_AHEAD_DAYS = 2
_KNOWN_HOURS = 20
_CACHED_DAYS = 4


@dataclass(frozen=True, slots=True)
class DayForecast:
    """Prices by slot of the first unpublished day (S,) by name, of the day after (S,), quantiles of both (2, S, 7)."""

    experts: dict[str, Floats]
    tail: Floats
    quantiles: Floats


@dataclass(frozen=True, slots=True)
class _Outlook:
    """Forecasts of all slots of ``today`` and the two local days after it, valid while ``stamp`` is unchanged.

    ``start``: index of the first slot. ``local_day``: shape (n,), local day number of each slot. ``known``: published
    prices, shape (n,). ``forecast``: one horizon per slot. ``message``: its outlook. Both are None if the first
    unpublished day has no model.
    """

    ring: RingView
    stamp: object
    today: int
    start: int
    local_day: Ints
    known: Floats
    forecast: PriceForecast | None
    message: PriceOutlook | None

    def serves(self, ring: RingView, first: int, channels: tuple[str, ...]) -> bool:
        """Return whether these forecasts are still valid for slot ``first`` and later ones."""
        place = first - self.start
        within = ring is self.ring and 0 <= place < self.local_day.size and self.local_day[place] == self.today
        return within and self.stamp == ring.stamp(channels)

    def since(self, first: int, step_min: int) -> PriceForecast | None:
        """Return the forecast of slot ``first`` and those after it; None if there is no model."""
        if self.forecast is None or self.message is None:
            return None
        place, forecast, message = first - self.start, self.forecast, self.message
        at = place + _positions(step_min)
        slots = self.local_day.size - place
        return PriceForecast(
            source=PUBLISHED if np.isfinite(self.known[at]).all() else MODEL,
            quantiles=forecast.quantiles[at],
            mean=forecast.mean[at],
            outlook_min=forecast.outlook_min[:slots],
            known=self.known[place:],
            experts={name: values[place:] for name, values in forecast.experts.items()},
            message=PriceOutlook(
                horizon_min=message.horizon_min[:slots],
                known=message.known[place:],
                experts={name: values[place:] for name, values in message.experts.items()},
            ),
        )


@dataclass(slots=True)
class DayAheadCache:
    """Forecasts of one zone's stream that serve again while their inputs stay the same.

    ``days``: forecast of a local day number, with the bytes of all values that it was made of. ``outlook``: of the
    local day under way.
    """

    days: dict[int, tuple[bytes, DayForecast]] = field(default_factory=dict)
    outlook: _Outlook | None = None


@dataclass(frozen=True, slots=True)
class DayAheadPart:
    """Next-day models of one zone."""

    shape: DayAheadShape
    fits: DayAheadFits

    def new_cache(self) -> DayAheadCache:
        """Return an empty cache of one zone's stream."""
        return DayAheadCache()

    def forecast(
        self, ring: RingView, slot_index: int, levels: Floats | None = None, cache: DayAheadCache | None = None
    ) -> PriceForecast:
        """Return the forecast issued when ``slot_index`` closed.

        Args:
            ring: Values up to that slot and published values of later ones.
            slot_index: Index of the last closed slot.
            levels: Not read: levels adapt from auction to auction, with the fit.
            cache: Forecasts of earlier slots, filled and read; None computes everything.
        """
        first = slot_index + 1
        outlook = self._outlook(ring, first, DayAheadCache() if cache is None else cache)
        remaining = outlook.since(first, self.shape.step_min)
        return (
            self._without_model(ring, slot_index, outlook.known[first - outlook.start :])
            if remaining is None
            else remaining
        )

    def _outlook(self, ring: RingView, first: int, cache: DayAheadCache) -> _Outlook:
        """Return the outlook of the local day of slot ``first``; rebuilt when an input or the day has changed."""
        if cache.outlook is not None and cache.outlook.serves(ring, first, self.shape.channels):
            return cache.outlook
        stamp = ring.stamp(self.shape.channels)
        today = int(self._local(first, first + 1)[0]) // _DAY
        start, end = self._first_slot(today), self._first_slot(today + _AHEAD_DAYS + 1)
        minutes, prices = self._local(start, end), ring.window(PRICE, start, end)
        target = self._first_unknown(ring, today)
        day = self._day(ring, target, cache)
        forecast = None if day is None else self._each_slot(ring, day, minutes - target * _DAY, start, prices)
        message = None if forecast is None else forecast.outlook()
        outlook = cache.outlook = _Outlook(ring, stamp, today, start, minutes // _DAY, prices, forecast, message)
        return outlook

    def _each_slot(self, ring: RingView, day: DayForecast, minutes: Ints, start: int, prices: Floats) -> PriceForecast:
        """Return the forecast of the slots from ``start`` on, one horizon each.

        Args:
            ring: As ``forecast``.
            day: Of the first unpublished day and the day after.
            minutes: Local clock of each slot since the first unpublished day began.
            start: Index of the first slot.
            prices: Published prices.
        """
        step, count = self.shape.step_min, minutes.size
        row, slot = minutes // _DAY, minutes % _DAY // step
        experts = {
            name: np.where(row == 0, values[slot], np.where(row > 0, day.tail[slot], np.nan))
            for name, values in day.experts.items()
        }
        week_before = start - 7 * _DAY // step
        experts["last_week"] = ring.window(PRICE, week_before, week_before + count)
        quantiles = day.quantiles[(row > 0).astype(np.int64), slot]
        minutes_ahead = tuple(range(step, step * count + 1, step))
        return with_published(
            PriceForecast(MODEL, quantiles, experts["next_day"], minutes_ahead, prices, experts), prices
        )

    def day_of(self, ring: RingView, slot_index: int, ahead: int) -> tuple[DayTable, int, int]:
        """Return the input of the next day's forecast, the days from this day to a slot, and its slot of the day.

        Args:
            ring: As ``forecast``.
            slot_index: As ``forecast``.
            ahead: Slots from ``slot_index`` to the slot.
        """
        today = int(self._local(slot_index + 1, slot_index + 2)[0]) // _DAY
        target = self._first_unknown(ring, today)
        minute = int(self._local(slot_index + ahead, slot_index + ahead + 1)[0])
        columns, first = self._columns(ring, target)
        return self._table(columns, first), minute // _DAY - target, minute % _DAY // self.shape.step_min

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the part as arrays and one JSON value."""
        return to_arrays(self.shape, self.fits)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> DayAheadPart:
        """Return the part that ``to_arrays`` wrote."""
        return cls(*from_arrays(arrays, meta))

    def _local(self, first: int, last: int) -> Ints:
        return local_minutes(first, last, step_min=self.shape.step_min, time_zone=self.shape.time_zone)

    def _first_slot(self, day: int) -> int:
        """Return the index of the first slot of a local day number."""
        return _midnight_s(day, self.shape.time_zone) // (60 * self.shape.step_min)

    def _first_unknown(self, ring: RingView, today: int) -> int:
        per_hour = 60 // self.shape.step_min if self.shape.step_min < 60 else 1
        for day in range(today, today + _AHEAD_DAYS):
            prices = ring.window(PRICE, self._first_slot(day), self._first_slot(day + 1))
            if np.isfinite(prices).sum() < _KNOWN_HOURS * per_hour:
                return day
        return today + _AHEAD_DAYS

    def _day(self, ring: RingView, target: int, cache: DayAheadCache) -> DayForecast | None:
        """Return the forecast of day ``target`` and the day after; None if a month of prices is not half known."""
        columns, first = self._columns(ring, target)
        prices, values = columns[PRICE], b"".join([column.tobytes() for column in columns.values()])
        cached = cache.days.get(target)
        if cached is not None and cached[0] == values:
            return cached[1]
        if 2 * np.isfinite(prices).sum() < prices.size:
            return None
        while len(cache.days) >= _CACHED_DAYS:
            del cache.days[next(iter(cache.days))]
        forecast = self._predict(self._table(columns, first))
        cache.days[target] = (values, forecast)
        return forecast

    def _columns(self, ring: RingView, target: int) -> tuple[dict[str, Floats], int]:
        """Return the channels up to the end of day ``target``, without prices of it, and their first slot's index."""
        first, last = self._first_slot(target - _WINDOW_DAYS + 1), self._first_slot(target + 1)
        columns = {name: ring.window(name, first, last) for name in self.shape.channels}
        columns[PRICE][self._first_slot(target) - first :] = np.nan
        return columns, first

    def _table(self, columns: dict[str, Floats], first: int) -> DayTable:
        return day_table(
            columns,
            first_index=first,
            step_min=self.shape.step_min,
            time_zone=self.shape.time_zone,
            holidays=set(self.shape.holidays),
        )

    def _predict(self, table: DayTable) -> DayForecast:
        fits, rows = self.fits, table.days.size
        view = AuctionView.of(table, self.shape.convention, self.shape.weight, rows - 1)
        day_prices = fits.models.forecast(view, 0)
        experts = {"next_day": day_prices.blend, "mix": day_prices.mix}
        if day_prices.alone is not None:
            experts["trees"] = day_prices.alone
        next_day = int(table.days[-1]) + 1
        longer = table.longer(float(next_day in self.shape.holidays))
        after = AuctionView.two_days_ahead(longer, self.shape.convention, self.shape.weight, rows)
        tail = after.by_slot(0, after.features.prices_of(0, fits.tail.predict(after.ridge[0])))
        spreads = (
            fits.spread.quantiles(
                view.by_slot(0, day_prices.blend), float(view.features.scale[0]), view.of_hours(day_prices.apart)
            ),
            fits.tail_spread.quantiles(tail, float(after.features.scale[0]), np.zeros(tail.size)),
        )
        low, high = self.shape.floor_per_mwh, self.shape.cap_per_mwh
        experts = {name: np.clip(view.by_slot(0, prices), low, high) for name, prices in experts.items()}
        return DayForecast(experts, np.clip(tail, low, high), np.clip(np.stack(spreads), low, high))

    def _without_model(self, ring: RingView, slot_index: int, prices: Floats) -> PriceForecast:
        at = _positions(self.shape.step_min)
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
        forecast = PriceForecast(name, quantiles, mean, horizon_min, prices[at], {FALLBACK_PROFILE: mean})
        return with_published(forecast, prices[at])


@lru_cache(maxsize=1024)
def _midnight_s(day: int, time_zone: str) -> int:
    """Return when a local day number begins, in seconds since 1970-01-01 00:00 UTC."""
    return int(utc_of(date(1970, 1, 1) + timedelta(days=day), 0, time_zone).timestamp())


@lru_cache(maxsize=16)
def _positions(step_min: int) -> Ints:
    """Return the distance of each horizon from the first one in slots."""
    return np.array(horizons_min(step_min), dtype=np.int64) // step_min - 1
