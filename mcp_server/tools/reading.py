"""The read tools: each validates its arguments and returns the answer of one query function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools.function_tool import FunctionTool
from mcp_types import Tool, ToolAnnotations
from pydantic import Field

from mcp_server.answers import reading
from mcp_server.answers.explanation import DecisionExplanation
from mcp_server.answers.sanitize import plain
from mcp_server.queries import assets, explain, forecasts, health, overview, performance, rules, topics
from mcp_server.queries import series as history
from mcp_server.queries.context import ReadContext
from mcp_server.tools.short_schemas import compact_input, compact_output
from vpp.errors import VppError
from vpp.fleet.assets import AssetKind

READ = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
TIMEOUT_S = 30.0
ERROR_CHARS = 1000

Zone = Annotated[str | None, Field(description="zone; needed only where there are several", max_length=80)]
Start = Annotated[datetime | None, Field(description="ISO 8601 UTC, inclusive")]
End = Annotated[datetime | None, Field(description="exclusive; default: the newest data")]
AssetId = Annotated[str, Field(max_length=80)]

F = TypeVar("F", bound=Callable[..., Any])


def saying_why(function: F) -> F:
    """Turn our own errors into tool errors that the model can read, with the next step; others stay masked."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            try:
                return await function(*args, **kwargs)
            except VppError as error:
                raise _tool_error(error) from error

        return waiting  # type: ignore[return-value]

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except VppError as error:
            raise _tool_error(error) from error

    return wrapper  # type: ignore[return-value]


def _tool_error(error: VppError) -> ToolError:
    # Names of zones and assets in it may come from telemetry.
    return ToolError(plain(f"{error}. {error.hint}" if error.hint else str(error), ERROR_CHARS))


class ShortTool(FunctionTool):
    """A tool without the framework's own metadata in ``tools/list``."""

    def to_mcp_tool(self, **overrides: Any) -> Tool:
        """Return the tool as listed for clients."""
        return super().to_mcp_tool(**{"_meta": None, **overrides})


def add_tool(
    server: FastMCP,
    function: Callable[..., Any],
    annotations: ToolAnnotations,
    title: str,
    *,
    auth: Any = None,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, Any]:
    """Register a tool with its annotations and short schemas; return the full schema of its answer.

    Args:
        server: The server.
        function: The tool; its docstring is the description.
        annotations: Hints for clients: read-only, destructive, idempotent.
        title: Title for people.
        auth: Checks the scopes of the token; None: any.
        timeout_s: Seconds after which a call is ended.
    """
    tool = ShortTool.from_function(
        saying_why(function), annotations=annotations, title=title, timeout=timeout_s, auth=auth
    )
    assert tool.output_schema is not None
    short = {"parameters": compact_input(tool.parameters), "output_schema": compact_output(tool.output_schema)}
    server.add_tool(tool.model_copy(update=short))
    return tool.output_schema


def add_reading_tools(server: FastMCP, context: ReadContext) -> dict[str, dict[str, Any]]:
    """Register every reading tool; return the full schemas of their answers by tool."""

    def get_overview(zone: Zone = None) -> reading.Overview:
        """The plant now: net load, price, plant power, SoC, next setpoints, money, alerts, workers. Start here."""
        return overview.get_overview(context, zone)

    def list_assets(
        zone: Zone = None,
        kind: AssetKind | None = None,
        state: Literal["online", "unavailable", "stale", "unseen"] | None = None,
        limit: Annotated[int, Field(ge=1, le=200)] = 50,
        cursor: Annotated[str | None, Field(max_length=40)] = None,
    ) -> reading.AssetPage:
        """All assets with limits, power, SoC and next setpoint."""
        return assets.list_assets(context, zone, kind, state, limit, cursor)

    def get_asset(asset_id: AssetId) -> reading.AssetDetail:
        """One asset in full: limits, last power and SoC, setpoint with its reason, energy and money of 24 h."""
        return assets.get_asset(context, asset_id)

    def get_series(
        series: Annotated[history.SeriesName, Field(description="money series are sums, others means")],
        zone: Zone = None,
        asset_id: Annotated[str | None, Field(description="asset and money series only", max_length=80)] = None,
        start: Start = None,
        end: End = None,
        max_points: Annotated[int, Field(ge=2, le=500)] = 96,
    ) -> reading.SeriesAnswer:
        """Measured or settled history, down-sampled, with statistics of the whole window (default: last 24 h)."""
        return history.get_series(
            context, series, zone=zone, asset_id=asset_id, start=start, end=end, max_points=max_points
        )

    def get_forecast(
        target: Literal["net_load", "price"] = "net_load",
        zone: Zone = None,
        horizon_h: Annotated[float, Field(gt=0, le=48)] = 24.0,
        all_quantiles: Annotated[bool, Field(description="q05..q95 instead of q10, q50, q90")] = False,
    ) -> reading.ForecastAnswer:
        """Newest quantile forecast, what it rests on (model or a named fallback) and how good such forecasts were."""
        return forecasts.get_forecast(context, target, zone, horizon_h, all_quantiles=all_quantiles)

    def predict_ramp(
        zone: Zone = None,
        horizon_min: Annotated[int | None, Field(ge=1, le=1440, description="default: one step")] = None,
    ) -> reading.Ramp:
        """The coming net-load ramp: MW, MW/min, probability to break the limit, 24 h of steps."""
        return forecasts.predict_ramp(context, zone, horizon_min)

    def get_performance(
        zone: Zone = None, start: Start = None, end: End = None, by: performance.Grouping = "asset"
    ) -> reading.Performance:
        """Settled money: revenue, costs, penalties and those avoided, battery cycles; forecast scores (default 7 d)."""
        return performance.get_performance(context, zone, start, end, by)

    def explain_decision(
        zone: Zone = None,
        decision_id: Annotated[str | None, Field(max_length=60)] = None,
        at: Annotated[datetime | None, Field(description="time in the decided slot; default: the newest")] = None,
        why_not_asset: Annotated[str | None, Field(max_length=80)] = None,
        why_not_mw: Annotated[float | None, Field(description="price this first step instead; + is discharge")] = None,
    ) -> DecisionExplanation:
        """Why the plant does what it does: binding limit, water value, alternatives; "why not X MW" by re-solving."""
        return explain.explain_decision(
            context, zone=zone, decision_id=decision_id, at=at, why_not_asset=why_not_asset, why_not_mw=why_not_mw
        )

    def search_rules(
        query: Annotated[str, Field(min_length=2, max_length=300)],
        limit: Annotated[int, Field(ge=1, le=10)] = 5,
    ) -> reading.Rules:
        """Clauses on balancing, reserves, storage, aggregation, line ratings and this plant's rules, with source."""
        return rules.search_rules(context, query, limit)

    tools = (
        (get_overview, "Overview"),
        (list_assets, "Assets"),
        (get_asset, "Asset"),
        (get_series, "Time series"),
        (get_forecast, "Forecast"),
        (predict_ramp, "Predict ramp"),
        (get_performance, "Performance"),
        (explain_decision, "Explain decision"),
        (search_rules, "Search rules"),
    )
    own = {function.__name__: add_tool(server, function, READ, title) for function, title in tools}
    return own | _add_pipeline_tools(server, context)


def _add_pipeline_tools(server: FastMCP, context: ReadContext) -> dict[str, dict[str, Any]]:
    """Register the tools that look into the pipeline: its health and its records."""

    def get_pipeline_health(
        topology: Annotated[str | None, Field(description="telemetry ... storage", max_length=40)] = None,
    ) -> reading.Health:
        """Workers, lag, store, feature and forecast readiness by zone, dead letters. Use when data look old."""
        return health.get_pipeline_health(context, topology)

    def peek_topic(
        topic: Annotated[str, Field(description="telemetry, forecasts, bids, setpoints, dlq, ...", max_length=60)],
        start: Annotated[str, Field(description="tail, an ISO time, or partition:offset", max_length=40)] = "tail",
        key: Annotated[str | None, Field(description="only this zone", max_length=80)] = None,
        limit: Annotated[int, Field(ge=1, le=50)] = 5,
        timeout_s: Annotated[float, Field(gt=0, le=5)] = 3.0,
    ) -> reading.TopicPeek:
        """Records of a Kafka topic, decoded; joins no group and commits nothing."""
        return topics.peek_topic(context, topic, start, key, limit, timeout_s)

    tools = (
        (get_pipeline_health, "Pipeline health"),
        (peek_topic, "Peek topic"),
    )
    return {function.__name__: add_tool(server, function, READ, title) for function, title in tools}
