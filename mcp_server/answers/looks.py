"""Looks (assessments of a zone) of the grid agent, read from its transcript in the audit log."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mcp_server.answers.reading import SanitizedModel, ToolAnswer
from mcp_server.answers.sanitize import Name, Real, Text


class RiskLine(SanitizedModel):
    """One risk of a look; ``money`` is the expected loss if nothing is done, null if unknown."""

    key: Name
    text: Text
    money: Real | None


class LookStep(SanitizedModel):
    """One step of a look: a call with a summary of its answer, or a message between agent and model."""

    at: datetime
    act: str = Field(description="start, call, message or end")
    verdict: str
    text: Text


class LookLine(SanitizedModel):
    """One look with its result, and on request every step."""

    look_id: Name
    zone: Name
    at: datetime
    as_of: datetime | None
    principal: Name
    kind: str
    text: Text
    risks: list[RiskLine] = Field(default=[])
    changes: list[Text] = Field(default=[])
    open_plans: list[Name] = Field(default=[])
    steps: list[LookStep] = Field(default=[])


class LookPage(ToolAnswer):
    """Looks, newest first."""

    looks: list[LookLine] = Field(default=[])
    total: int = 0
