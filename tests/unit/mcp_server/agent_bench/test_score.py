"""The bench: the same seed gives the same evening, and a brain is worth what it changes in money."""

from __future__ import annotations

import numpy as np
import pytest

from agents.autonomous.guard import BrainContext, Conclusion
from agents.autonomous.rule_based_brain import Strategy
from mcp_server.agent_bench.scenario import scripted_evening, seeded_evening
from mcp_server.agent_bench.score import GOAL_PREVENTED_PCT, score_brain, score_evening


class Idle:
    """A brain that looks at nothing and wants nothing."""

    name = "idle"

    async def look(self, episode: BrainContext) -> Conclusion:
        return Conclusion("no_action", "all is well")


async def test_the_scripted_evening_is_worth_an_agent() -> None:
    score = await score_evening(Strategy(), scripted_evening())
    assert score.without < score.with_agent < score.best
    assert score.prevented_pct is not None
    assert score.prevented_pct >= GOAL_PREVENTED_PCT


@pytest.mark.slow
async def test_a_brain_that_does_nothing_changes_nothing() -> None:
    done = await score_brain(Idle, scripted_evening(), [seeded_evening(0)], lambda *_: None, currency="EUR")
    assert done.scripted.gain_pct == 0.0
    assert (done.money_without, done.worst_pct) == (done.money_with, 0.0)
    assert done.goals == {"prevents_70_pct_of_avoidable_loss": False, "never_worse_than_minus_1_pct": True}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 4])
async def test_a_duty_stays_whatever_it_costs(seed: int) -> None:
    """Seed 1 is a hold for smoke, seed 4 a warranty; a person says no to whoever would end them."""
    scenario = seeded_evening(seed)
    assert scenario.standing is not None
    assert scenario.standing.is_duty
    score = await score_evening(Strategy(), scenario)
    assert score.gain_pct >= -1.0
    assert score.gain_pct < 1.0


def test_the_same_seed_is_the_same_evening() -> None:
    one, two, other = seeded_evening(5), seeded_evening(5), seeded_evening(6)
    assert np.array_equal(one.actual_net_mw, two.actual_net_mw)
    assert one.standing == two.standing
    assert not np.array_equal(one.actual_net_mw, other.actual_net_mw)
