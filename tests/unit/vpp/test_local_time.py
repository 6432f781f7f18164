"""Local time through summer time, against the clock itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from vpp.local_time import check_time_zone, local_date, local_minutes, utc_of

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("day", "hour", "expected"),
    [
        pytest.param(date(2024, 1, 10), 0, datetime(2024, 1, 9, 23, tzinfo=UTC), id="winter"),
        pytest.param(date(2024, 7, 10), 12, datetime(2024, 7, 10, 10, tzinfo=UTC), id="summer"),
        pytest.param(date(2024, 3, 31), 24, datetime(2024, 3, 31, 22, tzinfo=UTC), id="end-of-the-short-day"),
        pytest.param(date(2024, 10, 27), 24, datetime(2024, 10, 27, 23, tzinfo=UTC), id="end-of-the-long-day"),
        pytest.param(date(2024, 10, 27), 2, datetime(2024, 10, 27, 0, tzinfo=UTC), id="first-of-the-hour-that-repeats"),
    ],
)
def test_an_hour_of_a_local_day(day: date, hour: int, expected: datetime) -> None:
    assert utc_of(day, hour, BERLIN) == expected


def test_days_begin_at_local_midnight() -> None:
    midnight = utc_of(date(2024, 10, 28), 0, BERLIN)
    assert local_date(midnight, BERLIN) == date(2024, 10, 28)
    assert local_date(midnight - timedelta(seconds=1), BERLIN) == date(2024, 10, 27)


def test_minutes_agree_with_the_clock_over_a_change() -> None:
    first = int(datetime(2024, 3, 30, tzinfo=UTC).timestamp()) // 1800
    minutes = local_minutes(first, first + 96, step_min=30, time_zone=BERLIN)
    for position, minute in enumerate(minutes):
        when = datetime.fromtimestamp((first + position) * 1800, UTC)
        assert date(1970, 1, 1) + timedelta(days=int(minute) // 1440) == local_date(when, BERLIN)


def test_an_unknown_time_zone_is_named() -> None:
    assert check_time_zone(BERLIN) == BERLIN
    with pytest.raises(ValueError, match="Mars/Olympus"):
        check_time_zone("Mars/Olympus")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("UTC+1", "write Etc/GMT-1"),
        ("+02:00", "write Etc/GMT-2"),
        ("GMT-05:00", r"write Etc/GMT\+5"),
        ("MESZ", "did you mean Europe/Berlin"),
        ("PDT", "did you mean America/Los_Angeles"),
        ("Europe/Berln", "did you mean Europe/Berlin"),
        ("UTC+5:30", "unknown time zone"),
    ],
)
def test_what_was_meant_by_a_time_zone_is_named(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match=meant):
        check_time_zone(name)
