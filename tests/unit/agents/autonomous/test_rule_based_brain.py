"""The agent's own brain: from what the tools answer to what it asks for, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from agents.autonomous.guard import AgentLimits, Call, CallResult, Conclusion, OpenPlan, Task
from agents.autonomous.rule_based_brain import think

LIMITS = AgentLimits()
PLAN = {"plan_id": "p1", "outcome": "ready", "cost_change": 40.0, "currency": "GBP", "approval": "vpp approve p1"}


PEAK = [500.0] * 8 + [700.0] * 4 + [500.0] * 4
STEP_COLUMNS = ["slot", "horizon_min", "change_mw", "change_q10_mw", "change_q90_mw"]
NO_RAMP = {
    "ramp_limit_mw": 300.0,
    "columns": STEP_COLUMNS,
    "steps": [[f"T{h}", 30 * (h + 1), 0.0, 0.0, 0.0] for h in range(16)],
}


def world(
    q50: list[float], *, spread: float = 20.0, soc: float = 0.5, grid_mw: float = 50.0, **given: Any
) -> dict[str, dict[str, Any]]:
    """Answers about a zone that serves a tenth of its region: cap 60 MW, 10 MW of firm power, 3 MW per step."""
    now = {
        "zone": "Z",
        "step_min": 30,
        "net_load_mw": 500.0,
        "served_net_load_mw": 50.0,
        "import_cap_mw": 60.0,
        "grid_power_mw": grid_mw,
        "plant_power_mw": 0.0,
        "next_power_mw": 0.0,
    }
    points = [[f"T{h}", 30 * (h + 1), level - spread, level, level + spread] for h, level in enumerate(q50)]
    changes = [0.0, *(later - former for former, later in pairwise(q50))]
    steps = [[f"T{h}", 30 * (h + 1), change, change - spread, change + spread] for h, change in enumerate(changes)]
    battery = {
        "asset_id": "bat",
        "kind": "battery",
        "state": "online",
        "soc": soc,
        "min_mw": -4.0,
        "max_mw": 4.0,
        "next_power_mw": 0.0,
        "energy_capacity_mwh": 10.0,
    }
    gas = {"asset_id": "gas", "kind": "peaker", "state": "online", "max_mw": 10.0, "soc": None}
    limits = {"soc_min": 0.1, "soc_max": 0.9, "reserve_soc": 0.0, "discharge_efficiency": 0.8, "charge_efficiency": 0.8}
    return {
        "get_pipeline_health": {"zones": [{"zone": "Z", "behind": []}]},
        "get_overview": {"zones": [now], "workers_silent": []},
        "predict_ramp": {"ramp_limit_mw": 30.0, "columns": STEP_COLUMNS, "steps": steps},
        "get_forecast": {"source": "model", "columns": ["slot", "horizon_min", "q10", "q50", "q90"], "points": points},
        "list_assets": {"assets": [battery, gas]},
        "get_asset": {"limits": limits},
        "explain_decision": {"binding": "nothing binds", "why_not": {"extra_cost": 12.0}},
        "propose_dispatch": PLAN,
        "set_policy": {"plan": PLAN},
        "execute_plan": {"status": "needs_approval", "reason": "not approved"},
        **given,
    }


def run(
    answers: dict[str, Any], *, limits: AgentLimits = LIMITS, task: Task | None = None
) -> tuple[Conclusion, list[Call]]:
    thought, calls = think(task or Task("Z"), limits), []
    try:
        call = next(thought)
        while True:
            calls.append(call)
            found = answers[call.tool]
            call = thought.send(
                CallResult(call, error=found) if isinstance(found, str) else CallResult(call, answer=found)
            )
    except StopIteration as end:
        return end.value, calls


def policy_asked(calls: list[Call]) -> Mapping[str, Any]:
    """Arguments of the change of policy that was asked for, dry runs left out."""
    found = [call.arguments for call in calls if call.tool == "set_policy" and call.arguments["dry_run"] is False]
    return found[0] if found else {}


def test_a_calm_zone_asks_for_nothing_and_says_its_margins() -> None:
    conclusion, calls = run(world([500.0] * 16))
    assert conclusion.kind == "no_action"
    assert "within cap 60 MW and firm power 10 MW" in conclusion.text
    assert {call.tool for call in calls}.isdisjoint({"propose_dispatch", "set_policy", "execute_plan"})


def test_a_shortfall_at_ninety_per_cent_is_answered_by_energy_in_time() -> None:
    # q90 of slots 8 to 11 is 72 MW served, 2 MW beyond cap and firm power for 2 h: 4 MWh, 5 from the store.
    conclusion, calls = run(world(PEAK, predict_ramp=NO_RAMP))
    asked = policy_asked(calls)
    assert (asked["policy"], asked["asset_ids"], asked["dry_run"]) == ("keep_soc", ["bat"], False)
    assert asked["soc"] == pytest.approx(0.1 + 4.0 / 0.8 / 10.0)
    # The risk begins 270 min after the newest slot's start, the order one step after the slot that runs.
    assert asked["duration_min"] == 210
    assert calls[-1] == Call("execute_plan", {"plan_id": "p1"})
    assert conclusion.kind == "waiting"
    assert "plan p1 costs 40.00 GBP against the plant's own plan" in conclusion.reasons


def test_a_battery_that_holds_enough_is_left_alone() -> None:
    conclusion, calls = run(world(PEAK, predict_ramp=NO_RAMP, soc=0.6))
    assert conclusion.kind == "no_action"
    assert policy_asked(calls) == {}


@pytest.mark.parametrize(
    ("level", "soc", "wanted"),
    [
        # 4 MW down in one step with a spread of 2 and a limit of 3: 3 MW for half an hour want room for 1.5 MWh.
        pytest.param(460.0, 0.85, 0.9 - 1.5 * 0.8 / 10.0, id="down wants room"),
        pytest.param(540.0, 0.15, 0.1 + 1.5 / 0.8 / 10.0, id="up wants energy"),
        # 8 MW would want 7; the battery gives 4 at most, so more than 2 MWh would not help.
        pytest.param(580.0, 0.15, 0.1 + 2.0 / 0.8 / 10.0, id="no more than it can give"),
    ],
)
def test_a_ramp_beyond_the_limit_is_prepared(level: float, soc: float, wanted: float) -> None:
    _, calls = run(world([500.0] * 8 + [level] * 8, soc=soc))
    asked = policy_asked(calls)
    assert asked["soc"] == pytest.approx(wanted, abs=1e-3)


def test_an_overload_that_stands_calls_for_a_discharge_and_for_the_plants_reason() -> None:
    conclusion, calls = run(world([500.0] * 16, grid_mw=62.5))
    why = next(call for call in calls if call.tool == "explain_decision").arguments
    asked = next(call for call in calls if call.tool == "propose_dispatch").arguments
    assert (asked["power_mw"], asked["duration_min"]) == (2.5, 60)
    assert (why["why_not_asset"], why["why_not_mw"]) == ("bat", 2.5)
    assert "2.5 MW now instead would cost 12 as the plant weighs it" in conclusion.reasons


def test_its_own_power_limit_holds_in_what_it_asks() -> None:
    _, calls = run(world([500.0] * 16, grid_mw=70.0), limits=AgentLimits(max_power_mw=1.5))
    assert next(call for call in calls if call.tool == "propose_dispatch").arguments["power_mw"] == 1.5


def test_a_refused_plan_is_reported_with_its_clause() -> None:
    said = {"clause": "SITE.reserve", "citation": "fleet.yaml", "rule": "No plan may use it."}
    check = {"outcome": "refused", "detail": "would fall below", **said}
    conclusion, calls = run(
        world([500.0] * 16, grid_mw=70.0, propose_dispatch={"outcome": "refused", "checks": [check]})
    )
    assert conclusion.kind == "refused"
    assert "would fall below (SITE.reserve, fleet.yaml: No plan may use it.)" in conclusion.text
    assert calls[-1].tool == "propose_dispatch"


@pytest.mark.parametrize("cost", [501.0, None])
def test_a_plan_that_is_too_dear_or_unpriced_is_let_go(cost: float | None) -> None:
    conclusion, calls = run(world([500.0] * 16, grid_mw=70.0, propose_dispatch={**PLAN, "cost_change": cost}))
    assert conclusion.kind == "too_dear"
    assert calls[-1].tool == "propose_dispatch"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(
            {"get_overview": {"zones": [], "hint": "nothing has run yet"}}, "nothing has run", id="nothing yet"
        ),
        pytest.param({"get_overview": "there is no zone 'Z'"}, "there is no zone", id="unknown zone"),
        pytest.param({"get_forecast": {"points": [], "hint": "no forecast yet"}}, "no forecast yet", id="no forecast"),
        pytest.param(
            {"get_pipeline_health": {"zones": [{"zone": "Z", "behind": ["decisions"]}]}}, "decisions lags", id="behind"
        ),
        pytest.param({"predict_ramp": "store is locked"}, "store is locked", id="error"),
    ],
)
def test_it_does_not_act_on_what_it_does_not_see(given: dict[str, Any], said: str) -> None:
    conclusion, calls = run(world([900.0] * 16, **given))
    assert conclusion.kind == "blind"
    assert said in conclusion.text
    assert all(call.tool not in ("propose_dispatch", "set_policy") for call in calls)


@pytest.mark.parametrize("missing", ["net_load_mw", "served_net_load_mw", "import_cap_mw"])
def test_a_missing_number_is_not_a_zero(missing: str) -> None:
    answers = world([900.0] * 16)
    answers["get_overview"]["zones"][0][missing] = None
    conclusion, _ = run(answers)
    assert (conclusion.kind, conclusion.reasons) == ("blind", (f"{missing} is missing",))


def test_a_fallback_forecast_is_no_ground_to_act_on() -> None:
    answers = world([900.0] * 16)
    answers["get_forecast"]["source"] = "persistence"
    conclusion, _ = run(answers)
    assert (conclusion.kind, conclusion.reasons) == ("blind", ("the forecast comes from the fallback persistence",))


@pytest.mark.parametrize(
    ("order", "said"),
    [
        pytest.param({"action": "hold", "asset_ids": []}, "a hold by ann stands", id="held"),
        pytest.param({"action": "soc_target", "asset_ids": ["bat"]}, "order o1 by ann stands already", id="asked for"),
        pytest.param({"action": "soc_target", "asset_ids": ["other"]}, None, id="of another asset"),
        pytest.param({"action": "band", "asset_ids": ["bat"]}, None, id="of another kind"),
    ],
)
def test_what_stands_already_is_not_asked_for_again(order: dict[str, Any], said: str | None) -> None:
    standing = {"order_id": "o1", "principal": "ann", **order}
    conclusion, calls = run(world(PEAK, predict_ramp=NO_RAMP, set_policy={"plan": PLAN, "before": [standing]}))
    assert (policy_asked(calls) == {}) is (said is not None)
    assert conclusion.kind == ("waiting" if said is None else "no_action")
    assert (said or "") in conclusion.text


def test_a_plan_that_waits_is_not_asked_for_again() -> None:
    conclusion, calls = run(world([900.0] * 16), task=Task("Z", (OpenPlan("p9", "Z", what="target bat"),)))
    assert (conclusion.kind, calls) == ("waiting", [])
    assert conclusion.text == "p9 (target bat) waits for approval"
