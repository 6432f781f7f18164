"""`/metrics` of the server: calls by tool and outcome, refusals by reason, and who may read it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp.exceptions import ToolError
from fastmcp.utilities.tests import asgi_client
from starlette.middleware import Middleware

from mcp_server.security.auth import TokenHashes, add_token
from mcp_server.security.call_metrics import CallMetrics, CountDenials
from mcp_server.server import build_server
from tests.worlds.plant_loop import Loop, acts_of
from vpp.http_guard import StrictHost


def figures(metrics: CallMetrics) -> dict[str, float]:
    """Every figure above 0 by its name and labels, without buckets and times."""
    lines = [line.rpartition(" ") for line in metrics.text().decode().splitlines() if not line.startswith("#")]
    shown = re.compile(r"vpp_mcp_\w+(_total|_count)\b")
    return {name: float(value) for name, _, value in lines if shown.match(name) and float(value)}


def server_of(loop: Loop, auth: Any, metrics: CallMetrics) -> Any:
    acts = acts_of(loop)
    return build_server(acts.context, acts, auth, metrics=metrics)


async def test_calls_are_counted_by_tool_and_outcome(tmp_path: Path) -> None:
    tokens, metrics = tmp_path / "tokens.json", CallMetrics()
    loop = Loop(tmp_path, calls_per_s=0.001, burst=6)
    reader = {"Authorization": f"Bearer {add_token(tokens, 'rita', ('vpp:read',))}"}
    async with asgi_client(server_of(loop, TokenHashes(tokens), metrics), headers=reader, mode="legacy") as client:
        await client.call_tool("get_overview", {})
        for tool, arguments in (("get_asset", {"asset_id": "none"}), ("hold_fleet", {"reason": "x"}), ("made\nup", {})):
            with pytest.raises(ToolError):
                await client.call_tool(tool, arguments)
        asked = [client.call_tool("get_overview", {}) for _ in range(6)]
        results = await asyncio.gather(*asked, return_exceptions=True)
    assert any("Rate limit" in str(result) for result in results)
    counted = figures(metrics)
    assert counted['vpp_mcp_calls_total{outcome="error",tool="get_asset"}'] == 1
    assert counted['vpp_mcp_calls_total{outcome="scope",tool="hold_fleet"}'] == 1
    assert counted['vpp_mcp_calls_total{outcome="unknown",tool="other"}'] == 1
    assert counted['vpp_mcp_calls_total{outcome="rate_limit",tool="get_overview"}'] >= 1
    assert counted['vpp_mcp_calls_total{outcome="ok",tool="get_overview"}'] >= 1
    assert counted['vpp_mcp_denials_total{reason="rate_limit"}'] >= 1
    assert counted['vpp_mcp_denials_total{reason="scope"}'] == 1
    assert counted['vpp_mcp_call_seconds_count{tool="get_overview"}'] >= 2


@pytest.mark.parametrize("with_tokens", [True, False])
async def test_metrics_need_what_reading_needs(tmp_path: Path, with_tokens: bool) -> None:
    tokens, metrics = tmp_path / "tokens.json", CallMetrics()
    token = add_token(tokens, "rita", ("vpp:read",))
    server = server_of(Loop(tmp_path), TokenHashes(tokens) if with_tokens else None, metrics)
    app = server.http_app(middleware=[Middleware(CountDenials, metrics=metrics), Middleware(StrictHost)])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
        bare = await client.get("/metrics")
        assert bare.status_code == (401 if with_tokens else 200)
        if with_tokens:
            assert bare.headers["www-authenticate"] == "Bearer"
        given = await client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
        assert given.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "# TYPE vpp_mcp_calls_total counter" in given.text
        assert (await client.get("/healthz", headers={"Host": "a@b"})).status_code == 400
    denied = figures(metrics)
    assert denied['vpp_mcp_denials_total{reason="host"}'] == 1
    assert denied.get('vpp_mcp_denials_total{reason="token"}', 0) == (1 if with_tokens else 0)
