"""MCP on a running plant: ask, propose, approve at the command line, execute, hold; every step of it real."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport

from agents.autonomous.agent import GridAgent, Report
from agents.autonomous.guard import AgentLimits
from agents.autonomous.llm_brain import ModelBrain
from tests.plant_fixtures import Place, make_place
from tests.worlds.models.scripted_model import call, scripted
from topologies.control.publisher import Post

pytestmark = [pytest.mark.e2e, pytest.mark.stream, pytest.mark.slow]
ZONE, BATTERY = "SIM_001", "SIM_001-battery-1"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A simulated zone at one slot in two seconds, on its own broker and store."""
    place = make_place(tmp_path_factory.mktemp("mcp"))
    process = place.start("up", "--source", "simulate", "--zone", ZONE, "--pulse", "2", "--no-train")
    try:
        ready(lambda: process.poll() is None and decided(place), 150, place)
        yield place
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def decided(place: Place) -> bool:
    done = place.vpp("export", "decisions", "--format", "json")
    return done.returncode == 0 and bool(done.stdout.strip("[] \n"))


def ready(is_ready: Callable[[], bool], within_s: float, place: Place) -> None:
    deadline = time.monotonic() + within_s
    while not is_ready():
        assert time.monotonic() < deadline, place.said()
        time.sleep(1)


def client(place: Place, mode: Any, **settings: str) -> Client[Any]:
    env = {**place.environment, "VPP_MCP__PROFILE": "operate", **settings}
    return Client(StdioTransport(sys.executable, ["-m", "mcp_server"], env=env, cwd=str(place.data_dir)), mode=mode)


async def ask(asked: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    answer = (await asked.call_tool(tool, arguments)).structured_content
    assert answer is not None
    return answer


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_reading_tools_show_the_running_plant(plant: Place, mode: str) -> None:
    async with client(plant, mode) as asked:
        overview: dict[str, Any] = {}
        deadline = time.monotonic() + 40
        while overview.get("workers_running") != 7 and time.monotonic() < deadline:
            overview = await ask(asked, "get_overview")
        (zone,) = overview["zones"]
        assert (zone["zone"], zone["assets"] > 0, overview["workers_running"]) == (ZONE, True, 7)
        assert (await ask(asked, "get_series", series="net_load_mw"))["points"]
        assert (await ask(asked, "get_performance", by="zone"))["groups"]
        health = await ask(asked, "get_pipeline_health")
        assert {worker["state"] for worker in health["workers"]} == {"running"}
        records = (await ask(asked, "peek_topic", topic="bids", limit=2))["records"]
        assert {record["key"] for record in records} == {ZONE}
        why = await ask(asked, "explain_decision", why_not_asset=BATTERY, why_not_mw=0.5)
        assert why["decision_id"]
        assert why["why_not"] is not None


async def test_propose_approve_execute_moves_the_battery(plant: Place) -> None:
    async with client(plant, "auto", VPP_MCP__PRINCIPAL="agent:day") as asked:
        plan = await ask(
            asked, "propose_dispatch", asset_ids=[BATTERY], power_mw=-1.0, duration_min=2400, reason="test of approval"
        )
        assert plan["outcome"] in ("ready", "clamped"), plan["checks"]
        early = await ask(asked, "execute_plan", plan_id=plan["plan_id"])
        assert early["status"] == "needs_approval"
        approved = None
        for _ in range(20):
            approved = plant.vpp("approve", plan["plan_id"], "--digest", plan["digest"], "--json")
            if approved.returncode == 0:
                break
            await asyncio.sleep(0.5)
        assert approved is not None
        assert json.loads(approved.stdout)["status"] == "approved", approved.stderr
        ready(lambda: plan["plan_id"] in plant.vpp("plans", "--json").stdout, 20, plant)
        receipt: dict[str, Any] = {}
        for _ in range(20):
            receipt = await ask(asked, "execute_plan", plan_id=plan["plan_id"])
            if receipt["status"] == "accepted":
                break
            await asyncio.sleep(0.5)
        assert receipt["status"] == "accepted", receipt
        deadline = time.monotonic() + 30
        outcome = ""
        while outcome not in ("accepted", "clamped") and time.monotonic() < deadline:
            await asyncio.sleep(1)
            receipt = await ask(asked, "execute_plan", plan_id=plan["plan_id"])
            outcome = receipt["assets"][0]["outcome"]
        assert outcome in ("accepted", "clamped"), receipt


async def test_a_hold_brings_the_fleet_to_rest_and_a_person_releases_it(plant: Place) -> None:
    async with client(plant, "legacy") as asked:
        receipt = await ask(asked, "hold_fleet", reason="test of the kill switch")
        try:
            assert receipt["status"] == "accepted", receipt
            asset: dict[str, Any] = {}
            deadline = time.monotonic() + 40
            while time.monotonic() < deadline:
                asset = await ask(asked, "get_asset", asset_id=BATTERY)
                if asset["asset"]["next_power_mw"] == 0.0 and "kill switch" in (asset["setpoint_reason"] or ""):
                    break
                await asyncio.sleep(1)
            assert asset["asset"]["next_power_mw"] == 0.0
            assert "kill switch" in (asset["setpoint_reason"] or "")
        finally:
            done = plant.vpp("release", ZONE, "--reason", "test is over")
        assert done.returncode == 0, done.stderr


async def test_an_agent_waits_for_a_person_and_then_carries_its_plan_out(plant: Place) -> None:
    wish = {"asset_ids": [BATTERY], "power_mw": 0.5, "duration_min": 1440, "reason": "drill of the agent"}
    steps = (
        call("get_overview"),
        call("propose_dispatch", **wish),
        call("execute_plan", plan_id="{plan}"),
        "It is done.",
    )
    post = Post(plant.settings, "mcp")
    limits, record = AgentLimits(max_duration_min=1440, max_extra_cost=100_000), partial(post, "audit")
    async with client(plant, "auto", VPP_MCP__PRINCIPAL="agent:drill") as asked:
        for _ in range(10):  # until the release of the hold has reached the plant
            agent = GridAgent(asked, ModelBrain(scripted(*steps)), limits, record, "agent:drill")
            report = await agent.look(ZONE)
            if report.kind != "refused":
                break
            await asyncio.sleep(2)
        assert report.kind == "waiting", report
        (plan_id,) = report.open_plans
        (digest,) = [
            one["digest"] for one in json.loads(plant.vpp("plans", "--json").stdout) if one["plan_id"] == plan_id
        ]
        approving = ("approve", plan_id, "--digest", digest)
        await asyncio.to_thread(ready, lambda: plant.vpp(*approving).returncode == 0, 20, plant)
        done: list[Report] = []
        for _ in range(40):
            done = await agent.follow_up()
            if done:
                break
            await asyncio.sleep(0.5)
    assert done[0].kind == "executed", done
    assert (done[0].open_plans, "accepted" in done[0].text or "sent" in done[0].text) == ((), True)


def test_the_agent_command_looks_once_and_reports(plant: Place) -> None:
    done = plant.vpp("agent", "--once", "--json", "--zone", ZONE)
    report = json.loads(done.stdout)
    # Without a trained model the forecast is a fallback, and on that the agent does not act.
    assert (report["zone"], report["brain"], report["kind"], done.returncode) == (ZONE, "strategy", "blind", 1)
    assert "fallback" in report["text"]


def test_every_act_is_in_the_audit_table(plant: Place) -> None:
    done = plant.vpp("export", "audit", "--format", "json")
    rows = json.loads(done.stdout)
    actions = {row["action"] for row in rows}
    assert {"agent:start", "agent:call", "agent:message", "agent:end"} <= actions
    assert {row["principal"] for row in rows if row["action"] == "plan:propose"} >= {"agent:drill"}
    assert {"plan:propose", "plan:approve", "plan:execute", "order:target", "order:hold", "order:release"} <= actions


def test_what_the_server_needs_stands_in_one_folder(plant: Place) -> None:
    assert list((Path(plant.environment["VPP_DATA_DIR"]) / "run").rglob("fleet.yaml"))
