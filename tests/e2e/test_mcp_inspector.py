"""The MCP Inspector's command line against the server: a client that we did not write, in another language.

VPP_TEST_INSPECTOR names it, for example
``node NODE_MODULES/@modelcontextprotocol/inspector/clients/launcher/build/index.js --cli`` (Node 22).
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.mcp_plant import filled_context

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def inspector() -> list[str]:
    """The command that starts the Inspector."""
    named = os.environ.get("VPP_TEST_INSPECTOR")
    if named:
        return shlex.split(named)
    path = shutil.which("mcp-inspector")
    if path is None:
        pytest.skip("no MCP Inspector: set VPP_TEST_INSPECTOR or install @modelcontextprotocol/inspector (Node 22)")
    return [path, "--cli"]


def inspect(inspector: list[str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one request against a server over ``folder``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("VPP_", "FASTMCP_"))}
    # The Inspector hands a server no variables but those that it is told to.
    given = ("-e", f"VPP_DATA_DIR={folder}", "-e", f"PYTHONPATH={ROOT}")
    return subprocess.run(
        [*inspector, *given, sys.executable, "-m", "mcp_server", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_inspector_lists_calls_and_reads(inspector: list[str], tmp_path: Path) -> None:
    filled_context(tmp_path).store.close()
    tools = answer(inspect(inspector, tmp_path, "--method", "tools/list"))["tools"]
    assert {"get_overview", "predict_ramp", "search_rules"} <= {tool["name"] for tool in tools}
    call = ("--method", "tools/call", "--tool-name", "predict_ramp", "--tool-arg", "zone=GB")
    assert answer(inspect(inspector, tmp_path, *call))["structuredContent"]["direction"] == "up"
    status = answer(inspect(inspector, tmp_path, "--method", "resources/read", "--uri", "grid://status"))
    assert json.loads(status["contents"][0]["text"])["as_of"] == "2022-01-02T00:00:00Z"
    prompts = answer(inspect(inspector, tmp_path, "--method", "prompts/list"))["prompts"]
    assert {prompt["name"] for prompt in prompts} == {"analyze_resilience", "shift_handover"}


def test_a_wrong_call_is_an_error_of_the_tool(inspector: list[str], tmp_path: Path) -> None:
    filled_context(tmp_path).store.close()
    call = ("--method", "tools/call", "--tool-name", "get_asset", "--tool-arg", "asset_id=nope")
    done = inspect(inspector, tmp_path, *call)
    assert "there is no asset" in done.stdout + done.stderr
