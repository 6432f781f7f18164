"""The server as a subprocess over streamable HTTP: tokens, scopes, Host and Origin, rate limit, two libraries."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp.client.client import Client as OfficialClient
from mcp.client.streamable_http import streamable_http_client

from mcp_server.security.auth import add_token
from tests.worlds.plant_loop import Loop

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
MODES = ("auto", "legacy")
WISH = {"asset_ids": ["bat"], "power_mw": 2.0, "duration_min": 60, "reason": "evening peak"}


@dataclass(frozen=True)
class Site:
    """A server that runs, and the tokens of a reader and an operator."""

    url: str
    reader: str
    operator: str
    process: subprocess.Popen[str]

    @property
    def base(self) -> str:
        return self.url.removesuffix("/mcp")


def start(folder: Path, **settings: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VPP_", "FASTMCP_"))}
    env = {**environment, "VPP_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT), **settings}
    return subprocess.Popen(
        [sys.executable, "-m", "mcp_server", "--http"],
        env=env,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Site]:
    """A server in the operate profile over a small plant."""
    Loop(folder).store.close()
    tokens = folder / "tokens.json"
    reader = add_token(tokens, "rita", ("vpp:read",))
    operator = add_token(tokens, "otto", ("vpp:operate",))
    port = free_port()
    process = start(
        folder,
        VPP_MCP__PORT=str(port),
        VPP_MCP__TOKENS=str(tokens),
        VPP_MCP__PROFILE="operate",
        **settings,
    )
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx2.get(f"{base}/healthz").status_code == 200:
                break
        except httpx2.HTTPError:
            time.sleep(0.1)
    yield Site(f"{base}/mcp", reader, operator, process)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
    process.stderr.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("site"), VPP_MCP__BURST="400") as result:
        yield result


def client(site: Site, token: str, mode: Any = "auto") -> Client[Any]:
    headers = {"Authorization": f"Bearer {token}"}
    return Client(StreamableHttpTransport(site.url, headers=headers), mode=mode)


@pytest.mark.parametrize("mode", MODES)
async def test_a_reader_reads_and_does_not_see_the_acting_tools(site: Site, mode: str) -> None:
    async with client(site, site.reader, mode) as asked:
        names = {tool.name for tool in await asked.list_tools()}
        assert "get_overview" in names
        assert names.isdisjoint({"propose_dispatch", "hold_fleet", "execute_plan", "set_policy"})
        overview = (await asked.call_tool("get_overview", {})).structured_content
        assert overview["zones"][0]["zone"] == "Z"
        with pytest.raises(ToolError, match="Unknown tool"):
            await asked.call_tool("hold_fleet", {"reason": "let me in"})


@pytest.mark.parametrize("mode", MODES)
async def test_an_operator_sees_all_and_without_a_broker_nothing_acts(site: Site, mode: str) -> None:
    async with client(site, site.operator, mode) as asked:
        assert len(await asked.list_tools()) == 19
        with pytest.raises(ToolError, match="vpp up"):
            await asked.call_tool("propose_dispatch", WISH)


@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_over_http(site: Site, mode: Any) -> None:
    headers = {"Authorization": f"Bearer {site.reader}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        OfficialClient(streamable_http_client(site.url, http_client=http), mode=mode) as asked,
    ):
        assert len((await asked.list_tools()).tools) == 15
        health = await asked.call_tool("get_pipeline_health", {})
        assert health.structured_content["store_ok"] is True


PING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 401, id="no token"),
        pytest.param({"Authorization": "Bearer vpp_wrong"}, 401, id="wrong token"),
        pytest.param({"Authorization": "Basic cml0YTp4"}, 401, id="other scheme"),
    ],
)
def test_without_a_right_token_nothing_answers(site: Site, headers: dict[str, str], status: int) -> None:
    answer = httpx2.post(site.url, json=PING, headers={**ACCEPT, **headers})
    assert answer.status_code == status
    assert site.reader not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Host": "evil.example"}, id="rebound host"),
        pytest.param({"Origin": "https://evil.example"}, id="foreign page"),
    ],
)
def test_foreign_hosts_and_origins_are_refused(site: Site, headers: dict[str, str]) -> None:
    right = {**ACCEPT, "Authorization": f"Bearer {site.reader}", **headers}
    assert httpx2.post(site.url, json=PING, headers=right).status_code in (403, 421)


def test_health_needs_no_token(site: Site) -> None:
    answer = httpx2.get(f"{site.base}/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_metrics_need_the_token_of_a_reader(site: Site) -> None:
    refused = httpx2.get(f"{site.base}/metrics")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    answer = httpx2.get(f"{site.base}/metrics", headers={"Authorization": f"Bearer {site.reader}"})
    assert answer.status_code == 200
    assert 'vpp_mcp_denials_total{reason="token"}' in answer.text


async def test_two_hundred_calls_at_once_all_answer(site: Site) -> None:
    took: list[float] = []
    async with client(site, site.operator) as asked:

        async def call() -> None:
            began = time.perf_counter()
            answer = await asked.call_tool("predict_ramp", {})
            assert answer.structured_content["hint"] is not None
            took.append(time.perf_counter() - began)

        await asyncio.gather(*(call() for _ in range(200)))
    took.sort()
    assert len(took) == 200
    sys.stderr.write(f"\n200 calls at once over HTTP: p50 {took[99]:.3f} s, p95 {took[189]:.3f} s\n")


async def test_one_principal_at_its_limit_does_not_stop_another(tmp_path: Path) -> None:
    with running(tmp_path, VPP_MCP__BURST="6", VPP_MCP__CALLS_PER_S="0.01") as small:
        async with client(small, small.reader) as greedy, client(small, small.operator) as other:
            asked = [greedy.call_tool("search_rules", {"query": "reserve"}) for _ in range(8)]
            results = await asyncio.gather(*asked, return_exceptions=True)
            assert any("Rate limit exceeded for client: rita" in str(result) for result in results)
            assert not (await other.call_tool("search_rules", {"query": "reserve"})).is_error


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({"VPP_MCP__HOST": "0.0.0.0"}, "will not listen on 0.0.0.0 without authentication", id="exposed"),
        pytest.param({"VPP_MCP__PROFILE": "operate"}, "needs authentication", id="acting without tokens"),
        pytest.param({"VPP_MCP__TOKENS": "none.json"}, "cannot be used", id="tokens missing"),
    ],
)
def test_it_does_not_start_where_it_would_be_open(tmp_path: Path, settings: dict[str, str], expected: str) -> None:
    process = start(tmp_path, VPP_MCP__PORT=str(free_port()), **settings)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (2, 4)
    assert expected in err
    assert out == ""
