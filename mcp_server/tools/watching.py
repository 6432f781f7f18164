"""Watching tools: alerts, anomalies and the states of orders."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import Field

from mcp_server.answers.alerts import AlertPage, AnomalyPage
from mcp_server.answers.orders import OrderPage
from mcp_server.queries import alerts, orders
from mcp_server.queries.context import ReadContext
from mcp_server.tools.registration import add_tool

EveryZone = Annotated[str | None, Field(description="default: every zone", max_length=80)]
Since = Annotated[datetime | None, Field(description="default: the last 7 days of the run")]
Limit = Annotated[int, Field(ge=1, le=100)]


def get_alerts(
    context: ReadContext,
    zone: EveryZone = None,
    since: Annotated[datetime | None, Field(description="default: the last 7 days; open_only: all")] = None,
    severity: Annotated[alerts.Severity | None, Field(description="default: warning and critical")] = None,
    open_only: bool = False,
    limit: Limit = 20,
) -> AlertPage:
    """Alerts, one per episode: start, end, channel or asset, effect and recommended action."""
    return alerts.get_alerts(context, zone, since, severity, is_open=open_only, limit=limit)


def get_anomalies(context: ReadContext, zone: EveryZone = None, since: Since = None, limit: Limit = 20) -> AnomalyPage:
    """Data that the guard flagged: cause (fault, forged, replayed, frozen), channel, evidence, effect."""
    return alerts.get_anomalies(context, zone, since, limit=limit)


def list_orders(
    context: ReadContext,
    zone: EveryZone = None,
    order_id: Annotated[str | None, Field(max_length=60)] = None,
    open_only: bool = False,
    limit: Limit = 20,
) -> OrderPage:
    """Orders with all their states: accepted, waiting, acting, clamped, done, expired, refused, withdrawn."""
    return orders.list_orders(context, zone, order_id, is_open=open_only, limit=limit)


TOOLS = ((get_alerts, "Alerts"), (get_anomalies, "Anomalies"), (list_orders, "Orders"))


def add_watching_tools(server: FastMCP, context: ReadContext) -> dict[str, dict[str, Any]]:
    """Register the tools; return the full schemas of their answers by tool."""
    return {function.__name__: add_tool(server, context, function, title) for function, title in TOOLS}
