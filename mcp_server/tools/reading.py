"""The reading tools: each validates its arguments and returns the answer of one query function."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastmcp import FastMCP
from pydantic import Field

from mcp_server.answers import reading
from mcp_server.answers.explanation import DecisionExplanation
from mcp_server.answers.rules import Rules
from mcp_server.queries import assets, explain, forecasts, health, overview, performance, rules, topics
from mcp_server.queries import series as history
from mcp_server.queries.context import ReadContext
from mcp_server.tools.registration import add_tool
from vpp.fleet.assets import AssetKind

Zone = Annotated[str | None, Field(description="required if there are several zones", max_length=80)]
Start = Annotated[datetime | None, Field(description="ISO 8601 UTC, inclusive")]
End = Annotated[datetime | None, Field(description="exclusive; default: the newest data")]
AssetId = Annotated[str, Field(max_length=80)]


def get_overview(context: ReadContext, zone: Zone = None) -> reading.Overview:
    """Current state: net load, price, plant power, SoC, next setpoints, money, alerts, workers. Start here."""
    return overview.get_overview(context, zone)


def list_assets(
    context: ReadContext,
    zone: Zone = None,
    kind: AssetKind | None = None,
    state: Literal["online", "unavailable", "stale", "unseen"] | None = None,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Field(max_length=40)] = None,
) -> reading.AssetPage:
    """List assets with limits, power, SoC and next setpoint."""
    return assets.list_assets(context, zone, kind, state, limit, cursor)


def get_asset(context: ReadContext, asset_id: AssetId) -> reading.AssetDetail:
    """One asset: limits, latest power and SoC, setpoint with its reason, energy and money of the last 24 h."""
    return assets.get_asset(context, asset_id)


def get_series(
    context: ReadContext,
    series: Annotated[history.SeriesName, Field(description="money: sums; others: means")],
    zone: Zone = None,
    asset_id: Annotated[str | None, Field(description="asset and money series only", max_length=80)] = None,
    start: Start = None,
    end: End = None,
    max_points: Annotated[int, Field(ge=2, le=500)] = 96,
) -> reading.SeriesAnswer:
    """Measured or settled time series, down-sampled, with statistics of the window (default: last 24 h)."""
    return history.get_series(
        context, series, zone=zone, asset_id=asset_id, start=start, end=end, max_points=max_points
    )


def get_forecast(
    context: ReadContext,
    target: Literal["net_load", "price"] = "net_load",
    zone: Zone = None,
    horizon_h: Annotated[float, Field(gt=0, le=48)] = 24.0,
    all_quantiles: Annotated[bool, Field(description="q05..q95 instead of q10, q50, q90")] = False,
) -> reading.ForecastAnswer:
    """Latest quantile forecast, its source (model or a named fallback) and the accuracy of past forecasts."""
    return forecasts.get_forecast(context, target, zone, horizon_h, all_quantiles=all_quantiles)


def predict_ramp(
    context: ReadContext,
    zone: Zone = None,
    horizon_min: Annotated[int | None, Field(ge=1, le=1440, description="default: one step")] = None,
) -> reading.Ramp:
    """Next net-load ramp: MW, MW/min, probability of exceeding the ramp limit, the steps of 24 h."""
    return forecasts.predict_ramp(context, zone, horizon_min)


def get_performance(
    context: ReadContext, zone: Zone = None, start: Start = None, end: End = None, by: performance.Grouping = "asset"
) -> reading.Performance:
    """Settled money: revenue, costs, penalties paid and avoided, battery cycles; forecast scores (default 7 d)."""
    return performance.get_performance(context, zone, start, end, by)


def explain_decision(
    context: ReadContext,
    zone: Zone = None,
    decision_id: Annotated[str | None, Field(max_length=60)] = None,
    at: Annotated[datetime | None, Field(description="time in the slot; default: latest decision")] = None,
    why_not_asset: Annotated[str | None, Field(max_length=80)] = None,
    why_not_mw: Annotated[float | None, Field(description="first step to price instead; + is discharge")] = None,
) -> DecisionExplanation:
    """Explain a decision: binding limit, water value, alternatives; why_not solves again with another first step."""
    return explain.explain_decision(
        context, zone=zone, decision_id=decision_id, at=at, why_not_asset=why_not_asset, why_not_mw=why_not_mw
    )


def search_rules(
    context: ReadContext,
    query: Annotated[str, Field(min_length=2, max_length=300)],
    limit: Annotated[int, Field(ge=1, le=10)] = 5,
) -> Rules:
    """Quote clauses that answer a question, from standards, the plant's rules and the site's own manuals."""
    return rules.search_rules(context, query, limit)


def get_pipeline_health(
    context: ReadContext,
    topology: Annotated[str | None, Field(description="a worker, such as forecast", max_length=40)] = None,
) -> reading.Health:
    """Workers, lag, store, readiness of features and forecasts by zone, dead letters. Use it if data look old."""
    return health.get_pipeline_health(context, topology)


def peek_topic(
    context: ReadContext,
    topic: Annotated[str, Field(description="telemetry, forecasts, bids, setpoints, dlq, ...", max_length=60)],
    start: Annotated[str, Field(description="tail, an ISO time, or partition:offset", max_length=40)] = "tail",
    key: Annotated[str | None, Field(description="only this zone", max_length=80)] = None,
    limit: Annotated[int, Field(ge=1, le=50)] = 5,
    timeout_s: Annotated[float, Field(gt=0, le=5)] = 3.0,
) -> reading.TopicPeek:
    """Read decoded records of a Kafka topic, without a consumer group or commits."""
    return topics.peek_topic(context, topic, start, key, limit, timeout_s)


TOOLS = (
    (get_overview, "Overview"),
    (list_assets, "Assets"),
    (get_asset, "Asset"),
    (get_series, "Time series"),
    (get_forecast, "Forecast"),
    (predict_ramp, "Predict ramp"),
    (get_performance, "Performance"),
    (explain_decision, "Explain decision"),
    (search_rules, "Search rules"),
    (get_pipeline_health, "Pipeline health"),
    (peek_topic, "Peek topic"),
)


def add_reading_tools(server: FastMCP, context: ReadContext) -> dict[str, dict[str, Any]]:
    """Register every reading tool; return the full schemas of their answers by tool."""
    return {function.__name__: add_tool(server, context, function, title) for function, title in TOOLS}
