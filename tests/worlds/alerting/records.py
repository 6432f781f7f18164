"""Alerts, acts and rules for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from vpp.alerting.rules import AlertRules
from vpp.messages import Alert, AlertAct, AlertAction, AlertCode, AlertEffect

T0 = datetime(2026, 3, 4, 12, tzinfo=UTC)


def minutes(count: float) -> datetime:
    """The time so many minutes after the start."""
    return T0 + timedelta(minutes=count)


def alert(name: str = "a1", code: AlertCode = AlertCode.CAP_BREACH, **fields: Any) -> Alert:
    """An alert that lasts, of zone Z, from the start on."""
    given = {"zone": "Z", "slot": T0, "severity": "warning", "topic": "plant", "text": f"text of {name}"}
    return Alert(alert_id=name, code=code, effect=AlertEffect.PENALTY, **{**given, **fields})


def taken_on(name: str = "a1", at: datetime = T0, zone: str = "Z") -> AlertAct:
    """Somebody's acknowledgement."""
    return AlertAct(
        zone=zone, act_id=f"ack-{name}", at=at, action=AlertAction.ACKNOWLEDGE, principal="ann", alert_id=name
    )


def silenced(at: datetime, until: datetime, **scope: Any) -> AlertAct:
    """Somebody's silence of zone Z."""
    return AlertAct(
        zone="Z", act_id=f"s-{at}-{until}", at=at, action=AlertAction.SILENCE, principal="ann", until=until, **scope
    )


def in_works(since: datetime, until: datetime, at: datetime = T0, **scope: Any) -> AlertAct:
    """Somebody's maintenance window of zone Z."""
    return AlertAct(
        zone="Z",
        act_id=f"w-{at}-{until}",
        at=at,
        action=AlertAction.MAINTENANCE,
        principal="ann",
        since=since,
        until=until,
        **scope,
    )


def rules_of(**fields: Any) -> AlertRules:
    """Rules with two contacts, without a gap between messages."""
    contacts = {name: {"url": f"json://{name}.test", "gap_s": 0} for name in ("desk", "boss")}
    return AlertRules.model_validate({"contacts": contacts, "owners": {"operators": {"contacts": ["desk"]}}} | fields)
