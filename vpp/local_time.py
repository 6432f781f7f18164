"""Local time: the clock of a time zone with its summer time, for one moment or for a range of slots."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np

from vpp.errors import did_you_mean
from vpp.numerics.arrays import Ints

_HALF_HOURS_A_YEAR = 366 * 48
_CLOCKS = {
    "Europe/Berlin": ("MEZ", "MESZ", "CEST"),
    "Europe/London": ("BST",),
    "Europe/Athens": ("EEST",),
    "America/New_York": ("EDT", "ET"),
    "America/Chicago": ("CST", "CDT", "CT"),
    "America/Denver": ("MDT", "MT"),
    "America/Los_Angeles": ("PST", "PDT", "PT"),
    "Australia/Sydney": ("AEST", "AEDT"),
    "Asia/Tokyo": ("JST",),
    "Asia/Kolkata": ("IST",),
}
"""Time zone to the short names of its clock, which are no names of time zones."""
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])\s*0?(\d{1,2})(?::?00)?", re.IGNORECASE)


def check_time_zone(name: str) -> str:
    """Return the name of a time zone if the system knows it.

    Raises:
        ValueError: There is no such time zone.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"unknown time zone {name!r}{_meant(name)}") from error
    return name


def _meant(name: str) -> str:
    offset = _OFFSET.fullmatch(name.strip())
    if offset is not None:
        fixed = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}"
        if fixed in available_timezones():
            return f" (write {fixed}: the sign is inverted there)"
    for zone, clocks in _CLOCKS.items():
        if name.strip().upper() in clocks:
            return f" (did you mean {zone}?)"
    return did_you_mean(name, sorted(available_timezones()))


def local_time(instant: datetime, time_zone: str) -> datetime:
    """Return a moment (aware) on the clock of a time zone."""
    return instant.astimezone(ZoneInfo(time_zone))


def local_date(instant: datetime, time_zone: str) -> date:
    """Return the local day in which a moment (aware) lies."""
    return local_time(instant, time_zone).date()


@lru_cache(maxsize=4096)
def utc_of(day: date, hour: int, time_zone: str) -> datetime:
    """Return the UTC moment of a full hour (0 to 24) of a local day; 24 is the next midnight.

    An hour that summer time repeats is taken the first time; one that it skips, as the clock would have gone on.
    """
    local = datetime.combine(day + timedelta(days=hour // 24), time(hour % 24), ZoneInfo(time_zone))
    return local.astimezone(UTC)


@lru_cache(maxsize=64)
def _year_offsets(time_zone: str, year: int) -> Ints:
    zone, start = ZoneInfo(time_zone), datetime(year, 1, 1, tzinfo=UTC)
    offsets = np.empty(_HALF_HOURS_A_YEAR, dtype=np.int64)
    for i in range(_HALF_HOURS_A_YEAR):
        offset = (start + timedelta(minutes=30 * i)).astimezone(zone).utcoffset()
        offsets[i] = 0 if offset is None else int(offset.total_seconds()) // 60
    return offsets


def local_minutes(first_index: int, last_index_exclusive: int, *, step_min: int, time_zone: str) -> Ints:
    """Return the local clock of each slot start as minutes since 1970-01-01 00:00 local; shape (n,).

    Local days are ``minutes // 1440`` and slots of the day ``minutes % 1440 // step_min``; an hour that summer time
    skips is absent and one that it repeats is there twice.

    Args:
        first_index: Index of the first slot since 1970-01-01 00:00 UTC.
        last_index_exclusive: Index after the last slot.
        step_min: Slot length in minutes.
        time_zone: Name of the time zone.
    """
    local = np.arange(first_index, last_index_exclusive, dtype=np.int64) * step_min
    first, last = first_index * step_min, (last_index_exclusive - 1) * step_min
    for year in range(_year_of(first), _year_of(last) + 1) if local.size else ():
        start = _year_start(year)
        inside = slice(max(0, -((first - start) // step_min)), max(0, -((first - _year_start(year + 1)) // step_min)))
        local[inside] += _year_offsets(time_zone, year)[(local[inside] - start) // 30]
    return local


@lru_cache(maxsize=64)
def _year_start(year: int) -> int:
    """Return when a UTC year begins, in minutes since 1970-01-01 00:00."""
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) // 60


def _year_of(minute: int) -> int:
    return datetime.fromtimestamp(minute * 60, UTC).year
