"""REST API for programs under /api/v1: the questions of the MCP tools, and pages of tables; described by OpenAPI 3.1.

Each endpoint is a path, a model of its query parameters, a model of its answer and a function. Checking, documents and
routes are all made from that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import anyio.to_thread
import msgspec
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.dashboard.openapi import document
from console.dashboard.paging import TablePage, page_of
from console.dashboard.tags import answer_with_tag
from mcp_server.answers import reading
from mcp_server.answers.alerts import AnomalyPage
from mcp_server.answers.explanation import DecisionExplanation
from mcp_server.answers.looks import LookPage
from mcp_server.answers.orders import OrderPage
from mcp_server.answers.sanitize import inert
from mcp_server.queries.alerts import get_anomalies
from mcp_server.queries.context import ReadContext, UnknownNameError, period
from mcp_server.queries.explain import explain_decision
from mcp_server.queries.features import MAX_HISTORY, get_features
from mcp_server.queries.forecasts import get_forecast
from mcp_server.queries.health import get_pipeline_health
from mcp_server.queries.looks import get_looks
from mcp_server.queries.orders import list_orders
from mcp_server.queries.overview import get_overview
from mcp_server.queries.performance import Grouping, get_performance
from mcp_server.queries.series import SeriesName, get_series
from vpp.store.table import Table
from vpp.store.tables import ALERTS, DECISIONS, LEDGER, ORDER_STATES, ORDERS

PREFIX = "/api/v1"
ZoneName = Field(default=None, max_length=80, description="zone; needed only where there are several")


class Params(BaseModel):
    """Query parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class OfZone(Params):
    """A question about one zone."""

    zone: str | None = ZoneName


class OfPeriod(OfZone):
    """A question about one zone and a period."""

    start: AwareDatetime | None = Field(default=None, description="first time, inclusive; default: 24 h before end")
    end: AwareDatetime | None = Field(default=None, description="end, exclusive; default: the newest data")


class OfSeries(OfPeriod):
    """Which series."""

    series: SeriesName
    asset_id: str | None = Field(default=None, max_length=80)
    max_points: int = Field(default=500, ge=2, le=5000)


class OfForecast(OfZone):
    """Which forecast."""

    target: Literal["net_load", "price"] = "net_load"
    horizon_h: float = Field(default=24.0, gt=0, le=48)
    all_quantiles: bool = False


class OfFeatures(OfZone):
    """Which features of which slot."""

    at: AwareDatetime | None = Field(default=None, description="time in the slot; default: the newest")
    name: str | None = Field(default=None, max_length=80, description="word in the name; default: all")
    horizon_min: int | None = Field(default=None, ge=1, le=1440, description="for features of a target")
    history_slots: int = Field(default=0, ge=0, le=MAX_HISTORY)


class OfPerformance(OfPeriod):
    """How money is grouped."""

    by: Grouping = "asset"


class OfDecision(OfZone):
    """A decision, by the id in the path; with ``why_not_asset``, what another first step would have cost."""

    why_not_asset: str | None = Field(default=None, max_length=80)
    why_not_mw: float | None = Field(default=None, ge=-100_000, le=100_000)


class OfTable(OfPeriod):
    """A page of a table, oldest row first."""

    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=200, description="next_cursor of the page before")


class OfAlerts(OfTable):
    """A page of alerts."""

    severity: Literal["info", "warning", "critical"] | None = None


class OfAnomalies(OfZone):
    """Verdicts of the guard."""

    since: AwareDatetime | None = Field(default=None, description="default: the last 7 days of the run")
    limit: int = Field(default=20, ge=1, le=200)


class OfLooks(OfZone):
    """Looks of the agent."""

    limit: int = Field(default=20, ge=1, le=200)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One question.

    Attributes:
        path: Below the prefix; ``{name}`` is a parameter.
        summary: What it answers.
        params: Model of the query parameters.
        answer: Model of the answer.
        ask: Answers; gets the read context, the query parameters and the path parameters.
    """

    path: str
    summary: str
    params: type[Params]
    answer: type[BaseModel]
    ask: Callable[[ReadContext, Any, dict[str, str]], Any]

    @property
    def name(self) -> str:
        """Return the operation's id."""
        return "get_" + self.path.strip("/").replace("/", "_").replace("{", "").replace("}", "")


_COLUMN_TYPES: dict[str, Any] = {"time": datetime, "text": str, "json": Any, "real": float, "int": int, "bool": bool}
HIDDEN = {"decisions": ("body",), "orders": ("body",)}


def row_model(table: Table) -> type[BaseModel]:
    """Return the model of one row of a table; json columns come decoded, long bodies are left out."""
    fields: dict[str, Any] = {}
    for column in table.columns:
        if column.name not in HIDDEN.get(table.name, ()):
            kind = _COLUMN_TYPES[column.type]
            fields[column.name] = (kind | None if kind is not Any else Any, Field(default=None, description=column.doc))
    return create_model(f"{_class_name(table)}Row", **fields)


def _class_name(table: Table) -> str:
    return table.name.title().replace("_", "")


def page_model(table: Table) -> type[BaseModel]:
    """Return the model of a page of rows."""
    row: Any = row_model(table)
    return create_model(f"{_class_name(table)}Page", __base__=TablePage, items=(list[row], []))


def _table(table: Table) -> Callable[[ReadContext, OfTable, dict[str, str]], Any]:
    def ask(context: ReadContext, params: OfTable, _: dict[str, str]) -> Any:
        zone = context.choose(params.zone)
        as_of = None if zone is None else context.as_of(zone)
        if zone is None or as_of is None:
            return {"as_of": None, "items": [], "next_cursor": None, "window": None}
        window = period(as_of, params.start, params.end)
        severity = getattr(params, "severity", None)
        filters = {"severity": severity} if severity else None
        names = [c.name for c in table.columns if c.name not in HIDDEN.get(table.name, ())]
        rows, following = page_of(
            context.store, table, zone, (window.start, window.end), names, filters, params.limit, params.cursor
        )
        json_columns = [c.name for c in table.columns if c.type == "json" and c.name in names]
        for row in rows:
            row |= {name: msgspec.json.decode(row[name]) for name in json_columns if row[name]}
        return {"as_of": as_of, "window": window.text(), "items": inert(rows), "next_cursor": following}

    return ask


ENDPOINTS = (
    Endpoint(
        "/overview",
        "Every zone at its newest slot, and how the workers do",
        OfZone,
        reading.Overview,
        lambda context, p, _: get_overview(context, p.zone),
    ),
    Endpoint(
        "/series",
        "One time series in a bounded number of points",
        OfSeries,
        reading.SeriesAnswer,
        lambda context, p, _: get_series(
            context, p.series, zone=p.zone, asset_id=p.asset_id, start=p.start, end=p.end, max_points=p.max_points
        ),
    ),
    Endpoint(
        "/forecasts",
        "The newest forecast of net load or price",
        OfForecast,
        reading.ForecastAnswer,
        lambda context, p, _: get_forecast(context, p.target, p.zone, p.horizon_h, all_quantiles=p.all_quantiles),
    ),
    Endpoint(
        "/features",
        "Model features of a slot, as trained and as served",
        OfFeatures,
        reading.FeaturesAnswer,
        lambda context, p, _: get_features(
            context, p.zone, p.at, [p.name] if p.name else None, p.horizon_min, p.history_slots
        ),
    ),
    Endpoint("/decisions", "Decisions of a period", OfTable, page_model(DECISIONS), _table(DECISIONS)),
    Endpoint(
        "/decisions/{decision_id}",
        "Why the plant decided so",
        OfDecision,
        DecisionExplanation,
        lambda context, p, path: _explained(context, p, path["decision_id"]),
    ),
    Endpoint("/orders", "Orders of a period with their verdicts", OfTable, page_model(ORDERS), _table(ORDERS)),
    Endpoint(
        "/orders/{order_id}",
        "One order with its whole life",
        OfZone,
        OrderPage,
        lambda context, p, path: list_orders(context, p.zone, path["order_id"]),
    ),
    Endpoint(
        "/order_states", "Changes in the lives of orders", OfTable, page_model(ORDER_STATES), _table(ORDER_STATES)
    ),
    Endpoint(
        "/anomalies",
        "What the guard did not believe, with its evidence",
        OfAnomalies,
        AnomalyPage,
        lambda context, p, _: get_anomalies(context, p.zone, p.since, limit=p.limit),
    ),
    Endpoint(
        "/looks",
        "Looks of the grid agent, the newest first",
        OfLooks,
        LookPage,
        lambda context, p, _: get_looks(context, p.zone, limit=p.limit),
    ),
    Endpoint(
        "/looks/{look_id}",
        "One look with every step",
        OfZone,
        LookPage,
        lambda context, p, path: get_looks(context, p.zone, path["look_id"]),
    ),
    Endpoint("/alerts", "Alerts of a period", OfAlerts, page_model(ALERTS), _table(ALERTS)),
    Endpoint("/ledger", "Settled entries of a period", OfTable, page_model(LEDGER), _table(LEDGER)),
    Endpoint(
        "/performance",
        "Money by zone, asset or day, and forecast skill",
        OfPerformance,
        reading.Performance,
        lambda context, p, _: get_performance(context, p.zone, p.start, p.end, p.by),
    ),
    Endpoint(
        "/health",
        "Workers, store, readiness and dead letters",
        Params,
        reading.Health,
        lambda context, _p, _: get_pipeline_health(context),
    ),
)


def _explained(context: ReadContext, params: OfDecision, decision_id: str) -> DecisionExplanation:
    explanation = explain_decision(
        context,
        zone=params.zone,
        decision_id=decision_id,
        at=None,
        why_not_asset=params.why_not_asset,
        why_not_mw=params.why_not_mw,
    )
    if explanation.decision_id is None:
        raise UnknownNameError(f"there is no decision {decision_id!r}", hint=explanation.hint)
    return explanation


def api_routes(context: ReadContext) -> list[Route]:
    """Return the routes of the API."""
    described = msgspec.json.encode(document(ENDPOINTS, PREFIX))

    async def openapi(request: Request) -> Response:
        return answer_with_tag(request, described)

    return [
        Route(f"{PREFIX}/openapi.json", openapi),
        *(Route(PREFIX + endpoint.path, _handler(context, endpoint)) for endpoint in ENDPOINTS),
    ]


def _handler(context: ReadContext, endpoint: Endpoint) -> Callable[[Request], Any]:
    async def handler(request: Request) -> Response:
        query: dict[str, Any] = dict(request.query_params)
        params = endpoint.params.model_validate(query)
        answer = await anyio.to_thread.run_sync(endpoint.ask, context, params, dict(request.path_params))
        body = answer.model_dump() if isinstance(answer, BaseModel) else answer
        return answer_with_tag(request, msgspec.json.encode(body))

    return handler
