"""Alerts and verdicts of the guard: answers of tools and of the REST interface."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mcp_server.answers.reading import SanitizedModel, ToolAnswer
from mcp_server.answers.sanitize import Name, Real, Text


class AlertLine(SanitizedModel):
    """One alert episode."""

    zone: Name
    alert_id: Name
    severity: str
    code: str
    title: Text
    channel: Name | None
    also: list[Name] = Field(description="further channels with the same fault")
    asset_id: Name | None
    started_at: datetime
    ended_at: datetime | None
    lasts: bool
    effect: str
    action: Text | None = Field(description="recommended action")
    text: Text
    owner: Name = Field(description="owner by the alert rules")
    acknowledged_by: Name | None
    acknowledged_at: datetime | None
    silenced_until: datetime | None
    in_maintenance: bool


class AlertPage(ToolAnswer):
    """Alerts, newest first."""

    alerts: list[AlertLine] = Field(default=[])
    total: int = 0
    truncated: bool = False
    page: Text | None = Field(default=None, description="link to the page")


class Anomaly(SanitizedModel):
    """One verdict of the guard on data that it flagged."""

    zone: Name
    cause: str = Field(description="sensor_fault, attack_forged, attack_replayed, attack_frozen or regime_change")
    channel: Name | None
    started_at: datetime
    ended_at: datetime | None
    effect: str
    measured: Real | None
    used: Real | None
    score: Real | None = Field(description="-log10 of the false episodes per week on clean data")
    evidence: dict[str, Real]
    slots: int | None
    moved_mwh: Real | None = Field(description="net load that was replaced")


class AnomalyPage(ToolAnswer):
    """Verdicts of the guard, newest first."""

    anomalies: list[Anomaly] = Field(default=[])
    total: int = 0
    truncated: bool = False
