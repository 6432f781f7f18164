"""Queries for alert episodes and for verdicts of the guard."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from mcp_server.answers.alerts import AlertLine, AlertPage, Anomaly, AnomalyPage
from mcp_server.queries.context import NOTHING_YET, ReadContext, utc
from vpp.alerting.rules import load_rules
from vpp.alerting.standing import AlertStanding, read_acts, standing_of
from vpp.messages import EPISODES, AlertCode, AlertEffect, Cause
from vpp.messages.alert_words import TITLES
from vpp.store.named_queries import OPEN_EPISODES
from vpp.store.query import Filters
from vpp.store.tables import ALERTS

DEFAULT_SPAN = timedelta(days=7)
GUARD_TOPIC = "guard"
EVIDENCE = "evidence_"
CAUSES = frozenset(cause.value for cause in Cause)
Severity = Literal["info", "warning", "critical"]


def get_alerts(
    context: ReadContext,
    zone: str | None = None,
    since: datetime | None = None,
    severity: Severity | None = None,
    *,
    is_open: bool = False,
    limit: int = 20,
) -> AlertPage:
    """Return alerts, newest first.

    Args:
        context: The run.
        zone: One zone; None: every zone.
        since: Start of the period; None: the last 7 days of the run, or with ``is_open`` all of it.
        severity: Only this severity; None: warning and critical.
        is_open: Only episodes that have not ended.
        limit: Maximum number of alerts.

    Raises:
        QuestionError: The zone is unknown.
    """
    severities = (severity,) if severity else ("warning", "critical")
    rows = _rows(context, zone, since, OPEN_EPISODES if is_open else None)
    lines = [line for line in alert_lines(context, rows) if line.severity in severities]
    return AlertPage(
        as_of=context.as_of(zone),
        alerts=lines[:limit],
        total=len(lines),
        truncated=len(lines) > limit,
        page=context.page_link("now", zone) if zone else context.page_link("zones", None),
        hint=None if context.zones() else NOTHING_YET,
    )


def get_anomalies(
    context: ReadContext, zone: str | None = None, since: datetime | None = None, *, limit: int = 20
) -> AnomalyPage:
    """Return the verdicts of the guard with their evidence, newest first.

    Args:
        context: The run.
        zone: One zone; None: every zone.
        since: Start of the period; None: the last 7 days of the run.
        limit: Maximum number of verdicts.

    Raises:
        QuestionError: The zone is unknown.
    """
    rows = [row for row in _rows(context, zone, since) if row["topic"] == GUARD_TOPIC and row["code"] in CAUSES]
    anomalies = [_anomaly(row) for row in rows]
    return AnomalyPage(
        as_of=context.as_of(zone),
        anomalies=anomalies[:limit],
        total=len(anomalies),
        truncated=len(anomalies) > limit,
        hint=None if context.zones() else NOTHING_YET,
    )


def _rows(
    context: ReadContext, zone: str | None, since: datetime | None, filters: Filters | None = None
) -> list[dict[str, Any]]:
    chosen = None if zone is None else context.choose(zone)
    as_of = context.as_of(chosen)
    start = utc(since)
    if start is None and as_of is not None and filters is None:
        start = as_of - DEFAULT_SPAN
    # Rows dated after the run clock belong to an earlier run.
    end = None if as_of is None else as_of + timedelta(days=1)
    return context.store.read(ALERTS, zone=chosen, start=start, end=end, filters=filters, order="desc").dicts()


def alert_code(row: Mapping[str, Any]) -> AlertCode:
    """Return the code of a stored alert row."""
    return AlertCode(row["code"] or AlertCode.OTHER)


def alert_lines(context: ReadContext, rows: list[dict[str, Any]]) -> list[AlertLine]:
    """Return stored alerts as answers: with the alert rules in force and with acknowledgements and silences."""
    rules, acts, now = load_rules(context.settings.alert_rules), read_acts(context.store), context.now()
    return [alert_line(row, standing_of(row, rules, acts, now)) for row in rows]


def alert_line(row: Mapping[str, Any], standing: AlertStanding) -> AlertLine:
    """Return a stored alert as an answer, with its acknowledgement, silence, maintenance and owner."""
    code = alert_code(row)
    return AlertLine(
        zone=row["zone"],
        alert_id=row["alert_id"],
        severity=standing.handling.severity,
        code=code.value,
        title=TITLES[code],
        channel=row["channel"],
        also=msgspec.json.decode(row["also"] or "[]"),
        asset_id=row["asset_id"],
        started_at=row["slot"],
        ended_at=row["ended_at"],
        lasts=row["ended_at"] is None and code in EPISODES,
        effect=row["effect"] or AlertEffect.NONE.value,
        text=row["text"],
        **standing.facts(),
    )


def _anomaly(row: Mapping[str, Any]) -> Anomaly:
    values: dict[str, float | None] = msgspec.json.decode(row["values"] or "{}")
    slots = values.get("slots")
    return Anomaly(
        zone=row["zone"],
        cause=row["code"],
        channel=row["channel"],
        started_at=row["slot"],
        ended_at=row["ended_at"],
        effect=row["effect"] or AlertEffect.NONE.value,
        measured=values.get("measured"),
        used=values.get("used"),
        score=values.get("score"),
        evidence={
            name.removeprefix(EVIDENCE): value
            for name, value in values.items()
            if name.startswith(EVIDENCE) and value is not None
        },
        slots=None if slots is None else int(slots),
        moved_mwh=values.get("moved_mwh"),
    )
