"""The book of OpenADR events: what is new is ordered once, what changed or went is cancelled."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from agents.orders.openadr_book import BookChanges, BookState, follow
from agents.orders.openadr_events import read_events
from tests.worlds.field.vtn import event

NOW = datetime(2026, 3, 4, 16, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)
LATER = "2026-03-04T16:30:00Z"


class Desk:
    """A book that is written and read between two lists."""

    def __init__(self) -> None:
        self.state = BookState()

    def __call__(self, *events: dict[str, Any], now: datetime = NOW) -> BookChanges:
        listed = read_events(json.dumps(events).encode())
        self.state, changes = follow(self.state, listed, now, timedelta(hours=48))
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=BookState)
        return changes


def test_an_event_is_ordered_once_and_cancelled_when_it_goes() -> None:
    desk, body = Desk(), event("e", SOON, ("SIMPLE", 1))
    (given,) = desk(body).given
    assert desk(body) == BookChanges()
    assert desk().cancelled == [given[1].order_id]
    assert desk() == BookChanges()


def test_a_changed_event_ends_its_old_orders_and_gives_new_ones() -> None:
    desk = Desk()
    (before,) = desk(event("e", SOON, ("DISPATCH_SETPOINT", 100))).given
    changes = desk(event("e", SOON, ("DISPATCH_SETPOINT", 200), modified=LATER))
    assert changes.cancelled == [before[1].order_id]
    assert [order.fields for _, order in changes.given] == [{"power_mw": -0.2}]


def test_a_change_without_a_new_time_of_change_is_one_all_the_same() -> None:
    desk = Desk()
    (before,) = desk(event("e", SOON, ("DISPATCH_SETPOINT", 100))).given
    changes = desk(event("e", SOON, ("DISPATCH_SETPOINT", 200)))
    assert changes.cancelled == [before[1].order_id]
    assert [order.fields for _, order in changes.given] == [{"power_mw": -0.2}]


def test_an_event_that_went_and_comes_back_is_ordered_anew_since_its_order_is_cancelled() -> None:
    desk, body = Desk(), event("e", SOON, ("SIMPLE", 1))
    ids = []
    for _ in range(3):
        (given,) = desk(body).given
        ids.append(given[1].order_id)
        assert desk().cancelled == [ids[-1]]
        assert desk() == BookChanges()
    assert len(set(ids)) == 3
    desk(now=SOON + timedelta(hours=1))
    assert desk.state == BookState()


def test_what_is_over_is_neither_ordered_nor_cancelled() -> None:
    desk, body = Desk(), event("e", NOW - timedelta(hours=3), ("SIMPLE", 1))
    assert desk(body).given == []
    desk = Desk()
    desk(event("e", SOON, ("SIMPLE", 1)))
    assert desk(now=SOON + timedelta(hours=1)).cancelled == []


def test_an_order_far_ahead_waits_until_it_may_live_so_long() -> None:
    desk, body = Desk(), event("e", NOW + timedelta(hours=60), ("SIMPLE", 1))
    assert desk(body).given == []
    assert len(desk(body, now=NOW + timedelta(hours=13)).given) == 1
    assert desk(body, now=NOW + timedelta(hours=14)).given == []


def test_an_event_that_cannot_be_done_is_refused_once_and_ends_what_its_old_version_asked() -> None:
    desk = Desk()
    (before,) = desk(event("e", SOON, ("SIMPLE", 1))).given
    broken = event("e", SOON, ("SIMPLE", "high"), modified=LATER)
    changes = desk(broken, event("long", SOON, ("SIMPLE", 1), minutes=60 * 72))
    assert changes.cancelled == [before[1].order_id]
    assert [name for name, _ in changes.refused] == ["e", "long"]
    assert desk(broken, event("long", SOON, ("SIMPLE", 1), minutes=60 * 72)) == BookChanges()
