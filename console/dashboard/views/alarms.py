"""Alarms and notes of a zone: alerts of one slot and topic are one line, and a line is open for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from console.dashboard.views.moment import OPEN_CRITICAL, OPEN_WARNING, Moment
from mcp_server.answers.sanitize import plain
from vpp.store.tables import TELEMETRY

HOLD_ALERT = "plant-hold-"
_RANK = {"critical": 0, "warning": 1, "info": 2}
_ACTS = {
    "telemetry quality": "Check the source",
    "drift": "Check the meter and its unit",
    "model": "Promote another model",
    "order": "Look at the order",
    "plant": "Check the source",
}


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One line of the alarm list.

    ``open``: it still calls for attention. ``act``: what an operator does about it, None for a note.
    ``channels``: the telemetry channels that it is about, sorted.
    """

    severity: str
    topic: str
    slot: datetime
    title: str
    detail: str
    open: bool
    act: str | None
    channels: tuple[str, ...] = ()


def lines(moment: Moment) -> list[AlarmLine]:
    """Return the alarms and notes of 24 h, newest first."""
    groups: dict[tuple[datetime, str, str], list[dict[str, Any]]] = {}
    for alert in moment.alerts:
        # A hold is a state of its own, told by its banner: its alert is a note, no alarm.
        severity = "info" if str(alert["alert_id"]).startswith(HOLD_ALERT) else alert["severity"]
        groups.setdefault((alert["slot"], alert["topic"], severity), []).append(alert)
    return [_line(moment, key, alerts) for key, alerts in groups.items()]


def _line(moment: Moment, key: tuple[datetime, str, str], alerts: Sequence[dict[str, Any]]) -> AlarmLine:
    slot, topic, severity = key
    channels = _channels(alerts) if topic == "telemetry quality" else ()
    title, detail = _words(topic, alerts, channels)
    now = moment.now or slot
    life = {"critical": OPEN_CRITICAL, "warning": OPEN_WARNING}.get(severity)
    is_open = life is not None and slot > now - life
    act = _ACTS.get(topic, "Look at it") if life else None
    return AlarmLine(severity, topic, slot, title, detail, is_open, act, channels)


def _channels(alerts: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(sorted({plain(str(alert["text"])).partition(" is ")[0] for alert in alerts}))


def _words(topic: str, alerts: Sequence[dict[str, Any]], channels: Sequence[str]) -> tuple[str, str]:
    texts = [plain(str(alert["text"])) for alert in alerts]
    if topic == "telemetry quality":
        what = texts[0].partition(" is ")[2].partition(" from ")[0] or "not measured"
        if len(channels) == 1:
            return f"{channels[0]} {what}", ""
        shown = " and ".join([", ".join(channels[:2]), f"{len(channels) - 2} more"]) if len(channels) > 2 else ""
        return f"{len(channels)} channels {what}", shown or ", ".join(channels)
    if topic == "ramp":
        values = alerts[0]["values"]
        if {"change_mw", "hours"} <= values.keys():
            change = values["change_mw"]
            sign = "+" if change > 0 else "−"
            return f"{alerts[0]['zone']} net load {sign}{abs(change):,.0f} MW in {values['hours']:.0f} h", ""
    head, _, rest = texts[0].partition(": ")
    if rest and len(head) < 40 and topic != "drift":
        return head[:1].upper() + head[1:], rest
    if topic == "drift" and "absurd" in texts[0]:
        return "Net load absurd against its forecast", "Look at the meter and its unit."
    return texts[0][:1].upper() + texts[0][1:], f"and {len(texts) - 1} more" if len(texts) > 1 else ""


def unmeasured_since(moment: Moment) -> datetime | None:
    """Return the first slot of the newest run of slots without net load; None where the newest slot has it."""
    rows = moment.rows(TELEMETRY, columns=("slot", "net_load_mw"), order="desc", limit=96)
    since = None
    for row in rows:
        if row["net_load_mw"] is not None:
            break
        since = row["slot"]
    return since


def open_lines(alarm_lines: Sequence[AlarmLine]) -> list[AlarmLine]:
    """Return the open alarms, the worst first."""
    return sorted(
        (line for line in alarm_lines if line.open), key=lambda line: (_RANK[line.severity], -line.slot.timestamp())
    )


def as_values(alarm_lines: Sequence[AlarmLine]) -> list[dict[str, Any]]:
    """Return lines as plain values."""
    return [asdict(line) for line in alarm_lines]
