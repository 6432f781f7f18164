"""Acknowledgements and silences of people so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vpp.alerting.rules import Subject
from vpp.messages import AlertAct, AlertAction, AlertCode

Scope = tuple[str, str | None, AlertCode | None, str | None, str | None]


@dataclass
class ActBook:
    """Acts by what they are about; taking one again changes nothing, and their order does not matter."""

    _acknowledged: dict[tuple[str, str], AlertAct] = field(default_factory=dict)
    _silences: dict[Scope, AlertAct] = field(default_factory=dict)

    @staticmethod
    def of(acts: Iterable[AlertAct]) -> ActBook:
        """Return a book of these acts."""
        book = ActBook()
        for act in acts:
            book.take(act)
        return book

    def take(self, act: AlertAct) -> None:
        """Write an act down: the first acknowledgement of an alert counts, and the last silence of a scope.

        Of two silences at one moment, the one that ends the scope's silence is the last.
        """
        if act.action is AlertAction.ACKNOWLEDGE and act.alert_id is not None:
            key = (act.zone, act.alert_id)
            before = self._acknowledged.get(key)
            if before is None or (act.at, act.act_id) < (before.at, before.act_id):
                self._acknowledged[key] = act
        elif act.action is AlertAction.SILENCE and act.until is not None:
            scope = (act.zone, act.alert_id, act.code, act.asset_id, act.channel)
            latest = self._silences.get(scope)
            if latest is None or _order(act) > _order(latest):
                self._silences[scope] = act

    def acknowledgement(self, zone: str, alert_id: str) -> AlertAct | None:
        """Return who took an alert on, None where nobody has."""
        return self._acknowledged.get((zone, alert_id))

    def silence(self, subject: Subject, now: datetime) -> AlertAct | None:
        """Return the silence that covers an alert at a moment, the one that lasts longest; None where there is none."""
        active = [act for act in self._silences.values() if _covers(act, subject) and _is_active(act, now)]
        return max(active, key=lambda act: (act.until or act.at, act.act_id), default=None)

    def silences(self, now: datetime) -> list[AlertAct]:
        """Return the silences that hold at a moment, the one that ends first at the head."""
        return sorted((act for act in self._silences.values() if _is_active(act, now)), key=lambda a: a.until or a.at)


def act_of_row(row: Mapping[str, Any]) -> AlertAct:
    """Return a stored act."""
    code = None if row["code"] is None else AlertCode(row["code"])
    return AlertAct(**{**row, "action": AlertAction(row["action"]), "code": code, "reason": row["reason"] or ""})


def _order(act: AlertAct) -> tuple[datetime, bool, str]:
    return act.at, act.until == act.at, act.act_id


def _is_active(act: AlertAct, now: datetime) -> bool:
    return act.until is not None and act.at <= now < act.until


def _covers(act: AlertAct, subject: Subject) -> bool:
    return (
        act.zone == subject.zone
        and act.alert_id in (None, subject.alert_id)
        and act.code in (None, subject.code)
        and act.asset_id in (None, subject.asset_id)
        and act.channel in (None, subject.channel)
    )
