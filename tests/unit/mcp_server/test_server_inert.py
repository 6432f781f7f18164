"""Instructions hidden in telemetry, names and reasons stay inert: plain text in answers, no call from the agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from agents.autonomous.agent import GridAgent
from agents.autonomous.guard import AgentLimits
from agents.autonomous.rule_based_brain import Strategy
from mcp_server.queries.context import ReadContext
from mcp_server.server import build_server
from tests.worlds.mcp_plant import BATTERY, END, EVIL, LAST, WALL, fill, settings_in
from vpp.store import open_store
from vpp.store.tables import ALERTS, ASSETS, BIDS, DECISIONS, DLQ, LEDGER, SETPOINTS, TELEMETRY

TOOLS: list[tuple[str, dict[str, Any]]] = [
    ("get_overview", {}),
    ("list_assets", {}),
    ("get_asset", {"asset_id": BATTERY}),
    ("get_asset", {"asset_id": EVIL}),
    ("get_asset", {"asset_id": "nope"}),
    ("get_series", {"series": "asset_power_mw", "asset_id": EVIL}),
    ("get_series", {"series": "pnl"}),
    ("get_forecast", {"target": "price"}),
    ("predict_ramp", {}),
    ("get_performance", {"by": "asset"}),
    ("get_pipeline_health", {}),
    ("explain_decision", {}),
    ("run_backtest", {}),
    ("search_rules", {"query": EVIL}),
]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ReadContext]:
    """The plant of the other tests, with hostile text wherever a device or a worker may write text."""
    settings = settings_in(tmp_path)
    with open_store(settings) as store:
        fill(store)
        store.write(ASSETS, [("GB", LAST, EVIL, EVIL, 1.0, 0.5, None, 1.0, EVIL, True, None)])
        money = (0.5, 100.0, 50.0, 0.0, 0.0, 0.0, 0.0, 0.0, 50.0, "GBP", 0.0, False)
        store.write(LEDGER, [("GB", LAST, EVIL, 0, *money)])
        store.write(
            SETPOINTS, [("GB", END, BATTERY, 5.0, EVIL, EVIL, "[]", 2), ("GB", END, EVIL, 1.0, EVIL, EVIL, "[]", 0)]
        )
        store.write(DECISIONS, [("GB", LAST, END, EVIL, 0, EVIL, -12.5, EVIL, "{}")])
        store.write(ALERTS, [("GB", LAST, "a2", "critical", EVIL, EVIL, "{}", "flat", EVIL, EVIL, "none", None, "[]")])
        store.write(DLQ, [("GB", WALL, EVIL, 0, 9, EVIL, EVIL, "AA==")])
        store.write(BIDS, [("GB", LAST, "actor", EVIL, EVIL, EVIL, "{}")])
        quality = f'{{"{EVIL.encode("unicode_escape").decode()}":"missing"}}'.replace("\\x1b", "\\u001b")
        store.write(TELEMETRY, [("GB", LAST, 34_700.0, 1000.0, 5000.0, 28_700.0, 147.0, None, quality, "{}", 0)])
    result = ReadContext(settings, open_store(settings, read_only=True), now=lambda: WALL)
    yield result
    result.store.close()


def texts(value: Any) -> Iterator[str]:
    """Every text in an answer, names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_no_answer_carries_what_a_terminal_or_a_parser_would_obey(context: ReadContext, mode: Any) -> None:
    async with Client(build_server(context), mode=mode) as client:
        for tool, arguments in TOOLS:
            result = await client.call_tool(tool, arguments, raise_on_error=False)
            answers = [result.content[0].text] if result.is_error else list(texts(result.structured_content))
            assert [text for text in answers if not text.isprintable()] == [], tool
            assert max(map(len, answers), default=0) <= 1300, tool
        status = (await client.read_resource("grid://status"))[0].text
        assert status.isprintable()


async def test_the_agent_reads_it_and_does_nothing(context: ReadContext) -> None:
    async with Client(build_server(context)) as client:
        report = await GridAgent(client, Strategy(), AgentLimits(), lambda _: None, "agent:grid").look("GB")
    assert report.kind in ("blind", "no_action")
