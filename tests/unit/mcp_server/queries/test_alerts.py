"""Alerts as episodes, and the verdicts of the guard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mcp_server.queries.alerts import get_alerts, get_anomalies
from mcp_server.queries.context import QuestionError, ReadContext
from topologies.control.alert_desk import AlertDesk
from vpp.messages import Alert, AlertCode, AlertEffect, Message, Severity
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.message_rows import rows_of
from vpp.store.tables import TELEMETRY

T0 = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def alert(name: str, hours: float, code: AlertCode, severity: Severity = "warning", topic: str = "t") -> Alert:
    return Alert(
        zone="Z",
        slot=T0 + hours * HOUR,
        alert_id=name,
        severity=severity,
        topic=topic,
        text=name,
        code=code,
        channel="load_mw",
        effect=AlertEffect.NOT_USED,
    )


@pytest.fixture
def context(tmp_path: Path) -> ReadContext:
    """A zone at hour 48, with alerts before and far after that."""
    settings = Settings(data_dir=tmp_path)
    store = open_store(settings)
    store.write(TELEMETRY, [("Z", T0 + h * HOUR, 1.0, 0.0, 0.0, 1.0, None, None, None, None, 0) for h in (46, 47)])
    begun = alert("a", 1, AlertCode.FLAT)
    attack = alert("g", 5, AlertCode.ATTACK_REPLAYED, "critical", "guard")
    values = {"score": 3.2, "measured": 5.0, "used": 4.0, "evidence_repeat": 2.5, "slots": 7.0, "moved_mwh": 12.5}
    message = [
        begun,
        begun.ended(T0 + 3 * HOUR),
        alert("b", 4, AlertCode.MISSING),
        alert("r", 6, AlertCode.RAMP, "info"),
        Alert(**{**{f: getattr(attack, f) for f in attack.__struct_fields__}, "values": values}),
        Alert(zone="Z", slot=datetime(2099, 1, 1, tzinfo=UTC), alert_id="x", severity="critical", topic="t", text="x"),
    ]
    for one in message:
        for table, row in rows_of(one, "alerts", T0):
            store.write(table, [row])
    return ReadContext(settings, store)


def test_an_episode_is_one_line_and_a_future_alert_never_the_newest(context: ReadContext) -> None:
    page = get_alerts(context)
    assert [(line.alert_id, line.lasts) for line in page.alerts] == [("g", True), ("b", True), ("a", False)]
    ended = page.alerts[-1]
    assert (ended.code, ended.channel, ended.started_at, ended.ended_at) == (
        "flat",
        "load_mw",
        T0 + HOUR,
        T0 + 3 * HOUR,
    )
    assert ended.action == "Check the meter"
    assert [line.alert_id for line in get_alerts(context, is_open=True).alerts] == ["g", "b"]
    assert [line.alert_id for line in get_alerts(context, severity="info").alerts] == ["r"]
    old = alert("old", -24 * 40, AlertCode.SOC_NOT_BELIEVED)
    keep(context.store, old)
    assert [line.alert_id for line in get_alerts(context, is_open=True).alerts] == ["g", "b", "old"]
    assert [line.alert_id for line in get_alerts(context).alerts] == ["g", "b", "a"]
    keep(context.store, old.ended(T0))
    assert [line.alert_id for line in get_alerts(context, is_open=True).alerts] == ["g", "b"]
    assert [line.alert_id for line in get_alerts(context, since=T0 + 5 * HOUR).alerts] == ["g"]
    assert get_alerts(context, limit=1).truncated
    with pytest.raises(QuestionError):
        get_alerts(context, "Y")


def test_anomalies_are_the_verdicts_of_the_guard(context: ReadContext) -> None:
    (result,) = get_anomalies(context).anomalies
    assert (result.cause, result.channel, result.slots, result.moved_mwh) == ("attack_replayed", "load_mw", 7, 12.5)
    assert (result.measured, result.used, result.score) == (5.0, 4.0, 3.2)
    assert result.evidence == {"repeat": 2.5}


def test_rules_and_people_are_seen(tmp_path: Path, context: ReadContext) -> None:
    rules = tmp_path / "alerts.yaml"
    rules.write_text("rules: [{codes: [missing], severity: critical, action: Call the meter reader, owner: nights}]")
    context = replace(
        context, settings=context.settings.model_copy(update={"alert_rules": rules}), now=lambda: T0 + 4 * HOUR
    )
    writer = open_store(Settings(data_dir=tmp_path))
    desk = AlertDesk(writer, lambda _topic, act: keep(writer, act), context.now)
    desk.acknowledge(["g"], "ann")
    desk.silence("Z", "ann", "works", HOUR, code=AlertCode.FLAT)
    lines = {line.alert_id: line for line in get_alerts(context).alerts}
    assert (lines["b"].severity, lines["b"].action, lines["b"].owner) == ("critical", "Call the meter reader", "nights")
    assert (lines["g"].acknowledged_by, lines["g"].owner) == ("ann", "security")
    assert lines["a"].silenced_until == T0 + 5 * HOUR
    assert [line.alert_id for line in get_alerts(context, severity="critical").alerts] == ["g", "b"]


def keep(store: Store, message: Message) -> None:
    for table, row in rows_of(message, "alerts", T0):
        store.write(table, [row])
