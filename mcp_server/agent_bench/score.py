"""Scores a brain in money: evenings with and without it, on the same forecasts and actual values."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agents.autonomous.agent import GridAgent
from agents.autonomous.guard import AgentLimits, Brain
from agents.evaluation.grid_score import GridRun
from mcp_server.agent_bench.evening import AGENT, Evening, best_cost
from mcp_server.agent_bench.scenario import SLOTS, ZONE, Scenario

GOAL_PREVENTED_PCT = 70.0
GOAL_WORST_PCT = -1.0
AMOUNT_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class EveningScore:
    """Result of one evening in money of the zone; income is positive.

    ``without``, ``with_agent``, ``best``: income without an agent, with it, and in hindsight without limiting orders.
    ``gain_pct``: gain of the agent in per cent of ``without``. ``prevented_pct``: gain of the agent in per cent of the
    avoidable loss ``best - without``; None if there is almost no avoidable loss. ``acts``: kinds of the agent's looks.
    """

    name: str
    standing: str | None
    without: float
    with_agent: float
    best: float
    gain_pct: float
    prevented_pct: float | None
    looks: int
    calls: int
    acts: dict[str, int]
    fallbacks: int


@dataclass(frozen=True, slots=True)
class BenchScore:
    """Scores of the scripted and the seeded evenings; ``goals``: the targets, and whether they are met."""

    brain: str
    currency: str
    scripted: EveningScore
    seeded: list[EveningScore]
    money_without: float
    money_with: float
    money_best: float
    worst_pct: float | None
    goals: dict[str, bool]


async def score_brain(
    brain: Callable[[], Brain],
    scripted: Scenario,
    seeded: Sequence[Scenario],
    progress: Callable[[float, str], None],
    *,
    currency: str,
) -> BenchScore:
    """Return the score of a brain.

    Args:
        brain: Returns a new brain without memory.
        scripted: The evening that the target for prevented loss is measured on.
        seeded: The evenings that the target for the worst case is measured on.
        progress: Called with the completed share and the evening's name.
        currency: Currency of the money.
    """
    scores = []
    for number, scenario in enumerate([scripted, *seeded]):
        progress(number / (len(seeded) + 1), scenario.name)
        scores.append(await score_evening(brain(), scenario))
    first, remaining = scores[0], scores[1:]
    worst = min((score.gain_pct for score in remaining), default=None)
    goals = {"prevents_70_pct_of_avoidable_loss": (first.prevented_pct or 0.0) >= GOAL_PREVENTED_PCT}
    if worst is not None:
        goals["never_worse_than_minus_1_pct"] = worst >= GOAL_WORST_PCT
    return BenchScore(
        brain=brain().name,
        currency=currency,
        scripted=first,
        seeded=remaining,
        money_without=round(sum(score.without for score in remaining), 2),
        money_with=round(sum(score.with_agent for score in remaining), 2),
        money_best=round(sum(score.best for score in remaining), 2),
        worst_pct=worst,
        goals=goals,
    )


async def score_evening(brain: Brain, scenario: Scenario) -> EveningScore:
    """Return the score of one evening: with a brain, without one, and in hindsight."""
    without, _, _ = await _lived(scenario, None)
    with_agent, kinds, calls = await _lived(scenario, brain)
    best = -best_cost(scenario, without)
    avoidable, gain = best + without.cost, without.cost - with_agent.cost
    amount = max(abs(without.cost), abs(best))
    return EveningScore(
        name=scenario.name,
        standing=None if scenario.standing is None else f"{scenario.standing.action}: {scenario.standing.reason}",
        without=round(-without.cost, 2),
        with_agent=round(-with_agent.cost, 2),
        best=round(best, 2),
        gain_pct=round(100.0 * gain / max(abs(without.cost), 1e-9), 2) + 0.0,
        prevented_pct=round(100.0 * gain / avoidable, 1) + 0.0 if avoidable > AMOUNT_SHARE * amount else None,
        looks=len(kinds),
        calls=calls,
        acts={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        fallbacks=with_agent.fallbacks,
    )


async def _lived(scenario: Scenario, brain: Brain | None) -> tuple[GridRun, list[str], int]:
    """Return the deliveries of an evening, the kinds of the agent's looks, and its calls."""
    kinds, calls = [], 0
    with tempfile.TemporaryDirectory() as folder:
        evening = Evening(Path(folder), scenario)
        evening.begin()
        try:
            async with evening.client() as client:
                agent = None if brain is None else _agent(evening, client, brain)
                for at in range(1, SLOTS + 1):
                    evening.close(at)
                    if agent is None or at == SLOTS:
                        continue
                    reports = [await agent.look(ZONE)]
                    evening.answer_plans()
                    reports += await agent.follow_up()
                    kinds += [report.kind for report in reports]
                    calls += sum(report.calls for report in reports)
            return evening.money(), kinds, calls
        finally:
            evening.close_store()


def _agent(evening: Evening, client: object, brain: Brain) -> GridAgent:
    limits = AgentLimits(max_power_mw=8.0)
    return GridAgent(client, brain, limits, lambda _: None, AGENT, now=evening.clock)  # type: ignore[arg-type]
