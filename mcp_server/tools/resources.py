"""Resources, completions and prompts for clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from fastmcp import FastMCP
from fastmcp.exceptions import ResourceError
from fastmcp.server.auth import require_scopes
from mcp_types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from mcp_server.answers.sanitize import NAME_CHARS, plain
from mcp_server.queries import assets, features, overview, rules, topics
from mcp_server.queries.context import ReadContext
from mcp_server.security.auth import OPERATE
from vpp.errors import VppError, nearest_hint
from vpp.streams.topics import BY_NAME

if TYPE_CHECKING:
    from mcp_server.actions.actions import Acts

JSON = "application/json"
MAX_COMPLETIONS = 100


def add_resources(server: FastMCP, context: ReadContext, schemas: Mapping[str, dict[str, Any]]) -> None:
    """Register the status resource and the templates of assets, topics, features, rules and answer schemas."""

    @server.resource("grid://status", name="grid_status", title="Grid status", mime_type=JSON)
    def grid_status() -> str:
        """Current state of the plant: the answer of get_overview."""
        return _readable(lambda: overview.get_overview(context).model_dump_json())

    @server.resource("vpp://assets/{asset_id}", name="asset", title="Asset", mime_type=JSON)
    def asset(asset_id: str) -> str:
        """One asset: the answer of get_asset."""
        return _readable(lambda: assets.get_asset(context, asset_id).model_dump_json())

    @server.resource("vpp://topics/{topic}/schema", name="topic_schema", title="Topic schema", mime_type=JSON)
    def topic_schema(topic: str) -> str:
        """A topic: purpose, writers, readers, JSON schema."""
        return _readable(lambda: json.dumps(topics.topic_schema(context, topic)))

    @server.resource("vpp://features/{zone}/{time}", name="features", title="Model features", mime_type=JSON)
    def zone_features(zone: str, time: str) -> str:
        """Model features of the slot at a time (ISO 8601 UTC, or latest), as trained and as served."""
        return _readable(lambda: features.features_at(context, zone, time).model_dump_json())

    @server.resource("vpp://rules/{clause}", name="rule", title="Rule", mime_type="text/markdown")
    def rule(clause: str) -> str:
        """Full text of a clause, with source, citation and page."""
        return _readable(lambda: rules.read_clause(context, clause))

    @server.resource("vpp://tools/{tool}/schema", name="tool_schema", title="Answer schema", mime_type=JSON)
    def tool_schema(tool: str) -> str:
        """Full JSON schema of a tool's answer; tools/list only names the fields."""
        if tool not in schemas:
            raise ResourceError(f"there is no tool {tool!r}. {nearest_hint(tool, schemas)}")
        return json.dumps(schemas[tool])


def add_plan_resource(server: FastMCP, acts: Acts, *, with_scopes: bool) -> None:
    """Register the template of plans; ``with_scopes`` as in ``add_acting_tools``."""
    scope = require_scopes(OPERATE) if with_scopes else None

    @server.resource("vpp://plans/{plan_id}", name="plan", title="Plan", mime_type=JSON, auth=scope)
    def plan(plan_id: str) -> str:
        """A plan of the last day: order, summary of its checks, status."""
        state = acts.book.find(plan_id)
        if state is None:
            raise ResourceError(f"there is no plan {plan_id!r} of the last day")
        status = {"plan_id": state.plan_id, "status": state.status(acts.book.now()), "digest": state.digest}
        people = {"proposer": state.proposer, "approved_by": state.approved_by, "rejected_by": state.rejected_by}
        return json.dumps({**status, **people, **msgspec.to_builtins(state.proposal)})


def add_completions(server: FastMCP, context: ReadContext, schemas: Mapping[str, dict[str, Any]]) -> None:
    """Register the handler that completes asset ids, topic names, zones, clauses and tools."""

    @server.completion
    def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        _context: CompletionContext | None,
    ) -> Completion | None:
        names: list[str]
        match argument.name:
            case "asset_id":
                names = assets.asset_ids(context)
            case "topic":
                names = list(BY_NAME)
            case "zone":
                names = context.zones()
            case "clause":
                names = rules.clause_ids(context)
            case "tool":
                names = sorted(schemas)
            case _:
                return None
        typed = argument.value.casefold()
        fitting = [name for name in names if typed in name.casefold()]
        fitting.sort(key=lambda name: (not name.casefold().startswith(typed), name))
        return Completion(values=fitting[:MAX_COMPLETIONS], total=len(fitting), has_more=len(fitting) > MAX_COMPLETIONS)


def add_prompts(server: FastMCP) -> None:
    """Register the prompts of two common tasks. No safety rule depends on their text."""

    @server.prompt(title="Analyze resilience")
    def analyze_resilience(zone: str) -> str:
        """Assess whether the plant can cover the next ramp, and recommend an action."""
        zone = plain(zone, NAME_CHARS)
        return (
            f"Assess how well zone {zone} of the virtual power plant can cover the next hours.\n"
            f"1. get_overview(zone={zone!r}): grid_power_mw against import_cap_mw, battery_soc, alerts.\n"
            f"2. predict_ramp(zone={zone!r}) and again with horizon_min=240: size, probability_beyond_limit.\n"
            f"3. get_forecast(target='net_load', zone={zone!r}): the peak of q90 against the cap, and when.\n"
            f"4. list_assets(zone={zone!r}): remaining power and energy.\n"
            "Remember the sign: power is positive into the grid; a positive ramp calls for discharge or dispatch up.\n"
            "Answer with: the risk and its time, the margin in MW and MWh, the planned power (next_power_mw), "
            "and one recommended action with its reason. Give numbers with units and as_of. "
            "State it if a forecast is a fallback or data are old."
        )

    @server.prompt(title="Shift handover")
    def shift_handover(zone: str) -> str:
        """A one-page report for the next shift."""
        zone = plain(zone, NAME_CHARS)
        return (
            f"Write the shift handover for zone {zone} of the virtual power plant, at most one page.\n"
            f"Use get_overview(zone={zone!r}), get_performance(zone={zone!r}, by='asset') over the last 8 hours, "
            f"get_forecast(zone={zone!r}) for net load and price, predict_ramp(zone={zone!r}), get_pipeline_health().\n"
            "Sections: state now (net load, price, SoC, grid power against the cap); the last shift (money, penalties "
            "avoided, alerts); the next shift (peak, ramps, prices, planned setpoints); open problems (silent workers, "
            "bad channels, dead letters, fallbacks). Give numbers with units. "
            "Give no advice that the data do not support."
        )


def _readable(make: Any) -> str:
    try:
        text: str = make()
    except VppError as error:
        raise ResourceError(plain(f"{error}. {error.hint}" if error.hint else str(error))) from error
    return text
