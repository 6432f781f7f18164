"""Orders with their states: answers of tools, of the REST interface and of the page."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mcp_server.answers.reading import SanitizedModel, ToolAnswer
from mcp_server.answers.sanitize import Name, Real, Text


class LifeStep(SanitizedModel):
    """One state of an order; ``at`` is in run time."""

    stage: str
    at: datetime
    reason: Text | None


class OrderLine(SanitizedModel):
    """One order: its request, its current state and its past states."""

    zone: Name
    order_id: Name
    action: str
    asked: dict[str, Real | Name] = Field(default={})
    asset_ids: list[Name] = Field(default=[])
    principal: Name
    approved_by: Name | None
    reason: Text
    issued_at: datetime
    starts_at: datetime | None
    expires_at: datetime | None
    stage: str = Field(description="sent, accepted, waiting, acting, clamped, done, expired, refused or withdrawn")
    stage_reason: Text | None
    ended: bool
    moved_mwh: Real | None = Field(description="relative to the plant's own dispatch")
    lost: Real | None = Field(description="money, relative to the plant's own dispatch; < 0: gain")
    life: list[LifeStep]


class OrderPage(ToolAnswer):
    """Orders, newest first."""

    orders: list[OrderLine] = Field(default=[])
    total: int = 0
    truncated: bool = False
    page: Text | None = Field(default=None, description="link to the page")
