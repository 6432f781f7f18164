"""The answer of `explain_decision`: one decision, and the cost of another first step.

Fields and rules as in ``mcp_server.answers.reading``.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mcp_server.answers.reading import SanitizedModel, ToolAnswer
from mcp_server.answers.sanitize import Name, Real, Text


class ExplainedSetpoint(SanitizedModel):
    """One setpoint of a decision."""

    asset_id: Name
    power_mw: Real
    reason: Text
    soc_before: Real | None


class WhyNot(SanitizedModel):
    """Cost of another first step: the problem solved again with this step fixed."""

    asset_id: Name
    power_mw: Real = Field(description="within physical limits")
    extra_cost: Real = Field(
        description="expected, as the plant weighs it (penalties by its service factor); 0: the same cost"
    )
    items: dict[str, Real] = Field(
        description="parts of extra_cost over the look-ahead; priority: the service factor on penalties; "
        "flexibility: less power to react to unexpected net load"
    )
    notes: list[Text]


class DecisionExplanation(ToolAnswer):
    """Explanation of one dispatch decision."""

    zone: Name | None = None
    decision_id: Name | None = None
    slot: datetime | None = Field(default=None, description="the closed slot that it is based on")
    for_slot: datetime | None = None
    engine: str = ""
    binding: Text | None = Field(default=None, description="binding limit of the first slot")
    story: list[Text] = Field(default=[], description="the decision in sentences, most important first")
    setpoints: list[ExplainedSetpoint] = Field(default=[])
    currency: str = ""
    costs: dict[str, Real] = Field(default={}, description="expected, over the look-ahead")
    alternatives: dict[str, Real] = Field(default={}, description="extra cost of other first steps of the batteries")
    water_value_per_mwh: dict[str, Real] = Field(default={})
    power_worth_per_mwh: Real | None = None
    grid_mw_before: Real | None = None
    expected_net_mw: Real | None = None
    model_id: Name | None = None
    bid_sources: dict[str, str] = Field(default={})
    missing_bids: list[Text] = Field(default=[])
    orders: list[Text] = Field(default=[])
    notes: list[Text] = Field(default=[])
    why_not: WhyNot | None = None
    page: Text | None = Field(default=None, description="link to the page")
