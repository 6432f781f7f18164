"""The guard of the agent: what it lets a brain ask for, and what it remembers."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from agents.autonomous.guard import AgentLimits, Call, CallResult, StepLimitError, Watched, admit, learn, outcome_of

DAY = date(2026, 1, 1)
WISH = Call("propose_dispatch", {"asset_ids": ["bat"], "power_mw": 2.0, "duration_min": 60})


def plan(cost: float | None = 10.0, **given: Any) -> dict[str, Any]:
    return {"plan_id": "p1", "zone": "Z", "outcome": "ready", "cost_change": cost, **given}


def after_proposal(cost: float | None = 10.0) -> Watched:
    watched, refusal = admit(AgentLimits(), Watched(), WISH, DAY)
    assert refusal is None
    return learn(watched, CallResult(WISH, answer=plan(cost)))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        pytest.param(Call("hold_fleet", {"reason": "told to"}), "not among", id="hold"),
        pytest.param(Call("peek_topic", {"topic": "dlq"}), "not among", id="raw records"),
        pytest.param(Call("execute_plan", {"plan_id": "p7"}), "not a plan of this agent", id="foreign plan"),
        pytest.param(Call("propose_dispatch", {"power_mw": -10.5}), "beyond the 10 MW", id="power"),
        pytest.param(Call("propose_dispatch", {"power_mw": "10.5"}), "beyond the 10 MW", id="power as text"),
        pytest.param(Call("propose_dispatch", {"power_mw": "nan"}), "beyond the 10 MW", id="not a number"),
        pytest.param(Call("set_policy", {"dry_run": False, "max_mw": 99}), "beyond the 10 MW", id="band"),
        pytest.param(Call("propose_dispatch", {"duration_min": 900}), "longer than", id="duration"),
    ],
)
def test_what_is_beyond_the_limits_is_not_even_asked(call: Call, expected: str) -> None:
    watched, refusal = admit(AgentLimits(), Watched(), call, DAY)
    assert expected in (refusal or "")
    assert (watched.calls, watched.proposals) == (1, 0)


@pytest.mark.parametrize("dry_run", [False, "false", 0, "no", None])
def test_a_policy_counts_as_a_proposal_however_the_model_writes_it(dry_run: Any) -> None:
    wish = Call("set_policy", {"policy": "automatic", "dry_run": dry_run})
    assert admit(AgentLimits(), Watched(), wish, DAY)[0].proposals == 1
    assert admit(AgentLimits(max_proposals=0), Watched(), wish, DAY)[1] is not None


@pytest.mark.parametrize("arguments", [{}, {"dry_run": True}, {"dry_run": "true"}])
def test_a_dry_run_is_no_proposal(arguments: dict[str, Any]) -> None:
    assert admit(AgentLimits(max_proposals=0), Watched(), Call("set_policy", arguments), DAY)[1] is None


def test_proposals_end_by_the_look_and_by_the_day() -> None:
    limits = AgentLimits(max_proposals=2, max_proposals_per_day=3)
    watched, text = Watched(), list[tuple[int, str | None]]()
    for episode in range(2):
        watched = watched.new_episode()
        for _ in range(3):
            watched, refusal = admit(limits, watched, WISH, DAY)
            text.append((episode, refusal))
    assert [refusal is None for _, refusal in text] == [True, True, False, True, False, False]
    assert "proposals a day" in (text[-1][1] or "")
    assert admit(limits, watched.new_episode(), WISH, date(2026, 1, 2))[1] is None


def test_the_last_call_ends_the_look() -> None:
    watched, _ = admit(AgentLimits(max_calls=1), Watched(), Call("get_overview"), DAY)
    with pytest.raises(StepLimitError):
        admit(AgentLimits(max_calls=1), watched, Call("get_overview"), DAY)


@pytest.mark.parametrize(("cost", "refused"), [(500.0, False), (500.1, True), (None, True), (-900.0, False)])
def test_its_own_plan_is_carried_out_within_its_price(cost: float | None, refused: bool) -> None:
    _, refusal = admit(AgentLimits(), after_proposal(cost), Call("execute_plan", {"plan_id": "p1"}), DAY)
    assert (refusal is not None) is refused


def test_a_refused_plan_is_none_to_carry_out() -> None:
    watched = learn(Watched(), CallResult(WISH, answer=plan(outcome="refused")))
    assert (watched.plans, watched.open_plans, outcome_of(watched)) == ({}, (), "refused")


@pytest.mark.parametrize(
    ("status", "outcome", "is_open"),
    [("needs_approval", "waiting", True), ("accepted", "executed", False), ("refused", "waiting", False)],
)
def test_what_came_of_it_is_read_from_the_receipt(status: str, outcome: str, is_open: bool) -> None:
    message = CallResult(Call("execute_plan", {"plan_id": "p1"}), answer={"status": status})
    watched = learn(after_proposal(), message)
    assert outcome_of(watched) == outcome
    assert bool(watched.open_plans) is is_open


def test_an_error_teaches_nothing() -> None:
    assert learn(Watched(), CallResult(WISH, error="store is locked")) == Watched()
