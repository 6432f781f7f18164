"""Stored days under another policy, and why the plant decided as it did."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError

from mcp_server.queries.context import ReadContext
from mcp_server.server import build_server
from tests.worlds.plant_loop import Loop

SLOTS = 14


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadContext]:
    loop = Loop(tmp_path_factory.mktemp("study"))
    while loop.next_slot < SLOTS:
        loop.close_slot()
    yield ReadContext(loop.settings, loop.store, now=loop.clock)
    loop.store.close()


async def ask(context: ReadContext, tool: str, mode: Any = "auto", **arguments: Any) -> dict[str, Any]:
    async with Client(build_server(context), mode=mode) as client:
        answer: dict[str, Any] | None = (await client.call_tool(tool, arguments)).structured_content
    assert answer is not None
    return answer


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_backtest_tells_its_progress_and_keeps_a_report(context: ReadContext, mode: Any) -> None:
    shares: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        shares.append(done)

    async with Client(build_server(context), mode=mode, progress_handler=progress) as client:
        done = (await client.call_tool("run_backtest", {"policy": "joint"})).structured_content
        report = (await client.read_resource(done["report"]))[0].text
    assert shares == [1.0]
    assert done["slots"] == SLOTS - 1
    assert [run["name"] for run in done["runs"]] == ["joint", "no_action", "perfect_foresight"]
    assert done["runs"][2]["cost"] <= done["runs"][0]["cost"] + 0.01
    assert done["value"] == pytest.approx(done["runs"][1]["cost"] - done["runs"][0]["cost"], abs=0.02)
    assert report.startswith(f"# Backtest {done['run_id']}: joint in Z")
    assert "perfect_foresight" in report


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_backtest_ends_when_its_client_gives_up(
    context: ReadContext, mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = threading.Event()

    def endless(*_: Any) -> Iterator[int]:
        try:
            yield from itertools.count()
        finally:
            closed.set()

    monkeypatch.setattr("topologies.backtests.stored_days.plant_by_day", endless)
    begun = asyncio.Event()

    async def progress(done: float, total: float | None, message: str | None) -> None:
        begun.set()

    async with Client(build_server(context), mode=mode, progress_handler=progress) as client:
        call = asyncio.create_task(client.call_tool("run_backtest", {"policy": "joint"}))
        await asyncio.wait_for(begun.wait(), 20)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await asyncio.to_thread(closed.wait, 20), "the backtest goes on"
        assert (await client.call_tool("search_rules", {"query": "reserve"})).structured_content["rules"]


async def test_policies_share_their_bounds(context: ReadContext) -> None:
    joint, trade = [await ask(context, "run_backtest", policy=name) for name in ("joint", "trade_only")]
    assert joint["runs"][1:] == trade["runs"][1:]
    assert joint["runs"][0]["costs"] != trade["runs"][0]["costs"]
    assert joint["warnings"] == ["131 slots of the window have no decision"]


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (("2022-01-03T00:00Z", "2022-01-03T02:00Z"), "has 3 slots with decisions"),
        (("2022-01-03T00:00Z", "2022-03-03T02:00Z"), "slots, not 8 to 700"),
        (("2021-01-03T00:00Z", "2021-01-04T00:00Z"), "no decisions of Z"),
    ],
)
async def test_a_window_that_cannot_be_run_is_refused(context: ReadContext, window: tuple[str, str], text: str) -> None:
    with pytest.raises(ToolError, match=text):
        await ask(context, "run_backtest", start=window[0], end=window[1])


async def test_the_newest_decision_explains_itself(context: ReadContext) -> None:
    answer = await ask(context, "explain_decision")
    assert answer["slot"] == "2022-01-03T06:30:00Z"
    assert answer["for_slot"] == "2022-01-03T07:00:00Z"
    assert answer["engine"] in ("dp", "lp", "milp")
    assert answer["binding"]
    assert {point["asset_id"] for point in answer["setpoints"]} == {"bat", "gas", "shed"}
    assert set(answer["alternatives"]) == {"rest", "discharge", "charge"}
    assert "bat" in answer["water_value_per_mwh"]
    assert any("water value" in line and line.startswith("bat ") for line in answer["story"])
    assert answer["bid_sources"] == {"actor": "model", "trader": "model"}


async def test_a_decision_is_found_by_time_and_by_id(context: ReadContext) -> None:
    answer = await ask(context, "explain_decision", at="2022-01-03T03:10Z")
    assert answer["for_slot"] == "2022-01-03T03:00:00Z"
    again = await ask(context, "explain_decision", decision_id=answer["decision_id"])
    assert again == answer
    missing = await ask(context, "explain_decision", decision_id="nope")
    assert missing["hint"].startswith(
        "there is no decision nope; decisions of Z follow slots from 2022-01-03T00:00:00Z"
    )


async def test_why_not_solves_again_and_says_where_the_money_goes(context: ReadContext) -> None:
    planned = await ask(context, "explain_decision")
    power = next(point["power_mw"] for point in planned["setpoints"] if point["asset_id"] == "bat")
    same = await ask(context, "explain_decision", why_not_asset="bat", why_not_mw=power)
    other = await ask(context, "explain_decision", why_not_asset="bat", why_not_mw=-4.0)
    assert abs(same["why_not"]["extra_cost"]) <= 0.05
    assert other["why_not"]["extra_cost"] >= -0.05
    assert other["why_not"]["power_mw"] == -4.0
    assert other["why_not"]["items"]
    with pytest.raises(ToolError, match="no asset"):
        await ask(context, "explain_decision", why_not_asset="nope", why_not_mw=1.0)
