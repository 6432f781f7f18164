from datetime import UTC, datetime, timedelta

import pytest

from mcp_server.queries.context import QuestionError, ReadContext, period
from tests.worlds.mcp_plant import END

NOON = datetime(2022, 1, 1, 12, tzinfo=UTC)


def test_as_of_is_the_end_of_the_newest_slot(context: ReadContext) -> None:
    assert context.as_of() == END == datetime(2022, 1, 2, tzinfo=UTC)
    assert context.as_of("GB") == END
    assert context.as_of("FR") is None


def test_an_only_zone_need_not_be_named(context: ReadContext) -> None:
    assert context.choose(None) == "GB"


def test_an_unknown_zone_names_the_nearest(context: ReadContext) -> None:
    with pytest.raises(QuestionError) as caught:
        context.choose("GBR")
    assert caught.value.hint == "did you mean GB?"


def test_step_comes_from_the_data(context: ReadContext, nothing: ReadContext) -> None:
    assert context.step_min("GB") == 30
    assert nothing.step_min("NOWHERE") == 30


def test_nothing_yet_is_no_error(nothing: ReadContext) -> None:
    assert nothing.zones() == []
    assert nothing.choose(None) is None
    assert nothing.as_of() is None


def test_a_period_defaults_to_the_last_day_and_says_so() -> None:
    window = period(NOON, None, None)
    assert (window.start, window.end) == (NOON - timedelta(hours=24), NOON)
    assert window.notes == ("no start was given: the last 24 h",)


def test_a_time_without_zone_is_utc_and_said() -> None:
    window = period(NOON, datetime(2022, 1, 1, 6), None)  # noqa: DTZ001  # the case
    assert window.text() == "2022-01-01T06:00:00Z/2022-01-01T12:00:00Z"
    assert window.notes == ("start had no time zone and was read as UTC",)


def test_a_period_after_the_data_is_open() -> None:
    window = period(NOON, NOON + timedelta(hours=1), None)
    assert window.end == NOON + timedelta(hours=25)


def test_a_backward_period_is_refused() -> None:
    with pytest.raises(QuestionError, match="is not before"):
        period(NOON, NOON, NOON)
