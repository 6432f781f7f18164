"""Decides which notices are due to which contact; ``topologies.alerting.contacts`` sends them.

A state machine over the records of ``vpp.alerts`` and the time.

It reads no clock and sends nothing. Its worker hands it every record of the topic from the beginning, its own notices
among them, then asks what is due, sends it, and enters the result. So a notice that was not sent before a restart is
sent after it, and none is sent twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from vpp.alerting.act_book import ActBook, drop_first
from vpp.alerting.rules import MAX_STEPS, AlertRules, Handling, Subject
from vpp.messages import EPISODES, Alert, AlertAct, Notice, NoticeOutcome, Severity
from vpp.messages.alert_words import RANK

RAISED, ENDED, ESCALATED = "raised", "ended", "escalated"
RETRY_S = 5.0
LONGEST_RETRY_S = 300.0
GIVE_UP_AFTER = timedelta(hours=24)
REMEMBERED = timedelta(days=8)
"""Longer than the topic keeps records, so a record that comes again is known."""

MAX_EARLY = 10_000
MAX_OPEN = 20_000
MAX_CLOSED = 200_000
"""Most alerts of each kind in memory: notices that wait for their alert, open alerts, alerts that are over. Of more,
the first ones are dropped: a flood of forged records must not fill the memory."""
_STAGES = frozenset({RAISED, ENDED, *(f"{ESCALATED}-{number}" for number in range(1, MAX_STEPS + 1))})

Key = tuple[str, str]
Stages = dict[tuple[str, str], Notice]
"""Notices by stage and contact."""


@dataclass
class _Case:
    """One alert on its way to people.

    ``raised_at``, ``end_seen_at``: the broker's time of its first record, and of the one with its end. ``notified_at``:
    when its first notice was delivered.
    """

    alert: Alert
    subject: Subject
    handling: Handling
    raised_at: datetime
    done: dict[tuple[str, str], NoticeOutcome] = field(default_factory=dict)
    notified_at: datetime | None = None
    end_seen_at: datetime | None = None

    @property
    def key(self) -> Key:
        return self.alert.zone, self.alert.alert_id

    @property
    def notified(self) -> set[str]:
        """Contacts that got the alert."""
        return {
            contact
            for (stage, contact), outcome in self.done.items()
            if stage != ENDED and outcome is NoticeOutcome.DELIVERED
        }

    @property
    def lasts(self) -> bool:
        return self.alert.code in EPISODES and self.alert.ended_at is None

    @property
    def has_ended(self) -> bool:
        return self.alert.ended_at is not None


@dataclass(frozen=True, slots=True)
class DueNotice:
    """One alert that is due for a contact, with its stage."""

    alert: Alert
    handling: Handling
    stage: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class AlertMessage:
    """One message to one contact: all alerts that are due now, the most severe first."""

    contact: str
    notices: tuple[DueNotice, ...]

    @property
    def severity(self) -> Severity:
        """Return the highest severity in it."""
        return min((notice.handling.severity for notice in self.notices), key=lambda name: RANK[name])


@dataclass
class _Outbox:
    """What one contact's service does. ``attempts``: messages tried since the last that it took."""

    attempts: int = 0
    sent_at: datetime | None = None
    retry_at: datetime | None = None
    is_busy: bool = False


class Notifier:
    """Decides which alerts each contact is notified of.

    Invariants:
        - An alert is due until its contact's service has taken it, for a day at least.
        - A contact gets one message at a time, and no two within its gap or while its service is given time.
        - Records may be repeated and partitions may be read in any order.

    Args:
        rules: Contacts, owners and rules.
    """

    def __init__(self, rules: AlertRules) -> None:
        self._rules = rules
        self._acts = ActBook()
        self._cases: dict[Key, _Case] = {}
        self._early: dict[Key, tuple[datetime, Stages]] = {}
        self._closed: dict[Key, datetime] = {}
        self._outboxes = {name: _Outbox() for name in rules.contacts}

    @property
    def sizes(self) -> dict[str, int]:
        """Return how many alerts are open, closed and expected, and the notices of the last ones."""
        notices = sum(len(stages) for _, stages in self._early.values())
        return {
            "open": len(self._cases),
            "closed": len(self._closed),
            "early": len(self._early),
            "notices": notices,
        }

    def take(self, record: Alert | AlertAct | Notice, at: datetime) -> None:
        """Take one record of the topic; ``at`` is the broker's time of it."""
        match record:
            case Alert():
                self._take_alert(record, at)
            case AlertAct():
                self._acts.take(record)
            case Notice():
                self._take_notice(record, at)

    def _take_notice(self, notice: Notice, at: datetime) -> None:
        if notice.contact not in self._outboxes or notice.stage not in _STAGES:
            return  # of earlier rules, or forged: no alert waits for it
        key = (notice.zone, notice.alert_id)
        case = self._cases.get(key)
        if case is not None:
            _mark(case, notice)
        elif key not in self._closed:
            _, stages = self._early.setdefault(key, (at, {}))
            stages[notice.stage, notice.contact] = notice
            drop_first(self._early, MAX_EARLY)

    def _take_alert(self, alert: Alert, at: datetime) -> None:
        key = (alert.zone, alert.alert_id)
        case = self._cases.get(key)
        if case is not None:
            case.alert = alert
            if alert.ended_at is not None and case.end_seen_at is None:
                case.end_seen_at = at
            return
        if key in self._closed:
            return
        subject = Subject.of(alert)
        handling = self._rules.handling(subject)
        limit = self._rules.live_within_min
        is_live = limit is None or abs(at - alert.slot) <= timedelta(minutes=limit)
        if not handling.tell or not is_live or self._rules.in_maintenance(subject) is not None:
            self._close(key, at)
            return
        case = self._cases[key] = _Case(alert, subject, handling, at)
        if alert.ended_at is not None:
            case.end_seen_at = at
        _, stages = self._early.pop(key, (at, Stages()))
        for notice in stages.values():
            _mark(case, notice)
        if len(self._cases) > MAX_OPEN:
            dropped = next(iter(self._cases))
            del self._cases[dropped]
            self._close(dropped, at)

    def due(self, now: datetime) -> list[AlertMessage]:
        """Return the messages to send now, at most one for each contact; each then counts as under way."""
        self._forget(now)
        free = {name for name, box in self._outboxes.items() if self._is_free(name, box, now)}
        waiting: dict[str, list[DueNotice]] = defaultdict(list)
        for key, case in list(self._cases.items()):
            if self._is_over(case, now):
                del self._cases[key]
                self._close(key, now)
                continue
            for contact, notice in self._due_of(case, now) if free else ():
                if contact in free:
                    waiting[contact].append(notice)
        deliveries = []
        for contact, notices in sorted(waiting.items()):
            self._outboxes[contact].is_busy = True
            notices.sort(key=lambda due: (RANK[due.handling.severity], due.alert.slot, due.alert.alert_id, due.stage))
            deliveries.append(AlertMessage(contact, tuple(notices)))
        return deliveries

    def delivered(self, delivery: AlertMessage, now: datetime) -> list[Notice]:
        """Return the notices to write down after a contact's service has taken a message."""
        box = self._outboxes[delivery.contact]
        attempts = box.attempts + 1
        self._outboxes[delivery.contact] = _Outbox(sent_at=now)
        return self._note(delivery.contact, delivery.notices, now, NoticeOutcome.DELIVERED, attempts)

    def failed(self, delivery: AlertMessage, now: datetime) -> list[Notice]:
        """Increase the wait before the next message; return the notices that are dropped after a day of attempts."""
        box = self._outboxes[delivery.contact]
        attempts = box.attempts + 1
        wait_s = min(RETRY_S * 2.0 ** min(attempts - 1, 20), LONGEST_RETRY_S)
        self._outboxes[delivery.contact] = _Outbox(attempts, box.sent_at, now + timedelta(seconds=wait_s))
        old = tuple(notice for notice in delivery.notices if now - notice.due_at >= GIVE_UP_AFTER)
        return self._note(delivery.contact, old, now, NoticeOutcome.GIVEN_UP, attempts)

    def _note(
        self, contact: str, notices: tuple[DueNotice, ...], now: datetime, outcome: NoticeOutcome, attempts: int
    ) -> list[Notice]:
        written = []
        for due in notices:
            # An episode that had ended when it was sent needs no second message.
            stages = [due.stage, ENDED] if due.alert.ended_at is not None and due.stage == RAISED else [due.stage]
            for stage in stages:
                notice = Notice(
                    zone=due.alert.zone,
                    slot=due.alert.slot,
                    alert_id=due.alert.alert_id,
                    contact=contact,
                    stage=stage,
                    at=now,
                    outcome=outcome,
                    attempts=attempts,
                )
                self.take(notice, now)
                written.append(notice)
        return written

    def _close(self, key: Key, at: datetime) -> None:
        self._closed[key] = at
        drop_first(self._closed, MAX_CLOSED)

    def _is_free(self, name: str, box: _Outbox, now: datetime) -> bool:
        gap = timedelta(seconds=self._rules.contacts[name].gap_s)
        return (
            not box.is_busy
            and (box.retry_at is None or now >= box.retry_at)
            and (box.sent_at is None or now >= box.sent_at + gap)
        )

    def _due_of(self, case: _Case, now: datetime) -> Iterator[tuple[str, DueNotice]]:
        handling = case.handling
        if self._acts.silence(case.subject, now) is not None or self._acts.maintenance(case.subject) is not None:
            return
        is_taken_on = self._acts.acknowledgement(*case.key) is not None
        if not is_taken_on and not self._rules.is_quiet(handling.owner, handling.severity, now):
            for contact in self._rules.contacts_of(handling.owner, handling.severity):
                if (RAISED, contact) not in case.done:
                    yield contact, DueNotice(case.alert, handling, RAISED, case.raised_at)
        if case.end_seen_at is not None and handling.tell_end:
            for contact in case.notified:
                if (ENDED, contact) not in case.done:
                    yield contact, DueNotice(case.alert, handling, ENDED, case.end_seen_at)
        if not is_taken_on and not case.has_ended:
            yield from self._escalations(case, now)

    def _escalations(self, case: _Case, now: datetime) -> Iterator[tuple[str, DueNotice]]:
        for number, step in enumerate(case.handling.escalate, start=1):
            due_at = self._escalates_at(case, step.after_min)
            if due_at is None or now < due_at:
                continue
            stage = f"{ESCALATED}-{number}"
            for contact in self._rules.contacts_of(step.to, case.handling.severity):
                if (stage, contact) not in case.done:
                    yield contact, DueNotice(case.alert, case.handling, stage, due_at)

    def _escalates_at(self, case: _Case, after_min: float) -> datetime | None:
        """Return when a step is due: after the first notice, or after the alert where its owner has no contact."""
        has_contact = bool(self._rules.contacts_of(case.handling.owner, case.handling.severity))
        start = case.notified_at if has_contact else case.raised_at
        return None if start is None else start + timedelta(minutes=after_min)

    def _forget(self, now: datetime) -> None:
        """Drop entries that no later record can refer to."""
        oldest = now - REMEMBERED
        while self._closed and next(iter(self._closed.values())) < oldest:
            del self._closed[next(iter(self._closed))]
        while self._early and next(iter(self._early.values()))[0] < oldest:
            del self._early[next(iter(self._early))]

    def _is_over(self, case: _Case, now: datetime) -> bool:
        """Return whether no more notices of an alert will follow."""
        if case.lasts:
            return False
        handling = case.handling
        owners_contacts = self._rules.contacts_of(handling.owner, handling.severity)
        is_sent = all((RAISED, contact) in case.done for contact in owners_contacts)
        is_taken_on = self._acts.acknowledgement(*case.key) is not None
        raised_unheard = (
            self._acts.silence(case.subject, case.raised_at) is not None
            or self._acts.maintenance(case.subject) is not None
        )
        if not case.has_ended:  # a moment: its escalations may still come
            expected = sum(len(self._rules.contacts_of(step.to, handling.severity)) for step in handling.escalate)
            escalated = sum(stage.startswith(ESCALATED) for stage, _ in case.done)
            return raised_unheard or is_taken_on or (is_sent and escalated >= expected)
        end_is_sent = not handling.tell_end or all((ENDED, contact) in case.done for contact in case.notified)
        return end_is_sent and (is_sent or is_taken_on or raised_unheard)


def _mark(case: _Case, notice: Notice) -> None:
    case.done[notice.stage, notice.contact] = notice.outcome
    if notice.stage == RAISED and notice.outcome is NoticeOutcome.DELIVERED:
        case.notified_at = notice.at if case.notified_at is None else min(case.notified_at, notice.at)
