"""The autonomous grid agent: an MCP client that watches, forecasts, reasons and proposes, and never approves.

The agent only uses the tools of the MCP server. Each episode, which is one look at one zone, runs within limits that
the brain cannot change, and writes its transcript to the audit topic: the start, every call with its arguments and
answer, the messages to and from a language model, and the conclusion. If the audit cannot be written, the agent does
not act.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import FastMCPError
from mcp.shared.exceptions import MCPError

from agents.autonomous.guard import (
    ACTING,
    AgentLimits,
    Brain,
    BrainContext,
    Call,
    CallResult,
    Conclusion,
    LastLook,
    OpenPlan,
    StepLimitError,
    Task,
    Watched,
    admit,
    learn,
    outcome_of,
)
from vpp.errors import UnreachableError
from vpp.messages import Audit

CALL_TIMEOUT_S = 60.0
DETAIL_CHARS = 100_000
MAX_UNANSWERED = 3

FAILURES = (FastMCPError, MCPError, RuntimeError, OSError)

Record = Callable[[Audit], None]
Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Report:
    """Result of one episode; ``open_plans`` wait for approval.

    ``risks``: key, text and expected loss of each, most expensive first. ``changes``: since the look before.
    """

    episode: str
    zone: str
    as_of: str | None
    brain: str
    kind: str
    text: str
    reasons: tuple[str, ...]
    calls: int
    open_plans: tuple[str, ...]
    risks: tuple[tuple[str, str, float | None], ...] = ()
    changes: tuple[str, ...] = ()


@dataclass
class GridAgent:
    """One agent at one MCP server.

    Attributes:
        client: A connected client. It has no user, so a question of the server to its user is answered with no.
        brain: Decides on the calls.
        limits: Limits of the agent, independent of the brain.
        record: Writes one audit record and returns when it is stored.
        principal: Principal of the agent in the audit log.
        now: The wall clock.
        pause: Waits.
    """

    client: Client[Any]
    brain: Brain
    limits: AgentLimits
    record: Record
    principal: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    pause: Pause = asyncio.sleep
    _watched: Watched = field(default_factory=Watched)
    _tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    _episode: str = ""
    _zone: str = ""
    _as_of: str | None = None
    _records: int = 0
    _last: dict[str, LastLook] = field(default_factory=dict)

    async def watch(
        self, zone: str | None = None, *, every_min: float = 30.0, poll_s: float = 10.0, once: bool = False
    ) -> AsyncGenerator[Report, None]:
        """Yield a report of each zone after slots closed, at most every ``every_min`` of the run clock.

        Between episodes it checks its open plans and executes those that were approved.

        Args:
            zone: Only this zone.
            every_min: Least time between two looks at a zone, by the run clock.
            poll_s: Wall time between two looks whether anything is new.
            once: End after one look at each zone.

        Raises:
            UnreachableError: The server does not answer any more, or the audit cannot be written.
        """
        issued_at: dict[str, datetime | None] = {}
        unanswered = 0
        while True:
            for report in await self.follow_up():
                yield report
            response = await self._call_server(Call("get_overview", {} if zone is None else {"zone": zone}))
            zones = [] if response.answer is None else list(response.answer.get("zones", []))
            unanswered = unanswered + 1 if response.answer is None else 0
            if unanswered == MAX_UNANSWERED:
                raise UnreachableError(
                    f"get_overview failed {unanswered} times: {response.error}", hint="see `vpp status`"
                )
            for now in zones:
                slot = None if now.get("slot") is None else datetime.fromisoformat(now["slot"])
                last = issued_at.get(now["zone"])
                waited = None if slot is None or last is None else (slot - last).total_seconds() / 60.0
                if now["zone"] not in issued_at or (waited is not None and waited >= every_min):
                    issued_at[now["zone"]] = slot
                    yield await self.look(now["zone"])
            if once:
                if not zones:
                    hint = response.error or (response.answer or {}).get("hint") or "there is no zone"
                    yield Report("", zone or "", None, self.brain.name, "blind", str(hint), (), 1, ())
                return
            await self.pause(poll_s)

    async def look(self, zone: str) -> Report:
        """Run one episode and return its report.

        Raises:
            UnreachableError: The audit cannot be written; nothing was done after that.
        """
        self._begin(zone)
        self._tools = await self._list_tools()
        await self._note("start", "started", {"brain": self.brain.name, "tools": sorted(self._tools)})
        mine = tuple(plan for plan in self._watched.open_plans if plan.zone == zone)
        try:
            async with asyncio.timeout(self.limits.max_s):
                conclusion = await self.brain.look(
                    BrainContext(
                        Task(zone, mine, self._watched.declined, self._last.get(zone), frozenset(self._watched.plans)),
                        self.limits,
                        self._tools,
                        self._ask,
                        self._keep,
                    )
                )
        except StepLimitError as error:
            conclusion = Conclusion("stopped", str(error))
        except TimeoutError:
            conclusion = Conclusion("stopped", f"{self.limits.max_s:g} s is the time limit of one look")
        except UnreachableError:
            raise
        except Exception as error:  # the end of a failed look is written to the transcript before the error is raised
            await self._end(Conclusion("failed", f"{type(error).__name__}: {error}"))
            raise
        if conclusion.kind == "reported":
            conclusion = replace(conclusion, kind=outcome_of(self._watched))
        self._last[zone] = LastLook(self._as_of, conclusion.text, conclusion.risks, conclusion.pnl_24h)
        return await self._end(conclusion)

    async def follow_up(self) -> list[Report]:
        """Execute approved open plans, drop those that ended otherwise, and report both."""
        reports = []
        for plan in self._watched.open_plans:
            status = await self._status(plan)
            if status == "proposed":
                continue
            self._begin(plan.zone)
            await self._note("start", "following", {"plan_id": plan.plan_id, "status": status})
            if status == "approved":
                response = await self._ask(Call("execute_plan", {"plan_id": plan.plan_id}))
                status_text = (
                    response.error
                    or f"{(response.answer or {}).get('status')} {(response.answer or {}).get('reason') or ''}"
                )
                conclusion = Conclusion(outcome_of(self._watched), f"{plan.what} was approved: {status_text}".strip())
            else:
                conclusion = Conclusion("refused", f"{plan.what} is {status}")
                if plan.call is not None:
                    self._watched = replace(self._watched, declined=(*self._watched.declined, plan.call))
            open_plans = tuple(other for other in self._watched.open_plans if other.plan_id != plan.plan_id)
            self._watched = replace(self._watched, open_plans=open_plans)
            reports.append(await self._end(conclusion))
        return reports

    async def _keep(self, text: str) -> None:
        """Write one message between a language model and this agent to the audit, a long one in pieces."""
        for at in range(0, max(len(text), 1), DETAIL_CHARS):
            await self._write("message", "kept", text[at : at + DETAIL_CHARS], _digest(text))

    async def _ask(self, call: Call) -> CallResult:
        """Make a call of the brain if the guard admits it; request and answer are recorded."""
        self._watched, refusal = admit(self.limits, self._watched, call, self.now().date())
        if refusal is None and call.tool not in self._tools:
            refusal = f"the server does not offer {call.tool} to this agent"
        if refusal is not None:
            response = CallResult(call, error=f"refused by this agent's limits: {refusal}")
        else:
            if call.tool in ACTING:  # an act that cannot be recorded is not attempted
                await self._note("call", "asked", {"tool": call.tool, "arguments": dict(call.arguments)})
            response = await self._call_server(call)
        self._watched = learn(self._watched, response)
        self._as_of = self._as_of if response.answer is None else response.answer.get("as_of") or self._as_of
        verdict = "refused" if refusal else "error" if response.answer is None else "answered"
        detail = {
            "tool": call.tool,
            "arguments": dict(call.arguments),
            "answer": response.answer,
            "error": response.error,
        }
        await self._note("call", verdict, detail)
        return response

    async def _call_server(self, call: Call) -> CallResult:
        try:
            result = await self.client.call_tool(
                call.tool, dict(call.arguments), raise_on_error=False, timeout=CALL_TIMEOUT_S
            )
        except FAILURES as error:
            # A question to the client's user also ends here, because this client has no user.
            return CallResult(call, error=f"{type(error).__name__}: {error}")
        if result.is_error or result.structured_content is None:
            text = " ".join(getattr(block, "text", "") for block in result.content)
            return CallResult(call, error=text or "the server gave no answer")
        return CallResult(call, answer=result.structured_content)

    async def _list_tools(self) -> dict[str, Mapping[str, Any]]:
        try:
            listed = await self.client.list_tools()
        except FAILURES as error:
            raise UnreachableError(f"the MCP server does not list its tools: {error}") from error
        return {
            tool.name: {"description": tool.description or "", "schema": tool.input_schema}
            for tool in listed
            if tool.name in self.limits.tools
        }

    async def _status(self, plan: OpenPlan) -> str:
        if plan.expires_at is not None and self.now() >= plan.expires_at:
            return "expired"
        try:
            blocks = await self.client.read_resource(f"vpp://plans/{plan.plan_id}")
            return str(json.loads(getattr(blocks[0], "text", "{}")).get("status"))
        except FAILURES:
            return "proposed"

    def _begin(self, zone: str) -> None:
        self._watched = self._watched.new_episode()
        self._episode, self._zone, self._as_of, self._records = "e" + secrets.token_hex(6), zone, None, 0

    async def _end(self, conclusion: Conclusion) -> Report:
        waiting = tuple(plan.plan_id for plan in self._watched.open_plans if plan.zone == self._zone)
        report = Report(
            self._episode,
            self._zone,
            self._as_of,
            self.brain.name,
            conclusion.kind,
            conclusion.text,
            conclusion.reasons,
            self._watched.calls,
            waiting,
            conclusion.risks,
            conclusion.changes,
        )
        carried_fields = ("as_of", "text", "reasons", "open_plans", "risks", "changes")
        await self._note("end", conclusion.kind, {name: getattr(report, name) for name in carried_fields})
        return report

    async def _note(self, act: str, verdict: str, detail: Mapping[str, Any]) -> None:
        text = json.dumps(detail, default=str, separators=(",", ":"))
        await self._write(act, verdict, text[:DETAIL_CHARS], _digest(text))

    async def _write(self, act: str, verdict: str, detail: str, digest: str) -> None:
        self._records += 1
        record = Audit(
            zone=self._zone,
            audit_id=f"{self._episode}:{self._records:04d}",
            at=self.now(),
            principal=self.principal,
            action=f"agent:{act}",
            verdict=verdict,
            detail=detail,
            digest=digest,
        )
        await asyncio.to_thread(self.record, record)


def open_client(url: str | None, token: str | None, server: tuple[Sequence[str], Mapping[str, str]]) -> Client[Any]:
    """Return a client of a server over HTTP, or without ``url`` of one that it starts itself over stdio.

    Args:
        url: Where the server answers.
        token: Bearer token for ``url``.
        server: Command and environment of an own server.
    """
    if url is not None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return Client(StreamableHttpTransport(url, headers=headers))
    (command, *arguments), environment = server
    return Client(StdioTransport(command, arguments, env=dict(environment)))


@asynccontextmanager
async def at_server(client: Client[Any]) -> AsyncIterator[Client[Any]]:
    """Connect a client while the block runs.

    Raises:
        UnreachableError: The server does not answer, or went away.
    """
    try:
        async with client:
            yield client
    except FAILURES as error:
        raise UnreachableError(
            f"the MCP server does not answer: {error}",
            hint="run `vpp mcp --operate` to see why; over HTTP see VPP_AGENT__URL and VPP_AGENT__TOKEN",
        ) from error


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
