"""The agent's own brain: from what the tools answer to what it asks for, without a server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from agents.autonomous.guard import AgentLimits, Call, CallResult, Conclusion, LastLook, OpenPlan, Task
from agents.autonomous.risks import is_firm
from agents.autonomous.rule_based_brain import think

LIMITS = AgentLimits()
PLAN = {"plan_id": "p1", "outcome": "ready", "cost_change": 20.0, "currency": "GBP", "approval": "vpp approve p1"}


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
        "ramp_penalty_per_mwh": 250.0,
        "cap_penalty_per_mwh": 500.0,
        "currency": "GBP",
        "pnl_24h": 100.0,
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
    gas = line("gas", "peaker", next_mw=0.0)
    prices = [[f"T{h}", 30 * (h + 1), 80.0, 100.0, 120.0] for h in range(len(q50))]
    columns = ["slot", "horizon_min", "q10", "q50", "q90"]
    limits = {"soc_min": 0.1, "soc_max": 0.9, "reserve_soc": 0.0, "discharge_efficiency": 0.8, "charge_efficiency": 0.8}
    return {
        "get_pipeline_health": {"zones": [{"zone": "Z", "behind": []}]},
        "get_overview": {"as_of": "2022-01-03T10:00:00Z", "zones": [now], "workers_silent": []},
        "predict_ramp": {"ramp_limit_mw": 30.0, "columns": STEP_COLUMNS, "steps": steps},
        "get_forecast": {"source": "model", "columns": columns, "points": points},
        "get_forecast price": {"source": "model", "columns": columns, "points": prices},
        "list_orders": {"orders": []},
        "get_alerts": {"alerts": []},
        "list_assets": {"assets": [battery, gas]},
        "get_asset": {"limits": limits},
        "explain_decision": {"binding": "nothing binds", "why_not": {"extra_cost": 12.0}},
        "propose_dispatch": PLAN,
        "set_policy": {"plan": PLAN},
        "execute_plan": {"status": "needs_approval", "reason": "not approved"},
        **given,
    }


def line(
    name: str,
    kind: str,
    *,
    least_mw: float | None = 0.0,
    most_mw: float = 10.0,
    next_mw: float | None = None,
    state: str = "online",
    energy_mwh: float | None = None,
) -> dict[str, Any]:
    """A line of ``list_assets``; with ``energy_mwh`` it is a store that is half full."""
    return {
        "asset_id": name,
        "kind": kind,
        "state": state,
        "soc": None if energy_mwh is None else 0.5,
        "min_mw": least_mw,
        "max_mw": most_mw,
        "next_power_mw": next_mw,
        "energy_capacity_mwh": energy_mwh,
    }


def run(
    answers: dict[str, Any], *, limits: AgentLimits = LIMITS, task: Task | None = None
) -> tuple[Conclusion, list[Call]]:
    thought, calls = think(task or Task("Z"), limits), []
    try:
        call = next(thought)
        while True:
            calls.append(call)
            subject = call.arguments.get("target") or call.arguments.get("asset_id")
            result = answers.get(f"{call.tool} {subject}", answers[call.tool])
            call = thought.send(
                CallResult(call, error=result) if isinstance(result, str) else CallResult(call, answer=result)
            )
    except StopIteration as end:
        return end.value, calls


def policy_asked(calls: list[Call]) -> Mapping[str, Any]:
    """Arguments of the change of policy that was asked for, dry runs left out."""
    result = [call.arguments for call in calls if call.tool == "set_policy" and call.arguments["dry_run"] is False]
    return result[0] if result else {}


def test_a_calm_zone_asks_for_nothing_and_says_its_margins() -> None:
    conclusion, calls = run(world([500.0] * 16, predict_ramp=NO_RAMP))
    assert (conclusion.kind, conclusion.risks) == ("no_action", ())
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
    assert "plan p1 costs 20.00 GBP against the plant's own plan" in conclusion.reasons
    # A tenth of 4 MWh at the cap's penalty of 500.
    assert [(key, money) for key, _, money in conclusion.risks] == [("shortfall", 200.0)]


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
    text = {"clause": "SITE.reserve", "citation": "fleet.yaml", "rule": "No plan may use it."}
    check = {"outcome": "refused", "detail": "would fall below", **text}
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
    assert [call.tool for call in calls[-2:]] == ["propose_dispatch", "set_policy"]
    assert (calls[-1].arguments["policy"], calls[-1].arguments["order_id"]) == ("cancel", "p1")


@pytest.mark.parametrize(
    ("given", "expected"),
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
def test_it_does_not_act_on_what_it_does_not_see(given: dict[str, Any], expected: str) -> None:
    conclusion, calls = run(world([900.0] * 16, **given))
    assert conclusion.kind == "blind"
    assert expected in conclusion.text
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
    ("order", "expected"),
    [
        pytest.param({"action": "hold", "asset_ids": []}, "a hold by ann stands", id="held"),
        pytest.param({"action": "soc_target", "asset_ids": ["bat"]}, "order o1 by ann stands already", id="asked for"),
        pytest.param({"action": "soc_target", "asset_ids": ["other"]}, None, id="of another asset"),
        pytest.param({"action": "band", "asset_ids": ["bat"]}, None, id="of another kind"),
    ],
)
def test_what_stands_already_is_not_asked_for_again(order: dict[str, Any], expected: str | None) -> None:
    standing = {"order_id": "o1", "principal": "ann", "reason": "test", **order}
    conclusion, calls = run(world(PEAK, predict_ramp=NO_RAMP, list_orders={"orders": [standing]}))
    assert (policy_asked(calls) == {}) is (expected is not None)
    assert conclusion.kind == ("waiting" if expected is None else "no_action")
    assert (expected or "") in conclusion.text


def test_a_remedy_that_costs_more_than_the_risk_is_left() -> None:
    dear = {"plan": {**PLAN, "cost_change": 201.0}}
    conclusion, calls = run(world(PEAK, predict_ramp=NO_RAMP, set_policy=dear))
    assert (conclusion.kind, policy_asked(calls)) == ("no_action", {})
    assert "more than the 200.00 at risk" in conclusion.text


LOSING = {"plan": {**PLAN, "cost_change": -300.0, "max_loss": 80.0}}


def test_an_order_that_loses_money_is_asked_to_end() -> None:
    band = {"order_id": "o7", "action": "band", "asset_ids": ["bat"], "principal": "ann", "reason": "test"}
    conclusion, calls = run(world([500.0] * 16, list_orders={"orders": [band]}, set_policy=LOSING))
    asked = policy_asked(calls)
    assert (asked["policy"], asked["order_id"]) == ("cancel", "o7")
    assert "band o7 by ann (test) costs 300.00 GBP from now on" in conclusion.text
    assert next(key for key, _, _ in conclusion.risks) == "order:o7"


def test_a_gain_within_what_prices_may_take_is_no_reason_to_end_an_order() -> None:
    band = {"order_id": "o7", "action": "band", "asset_ids": ["bat"], "principal": "ann", "reason": "test"}
    small = {"plan": {**PLAN, "cost_change": -79.0, "max_loss": 80.0}}
    conclusion, calls = run(world([500.0] * 16, predict_ramp=NO_RAMP, list_orders={"orders": [band]}, set_policy=small))
    assert (conclusion.kind, policy_asked(calls)) == ("no_action", {})


def test_a_hold_is_left_to_people_whatever_it_costs() -> None:
    hold = {"order_id": "o8", "action": "hold", "asset_ids": [], "principal": "ann", "reason": "smoke"}
    conclusion, calls = run(world([500.0] * 16, list_orders={"orders": [hold]}, set_policy=LOSING))
    assert policy_asked(calls) == {}
    assert "it is for people to release" in conclusion.text


def test_what_a_person_declined_is_not_asked_for_again() -> None:
    band = {"order_id": "o7", "action": "band", "asset_ids": ["bat"], "principal": "ann", "reason": "test"}
    no = Call("set_policy", {"policy": "cancel", "order_id": "o7"})
    answers = world([500.0] * 16, predict_ramp=NO_RAMP, list_orders={"orders": [band]}, set_policy=LOSING)
    conclusion, calls = run(answers, task=Task("Z", declined=(no,)))
    assert (conclusion.kind, policy_asked(calls)) == ("no_action", {})
    assert "a person declined it" in conclusion.text


def test_assets_prices_data_and_alerts_are_risks_in_the_order_of_their_money() -> None:
    answers = world([500.0] * 16, predict_ramp=NO_RAMP)
    gas, shed = line("gas", "peaker", next_mw=5.0), line("shed", "load", next_mw=1.0)
    sun = line("sun", "renewable", least_mw=None, most_mw=0.0, next_mw=-2.0)
    away = line("gas-2", "peaker", state="unavailable")
    answers["list_assets"]["assets"] = [answers["list_assets"]["assets"][0], gas, shed, sun, away]
    answers["get_asset gas"] = {"limits": {"fuel_cost_per_mwh": 160.0}}
    answers["get_asset shed"] = answers["get_asset sun"] = {"limits": {"curtail_cost_per_mwh": 300.0}}
    answers["get_overview"]["zones"][0]["bad_channels"] = ["wind_mw"]
    alert = {"code": "frozen", "severity": "critical", "title": "Frozen channel", "channel": "load_mw"}
    answers["get_alerts"]["alerts"] = [alert]
    for point in answers["get_forecast price"]["points"][6:8]:
        point[4] = 500.0
    conclusion, _ = run(answers)
    assert [(key, money) for key, _, money in conclusion.risks] == [
        ("curtailment:sun", 400.0),
        ("price_spike", 160.0),
        ("load:shed", 150.0),
        ("peaker:gas", 150.0),
        ("peaker:gas-2", 0.0),
        ("alert:frozen:load_mw", None),
        ("data:wind_mw", None),
    ]


@pytest.mark.parametrize("kind", ["peaker", "fuel_cell"])
def test_an_asset_is_judged_by_what_it_can_do_and_not_by_its_kind(kind: str) -> None:
    answers = world([500.0] * 16, predict_ramp=NO_RAMP)
    answers["list_assets"]["assets"][1:] = [
        line("runs", kind, next_mw=5.0),
        line("heats", "boiler", least_mw=-4.0, most_mw=0.0, next_mw=-3.0),
        line("buses", "ev_depot", least_mw=-3.0, most_mw=2.0, next_mw=-3.0, energy_mwh=40.0),
        line("tank", "electrolyser", least_mw=-5.0, most_mw=0.0, energy_mwh=40.0, state="unavailable"),
    ]
    answers["get_asset buses"] = {"limits": {"energy_mwh": 40.0, "departure_mwh": 30.0}}
    answers["get_asset runs"] = {"limits": {"fuel_cost_per_mwh": 160.0}}
    conclusion, calls = run(answers)
    assert [is_firm(asset) for asset in answers["list_assets"]["assets"]] == [False, True, False, False, False]
    assert [(key, money) for key, _, money in conclusion.risks] == [
        (f"{kind}:runs", 150.0),
        ("electrolyser:tank", None),
    ]
    looked_at = [call.arguments["asset_id"] for call in calls if call.tool == "get_asset"]
    assert looked_at == ["buses", "bat", "runs", "heats"]


def test_a_larger_store_that_takes_no_soc_order_does_not_stand_in_for_the_battery() -> None:
    answers = world(PEAK, predict_ramp=NO_RAMP)
    depot = line("buses", "ev_depot", least_mw=-3.0, most_mw=2.0, next_mw=0.0, energy_mwh=40.0)
    answers["list_assets"]["assets"].insert(0, depot)
    answers["get_asset buses"] = {"limits": {"energy_mwh": 40.0, "departure_mwh": 30.0}}
    _, calls = run(answers)
    assert policy_asked(calls)["asset_ids"] == ["bat"]


@pytest.mark.parametrize(
    "store",
    [
        pytest.param(None, id="no store"),
        pytest.param(line("buses", "ev_depot", least_mw=-3.0, next_mw=0.0, energy_mwh=40.0), id="takes no SoC order"),
    ],
)
def test_risks_of_a_zone_without_a_battery_are_reported_without_a_remedy(store: dict[str, Any] | None) -> None:
    answers = world(PEAK, predict_ramp=NO_RAMP)
    assets = answers["list_assets"]["assets"]
    assets[:] = [*([] if store is None else [store]), assets[1]]
    answers["get_asset buses"] = {"limits": {"energy_mwh": 40.0}}
    conclusion, calls = run(answers)
    # A tenth of 4 MWh at the cap's penalty of 500, as with a battery.
    assert [(key, money) for key, _, money in conclusion.risks] == [("shortfall", 200.0)]
    assert conclusion.kind == "no_action"
    assert {call.tool for call in calls}.isdisjoint({"propose_dispatch", "set_policy", "execute_plan"})


def test_a_calm_zone_without_a_battery_says_so() -> None:
    answers = world([500.0] * 16, predict_ramp=NO_RAMP)
    answers["list_assets"]["assets"].pop(0)
    assert run(answers)[0].text.startswith("no battery answers: no order can be proposed; ")


def test_a_look_says_what_changed_since_the_one_before() -> None:
    before = LastLook("T", "", (("shortfall", "a shortfall", 100.0), ("peaker:gas", "gas is away", 5.0)), 90.0)
    conclusion, _ = run(world(PEAK, predict_ramp=NO_RAMP), task=Task("Z", before=before))
    changed, over, money = conclusion.changes
    assert changed.startswith("changed from 100.00 to 200.00: from T8 net load may pass cap")
    assert (over, money) == ("over: gas is away", "money of the last 24 h went from 90.00 to 100.00")


KEEP = Call("set_policy", {"policy": "keep_soc", "asset_ids": ["bat"], "soc": 0.6})


@pytest.mark.parametrize(
    ("plan", "q50", "why"),
    [
        pytest.param(OpenPlan("p9", "Z", call=KEEP), PEAK, None, id="still wanted"),
        pytest.param(OpenPlan("p9", "Z", call=KEEP), [500.0] * 16, "not expected any more", id="nothing asks for it"),
        pytest.param(
            OpenPlan("p9", "Z", call=Call(KEEP.tool, {**KEEP.arguments, "soc": 0.8})),
            PEAK,
            "another size",
            id="replaced",
        ),
        pytest.param(
            OpenPlan("p9", "Z", call=KEEP, ends_at=datetime(2022, 1, 3, 10, tzinfo=UTC)),
            PEAK,
            "over by the run's clock",
            id="its time is over",
        ),
    ],
)
def test_a_stale_plan_is_withdrawn_and_replaced(plan: OpenPlan, q50: list[float], why: str | None) -> None:
    conclusion, calls = run(world(q50, predict_ramp=NO_RAMP), task=Task("Z", (plan,)))
    acts = [call.arguments for call in calls if call.tool == "set_policy" and call.arguments["dry_run"] is False]
    if why is None:
        assert (acts, conclusion.text) == ([], "p9 () waits for approval")
        return
    assert (acts[0]["policy"], acts[0]["order_id"]) == ("cancel", "p9")
    assert why in acts[0]["reason"]
    assert [act["policy"] for act in acts[1:]] == (["keep_soc"] if q50 is PEAK else [])
