"""The server as a subprocess over stdio, asked by two client libraries."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp.client.client import Client as OfficialClient
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.worlds.mcp_plant import filled_context

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
MODES = ("auto", "legacy")


def environment(folder: Path) -> dict[str, str]:
    """The environment of the server: our data directory and nothing else that is set here."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VPP_", "FASTMCP_"))}
    return {**environment, "VPP_DATA_DIR": str(folder), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A data directory with a settled day."""
    filled_context(tmp_path).store.close()
    return tmp_path


@pytest.mark.parametrize("mode", MODES)
async def test_fastmcp_client_over_stdio(plant: Path, mode: Any) -> None:
    transport = StdioTransport(sys.executable, ["-m", "mcp_server"], env=environment(plant), cwd=str(plant))
    async with Client(transport, mode=mode) as client:
        assert "get_overview" in {tool.name for tool in await client.list_tools()}
        ramp = await client.call_tool("predict_ramp", {})
        assert ramp.structured_content["direction"] == "up"


@pytest.mark.parametrize("mode", MODES)
async def test_official_client_over_stdio(plant: Path, mode: Any) -> None:
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_server"], env=environment(plant), cwd=str(plant)
    )
    async with OfficialClient(stdio_client(server), mode=mode) as client:
        tools = await client.list_tools()
        assert len(tools.tools) == 15
        overview = await client.call_tool("get_overview", {})
        assert overview.structured_content["zones"][0]["zone"] == "GB"
        wrong = await client.call_tool("get_asset", {"asset_id": "nope"})
        assert wrong.is_error
        status = await client.read_resource("grid://status")
        assert json.loads(status.contents[0].text)["as_of"] == "2022-01-02T00:00:00Z"


def test_standard_output_holds_nothing_but_the_protocol(tmp_path: Path) -> None:
    """Also where nothing has run: it starts, lists everything, answers with a hint and makes no file."""
    folder = tmp_path / "none"
    start = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    messages: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": start},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
        {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": "get_overview", "arguments": {}}},
        {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "nope", "arguments": {}}},
    ]
    server = subprocess.Popen(
        [sys.executable, "-m", "mcp_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment(folder),
    )
    answers: dict[int, Any] = {}
    try:
        for message in messages:
            server.stdin.write(json.dumps(message) + "\n")
            server.stdin.flush()
            while "id" in message and message["id"] not in answers:
                line = json.loads(server.stdout.readline())
                assert line["jsonrpc"] == "2.0"
                answers[line.get("id", 0)] = line
        rest, text = server.communicate(timeout=30)
    finally:
        server.kill()
        server.wait()
    assert [line for line in rest.splitlines() if json.loads(line)["jsonrpc"] != "2.0"] == []
    assert len(answers[2]["result"]["tools"]) == 15
    assert "nothing has run yet" in answers[3]["result"]["structuredContent"]["hint"]
    assert "serving transport=stdio" in text
    assert "FastMCP" not in text
    assert not folder.exists()


def test_a_wrong_setting_is_reported_on_standard_error(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mcp_server"],
        input="",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment(tmp_path), "VPP_MCP__PROT": "1"},
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "VPP_MCP__PORT" in done.stderr
