"""The book of acts: the last silence of a scope counts, whatever the order in which acts are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from vpp.alerting.act_book import ActBook
from vpp.messages import AlertAct, AlertAction, AlertCode

T0 = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def silence(act_id: str, at: datetime, until: datetime) -> AlertAct:
    return AlertAct(
        act_id=act_id,
        action=AlertAction.SILENCE,
        zone="Z",
        at=at,
        until=until,
        principal="ann",
        code=AlertCode.RAMP,
    )


@pytest.mark.parametrize(("begin_id", "end_id"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("after", [timedelta(0), timedelta(minutes=1)])
def test_an_ended_silence_is_over_also_in_the_moment_of_its_beginning(
    begin_id: str, end_id: str, after: timedelta
) -> None:
    begin, end = silence(begin_id, T0, T0 + HOUR), silence(end_id, T0 + after, T0 + after)
    for acts in permutations([begin, end]):
        assert ActBook.of(acts).silences(T0 + after) == []
    assert ActBook.of([begin]).silences(T0) == [begin]
