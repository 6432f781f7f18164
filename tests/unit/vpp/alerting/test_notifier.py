"""Whom to tell when: once, in few messages, and never less than that, whatever fails and whenever it restarts."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.worlds.alerting.records import T0, alert, in_works, minutes, rules_of, silenced, taken_on
from vpp.alerting import notifier as notifier_module
from vpp.alerting.notifier import MAX_EARLY, REMEMBERED, Notifier
from vpp.alerting.rules import MAX_STEPS, AlertRules
from vpp.messages import Alert, AlertAct, AlertCode, Notice, NoticeOutcome

ESCALATE = {
    "owners": {"operators": {"contacts": ["desk"]}, "managers": {"contacts": ["boss"]}},
    "rules": [{"escalate": [{"after_min": 15, "to": "managers"}]}],
}


class Mailbox:
    """A notifier whose contacts take every message at once; keeps what they got."""

    def __init__(self, rules: AlertRules | None = None) -> None:
        self.notifier = Notifier(rules or rules_of())
        self.messages: list[tuple[str, list[tuple[str, str]]]] = []

    def take(self, record: Alert | AlertAct | Notice, at: datetime = T0) -> Mailbox:
        self.notifier.take(record, at)
        return self

    def at(self, now: datetime) -> list[tuple[str, list[tuple[str, str]]]]:
        """What is told at a moment: (contact, [(stage, alert)])."""
        before = len(self.messages)
        for delivery in self.notifier.due(now):
            message = [(notice.stage, notice.alert.alert_id) for notice in delivery.notices]
            self.messages.append((delivery.contact, message))
            self.notifier.delivered(delivery, now)
        return self.messages[before:]


def test_an_alert_is_reported_once_and_so_is_its_end() -> None:
    box = Mailbox().take(alert())
    assert box.at(T0) == [("desk", [("raised", "a1")])]
    assert box.take(alert()).at(minutes(1)) == []
    assert box.take(alert().ended(minutes(30)), minutes(31)).at(minutes(31)) == [("desk", [("ended", "a1")])]
    assert box.take(alert().ended(minutes(30)), minutes(32)).at(minutes(40)) == []


def test_what_comes_together_is_one_message_the_gravest_first() -> None:
    box = Mailbox()
    for number in range(50):
        box.take(alert(f"a{number}", severity="critical" if number == 30 else "warning"))
    ((contact, message),) = box.at(T0)
    assert (contact, len(message), message[0]) == ("desk", 50, ("raised", "a30"))


def test_between_two_messages_is_the_gap() -> None:
    rules = rules_of(contacts={"desk": {"url": "json://x", "gap_s": 60}})
    box = Mailbox(rules).take(alert())
    assert len(box.at(T0)) == 1
    box.take(alert("a2"))
    assert box.at(T0 + timedelta(seconds=59)) == []
    box.take(alert("a3"))
    assert box.at(T0 + timedelta(seconds=60)) == [("desk", [("raised", "a2"), ("raised", "a3")])]


def test_notes_and_other_owners_are_not_reported() -> None:
    box = Mailbox(rules_of(owners={"operators": {"contacts": []}})).take(alert()).take(alert("a2", severity="info"))
    assert box.at(T0) == []


def test_a_replay_of_the_past_calls_nobody() -> None:
    assert Mailbox().take(alert(), minutes(24 * 60)).at(minutes(24 * 60)) == []
    everything = rules_of(live_within_min=None)
    assert len(Mailbox(everything).take(alert(), minutes(24 * 60)).at(minutes(24 * 60))) == 1


class TestAcknowledge:
    def test_acknowledged_before_it_is_due_is_not_notified(self) -> None:
        assert Mailbox().take(alert()).take(taken_on()).at(T0) == []

    def test_without_it_the_alert_escalates_once(self) -> None:
        box = Mailbox(rules_of(**ESCALATE)).take(alert())
        assert box.at(T0) == [("desk", [("raised", "a1")])]
        assert box.at(minutes(14)) == []
        assert box.at(minutes(15)) == [("boss", [("escalated-1", "a1")])]
        assert box.at(minutes(60)) == []
        ended = box.take(alert().ended(minutes(61)), minutes(61)).at(minutes(61))
        assert ended == [("boss", [("ended", "a1")]), ("desk", [("ended", "a1")])]

    @pytest.mark.parametrize(
        "record", [pytest.param(taken_on(), id="taken on"), pytest.param(alert().ended(minutes(5)), id="ended")]
    )
    def test_with_it_or_after_its_end_nothing_escalates(self, record: Alert | AlertAct) -> None:
        box = Mailbox(rules_of(**ESCALATE)).take(alert())
        box.at(T0)
        box.take(record, minutes(6))
        message = [stage for minute in range(6, 60) for _, message in box.at(minutes(minute)) for stage, _ in message]
        assert "escalated-1" not in message

    def test_an_owner_without_contacts_escalates_from_the_alert_on(self) -> None:
        owners = {"operators": {"contacts": []}, "managers": {"contacts": ["boss"]}}
        box = Mailbox(rules_of(**ESCALATE | {"owners": owners})).take(alert())
        assert box.at(minutes(14)) == []
        assert box.at(minutes(15)) == [("boss", [("escalated-1", "a1")])]

    def test_a_moment_escalates_too(self) -> None:
        box = Mailbox(rules_of(**ESCALATE)).take(alert(code=AlertCode.ORDER_REFUSED))
        assert [len(box.at(minutes(minute))) for minute in (0, 1, 15, 16)] == [1, 0, 1, 0]


class TestSilence:
    def test_what_lasts_is_reported_when_the_silence_ends(self) -> None:
        box = Mailbox().take(silenced(minutes(-1), minutes(60))).take(alert())
        assert box.at(T0) == []
        assert box.at(minutes(60)) == [("desk", [("raised", "a1")])]

    def test_what_began_and_ended_in_it_is_never_reported(self) -> None:
        box = Mailbox().take(silenced(minutes(-1), minutes(60))).take(alert())
        box.take(alert().ended(minutes(5)), minutes(5))
        assert [box.at(minutes(minute)) for minute in (5, 60, 90)] == [[], [], []]

    @pytest.mark.parametrize(
        ("scope", "is_told"),
        [
            ({"code": AlertCode.CAP_BREACH}, False),
            ({"code": AlertCode.REFLEX}, True),
            ({"asset_id": "bat"}, True),
            ({"alert_id": "a1"}, False),
            ({"channel": "load_mw"}, True),
        ],
    )
    def test_it_covers_what_it_names(self, scope: dict[str, Any], is_told: bool) -> None:
        box = Mailbox().take(silenced(minutes(-1), minutes(60), **scope)).take(alert())
        assert bool(box.at(T0)) is is_told

    def test_a_later_one_of_the_same_scope_ends_it(self) -> None:
        box = Mailbox().take(silenced(minutes(-1), minutes(60))).take(alert())
        assert box.at(T0) == []
        box.take(silenced(minutes(1), minutes(1))).take(silenced(minutes(-1), minutes(60)))
        assert len(box.at(minutes(2))) == 1


def test_quiet_hours_hold_warnings_back_and_let_critical_alerts_through() -> None:
    quiet = {"from": "11:00", "to": "13:00"}
    box = Mailbox(rules_of(owners={"operators": {"contacts": ["desk"], "quiet_hours": quiet}}))
    box.take(alert()).take(alert("a2", severity="critical"))
    assert box.at(T0) == [("desk", [("raised", "a2")])]
    assert box.at(minutes(60)) == [("desk", [("raised", "a1")])]


def test_in_maintenance_nobody_is_notified() -> None:
    window = {"from": "2026-03-04T12:00:00Z", "to": "2026-03-04T13:00:00Z", "reason": "meter swap"}
    assert Mailbox(rules_of(maintenance=[window])).take(alert()).at(T0) == []


@pytest.mark.parametrize("window_first", [True, False])
def test_work_that_somebody_plans_hushes_what_begins_in_it_for_good(window_first: bool) -> None:
    window, inside = in_works(minutes(-5), minutes(30)), alert()
    box = Mailbox()
    for record in (window, inside) if window_first else (inside, window):
        box.take(record)
    box.take(alert("a2", slot=minutes(30)), minutes(30))
    assert box.at(minutes(31)) == [("desk", [("raised", "a2")])]
    box.take(inside.ended(minutes(40)), minutes(40))
    assert box.at(minutes(41)) == []


def test_a_service_that_fails_is_tried_less_and_less_often_and_given_up_after_a_day() -> None:
    notifier = Notifier(rules_of())
    notifier.take(alert(), T0)
    now, tries = T0, []
    given_up: list[Notice] = []
    while not given_up:
        for delivery in notifier.due(now):
            tries.append(now)
            given_up += notifier.failed(delivery, now)
        now += timedelta(seconds=5)
    gaps = [(b - a).total_seconds() for a, b in pairwise(tries)]
    assert gaps[:8] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert (given_up[0].outcome, given_up[0].attempts) == (NoticeOutcome.GIVEN_UP, len(tries))
    assert now - T0 >= timedelta(hours=24)
    assert notifier.due(now + timedelta(hours=1)) == []


STEPS = st.lists(
    st.sampled_from(["raise", "end", "ack", "works", "fails", "crash before the note", "restart"]), max_size=25
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_at_least_once_through_crashes_and_outages_and_no_storm(steps: list[str]) -> None:
    """The log is the only memory: a new notifier reads it anew. A crash before the note repeats a message."""
    log: list[tuple[Alert | AlertAct | Notice, datetime]] = []
    message: Counter[tuple[str, str]] = Counter()
    crashes, messages, now = 0, 0, T0
    names: list[str] = []
    notifier = Notifier(rules_of())

    def write(record: Alert | AlertAct | Notice) -> None:
        log.append((record, now))
        notifier.take(record, now)

    def anew() -> Notifier:
        fresh = Notifier(rules_of())
        for record, at in log:
            fresh.take(record, at)
        return fresh

    acked: set[str] = set()
    for step in [*steps, "works", "works"]:
        now += timedelta(minutes=6)
        if step == "raise":
            names.append(f"a{len(names)}")
            write(alert(names[-1], slot=now))
        elif step in ("end", "ack") and names:
            name = names[len(log) % len(names)]
            first = next(one for one, _ in log if isinstance(one, Alert) and one.alert_id == name)
            if step == "ack":
                acked.add(name)
            write(taken_on(name, now) if step == "ack" else first.ended(now))
        elif step == "restart":
            notifier = anew()
        for delivery in notifier.due(now):
            messages += 1
            if step == "fails":
                notifier.failed(delivery, now)
                continue
            message.update((one.stage, one.alert.alert_id) for one in delivery.notices)
            if step == "crash before the note":
                crashes += 1
                notifier = anew()
                break
            log.extend((notice, now) for notice in notifier.delivered(delivery, now))
    assert {name for stage, name in message if stage == "raised"} >= set(names) - acked
    assert all(count <= 1 + crashes for count in message.values())
    assert messages <= len(steps) + 2, "at most one message a contact at a time"


def forged(number: int, **fields: Any) -> Notice:
    given: dict[str, Any] = {"contact": "desk", "stage": "raised", "at": minutes(10**7)}
    given |= {"alert_id": f"never-{number}"} | fields
    return Notice(zone="Z", slot=T0, outcome=NoticeOutcome.DELIVERED, attempts=1, **given)


class TestFlood:
    """Forged records fill no memory, and what came before them is still reported."""

    def test_notices_of_alerts_that_never_come(self) -> None:
        box = Mailbox().take(alert())
        for number in range(MAX_EARLY + 500):
            box.take(forged(number))
        for number in range(500):
            box.take(forged(0, contact=f"nobody-{number}"))
            box.take(forged(0, stage=f"escalated-{number + MAX_STEPS + 1}"))
            box.take(forged(0, stage=f"x{number}", alert_id="a1"))
        assert box.notifier.sizes["early"] == MAX_EARLY
        assert box.notifier.sizes["notices"] <= MAX_EARLY
        assert box.at(T0) == [("desk", [("raised", "a1")])]

    def test_what_waited_is_forgotten_by_the_time_of_the_broker(self) -> None:
        box = Mailbox().take(forged(0), T0)
        box.at(T0 + REMEMBERED)
        assert box.notifier.sizes["early"] == 1
        box.at(T0 + REMEMBERED + timedelta(seconds=1))
        assert box.notifier.sizes["early"] == 0

    def test_alerts_without_an_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notifier_module, "MAX_OPEN", 100)
        monkeypatch.setattr(notifier_module, "MAX_CLOSED", 200)
        box = Mailbox()
        for number in range(1000):
            box.take(alert(f"a{number}"))
        assert (box.notifier.sizes["open"], box.notifier.sizes["closed"]) == (100, 200)
        ((_, message),) = box.at(T0)
        assert {name for _, name in message} == {f"a{number}" for number in range(900, 1000)}
        assert box.take(alert("a899")).at(T0) == [], "an alert that was dropped does not begin anew"

    def test_more_escalations_than_the_limit_are_refused_in_the_rules(self) -> None:
        steps = [{"after_min": 1 + number, "to": "operators"} for number in range(MAX_STEPS + 1)]
        with pytest.raises(ValidationError):
            rules_of(rules=[{"escalate": steps}])
