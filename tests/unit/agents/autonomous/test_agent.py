"""The agent at a real MCP server over a small plant: both brains propose, none approves, all is on the audit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel

from agents.autonomous.agent import GridAgent
from agents.autonomous.guard import AgentLimits, Brain, BrainContext, Conclusion
from agents.autonomous.llm_brain import ModelBrain, open_model
from agents.autonomous.rule_based_brain import Strategy
from mcp_server.actions.actions import Acts
from mcp_server.queries.context import QuestionError, ReadContext
from mcp_server.server import build_server
from tests.worlds.builders import forecast_at, quantiles_around
from tests.worlds.mcp_plant import empty_context
from tests.worlds.models.scripted_model import call, scripted
from tests.worlds.plant_loop import Loop, foresee_peak
from topologies.control.plan_book import PlanBook
from vpp.domain import horizons_min
from vpp.errors import ConfigError, UnreachableError
from vpp.messages import Audit

MODES = ["auto", "legacy"]
BUDGET = {"budget_mw": 9.0, "budget_mwh_per_day": 60.0, "budget_cost_per_day": 9999.0}
WISH = {"asset_ids": ["bat"], "power_mw": 2.0, "duration_min": 60, "reason": "evening peak"}


class Site:
    """A plant with an evening peak that cap and firm power do not cover at 90 %, its server, and the agent's audit."""

    def __init__(self, folder: Path, **mcp: Any) -> None:
        self.loop = Loop(folder, principal="agent:grid", **mcp)
        foresee_peak(self.loop)
        self.book = PlanBook(self.loop.store, self.loop.post, None, self.loop.clock)
        self.audit: list[Audit] = []

    @asynccontextmanager
    async def agent(
        self, brain: Brain, mode: Any = "auto", record: Callable[[Audit], None] | None = None, **limits: Any
    ) -> AsyncIterator[GridAgent]:
        context = ReadContext(self.loop.settings, self.loop.store, now=self.loop.clock)
        server = build_server(context, Acts(context, self.book, pause=lambda _: None))
        async with Client(server, mode=mode) as client:
            yield GridAgent(
                client, brain, AgentLimits(**limits), record or self.audit.append, "agent:grid", now=self.loop.clock
            )

    def said(self, act: str) -> list[dict[str, Any]]:
        """What the audit holds of one act."""
        return [json.loads(record.detail) for record in self.audit if record.action == f"agent:{act}"]


@pytest.mark.parametrize("mode", MODES)
async def test_it_proposes_waits_and_carries_out_what_a_person_approved(tmp_path: Path, mode: str) -> None:
    site = Site(tmp_path)
    async with site.agent(Strategy(), mode) as agent:
        reports = [report async for report in agent.watch(once=True)]
        (plan_id,) = reports[0].open_plans
        assert (reports[0].kind, reports[0].as_of) == ("waiting", "2022-01-03T01:00:00Z")
        assert await agent.follow_up() == []
        assert site.loop.orders() == []
        site.book.approve(plan_id, "ann")
        (done,) = await agent.follow_up()
    assert (done.kind, done.open_plans) == ("executed", ())
    (order,) = site.loop.orders()
    assert (order.order_id, order.principal, order.approved_by) == (plan_id, "agent:grid", "ann")


async def test_a_second_look_does_not_ask_again_for_what_waits(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site.agent(Strategy()) as agent:
        first, second = await agent.look("Z"), await agent.look("Z")
        site.loop.wait(minutes=11)
        (late,) = await agent.follow_up()
    assert (first.kind, second.kind) == ("waiting", "waiting")
    assert second.open_plans == first.open_plans
    assert (late.kind, late.text) == ("refused", "soc_target bat is expired")
    assert site.loop.orders() == []


@pytest.mark.parametrize("mode", MODES)
async def test_a_question_to_its_person_is_a_no(tmp_path: Path, mode: str) -> None:
    site = Site(tmp_path, approval="elicit")
    async with site.agent(Strategy(), mode) as agent:
        report = await agent.look("Z")
    assert report.kind == "waiting"
    assert site.loop.orders() == []


async def test_within_a_budget_it_needs_nobody(tmp_path: Path) -> None:
    site = Site(tmp_path, approval="budget", **BUDGET)
    async with site.agent(Strategy()) as agent:
        report = await agent.look("Z")
    assert (report.kind, report.open_plans) == ("executed", ())
    (order,) = site.loop.orders()
    assert order.approved_by == "agent:grid"


async def test_a_model_that_claims_success_has_still_to_wait(tmp_path: Path) -> None:
    model = scripted(
        call("get_overview", zone="Z"),
        call("propose_dispatch", **WISH),
        call("execute_plan", plan_id="{plan}"),
        "Done: I executed the plan and the battery discharges.",
    )
    site = Site(tmp_path)
    async with site.agent(ModelBrain(model)) as agent:
        report = await agent.look("Z")
    assert (report.kind, report.calls, len(report.open_plans)) == ("waiting", 3, 1)
    assert site.loop.orders() == []


async def test_what_a_misled_model_tries_stays_without_effect(tmp_path: Path) -> None:
    model = scripted(
        call("hold_fleet", reason="an alert told me to"),
        call("propose_dispatch", **{**WISH, "power_mw": 99.0}),
        call("propose_dispatch", **WISH),
        call("propose_dispatch", **WISH),
        call("set_policy", policy="automatic", reason="release it", dry_run="false"),
        call("execute_plan", plan_id="p000000000000"),
        "All limits are lifted.",
    )
    site = Site(tmp_path)
    async with site.agent(ModelBrain(model), max_proposals=2) as agent:
        report = await agent.look("Z")
    assert site.loop.orders() == []
    refused = [one["error"] for one in site.said("call") if one.get("error")]
    assert [text.split(": ", 1)[1][:40] for text in refused] == [
        "power_mw 99 MW is beyond the 10 MW that ",
        "at most 2 proposals in one look",
        "p000000000000 is not a plan of this agen",
    ]
    assert "hold_fleet" not in json.dumps(site.said("start"))
    assert report.kind == "waiting"


async def test_the_audit_holds_the_whole_conversation(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site.agent(ModelBrain(scripted(call("predict_ramp", zone="Z"), "The ramp is flat."))) as agent:
        await agent.look("Z")
    acts = [record.action.removeprefix("agent:") for record in site.audit]
    assert acts == ["start", "call", "message", "message", "message", "message", "end"]
    (asked,) = site.said("call")
    assert (asked["tool"], asked["arguments"], asked["answer"]["zone"]) == ("predict_ramp", {"zone": "Z"}, "Z")
    messages = json.dumps(site.said("message"))
    assert "You watch one zone" in messages
    assert "The ramp is flat." in messages
    assert len({record.audit_id for record in site.audit}) == len(site.audit)
    assert {record.principal for record in site.audit} == {"agent:grid"}


async def test_any_tool_may_be_tried_within_the_limits(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site.agent(ModelBrain(TestModel(seed=1)), max_calls=5) as agent:
        report = await agent.look("Z")
    assert (report.kind, report.calls) == ("stopped", 5)
    assert site.loop.orders() == []
    assert site.audit[-1].action == "agent:end"


async def test_without_audit_nothing_is_tried(tmp_path: Path) -> None:
    site = Site(tmp_path)

    def full(record: Audit) -> None:
        if record.verdict == "asked":
            raise UnreachableError("cannot write to vpp.audit")

    async with site.agent(Strategy(), record=full) as agent:
        with pytest.raises(UnreachableError):
            await agent.look("Z")
    assert site.book.recent() == []


async def test_a_failing_provider_is_a_conclusion(tmp_path: Path) -> None:
    def down(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(503, "some-model")

    site = Site(tmp_path)
    async with site.agent(ModelBrain(FunctionModel(down))) as agent:
        report = await agent.look("Z")
    assert report.kind == "failed"
    assert "503" in report.text


class Broken:
    """A brain with a bug."""

    name = "broken"

    async def look(self, episode: BrainContext) -> Conclusion:
        raise ZeroDivisionError("a bug")


class Slow:
    """A brain that never comes to an end."""

    name = "slow"

    async def look(self, episode: BrainContext) -> Conclusion:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


async def test_a_bug_is_reported_on_the_audit_and_not_hidden(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site.agent(Broken()) as agent:
        with pytest.raises(ZeroDivisionError):
            await agent.look("Z")
    assert (site.audit[-1].action, site.audit[-1].verdict) == ("agent:end", "failed")


async def test_a_look_ends_in_time(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site.agent(Slow(), max_s=0.1) as agent:
        report = await agent.look("Z")
    assert (report.kind, report.text) == ("stopped", "0.1 s is the time limit of one look")


async def test_a_server_that_is_gone_ends_the_watch(tmp_path: Path) -> None:
    context = empty_context(tmp_path)

    async def at_once(_: float) -> None:
        return

    async with Client(build_server(context)) as client:
        agent = GridAgent(client, Strategy(), AgentLimits(), lambda _: None, "agent:grid", pause=at_once)
        context.store.close()
        with pytest.raises(UnreachableError, match="failed 3 times"):
            _ = [report async for report in agent.watch()]


async def test_nothing_yet_is_reported(tmp_path: Path) -> None:
    context = empty_context(tmp_path)
    async with Client(build_server(context)) as client:
        agent = GridAgent(client, Strategy(), AgentLimits(), lambda _: None, "agent:grid")
        (report,) = [report async for report in agent.watch(once=True)]
    assert (report.kind, report.zone) == ("blind", "")
    assert "nothing has run yet" in report.text


@pytest.mark.parametrize("name", ["gpt", "nobody:x", "openai:gpt-x"])
def test_a_model_that_cannot_be_used_says_what_to_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError) as caught:
        open_model(name)
    assert "VPP_AGENT__MODEL" in (caught.value.hint or "")


async def test_a_plan_that_nothing_asks_for_any_more_is_withdrawn(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site.agent(Strategy()) as agent:
        first = await agent.look("Z")
        site.loop.close_slot()
        flat = quantiles_around([500.0] * len(horizons_min(30)), 5.0)
        site.loop.post("forecasts", forecast_at(site.loop.next_slot - 1, net_load=flat))
        second = await agent.look("Z")
        (plan,) = site.book.recent("Z")
    assert (first.kind, second.kind, second.open_plans) == ("waiting", "no_action", ())
    assert plan.status(site.loop.now) == "rejected"
    assert any(change.startswith("over: from ") for change in second.changes)


async def test_a_plan_of_somebody_else_is_not_its_own_to_withdraw(tmp_path: Path) -> None:
    site = Site(tmp_path)
    async with site.agent(Strategy()) as agent:
        (plan_id,) = (await agent.look("Z")).open_plans
    context = ReadContext(site.loop.settings, site.loop.store, now=site.loop.clock)
    other = Acts(context, PlanBook(site.loop.store, site.loop.post, None, site.loop.clock))
    with pytest.raises(QuestionError, match="was proposed by agent:grid"):
        other.withdraw(plan_id, "ann", "not mine")
