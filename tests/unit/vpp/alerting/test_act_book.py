"""The book of acts: the last silence of a scope counts, whatever the order in which acts are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from vpp.alerting import act_book as act_book_module
from vpp.alerting.act_book import MAX_LASTING, ActBook
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


def test_a_flood_of_acts_of_one_zone_fills_no_memory_and_touches_no_other_zone() -> None:
    book = ActBook()
    book.take(replace(silence("s", T0, T0 + HOUR), zone="other"))
    for number in range(MAX_LASTING + 100):
        book.take(replace(silence(f"s{number}", T0, T0 + number * HOUR + HOUR), alert_id=f"a{number}"))
    lasting = book.silences(T0)
    assert len(lasting) == MAX_LASTING + 1
    assert "other" in {act.zone for act in lasting}
    assert max(act.until for act in lasting if act.until) == T0 + (MAX_LASTING + 100) * HOUR


def test_acknowledgements_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(act_book_module, "MAX_ACKNOWLEDGED", 10)
    book = ActBook()
    for number in range(50):
        act = AlertAct(act_id="k", action=AlertAction.ACKNOWLEDGE, zone="Z", at=T0, principal="a", alert_id=str(number))
        book.take(act)
    assert [number for number in range(50) if book.acknowledgement("Z", str(number))] == list(range(40, 50))
