"""The common part of all brains of the grid agent: allowed calls, limits, and the task.

A brain has no access to the plant. It requests a call; the guard admits or refuses it, the agent calls the MCP server,
and the brain receives the answer. The guard limits the agent before the server does: scopes, approval and admission
of the server do not depend on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Protocol

from vpp.fleet.scale import power_text

READING = (
    "get_overview",
    "list_assets",
    "get_asset",
    "get_series",
    "get_forecast",
    "predict_ramp",
    "get_performance",
    "get_alerts",
    "get_anomalies",
    "list_orders",
    "explain_decision",
    "get_pipeline_health",
    "search_rules",
    "run_backtest",
)
PROPOSING = ("propose_dispatch", "set_policy")
EXECUTING = "execute_plan"
HOLDING = "hold_fleet"
ACTING = (*PROPOSING, EXECUTING, HOLDING)
WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class AgentLimits:
    """What an agent may do in one look at a zone (an episode), and in a day.

    ``max_calls``: calls of tools. ``max_proposals``, ``max_proposals_per_day``: plans requested. ``max_power_mw``: of
    each asset in a proposal. ``max_duration_min``: of a proposal. ``max_extra_cost``: expected money that a plan may
    cost against the plant's own plan before the agent lets it go. ``max_tokens``: of a language model. ``max_s``: wall
    time. ``may_hold``: the emergency stop, which needs no approval, is among its tools.
    """

    max_calls: int = 24
    max_proposals: int = 2
    max_proposals_per_day: int = 24
    max_power_mw: float = 10.0
    max_duration_min: float = 480.0
    max_extra_cost: float = 500.0
    max_tokens: int = 100_000
    max_s: float = 120.0
    may_hold: bool = False

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that a brain may use."""
        return (*READING, *PROPOSING, EXECUTING, *((HOLDING,) if self.may_hold else ()))


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CallResult:
    """Result of a call: an answer, or why there is none (refused by the guard, or by the server)."""

    call: Call
    answer: Mapping[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class OpenPlan:
    """A plan of this agent that waits for approval.

    ``expires_at``: wall time, None if the server did not say. ``call``: what asked for it. ``ends_at``: end of its
    order by the run clock; after that it can do nothing.
    """

    plan_id: str
    zone: str
    expires_at: datetime | None = None
    what: str = ""
    call: Call | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LastLook:
    """Result of the last look: time, risks as (key, text, money), and the money of the 24 h before it."""

    as_of: str | None = None
    text: str = ""
    risks: tuple[tuple[str, str, float | None], ...] = ()
    pnl_24h: float | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """One episode: the zone, plans that still wait, what people declined, the look before, and ids of own orders."""

    zone: str
    open_plans: tuple[OpenPlan, ...] = ()
    declined: tuple[Call, ...] = ()
    before: LastLook | None = None
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How an episode ended.

    ``kind``: ``no_action``, ``waiting`` (for approval), ``executed``, ``refused``, ``too_dear``, ``blind`` (the plant
    cannot be judged), ``stopped`` (a limit of the agent), ``failed``, or ``reported``: what was done is to be read from
    the answers (``outcome_of``). ``text``: the finding, for people. ``risks``: as in ``LastLook``.
    ``changes``: differences from the look before. ``pnl_24h``: money of the last 24 h.
    """

    kind: str
    text: str
    reasons: tuple[str, ...] = ()
    risks: tuple[tuple[str, str, float | None], ...] = ()
    changes: tuple[str, ...] = ()
    pnl_24h: float | None = None


@dataclass(frozen=True, slots=True)
class BrainContext:
    """One look at one zone, as a brain sees it.

    Attributes:
        task: The zone and the open plans.
        limits: Its limits, which ``ask`` enforces.
        tools: ``description`` and ``schema`` (JSON schema of the arguments) of each tool, by name.
        ask: Makes a call; a refusal is a result and raises no error.
        keep: Adds further text to the transcript.
    """

    task: Task
    limits: AgentLimits
    tools: Mapping[str, Mapping[str, Any]]
    ask: Callable[[Call], Awaitable[CallResult]]
    keep: Callable[[str], Awaitable[None]]


class Brain(Protocol):
    """Looks at a zone through the tools and concludes."""

    @property
    def name(self) -> str:
        """Name of the brain in the audit log."""
        ...

    async def look(self, episode: BrainContext) -> Conclusion:
        """Return the findings on a zone, after queries and proposals within the limits."""
        ...


class StepLimitError(Exception):
    """The episode used all its calls."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The guard's memory: calls and proposals of the episode, proposals of the day, own plans with their cost.

    ``declined``: what people rejected or let expire.
    """

    calls: int = 0
    proposals: int = 0
    day: date | None = None
    proposals_today: int = 0
    plans: Mapping[str, float | None] = field(default_factory=dict)
    open_plans: tuple[OpenPlan, ...] = ()
    outcomes: tuple[str, ...] = ()
    declined: tuple[Call, ...] = ()

    def new_episode(self) -> Watched:
        """Return the memory at the start of the next episode."""
        return replace(self, calls=0, proposals=0, outcomes=())


def admit(limits: AgentLimits, watched: Watched, call: Call, today: date) -> tuple[Watched, str | None]:
    """Return the guard's memory after a requested call, and the reason of a refusal, None if the call is admitted.

    Args:
        limits: The limits.
        watched: The memory so far.
        call: The requested call.
        today: UTC day of the wall clock; the daily count restarts with it.

    Raises:
        StepLimitError: The episode has no calls left.
    """
    if watched.calls >= limits.max_calls:
        raise StepLimitError(f"at most {limits.max_calls} tool calls in one look")
    if watched.day != today:
        watched = replace(watched, day=today, proposals_today=0)
    watched = replace(watched, calls=watched.calls + 1)
    refusal = _refusal(limits, watched, call)
    if refusal is None and _is_proposal(call) and not is_withdrawal(watched, call):
        watched = replace(watched, proposals=watched.proposals + 1, proposals_today=watched.proposals_today + 1)
    return watched, refusal


def learn(watched: Watched, response: CallResult) -> Watched:
    """Return the guard's memory after an answer: the agent's own plans, their cost, and those that still wait."""
    answer = response.answer
    if answer is None:
        return watched
    if is_withdrawal(watched, response.call) and (answer.get("receipt") or {}).get("status") == WITHDRAWN:
        order_id = str(response.call.arguments.get("order_id"))
        open_plans = tuple(plan for plan in watched.open_plans if plan.plan_id != order_id)
        return replace(watched, open_plans=open_plans)
    if _is_proposal(response.call):
        plan = answer if response.call.tool == "propose_dispatch" else answer.get("plan") or {}
        return _with_plan(watched, plan, response.call)
    if response.call.tool == HOLDING:
        return replace(watched, outcomes=(*watched.outcomes, "executed"))
    if response.call.tool == EXECUTING:
        plan_id, status = str(response.call.arguments.get("plan_id")), str(answer.get("status"))
        if status == "needs_approval":
            return replace(watched, outcomes=(*watched.outcomes, "waiting"))
        open_plans = tuple(plan for plan in watched.open_plans if plan.plan_id != plan_id)
        outcome = "executed" if status in ("accepted", "sent") else "refused"
        return replace(watched, open_plans=open_plans, outcomes=(*watched.outcomes, outcome))
    return watched


def outcome_of(watched: Watched) -> str:
    """Return the kind of ``Conclusion`` that follows from the server's answers, independent of the brain."""
    return next((kind for kind in ("executed", "waiting", "refused") if kind in watched.outcomes), "no_action")


def is_withdrawal(watched: Watched, call: Call) -> bool:
    """Return whether a call withdraws a waiting plan; it changes no dispatch and needs no approval."""
    wish = call.arguments
    is_open = wish.get("order_id") in {plan.plan_id for plan in watched.open_plans}
    return call.tool == "set_policy" and wish.get("policy") == "cancel" and is_open and _is_proposal(call)


def subject_of(call: Call) -> tuple[Any, ...]:
    """Return the subject of a proposal; a later proposal on the same subject replaces an earlier one."""
    wish = call.arguments
    return (call.tool, wish.get("policy"), wish.get("order_id"), tuple(wish.get("asset_ids") or ()))


def _with_plan(watched: Watched, plan: Mapping[str, Any], call: Call) -> Watched:
    plan_id = plan.get("plan_id")
    if plan_id is None or plan.get("outcome") == "refused":
        return replace(watched, outcomes=(*watched.outcomes, "refused"))
    end = plan.get("expires_at")
    description = f"{plan.get('action', '')} {', '.join(plan.get('asset_ids') or ())}".strip()
    waits = OpenPlan(plan_id, str(plan.get("zone", "")), _time(end), description, call, _time(plan.get("ends_at")))
    return replace(
        watched,
        plans={**watched.plans, plan_id: plan.get("cost_change")},
        open_plans=(*watched.open_plans, waits),
        outcomes=(*watched.outcomes, "waiting"),
    )


def _is_proposal(call: Call) -> bool:
    if call.tool == "set_policy":
        # The server also accepts "false", 0 and similar values: every call that is not clearly a dry run counts.
        return call.arguments.get("dry_run", True) not in (True, "true")
    return call.tool == "propose_dispatch"


def _refusal(limits: AgentLimits, watched: Watched, call: Call) -> str | None:
    if call.tool not in limits.tools:
        return f"{call.tool} is not among this agent's tools"
    if call.tool == EXECUTING:
        return _execution(limits, watched, str(call.arguments.get("plan_id")))
    if not _is_proposal(call) or is_withdrawal(watched, call):
        return None
    if watched.proposals >= limits.max_proposals:
        return f"at most {limits.max_proposals} proposals in one look"
    if watched.proposals_today >= limits.max_proposals_per_day:
        return f"at most {limits.max_proposals_per_day} proposals a day"
    for name in ("power_mw", "min_mw", "max_mw"):
        power = _number(call.arguments.get(name))
        if power is not None and not abs(power) <= limits.max_power_mw:
            most = power_text(limits.max_power_mw)
            return f"{name} {power_text(power)} is beyond the {most} that this agent may ask for"
    minutes = _number(call.arguments.get("duration_min"))
    if minutes is not None and not minutes <= limits.max_duration_min:
        return f"{minutes:g} min is longer than the {limits.max_duration_min:g} min that this agent may ask for"
    return None


def _execution(limits: AgentLimits, watched: Watched, plan_id: str) -> str | None:
    if plan_id not in watched.plans:
        return f"{plan_id} is not a plan of this agent"
    cost = watched.plans[plan_id]
    if cost is None:
        return f"{plan_id} has no price"
    if cost > limits.max_extra_cost:
        return (
            f"{plan_id} would cost {cost:.2f}, more than the {limits.max_extra_cost:g} that this agent may spend on one"
        )
    return None


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _number(value: Any) -> float | None:
    """Return a number, also one that a model wrote as text; other values are passed on for the server to refuse."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
