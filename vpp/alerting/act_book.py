"""Acknowledgements, silences and maintenance windows of people so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vpp.alerting.rules import Subject
from vpp.messages import AlertAct, AlertAction, AlertCode

MAX_ACKNOWLEDGED = 50_000
"""Most acknowledgements that are kept; of more, the first ones are dropped."""
MAX_LASTING = 200
"""Most silences, and most windows, of one zone; of more, those that end first are dropped."""

Scope = tuple[str, str | None, AlertCode | None, str | None, str | None, datetime | None]


@dataclass
class ActBook:
    """Acts on alerts by subject. A repeated act changes nothing, and up to the limits their order does not matter."""

    _acknowledged: dict[tuple[str, str], AlertAct] = field(default_factory=dict)
    _silences: dict[str, dict[Scope, AlertAct]] = field(default_factory=dict)
    _windows: dict[str, dict[Scope, AlertAct]] = field(default_factory=dict)

    @staticmethod
    def of(acts: Iterable[AlertAct]) -> ActBook:
        """Return a book of these acts."""
        book = ActBook()
        for act in acts:
            book.take(act)
        return book

    def take(self, act: AlertAct) -> None:
        """Write an act down: the first acknowledgement of an alert counts, and the last silence or window of a scope.

        Of two at one moment, the one with the earlier end is the last.
        """
        if act.action is AlertAction.ACKNOWLEDGE and act.alert_id is not None:
            key = (act.zone, act.alert_id)
            before = self._acknowledged.get(key)
            if before is None or (act.at, act.act_id) < (before.at, before.act_id):
                self._acknowledged[key] = act
                drop_first(self._acknowledged, MAX_ACKNOWLEDGED)
        elif act.action is not AlertAction.ACKNOWLEDGE and act.until is not None:
            book = self._silences if act.action is AlertAction.SILENCE else self._windows
            lasting = book.setdefault(act.zone, {})
            scope = (act.zone, act.alert_id, act.code, act.asset_id, act.channel, act.since)
            latest = lasting.get(scope)
            if latest is None or _order(act) > _order(latest):
                lasting[scope] = act
                if len(lasting) > MAX_LASTING:
                    del lasting[min(lasting, key=lambda key: (_end(lasting[key]), lasting[key].act_id))]

    def acknowledgement(self, zone: str, alert_id: str) -> AlertAct | None:
        """Return the acknowledgement of an alert, None if there is none."""
        return self._acknowledged.get((zone, alert_id))

    def silence(self, subject: Subject, now: datetime) -> AlertAct | None:
        """Return the longest silence that covers an alert at ``now``, None if there is none."""
        active = [
            act
            for act in self._silences.get(subject.zone, {}).values()
            if _covers(act, subject) and _is_within(act, now)
        ]
        return max(active, key=lambda act: (_end(act), act.act_id), default=None)

    def silences(self, now: datetime) -> list[AlertAct]:
        """Return the silences that hold at a moment, the one that ends first at the head."""
        return sorted((act for act in _all(self._silences) if _is_within(act, now)), key=_end)

    def maintenance(self, subject: Subject) -> AlertAct | None:
        """Return a maintenance window that an alert began in, None if there is none."""
        windows = self._windows.get(subject.zone, {}).values()
        return next((act for act in windows if _covers(act, subject) and _is_within(act, subject.slot)), None)

    def windows(self, now: datetime) -> list[AlertAct]:
        """Return the maintenance windows that have not ended at a moment, the one that ends first at the head."""
        ahead = (act for act in _all(self._windows) if now < _end(act) and _start(act) < _end(act))
        return sorted(ahead, key=_end)


def drop_first(entries: dict[Any, Any], limit: int) -> None:
    """Drop the first entries of a dict until it has at most ``limit``."""
    while len(entries) > limit:
        del entries[next(iter(entries))]


def act_of_row(row: Mapping[str, Any]) -> AlertAct:
    """Return a stored act."""
    code = None if row["code"] is None else AlertCode(row["code"])
    return AlertAct(**{**row, "action": AlertAction(row["action"]), "code": code, "reason": row["reason"] or ""})


def _all(book: dict[str, dict[Scope, AlertAct]]) -> Iterator[AlertAct]:
    return (act for acts in book.values() for act in acts.values())


def _order(act: AlertAct) -> tuple[datetime, float, str]:
    return act.at, -_end(act).timestamp(), act.act_id


def _start(act: AlertAct) -> datetime:
    return act.since or act.at


def _end(act: AlertAct) -> datetime:
    return act.until or act.at


def _is_within(act: AlertAct, moment: datetime) -> bool:
    return _start(act) <= moment < _end(act)


def _covers(act: AlertAct, subject: Subject) -> bool:
    return (
        act.zone == subject.zone
        and act.alert_id in (None, subject.alert_id)
        and act.code in (None, subject.code)
        and act.asset_id in (None, subject.asset_id)
        and act.channel in (None, subject.channel)
    )
