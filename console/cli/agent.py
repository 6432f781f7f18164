"""`vpp agent`: the autonomous grid agent at an MCP server of its own, or at one over HTTP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, out, say
from console.local.processes import environment
from vpp.domain import iso
from vpp.errors import ConfigError
from vpp.masking import masked
from vpp.settings import AgentSettings, Settings
from vpp.store import open_store

if TYPE_CHECKING:
    from agents.autonomous.agent import Report
    from agents.autonomous.guard import Brain
    from mcp_server.answers.looks import LookPage

app = App(name="agent", help="Run the autonomous agent; list its looks; report a shift.")

BAD = frozenset({"blind", "failed"})


@app.default
def agent(
    *,
    zone: str | None = None,
    once: Annotated[bool, Parameter(negative="", help="look once at each zone, then exit")] = False,
    brain: Annotated[Literal["strategy", "llm"] | None, Parameter(help="brain of the agent [strategy]")] = None,
    model: Annotated[str | None, Parameter(help="provider:name of a language model; brain llm")] = None,
    url: Annotated[str | None, Parameter(help="MCP server over HTTP; token: VPP_AGENT__TOKEN")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> int:
    """Watch the plant, reason, propose, and carry out what somebody approved (docs/guide/mcp.md).

    It never approves: `vpp plans` and `vpp approve` are for people. Every step is on the audit topic.

    Args:
        zone: Only this zone.
    """
    settings = common.settings()
    changes: dict[str, Any] = {"model": model, "url": url, "brain": brain or ("llm" if model else None)}
    agent_settings = settings.agent.model_copy(
        update={name: value for name, value in changes.items() if value is not None}
    )
    settings = settings.model_copy(update={"agent": agent_settings})
    return asyncio.run(_run(settings, zone, once=once, as_json=json))


@app.command
def looks(
    look_id: str | None = None,
    *,
    zone: Annotated[str | None, Parameter(help="only this zone")] = None,
    limit: Annotated[int, Parameter(help="most looks")] = 20,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """List the agent's looks of the last week, the newest first; with an id, the steps of one look.

    Args:
        look_id: The look.
    """
    from mcp_server.queries.context import ReadContext
    from mcp_server.queries.looks import get_looks

    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        page = get_looks(ReadContext(settings, store), zone, look_id, limit=limit)
    answer(page, as_json=json, render=_show_looks)


@app.command
def report(
    *,
    hours: Annotated[float, Parameter(help="length of the shift, up to the newest slot")] = 8.0,
    zone: Annotated[str | None, Parameter(help="the zone; required if there are several")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Report the shift: money, observations and actions of the agent, open items, outlook."""
    from mcp_server.queries.context import ReadContext
    from mcp_server.queries.looks import shift_report

    settings = common.settings()
    with open_store(settings, read_only=True) as store:
        words = shift_report(ReadContext(settings, store), zone, hours)
    answer({"report": words}, as_json=json, render=lambda shift: out.print("\n".join(shift["report"])))


def _show_looks(page: LookPage) -> None:
    for look in page.looks:
        out.print(f"{look.look_id}  {iso(look.at)}  {look.zone}  {look.kind}: {look.text}", soft_wrap=True)
        for step in look.steps:
            out.print(f"    {step.act} {step.verdict}: {step.text}", soft_wrap=True)
    if not page.looks:
        say(page.hint or "no look")


async def _run(settings: Settings, zone: str | None, *, once: bool, as_json: bool) -> int:
    code = 0
    async with aclosing(_reports(settings, zone, once=once)) as reports:
        async for report in reports:
            answer(report, as_json=as_json, render=_show)
            code = 1 if once and report.kind in BAD else code
    return code


async def _reports(settings: Settings, zone: str | None, *, once: bool) -> AsyncGenerator[Report, None]:
    from agents.autonomous.agent import GridAgent, at_server, open_client
    from agents.autonomous.guard import AgentLimits
    from topologies.control.publisher import Post

    agent_settings, post = settings.agent, Post(settings, "agent")
    limits = AgentLimits(
        max_calls=agent_settings.max_calls,
        max_proposals=agent_settings.max_proposals,
        max_proposals_per_day=agent_settings.max_proposals_per_day,
        max_power_mw=agent_settings.max_power_mw,
        max_duration_min=agent_settings.max_duration_min,
        max_extra_cost=agent_settings.max_extra_cost,
        max_tokens=agent_settings.max_tokens,
        max_s=agent_settings.max_s,
        may_hold=agent_settings.may_hold,
    )
    client = open_client(
        agent_settings.url, agent_settings.token.get_secret_value() if agent_settings.token else None, _server(settings)
    )
    brain = chosen_brain(agent_settings)
    server = masked(agent_settings.url or "its own MCP server")
    say(f"agent:{agent_settings.name} uses brain {brain.name} at {server}; a person approves its proposals")
    async with at_server(client):
        at_work = GridAgent(client, brain, limits, lambda record: post("audit", record), f"agent:{agent_settings.name}")
        async for report in at_work.watch(
            zone, every_min=agent_settings.every_min, poll_s=agent_settings.poll_s, once=once
        ):
            yield report


def _server(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Return command and environment of the agent's own server: it acts, and the audit names the agent."""
    mcp = settings.mcp.model_copy(update={"profile": "operate", "principal": f"agent:{settings.agent.name}"})
    quiet = settings.model_copy(update={"mcp": mcp, "agent": AgentSettings(), "log_level": "WARNING"})
    return [sys.executable, "-m", "mcp_server"], environment(quiet)


def chosen_brain(agent_settings: AgentSettings) -> Brain:
    """Return the brain of the settings.

    Raises:
        ConfigError: A language model is wanted and none is named, or its packages are missing.
    """
    if agent_settings.brain == "strategy":
        from agents.autonomous.rule_based_brain import Strategy

        return Strategy()
    model = chosen_model(agent_settings)
    from agents.autonomous.llm_brain import ModelBrain

    return ModelBrain(model)


def chosen_model(agent_settings: AgentSettings) -> Any:
    """Return the language model of the settings, a model of pydantic-ai.

    Raises:
        ConfigError: None is named, or its packages are missing.
    """
    if not agent_settings.model:
        raise ConfigError("the brain llm needs a model", hint="give --model provider:name, or VPP_AGENT__MODEL")
    try:
        from agents.autonomous.llm_brain import open_model
    except ImportError as error:
        raise ConfigError("the brain llm needs pydantic-ai", hint="pip install 'smartgrid-ai[llm]'") from error
    key = agent_settings.api_key.get_secret_value() if agent_settings.api_key else None
    return open_model(agent_settings.model, api_key=key, base_url=agent_settings.base_url)


def _show(report: Report) -> None:
    out.print(f"{report.as_of or '-'}  {report.zone}  {report.kind}: {report.text}", soft_wrap=True)
    for _, text, money in report.risks:
        cost = "of unknown cost" if money is None else f"{money:,.2f}"
        out.print(f"    risk {cost}: {text}", soft_wrap=True)
    for change in report.changes:
        out.print(f"    since the last look, {change}", soft_wrap=True)
    for reason in report.reasons:
        out.print(f"    {reason}", soft_wrap=True)
    for plan_id in report.open_plans:
        out.print(f"    approve it with: vpp approve {plan_id}")
