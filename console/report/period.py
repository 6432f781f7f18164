"""The period of a report: a local day or a local week (Monday to Sunday) of a zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from vpp.errors import ConfigError
from vpp.local_time import local_date, utc_of

Span = Literal["day", "week"]
DAYS: dict[Span, int] = {"day": 1, "week": 7}


@dataclass(frozen=True, slots=True)
class ReportPeriod:
    """A period ``[start, end)`` of whole local days.

    Attributes:
        first: First local day.
        days: Number of days.
        start: Its begin (UTC).
        end: Its end (UTC), exclusive.
        complete: Whether the plant has closed the whole period.
    """

    first: date
    days: int
    start: datetime
    end: datetime
    complete: bool

    @property
    def label(self) -> str:
        """Name for people and files: ``2026-01-31`` or ``2026-W05``."""
        if self.days == 1:
            return self.first.isoformat()
        year, week, _ = self.first.isocalendar()
        return f"{year}-W{week:02}"


def period_of(span: Span, on: date, time_zone: str, as_of: datetime) -> ReportPeriod:
    """Return the day, or the week, in which a local date lies.

    Args:
        span: ``day`` or ``week``.
        on: A local date in it.
        time_zone: The zone's local time.
        as_of: End of the newest closed slot (UTC).

    Raises:
        ConfigError: It begins after the newest closed slot.
    """
    first = on - timedelta(days=on.weekday()) if span == "week" else on
    start = utc_of(first, 0, time_zone)
    end = utc_of(first + timedelta(days=DAYS[span]), 0, time_zone)
    if start >= as_of:
        last = local_date(as_of - timedelta(seconds=1), time_zone)
        raise ConfigError(f"there are no slots of {on} yet", hint=f"the newest closed slot is on {last}")
    return ReportPeriod(first, DAYS[span], start, end, complete=end <= as_of)


def last_period(span: Span, time_zone: str, first_slot: datetime, as_of: datetime) -> ReportPeriod:
    """Return the last complete period since the first slot, else the one that is under way.

    Args:
        span: ``day`` or ``week``.
        time_zone: The zone's local time.
        first_slot: The first stored slot (UTC).
        as_of: End of the newest closed slot (UTC).
    """
    newest = local_date(as_of - timedelta(seconds=1), time_zone)
    under_way = period_of(span, newest, time_zone, as_of)
    if under_way.complete:
        return under_way
    before = under_way.first - timedelta(days=1)
    if utc_of(before, 0, time_zone) < first_slot and local_date(first_slot, time_zone) > before:
        return under_way
    return period_of(span, before, time_zone, as_of)
