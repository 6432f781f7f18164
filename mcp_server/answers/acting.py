"""Answers of the acting tools."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mcp_server.answers.orders import LifeStep
from mcp_server.answers.reading import Points, SanitizedModel, ToolAnswer
from mcp_server.answers.sanitize import Name, Real, Text


class CheckDone(SanitizedModel):
    """One check of a plan."""

    name: str
    outcome: str = Field(description="ok, warning or refused")
    detail: Text
    clause: str | None = Field(description="clause of the rule; see search_rules")
    version: Text | None = Field(description="of the clause")
    citation: Text | None
    rule: Text | None = Field(default=None, description="text of the clause if the check fails")


class PlanAnswer(ToolAnswer):
    """A priced and checked plan; nothing was sent."""

    plan_id: Name | None = None
    digest: str | None = None
    status: str = Field(default="", description="proposed, approved, refused, expired, rejected, executed or dry_run")
    outcome: str = Field(default="", description="ready, clamped or refused")
    zone: Name | None = None
    action: str = ""
    asset_ids: list[Name] = Field(default=[])
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    checks: list[CheckDone] = Field(default=[])
    currency: str = ""
    cost_change: Real | None = Field(default=None, description="expected, relative to the plant's own plan; < 0: gain")
    costs: dict[str, Real] = Field(default={})
    max_loss: Real | None = Field(default=None, description="loss at which the plant stops the order")
    energy_change_mwh: Real | None = None
    moved_mwh: Real | None = None
    cap_slack_mw: Real | None = Field(default=None, description="least margin to the import cap; < 0: exceeded")
    ramp_slack_mw: Real | None = None
    columns: list[Name] = Field(default=[])
    points: Points = Field(default=[])
    expires_at: datetime | None = None
    approval: Text | None = Field(default=None, description="how to approve it")
    page: Text | None = Field(default=None, description="link to the page")


class AssetReceipt(SanitizedModel):
    """Outcome of an order at one asset."""

    asset_id: Name
    outcome: str = Field(description="accepted, clamped, refused or waiting")
    power_mw: Real | None
    reason: Text | None


class ActionReceipt(ToolAnswer):
    """Outcome of an order, or the cost of a dry run."""

    order_id: Name | None = None
    status: str = Field(
        default="", description="needs_approval, refused, expired, sent, accepted, declined, withdrawn or dry_run"
    )
    dry_run: bool = False
    cost_change: Real | None = Field(default=None, description="of a dry run, relative to the plant's own plan")
    currency: str = ""
    reason: Text | None = None
    approved_by: Name | None = None
    acts_from: datetime | None = None
    stage: str | None = Field(default=None, description="state of the order; list_orders shows its further states")
    ended: bool = False
    life: list[LifeStep] = Field(default=[])
    rules: list[Text] = Field(default=[], description="clauses, with versions, that it was checked against")
    page: Text | None = None
    assets: list[AssetReceipt] = Field(default=[])


class PlanStanding(SanitizedModel):
    """One order in force."""

    order_id: Name
    action: str
    asset_ids: list[Name]
    principal: Name
    reason: Text
    expires_at: datetime | None


class PolicyChange(ToolAnswer):
    """Orders in force before and after a policy change, and the plan that makes the change."""

    zone: Name | None = None
    policy: str = ""
    dry_run: bool = True
    before: list[PlanStanding] = Field(default=[])
    after: list[PlanStanding] = Field(default=[])
    plan: PlanAnswer | None = None
    receipt: ActionReceipt | None = None
