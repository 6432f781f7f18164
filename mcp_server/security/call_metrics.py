"""Prometheus metrics of the server: calls by tool and outcome, duration, rejected requests."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from fastmcp.exceptions import NotFoundError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.server.middleware.rate_limiting import RateLimitError
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_server.security.audit_log import verdict_of
from mcp_server.security.auth import READ

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OTHER = "other"
_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DENIED = {400: "host", 401: "token", 403: "scope"}


class CallMetrics(Middleware):
    """Counts tool calls and rejected requests; use it as the outermost middleware.

    Attributes:
        tools: Names that are used as labels; all others count as ``other``, so a caller cannot add labels.
    """

    def __init__(self, tools: Iterable[str] = ()) -> None:
        self.tools = frozenset(tools)
        self._registry = CollectorRegistry()
        self._calls = Counter("vpp_mcp_calls", "Calls of tools", ["tool", "outcome"], registry=self._registry)
        self._seconds = Histogram(
            "vpp_mcp_call_seconds", "Time of a call (s)", ["tool"], buckets=_BUCKETS, registry=self._registry
        )
        self._denials = Counter("vpp_mcp_denials", "Requests turned away", ["reason"], registry=self._registry)
        for reason in (*_DENIED.values(), "rate_limit"):
            self._denials.labels(reason)

    async def on_call_tool(self, context: MiddlewareContext[Any], call_next: CallNext[Any, Any]) -> Any:
        """Forward the call and count it."""
        name = context.message.name
        tool = name if name in self.tools else _OTHER
        began, outcome = time.perf_counter(), "error"
        try:
            result = await call_next(context)
            outcome = verdict_of(result)
            return result
        except RateLimitError:
            outcome = "rate_limit"
            self._denials.labels(outcome).inc()
            raise
        except NotFoundError:
            # A caller without the scope gets "not found" for an existing tool.
            outcome = "unknown" if tool == _OTHER else "scope"
            if outcome == "scope":
                self._denials.labels(outcome).inc()
            raise
        finally:
            self._calls.labels(tool, outcome).inc()
            self._seconds.labels(tool).observe(time.perf_counter() - began)

    def count_denial(self, status: int) -> None:
        """Count an HTTP response that rejects a request."""
        if status in _DENIED:
            self._denials.labels(_DENIED[status]).inc()

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)


class CountDenials:
    """ASGI middleware that counts the responses of an application that reject a request.

    Args:
        app: The application.
        metrics: The counters.
    """

    def __init__(self, app: ASGIApp, metrics: CallMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward a request."""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.count_denial(message["status"])
            await send(message)

        await self._app(scope, receive, counted)


def metrics_route(metrics: CallMetrics, *, needs_token: bool) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of ``/metrics``.

    Args:
        metrics: The counters.
        needs_token: Whether a request needs a token with the read scope.
    """

    async def handler(request: Request) -> Response:
        if needs_token and READ not in request.auth.scopes:
            return PlainTextResponse("a token is needed\n", 401, {"WWW-Authenticate": "Bearer"})
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return handler
