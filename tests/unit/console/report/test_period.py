"""The period of a report: local days and weeks, complete or under way, over changes of the clock."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.report.period import last_period, period_of
from vpp.errors import ConfigError

LONDON = "Europe/London"


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("on", "hours"),
    [(date(2022, 3, 27), 23), (date(2022, 10, 30), 25), (date(2022, 7, 1), 24)],
)
def test_a_local_day_is_as_long_as_the_clock_makes_it(on: date, hours: int) -> None:
    period = period_of("day", on, LONDON, utc(2022, 12, 1))
    assert period.end - period.start == timedelta(hours=hours)
    assert (period.label, period.complete) == (on.isoformat(), True)


def test_a_week_begins_on_monday_and_is_named_by_iso() -> None:
    period = period_of("week", date(2021, 1, 2), "UTC", utc(2021, 2, 1))
    assert (period.first, period.label) == (date(2020, 12, 28), "2020-W53")


def test_a_day_under_way_is_not_complete() -> None:
    assert not period_of("day", date(2022, 1, 4), "UTC", utc(2022, 1, 4, 12)).complete


def test_a_day_in_the_future_is_refused_with_the_newest_day() -> None:
    with pytest.raises(ConfigError, match="no slots of 2022-01-05 yet") as error:
        period_of("day", date(2022, 1, 5), "UTC", utc(2022, 1, 5))
    assert "2022-01-04" in str(error.value.hint)


def test_the_last_complete_day_is_reported_unless_the_first_day_is_under_way() -> None:
    first = utc(2022, 1, 3, 6)
    assert last_period("day", "UTC", first, utc(2022, 1, 5)).first == date(2022, 1, 4)
    assert last_period("day", "UTC", first, utc(2022, 1, 5, 7)).first == date(2022, 1, 4)
    assert last_period("day", "UTC", first, utc(2022, 1, 4, 7)).first == date(2022, 1, 3)
    assert last_period("day", "UTC", first, utc(2022, 1, 3, 7)).first == date(2022, 1, 3)


@given(
    minutes=st.integers(0, 60 * 24 * 400),
    age=st.integers(1, 60 * 24 * 30),
    span=st.sampled_from(["day", "week"]),
    zone=st.sampled_from(["UTC", LONDON, "Australia/Melbourne", "America/New_York"]),
)
def test_the_last_period_begins_before_now_and_holds_slots(minutes: int, age: int, span: str, zone: str) -> None:
    as_of = utc(2022, 1, 1) + timedelta(minutes=minutes)
    first_slot = as_of - timedelta(minutes=age)
    period = last_period(span, zone, first_slot, as_of)  # type: ignore[arg-type]
    assert period.start < as_of
    assert period.end > first_slot
    assert period.complete == (period.end <= as_of)
