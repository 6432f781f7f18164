"""Local days as rows of 24 hours: prices and published forecasts of a zone and its neighbours, as an auction sees them.

Hour h of local day D is row D, column h. The hour that summer time skips is the mean of its two neighbours, and the one
that it repeats is the mean of both; scores are taken on the real slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from features.calendar import Calendar
from vpp.domain import PRICE
from vpp.errors import DataError
from vpp.fleet.schema import Zone
from vpp.local_time import local_minutes
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

Convention = Literal["benchmark", "load_only"]
"""What is known at an auction: all forecasts of the day, or load forecasts alone (wind and solar of the day before)."""

HOURS = 24
_SHAPE_DAYS = 28
_DAY = 1440
_FORECAST = "_forecast_da_mw"


@dataclass(frozen=True, slots=True)
class DayTable:
    """n consecutive local days of one zone; every matrix has shape (n, 24) and NaN where nothing is known.

    ``days``: local day numbers since 1970-01-01, ascending by one. ``price``: the zone's own prices. ``load`` and
    ``renewables``: sums of the zone's published forecasts, in MW. ``series``: each own published forecast by channel.
    ``neighbours``: residual load (load minus wind and solar) of other zones by name. ``holiday``: shape (n,).
    ``slots``: prices by slot of the day, shape (n, 24 or a multiple of it); ``price`` where slots are hours.
    """

    days: Ints
    price: Floats
    slots: Floats
    load: Floats
    renewables: Floats
    series: dict[str, Floats]
    neighbours: dict[str, Floats]
    holiday: Floats

    @property
    def day_type(self) -> Ints:
        """Weekday of each day, Monday 0 to Sunday 6; a public holiday is 6."""
        weekday = (self.days + 3) % 7
        return np.asarray(np.where(self.holiday > 0, 6, weekday), dtype=np.int64)

    @property
    def annual(self) -> Floats:
        """Angle of the year of each day in radians."""
        return np.asarray(2.0 * np.pi * (self.days % 365.2425) / 365.2425, dtype=np.float64)

    def upto(self, rows: int) -> DayTable:
        """Return the first ``rows`` days."""
        return self._each(self.days[:rows], lambda values: values[:rows])

    def longer(self, holiday: float = 0.0) -> DayTable:
        """Return the table with one day more, of which nothing is known but whether it is a holiday (1) or not (0)."""

        def add(values: Floats) -> Floats:
            return np.concatenate([values, np.full((1, *values.shape[1:]), np.nan)])

        return replace(
            self._each(np.append(self.days, self.days[-1] + 1), add), holiday=np.append(self.holiday, holiday)
        )

    def _each(self, days: Ints, change: Callable[[Floats], Floats]) -> DayTable:
        """Return the table of ``days`` with every matrix changed along its days."""
        return DayTable(
            days=days,
            price=change(self.price),
            slots=change(self.slots),
            load=change(self.load),
            renewables=change(self.renewables),
            series={name: change(values) for name, values in self.series.items()},
            neighbours={name: change(values) for name, values in self.neighbours.items()},
            holiday=change(self.holiday),
        )

    def position(self, day: int) -> int:
        """Return the row of a local day number; the table need not hold it."""
        return int(day - self.days[0])


def day_number(day: date) -> int:
    """Return the local day number (days since 1970-01-01) of a date."""
    return day.toordinal() - date(1970, 1, 1).toordinal()


def role_of(channel: str) -> Literal["load", "renewables"] | None:
    """Return the sum that a published forecast belongs to: loads, or wind and solar; else None."""
    if not channel.endswith(_FORECAST):
        return None
    name = channel.removesuffix(_FORECAST)
    if "wind" in name or "solar" in name:
        return "renewables"
    return "load" if "load" in name or "demand" in name else None


def day_table(
    columns: dict[str, Floats], *, first_index: int, step_min: int, time_zone: str, holidays: set[int]
) -> DayTable:
    """Return the local days that ``columns`` touch.

    Args:
        columns: Channel (a neighbour's as ``ZONE:channel``) to one value per slot, all of one length, NaN missing.
        first_index: Index of the first slot.
        step_min: Slot length; shorter slots are averaged to hours.
        time_zone: The zone's time zone.
        holidays: Local day numbers of public holidays.
    """
    n = len(next(iter(columns.values())))
    minutes = local_minutes(first_index, first_index + n, step_min=step_min, time_zone=time_zone)
    days = np.arange(minutes[0] // _DAY, minutes[-1] // _DAY + 1)
    start = days[0] * _DAY
    grid = {name: _hourly(values, minutes, start, days.size) for name, values in columns.items()}
    empty = np.full((days.size, HOURS), np.nan)
    zone_series = {
        name: values for name, values in sorted(grid.items()) if ":" not in name and role_of(name) is not None
    }
    series = {name: filled(values) for name, values in zone_series.items() if np.isfinite(values).any()}
    price = slots = grid.get(PRICE, empty)
    if step_min < 60 and PRICE in columns:
        slots = _means(columns[PRICE], minutes, start, days.size, step_min)
    return DayTable(
        days=days,
        price=price,
        slots=slots,
        load=_sum(series, "load", empty),
        renewables=_sum(series, "renewables", empty),
        series=series,
        neighbours=_neighbours(grid),
        holiday=np.array([float(day in holidays) for day in days]),
    )


def table_of(frame: pd.DataFrame, zone: Zone) -> DayTable:
    """Return the day table of a frame.

    Raises:
        DataError: The frame holds no price.
    """
    if PRICE not in frame or not frame[PRICE].notna().any():
        raise DataError(f"the data of {zone.zone} hold no {PRICE}", hint="choose another --target or --zone")
    step_min = round((frame.index[1] - frame.index[0]).total_seconds() / 60)
    first = int(frame.index[0].timestamp()) // (60 * step_min)
    days = (int(frame.index[0].timestamp()) // 86400 - 1, int(frame.index[-1].timestamp()) // 86400 + 2)
    return day_table(
        frame_columns(frame),
        first_index=first,
        step_min=step_min,
        time_zone=zone.time_zone,
        holidays=holiday_numbers(zone, *days),
    )


def as_known(table: DayTable, convention: Convention) -> DayTable:
    """Return the table as known at the auctions: row D has only values of D published before D's auction.

    Under ``load_only`` wind and solar of D are replaced by those of D-1, which came out after the auction for D-1.
    """
    if convention == "benchmark":
        return table
    series = {
        name: values if role_of(name) == "load" else previous_day(values) for name, values in table.series.items()
    }
    neighbours = {name: previous_day(values) for name, values in table.neighbours.items()}
    return replace(table, renewables=previous_day(table.renewables), series=series, neighbours=neighbours)


def previous_day(values: Floats, days: int = 1, first: int = 0) -> Floats:
    """Return row D - ``days`` of the matrix in place of each row D, from row ``first`` on; NaN before there is one."""
    n, begin = values.shape[0], max(days, first)
    out = np.full((n - first, *values.shape[1:]), np.nan)
    if begin < n:
        out[begin - first :] = values[begin - days : n - days]
    return out


def filled(values: Floats) -> Floats:
    """Return the matrix with gaps filled from the past: within a day linearly, a whole day by the day a week before.

    What no earlier week holds stays NaN.
    """
    out = values.copy()
    hours, has_value = np.arange(HOURS), np.isfinite(out)
    for row in np.flatnonzero(~has_value.all(axis=1)):
        has_price = has_value[row]
        if has_price.sum() >= HOURS // 2:
            out[row] = np.interp(hours, hours[has_price], out[row, has_price])
        elif row >= 7:
            out[row] = np.where(has_price, out[row], out[row - 7])
    return out


def as_seen_two_days_ahead(table: DayTable, convention: Convention = "benchmark") -> DayTable:
    """Return the table as the auction for D-1 sees D: no price of D-1 and no forecast of D is known yet.

    Load of D is that of a week before, moved by how far D-1 lies from its own week before; wind and solar are those of
    D-1, under ``load_only`` of D-2. Row D of every forecast holds nothing but forecasts to D-1.
    """
    late = 1 if convention == "benchmark" else 2

    def load(values: Floats) -> Floats:
        move = (previous_day(values) - previous_day(values, 8)).mean(axis=1)
        return np.asarray(previous_day(values, 7) + move[:, None])

    series = {
        name: load(values) if role_of(name) == "load" else previous_day(values, late)
        for name, values in table.series.items()
    }
    neighbours = {name: previous_day(values, late) for name, values in table.neighbours.items()}
    renewables = previous_day(table.renewables, late)
    return replace(table, load=load(table.load), renewables=renewables, series=series, neighbours=neighbours)


def holiday_numbers(zone: Zone, first: int, last: int) -> set[int]:
    """Return the local day numbers of the zone's public holidays from ``first`` to ``last``."""
    calendar = Calendar(zone)
    origin = date(1970, 1, 1).toordinal()
    return {number for number in range(first, last + 1) if calendar.is_holiday(date.fromordinal(number + origin))}


def frame_columns(frame: pd.DataFrame) -> dict[str, Floats]:
    """Return the columns of ``frame`` that a day table reads."""
    return {
        name: frame[name].to_numpy(dtype=np.float64)
        for name in frame.columns
        if name.rsplit(":", maxsplit=1)[-1] == PRICE or role_of(name) is not None
    }


def within_hours(table: DayTable, lag: int, first: int = 0) -> Floats:
    """Return the usual difference of each slot of the day from its hour's mean, for the rows from ``first`` on; else 0.

    The mean over the 28 days that end ``lag`` days before each row. Where slots are hours it is 0.
    """
    per_hour = table.slots.shape[1] // HOURS
    if per_hour == 1:
        return np.zeros((table.days.size - first, HOURS))
    usual: Floats = _usual(table.slots - np.repeat(table.price, per_hour, axis=1), lag, _SHAPE_DAYS, first)
    return usual


@kernel
def _means(values: Floats, minutes: Ints, start: int, days: int, width: int) -> Floats:
    """Return the mean of the known values in each interval of ``width`` minutes of the local days, NaN without any.

    Args:
        values: One per slot.
        minutes: Local clock of each slot, as ``local_minutes``.
        start: Local midnight of the first day, in minutes.
        days: Number of days.
        width: Minutes.
    """
    cells = days * _DAY // width
    out, count = np.zeros(cells), np.zeros(cells, dtype=np.int64)
    for i in range(values.size):
        if np.isfinite(values[i]):
            cell = (minutes[i] - start) // width
            out[cell] += values[i]
            count[cell] += 1
    for cell in range(cells):
        out[cell] = out[cell] / count[cell] if count[cell] else np.nan
    return out.reshape(days, cells // days)


@kernel
def _hourly(values: Floats, minutes: Ints, start: int, days: int) -> Floats:
    """Return values by hour of the local day; the hour that summer time skips is the mean of its neighbours."""
    out = _means(values, minutes, start, days, 60)
    present = np.zeros(out.shape, dtype=np.bool_)
    for minute in minutes:
        hour = (minute - start) // 60
        present[hour // HOURS, hour % HOURS] = True
    for day in range(days):
        for hour in range(1, HOURS - 1):
            if not present[day, hour] and present[day, hour - 1] and present[day, hour + 1]:
                out[day, hour] = (out[day, hour - 1] + out[day, hour + 1]) / 2.0
    return out


@kernel
def _usual(values: Floats, lag: int, days: int, first: int) -> Floats:
    """Return the mean of the known values over the ``days`` rows that end ``lag`` rows before each row, 0 without any.

    The first row returned is ``first``.
    """
    out = np.zeros((values.shape[0] - first, values.shape[1]))
    for row in range(max(lag, first), values.shape[0]):
        usual_row = out[row - first]
        for s in range(values.shape[1]):
            count = 0
            for past in range(max(0, row - lag - days + 1), row - lag + 1):
                if np.isfinite(values[past, s]):
                    usual_row[s] += values[past, s]
                    count += 1
            usual_row[s] /= max(count, 1)
    return out


def _sum(series: dict[str, Floats], role: str, empty: Floats) -> Floats:
    parts = [values for name, values in series.items() if role_of(name) == role]
    if len(parts) < 2:
        return parts[0] if parts else empty
    stacked = np.stack(parts)
    is_finite = np.isfinite(stacked)
    return np.where(is_finite[0], np.where(is_finite, stacked, 0.0).sum(axis=0), np.nan)


def _neighbours(grid: dict[str, Floats]) -> dict[str, Floats]:
    zones = sorted({name.rpartition(":")[0] for name in grid if ":" in name})
    out = {}
    for zone in zones:
        parts = {name.rpartition(":")[2]: v for name, v in grid.items() if name.rpartition(":")[0] == zone}
        load = parts.get("load" + _FORECAST)
        if load is None or not np.isfinite(load).any():
            continue
        residual = filled(load)
        for name, values in parts.items():
            if role_of(name) == "renewables" and np.isfinite(values).any():
                neighbour_values = filled(values)
                residual = residual - np.where(np.isfinite(neighbour_values), neighbour_values, 0.0)
        out[zone] = residual
    return out
