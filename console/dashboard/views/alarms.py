"""Alarms and notes of a zone: alerts of one slot and code are one line; an episode is open until it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import msgspec

from console.dashboard.views.moment import OPEN_CRITICAL, OPEN_WARNING, Moment
from console.dashboard.views.texts import short_times
from mcp_server.answers.sanitize import plain
from vpp.alerting.rules import load_rules
from vpp.messages import EPISODES, AlertCode, AlertEffect
from vpp.messages.alert_words import EFFECTS, RANK, TITLES
from vpp.store.tables import TELEMETRY

_OF_CHANNELS = frozenset({AlertCode.MISSING, AlertCode.MISSING_MARK, AlertCode.OUT_OF_RANGE, AlertCode.FLAT})


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One line of the alarm list.

    ``open``: it still needs attention. ``act``: recommended action, None for a note.
    ``channels``: the telemetry channels that it is about, the one that matters most first. ``ended_at``: end of its
    episode, None while it lasts and where it is a moment. ``alert_ids``: the alerts in it. ``acknowledged_by``: who has
    taken them on, None while one of them is nobody's. ``code``, ``asset_id``: what a silence of such alerts names.
    """

    severity: str
    topic: str
    slot: datetime
    title: str
    detail: str
    open: bool
    act: str | None
    channels: tuple[str, ...] = ()
    ended_at: datetime | None = None
    alert_ids: tuple[str, ...] = ()
    owner: str = ""
    acknowledged_by: str | None = None
    silenced_until: datetime | None = None
    code: str = ""
    asset_id: str | None = None


def lines(moment: Moment) -> list[AlarmLine]:
    """Return the alarms and notes of 24 h, newest first, then what lasts since before."""
    groups: dict[tuple[datetime, str, str, bool], list[dict[str, Any]]] = {}
    for alert in moment.alerts:
        key = (alert["slot"], alert["severity"], alert["code"], alert["ended_at"] is None)
        groups.setdefault(key, []).append(alert)
    return [_line(moment, alerts) for alerts in groups.values()]


def _line(moment: Moment, alerts: Sequence[dict[str, Any]]) -> AlarmLine:
    first = alerts[0]
    code, severity, slot = code_of(first), first["severity"], first["slot"]
    names = _channels(first) if len(alerts) == 1 else sorted({name for alert in alerts for name in _channels(alert)})
    channels = tuple(plain(name) for name in names)
    title, detail = _words(moment, code, alerts, channels)
    takers = [alert["acknowledged_by"] for alert in alerts]
    silences = [alert["silenced_until"] for alert in alerts]
    return AlarmLine(
        severity,
        first["topic"],
        slot,
        title,
        detail,
        is_open(first, moment.now or slot),
        first["action"],
        channels,
        first["ended_at"],
        alert_ids=tuple(alert["alert_id"] for alert in alerts),
        owner=first["owner"],
        acknowledged_by=plain(takers[0]) if all(takers) else None,
        silenced_until=min(silences) if all(silences) else None,
        code=code.value,
        asset_id=first["asset_id"] if len(alerts) == 1 else None,
    )


def quiet(moment: Moment) -> list[dict[str, Any]]:
    """Return why alerts send no notices now or soon: silences in force, and maintenance windows that have not ended."""
    wall = moment.wall
    silences: list[dict[str, Any]] = [
        {
            "kind": "silence",
            "what": _scope_words(act.alert_id, act.code, act.asset_id, act.channel),
            "by": plain(act.principal),
            "reason": plain(act.reason),
            "since": act.at,
            "until": act.until,
            "scope": {"alert_id": act.alert_id, "code": act.code, "asset_id": act.asset_id, "channel": act.channel},
        }
        for act in moment.acts.silences(wall)
    ]
    windows = [
        {
            "kind": "maintenance",
            "what": _scope_words(None, act.code, act.asset_id, act.channel),
            "by": plain(act.principal),
            "reason": plain(act.reason),
            "since": act.since,
            "until": act.until,
            "scope": {"since": act.since, "code": act.code, "asset_id": act.asset_id},
        }
        for act in moment.acts.windows(wall)
    ]
    by_rules = [
        {
            "kind": "maintenance",
            "what": ", ".join([*window.codes, *window.assets]) or "all alerts",
            "by": "the alert rules",
            "reason": plain(window.reason),
            "since": window.start,
            "until": window.end,
            "scope": None,
        }
        for window in load_rules(moment.context.settings.alert_rules).maintenance
        if window.end > wall and (not window.zones or moment.zone in window.zones)
    ]
    return silences + windows + by_rules


def _scope_words(alert_id: str | None, code: AlertCode | None, asset_id: str | None, channel: str | None) -> str:
    words = [TITLES[code]] if code is not None else []
    words += [plain(name) for name in (asset_id, channel, alert_id) if name is not None]
    return ", ".join(words) or "all alerts"


def _channels(alert: Mapping[str, Any]) -> list[str]:
    """Return the channels of a stored alert, the one that matters most first."""
    return [alert["channel"], *msgspec.json.decode(alert["also"] or "[]")] if alert["channel"] else []


def code_of(alert: Mapping[str, Any]) -> AlertCode:
    """Return the code of a stored alert."""
    return AlertCode(alert["code"] or AlertCode.OTHER)


def is_open(alert: Mapping[str, Any], now: datetime) -> bool:
    """Return whether an alert still calls for attention: an episode until it ends, a moment for a while."""
    life = {"critical": OPEN_CRITICAL, "warning": OPEN_WARNING}.get(alert["severity"])
    if life is None or alert["ended_at"] is not None:
        return False
    return code_of(alert) in EPISODES or alert["slot"] > now - life


def title_of(code: AlertCode, subjects: Sequence[str]) -> str:
    """Return a short title: the subject, and the number of channels or the asset."""
    words = TITLES[code]
    if not subjects:
        return words[:1].upper() + words[1:]
    subject = subjects[0] if len(subjects) == 1 else f"{len(subjects)} channels"
    return f"{subject} {words}" if code in _OF_CHANNELS else f"{subject}: {words}"


def _words(
    moment: Moment, code: AlertCode, alerts: Sequence[dict[str, Any]], channels: Sequence[str]
) -> tuple[str, str]:
    first = alerts[0]
    effect = EFFECTS[AlertEffect(first["effect"] or AlertEffect.NONE)]
    if code is AlertCode.RAMP and {"change_mw", "hours"} <= first["values"].keys():
        change, hours = first["values"]["change_mw"], first["values"]["hours"]
        sign, probability = "+" if change > 0 else "−", first["values"].get("probability")
        likely = "" if probability is None else f"Probability {probability:.0%}."
        return f"{first['zone']} net load {sign}{moment.power_text(abs(change))} in\u00a0{hours:.0f}\u00a0h", likely
    if len(channels) > 1:
        listed = ", ".join(channels[:2]) + (f" and {len(channels) - 2} more" if len(channels) > 2 else "")
        return title_of(code, channels), listed
    subjects = channels or [plain(alert["asset_id"]) for alert in alerts if alert["asset_id"]]
    # The text of an order, a plan or a model names it; that of a channel only repeats the title.
    detail = effect if code in _OF_CHANNELS else short_times(plain(str(first["text"])), first["slot"])
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    return title_of(code, subjects[:1]), detail + more


def unmeasured_since(moment: Moment) -> datetime | None:
    """Return the first slot of the newest run of slots without net load; None if the newest slot has it."""
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
        (line for line in alarm_lines if line.open), key=lambda line: (RANK[line.severity], -line.slot.timestamp())
    )


def as_values(alarm_lines: Sequence[AlarmLine]) -> list[dict[str, Any]]:
    """Return lines as plain values."""
    return [asdict(line) for line in alarm_lines]
