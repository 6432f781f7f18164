"""Local calendar of a zone by slot: local time, day class, holidays, sun; one table per UTC day, cached.

Training, backfill and serving read the same day tables, so a slot has the same bits in all of them.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import holidays
import numpy as np

from vpp.domain import Step
from vpp.fleet.schema import Zone
from vpp.local_time import local_time
from vpp.numerics.arrays import Floats

FIELDS: tuple[str, ...] = (
    "minute",
    "weekday",
    "day_class",
    "holiday",
    "holiday_yesterday",
    "holiday_week_ago",
    "annual",
    "sun",
)
"""Rows of a calendar table: minute of the local day, weekday 0-6 (a holiday is 6), day class, holiday flags of this
day, the day before and the same weekday a week ago, angle of the year in radians, sine of the sun's elevation."""

MINUTE, WEEKDAY, DAY_CLASS, HOLIDAY, HOLIDAY_YESTERDAY, HOLIDAY_WEEK_AGO, ANNUAL, SUN = range(len(FIELDS))

WORKDAY, SATURDAY, SUNDAY = 0.0, 1.0, 2.0
"""Day classes; a public holiday counts as Sunday."""

# Latitude and longitude in degrees of the load centre of a time zone.
_PLACES: dict[str, tuple[float, float]] = {
    "Europe/London": (52.5, -1.5),
    "Europe/Berlin": (51.0, 10.0),
    "Europe/Vienna": (47.7, 14.0),
    "Europe/Zurich": (47.0, 8.0),
    "Europe/Paris": (46.5, 2.5),
    "Europe/Amsterdam": (52.2, 5.3),
    "Europe/Brussels": (50.7, 4.5),
    "Europe/Warsaw": (52.0, 19.3),
    "Europe/Prague": (49.8, 15.5),
    "Australia/Sydney": (-33.5, 150.5),
    "Australia/Brisbane": (-27.0, 152.5),
    "Australia/Adelaide": (-34.8, 138.6),
    "Australia/Hobart": (-42.0, 147.0),
    "Australia/Melbourne": (-37.5, 145.0),
}


class Calendar:
    """Calendar tables of one zone.

    Args:
        zone: Gives time zone, country, subdivision and step.
    """

    def __init__(self, zone: Zone) -> None:
        self.step: Step = zone.step
        self._time_zone = zone.time_zone
        self._holidays = _holiday_calendar(zone.country, zone.subdivision)
        self._latitude, self._longitude = _place(zone.time_zone)
        self._days = _made_days(zone.step_min, zone.time_zone, zone.country, zone.subdivision)

    def day(self, day: int) -> Floats:
        """Return the table of UTC day number ``day`` (days since 1970-01-01), shape (len(FIELDS), slots per day)."""
        table = self._days.get(day)
        if table is None:
            table = self._days[day] = self._make(day)
        return table

    def table(self, first: int, last: int) -> Floats:
        """Return the table of slots ``first`` to ``last`` (exclusive), shape (len(FIELDS), last - first)."""
        per_day = self.step.per_day
        days = [self.day(day) for day in range(first // per_day, (last - 1) // per_day + 1)]
        skip = first - (first // per_day) * per_day
        return np.ascontiguousarray(np.concatenate(days, axis=1)[:, skip : skip + last - first])

    def is_holiday(self, day: date) -> bool:
        """Return whether ``day`` is a public holiday of the zone."""
        return day in self._holidays

    def _make(self, day: int) -> Floats:
        out = np.empty((len(FIELDS), self.step.per_day))
        of_date: dict[date, tuple[float, ...]] = {}
        for column in range(self.step.per_day):
            start = self.step.start(day * self.step.per_day + column)
            local = local_time(start, self._time_zone)
            today = local.date()
            if today not in of_date:
                of_date[today] = self._of_date(today)
            sun = sun_sine(start + self.step.delta / 2, self._latitude, self._longitude)
            out[:, column] = (local.hour * 60 + local.minute, *of_date[today], sun)
        return out

    def _of_date(self, today: date) -> tuple[float, ...]:
        """Return the fields that a local day's slots share, from ``weekday`` to ``annual``."""
        holiday = self.is_holiday(today)
        weekday = 6 if holiday else today.weekday()
        return (
            weekday,
            WORKDAY if weekday < 5 else SATURDAY if weekday == 5 else SUNDAY,
            holiday,
            self.is_holiday(today - timedelta(days=1)),
            self.is_holiday(today - timedelta(days=7)),
            2.0 * math.pi * (today.timetuple().tm_yday - 1) / 365.25,
        )


def sun_sine(instant: datetime, latitude_deg: float, longitude_deg: float) -> float:
    """Return the sine of the sun's elevation, at least 0 (night).

    Declination -23.44 deg × cos(2π (day + 10) / 365.25) and the equation of time after Spencer (1971); good to about a
    degree, which is enough for a feature.
    """
    moment = instant.astimezone(UTC)
    year_day = moment.timetuple().tm_yday - 1 + (moment.hour + moment.minute / 60) / 24
    declination = -math.radians(23.44) * math.cos(2 * math.pi * (year_day + 10) / 365.25)
    b = 2 * math.pi * year_day / 365.0
    equation_min = 229.18 * (
        0.000075
        + 0.001868 * math.cos(b)
        - 0.032077 * math.sin(b)
        - 0.014615 * math.cos(2 * b)
        - 0.04089 * math.sin(2 * b)
    )
    solar_hour = moment.hour + moment.minute / 60 + moment.second / 3600 + longitude_deg / 15 + equation_min / 60
    angle = math.radians(15 * (solar_hour - 12))
    latitude = math.radians(latitude_deg)
    sine = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(angle)
    return max(sine, 0.0)


MAIN_SUBDIVISION = {"GB": "ENG"}
"""Part of a country that has most of its load, where the whole has fewer common holidays: no Easter Monday in GB."""


@lru_cache(maxsize=64)
def _made_days(_step_min: int, _time_zone: str, _country: str | None, _subdivision: str | None) -> dict[int, Floats]:
    """Return the tables made so far by UTC day number; all zones of one place and step fill and read the same."""
    return {}


@lru_cache(maxsize=64)
def _holiday_calendar(country: str | None, subdivision: str | None) -> holidays.HolidayBase | dict[date, str]:
    if country is None:
        return {}
    try:
        return holidays.country_holidays(country, subdiv=subdivision or MAIN_SUBDIVISION.get(country))
    except NotImplementedError:  # the package knows no holidays of that country: every day is then a plain one
        return {}


def _place(time_zone: str) -> tuple[float, float]:
    place = _PLACES.get(time_zone)
    if place is not None:
        return place
    offset = local_time(datetime(2021, 1, 1, tzinfo=UTC), time_zone).utcoffset() or timedelta(0)
    return 45.0, offset.total_seconds() / 240.0
