"""The agent's transcript as people read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastmcp import Client

from agents.autonomous.agent import GridAgent
from agents.autonomous.guard import AgentLimits
from agents.autonomous.rule_based_brain import Strategy
from mcp_server.queries.context import QuestionError, ReadContext
from mcp_server.queries.looks import get_looks, shift_report
from mcp_server.server import build_server
from tests.worlds.plant_loop import Loop, acts_of, foresee_peak


async def watched(folder: Path) -> ReadContext:
    """A plant with an evening peak that the agent has looked at once."""
    loop = Loop(folder, principal="agent:grid")
    foresee_peak(loop)
    acts = acts_of(loop)
    async with Client(build_server(acts.context, acts)) as client:
        record = lambda audit: loop.post("audit", audit)  # noqa: E731
        await GridAgent(client, Strategy(), AgentLimits(), record, "agent:grid", now=loop.clock).look("Z")
    return acts.context


async def test_a_look_is_told_with_its_risks_and_on_request_with_every_step(tmp_path: Path) -> None:
    context = await watched(tmp_path)
    (look,) = get_looks(context).looks
    assert (look.zone, look.kind, look.steps) == ("Z", "waiting", [])
    assert look.risks[0].key == "shortfall"
    assert len(look.open_plans) == 1
    (whole,) = get_looks(context, "Z", look.look_id).looks
    assert (whole.steps[0].act, whole.steps[-1].act) == ("start", "end")
    assert any(step.text.startswith("set_policy ") for step in whole.steps)
    with pytest.raises(QuestionError, match="no look"):
        get_looks(context, None, "e404")


async def test_a_shift_is_told_in_plain_words(tmp_path: Path) -> None:
    context = await watched(tmp_path)
    (look,) = get_looks(context).looks
    words = "\n".join(shift_report(context, None, 8.0))
    assert "Shift of Z, 2022-01-02T17:00:00Z to 2022-01-03T01:00:00Z." in words
    assert "The agent looked 1 times: it left a plan for a person 1 times." in words
    assert "Risk of " in words
    assert f"Plan {look.open_plans[0]} waits: vpp approve {look.open_plans[0]}" in words
    assert "Net load peaks within 8 h at " in words


def test_a_plant_without_an_agent_says_how_to_get_one(tmp_path: Path) -> None:
    loop = Loop(tmp_path)
    context = ReadContext(loop.settings, loop.store, now=loop.clock)
    assert "run `vpp agent`" in (get_looks(context).hint or "")
    assert "The agent did not look in this shift." in shift_report(context, "Z", 8.0)
