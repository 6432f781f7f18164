from datetime import UTC, date, datetime

import numpy as np
import pytest

from features import calendar as cal
from features.calendar import Calendar, sun_sine
from tests.worlds.synthetic import make_zone
from vpp.domain import Step


def index(text: str, step_min: int = 30) -> int:
    return Step(step_min).index(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_spring_forward_skips_the_local_hour_and_autumn_repeats_it() -> None:
    calendar = Calendar(make_zone())
    spring = calendar.table(index("2021-03-28 00:00"), index("2021-03-28 02:30"))[cal.MINUTE]
    np.testing.assert_array_equal(spring, [0, 30, 120, 150, 180])
    autumn = calendar.table(index("2021-10-31 00:00"), index("2021-10-31 02:30"))[cal.MINUTE]
    np.testing.assert_array_equal(autumn, [60, 90, 60, 90, 120])


@pytest.mark.parametrize(
    ("day", "weekday", "day_class", "holiday"),
    [
        pytest.param("2021-06-02 12:00", 2, cal.WORKDAY, 0, id="a Wednesday"),
        pytest.param("2021-06-05 12:00", 5, cal.SATURDAY, 0, id="a Saturday"),
        pytest.param("2021-06-06 12:00", 6, cal.SUNDAY, 0, id="a Sunday"),
        pytest.param("2021-12-27 12:00", 6, cal.SUNDAY, 1, id="a bank holiday is a Sunday"),
    ],
)
def test_day_classes(day: str, weekday: int, day_class: float, holiday: int) -> None:
    column = Calendar(make_zone()).table(index(day), index(day) + 1)[:, 0]
    assert (column[cal.WEEKDAY], column[cal.DAY_CLASS], column[cal.HOLIDAY]) == (weekday, day_class, holiday)


def test_flags_of_the_day_after_and_the_week_after_a_holiday() -> None:
    calendar = Calendar(make_zone())
    after = calendar.table(index("2021-12-29 12:00"), index("2021-12-29 12:30"))[:, 0]
    week = calendar.table(index("2022-01-04 12:00"), index("2022-01-04 12:30"))[:, 0]
    assert calendar.is_holiday(date(2021, 12, 28))
    assert after[cal.HOLIDAY_YESTERDAY] == 1
    assert week[cal.HOLIDAY_WEEK_AGO] == 1


def test_the_local_day_decides_not_the_utc_day() -> None:
    calendar = Calendar(make_zone())
    before_midnight = calendar.table(index("2021-06-04 22:30"), index("2021-06-04 23:30"))
    np.testing.assert_array_equal(before_midnight[cal.DAY_CLASS], [cal.WORKDAY, cal.SATURDAY])


def test_a_table_is_the_same_whatever_span_it_is_read_in() -> None:
    first = index("2021-03-27 00:00")
    whole = Calendar(make_zone()).table(first, first + 200)
    np.testing.assert_array_equal(Calendar(make_zone()).table(first + 61, first + 130), whole[:, 61:130])


def test_the_sun_is_highest_near_local_noon_and_down_at_night() -> None:
    noon = sun_sine(datetime(2021, 6, 21, 12, tzinfo=UTC), 52.5, 0.0)
    assert noon == pytest.approx(np.sin(np.radians(90 - 52.5 + 23.44)), abs=0.01)
    assert sun_sine(datetime(2021, 6, 21, 0, tzinfo=UTC), 52.5, 0.0) == 0.0


def test_great_britain_keeps_the_holidays_of_england() -> None:
    calendar = Calendar(make_zone().model_copy(update={"country": "GB", "subdivision": None}))
    assert calendar.is_holiday(date(2022, 4, 18))
    assert calendar.is_holiday(date(2021, 8, 30))
    scotland = Calendar(make_zone().model_copy(update={"country": "GB", "subdivision": "SCT"}))
    assert not scotland.is_holiday(date(2022, 4, 18))


def test_a_zone_without_country_has_no_holidays() -> None:
    calendar = Calendar(make_zone().model_copy(update={"country": None}))
    assert not calendar.is_holiday(date(2021, 12, 27))
