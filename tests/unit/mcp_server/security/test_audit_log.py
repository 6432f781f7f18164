"""Every call is written down, reading ones too, and never holds up its caller."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.exceptions import ToolError

from mcp_server.actions.actions import Acts
from mcp_server.queries.context import ReadContext
from mcp_server.security.audit_log import WAITING, InBackground
from mcp_server.server import build_server
from tests.worlds.plant_loop import WALL, Loop
from topologies.control.plan_book import PlanBook
from vpp.errors import UnreachableError
from vpp.messages import Audit

MODES = ["auto", "legacy"]


@pytest.mark.parametrize("mode", MODES)
async def test_reading_refused_and_failing_calls_are_all_there(context: ReadContext, mode: Any) -> None:
    audits: list[Audit] = []
    async with Client(build_server(context, record=audits.append), mode=mode) as client:
        await client.call_tool("get_forecast", {"target": "price", "horizon_h": 2})
        await client.read_resource("grid://status")
        for tool in ("get_asset", "hold_fleet"):
            with pytest.raises(ToolError):
                await client.call_tool(tool, {"asset_id": "nope"})
    assert [(record.action, record.verdict) for record in audits] == [
        ("mcp:get_forecast", "ok"),
        ("mcp:read_resource", "ok"),
        ("mcp:get_asset", "error"),
        ("mcp:hold_fleet", "error"),
    ]
    assert json.loads(json.loads(audits[0].detail)["arguments"]) == {"target": "price", "horizon_h": 2}
    assert all(record.principal.startswith("local") and record.digest for record in audits)
    assert len({record.audit_id for record in audits}) == len(audits)


@pytest.mark.parametrize(("mode", "verdicts"), [("auto", ["ok", "asked", "ok"]), ("legacy", ["ok", "ok"])])
async def test_a_question_to_the_person_is_a_round_of_its_own(tmp_path: Path, mode: Any, verdicts: list[str]) -> None:
    loop = Loop(tmp_path, approval="elicit")
    acts = Acts(
        ReadContext(loop.settings, loop.store, now=loop.clock), PlanBook(loop.store, loop.post, None, loop.clock)
    )
    audits: list[Audit] = []

    async def user(*_: Any) -> Any:
        return ElicitResult(action="decline")

    server = build_server(acts.context, acts, record=audits.append)
    async with Client(server, mode=mode, elicitation_handler=user) as client:
        wish = {"asset_ids": ["bat"], "power_mw": 2.0, "duration_min": 60, "reason": "evening peak"}
        plan = (await client.call_tool("propose_dispatch", wish)).structured_content
        await client.call_tool("execute_plan", {"plan_id": plan["plan_id"]})
    assert [record.verdict for record in audits] == verdicts


async def test_a_broker_that_hangs_holds_up_nobody(context: ReadContext) -> None:
    goes_on = threading.Event()
    sent: list[Audit] = []

    def slow(record: Audit) -> None:
        goes_on.wait(30)
        sent.append(record)

    background = InBackground(slow)
    async with Client(build_server(context, record=background)) as client:
        await asyncio.wait_for(asyncio.gather(*(client.call_tool("predict_ramp", {}) for _ in range(20))), 20)
    assert sent == []
    goes_on.set()
    background.close()
    assert (len(sent), background.lost) == (20, 0)


def test_what_a_broker_does_not_take_is_counted_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    def away(record: Audit) -> None:
        raise UnreachableError("cannot write to vpp.audit")

    background = InBackground(away)
    record = Audit(zone="all", audit_id="c1", at=WALL, principal="p", action="mcp:x", verdict="ok")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            background(record)
        background.close()
    assert background.lost == 5
    assert [line.getMessage() for line in caplog.records] == [
        f"audit of calls lost records={n}: cannot write to vpp.audit" for n in (1, 2, 4)
    ]


def test_more_than_may_wait_is_lost_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    goes_on = threading.Event()

    def slow(record: Audit) -> None:
        goes_on.wait(30)

    background = InBackground(slow)
    record = Audit(zone="all", audit_id="c1", at=WALL, principal="p", action="mcp:x", verdict="ok")
    with caplog.at_level(logging.WARNING):
        for _ in range(WAITING + 2):
            background(record)
    assert background.lost in (1, 2)
    assert "too many wait" in caplog.text
    goes_on.set()
    background.close()
