"""Acknowledgements, silences and maintenance windows of people so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vpp.alerting.rules import Subject
from vpp.messages import AlertAct, AlertAction, AlertCode

Scope = tuple[str, str | None, AlertCode | None, str | None, str | None, datetime | None]


@dataclass
class ActBook:
    """Acts on alerts by subject. A repeated act changes nothing, and the order of acts does not matter."""

    _acknowledged: dict[tuple[str, str], AlertAct] = field(default_factory=dict)
    _silences: dict[Scope, AlertAct] = field(default_factory=dict)
    _windows: dict[Scope, AlertAct] = field(default_factory=dict)

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
        elif act.action is not AlertAction.ACKNOWLEDGE and act.until is not None:
            lasting = self._silences if act.action is AlertAction.SILENCE else self._windows
            scope = (act.zone, act.alert_id, act.code, act.asset_id, act.channel, act.since)
            latest = lasting.get(scope)
            if latest is None or _order(act) > _order(latest):
                lasting[scope] = act

    def acknowledgement(self, zone: str, alert_id: str) -> AlertAct | None:
        """Return the acknowledgement of an alert, None if there is none."""
        return self._acknowledged.get((zone, alert_id))

    def silence(self, subject: Subject, now: datetime) -> AlertAct | None:
        """Return the longest silence that covers an alert at ``now``, None if there is none."""
        active = [act for act in self._silences.values() if _covers(act, subject) and _is_within(act, now)]
        return max(active, key=lambda act: (_end(act), act.act_id), default=None)

    def silences(self, now: datetime) -> list[AlertAct]:
        """Return the silences that hold at a moment, the one that ends first at the head."""
        return sorted((act for act in self._silences.values() if _is_within(act, now)), key=_end)

    def maintenance(self, subject: Subject) -> AlertAct | None:
        """Return a maintenance window that an alert began in, None if there is none."""
        return next(
            (act for act in self._windows.values() if _covers(act, subject) and _is_within(act, subject.slot)), None
        )

    def windows(self, now: datetime) -> list[AlertAct]:
        """Return the maintenance windows that have not ended at a moment, the one that ends first at the head."""
        ahead = (act for act in self._windows.values() if now < _end(act) and _start(act) < _end(act))
        return sorted(ahead, key=_end)


def act_of_row(row: Mapping[str, Any]) -> AlertAct:
    """Return a stored act."""
    code = None if row["code"] is None else AlertCode(row["code"])
    return AlertAct(**{**row, "action": AlertAction(row["action"]), "code": code, "reason": row["reason"] or ""})


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
