"""What other systems failed at, on our plant: the whole way from bids to setpoints and settlement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from agents.clearing.problem import ClearingInputs, ClearingProblem, Plan, clearing_problem
from agents.clearing.reflex import reflex_plan
from agents.clearing.solve import solve
from agents.clearing.stochastic_solve import solve_dp
from agents.plant.recompute import recompute
from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    QUICK,
    ZONE,
    actor_bid_at,
    closed_slot,
    make_zone,
    order_of,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from tests.worlds.grid_cases import BATTERY as ROUND
from tests.worlds.grid_cases import PEAKER as ROUND_PEAKER
from tests.worlds.grid_cases import grid_zone
from vpp.fleet.schema import Limits, Zone
from vpp.messages import AssetReading, Correction, Deadline, Decision, Engine, Message, PlanNote, PlanTable, Setpoint

WIDE = Limits(ramp_limit_mw=100.0, import_cap_mw=86.0)


def bids(index: int, net: float | None = 500.0, levels: list[float] | None = None, **seen: Any) -> list[Message]:
    closed = closed_slot(index, net, **seen)
    return [actor_bid_at(index, levels, observation=closed), trader_bid_at(index, observation=closed)]


def decided(zone: Zone, messages: list[Message], **given: Any) -> tuple[list[Decision], list[Setpoint], list[Any]]:
    _, outputs = run(PlantReducer(zone, **{"explore": False, **given}), messages)
    return said_on(outputs, "decisions"), said_on(outputs, "setpoints"), said_on(outputs, "assets")


def plan_of(decision: Decision) -> PlanTable:
    assert decision.plan is not None
    return decision.plan


@pytest.mark.parametrize("soc", [0.02, 0.97])
def test_a_charge_outside_its_band_and_a_target_out_of_reach_still_give_the_nearest_plan(soc: float) -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    goal = order_of("soc_target", verdict="accepted", asset_ids=["bat"], soc=0.5, expires_at=slot_at(2))
    (decision,), setpoints, _ = decided(zone, [goal, *bids(0)], start_soc={"bat": soc})
    assert not decision.is_reflex
    towards = setpoints[0].power_mw * (1.0 if soc > 0.5 else -1.0)
    assert towards > 0.0
    assert [note.code for note in decision.notes] == ["soc_outside_band", "soc_target_missed"]
    (verdict,) = decision.verdicts
    assert (verdict.order_id, verdict.code, verdict.wanted_soc) == ("o1", "out_of_reach", 0.5)


def lying(problem: ClearingProblem) -> Plan:
    """A solver whose cached plan discharges what is not there and runs a peaker backwards."""
    plan = reflex_plan(problem, reason="test")
    power = plan.power_mw.copy()
    power[:2, 0] = (99.0, -5.0)
    return replace(plan, power_mw=power, engine=Engine.LP)


def test_the_checker_stands_between_any_solver_and_the_assets() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    messages = [message for index in range(4) for message in bids(index)]
    decisions, setpoints, statuses = decided(zone, messages, clear=lying)
    assert max(s.power_mw for s in setpoints if s.asset_id == "bat") <= BATTERY.discharge_mw
    assert all(s.power_mw == 0.0 for s in setpoints if s.asset_id == "gas")
    assert min(s.soc for s in statuses if s.asset_id == "bat") >= BATTERY.soc_min
    first = {check.asset_id: (check.outcome, check.reason) for check in decisions[0].checks}
    assert first == {"bat": ("clamped", "power_limit"), "gas": ("clamped", "wrong_sign")}
    last = {check.asset_id: check.reason for check in decisions[-1].checks}
    assert last["bat"] == "soc_min"
    assert all("clamped: " in s.reason for s in setpoints if s.asset_id == "bat")


def test_an_asset_lost_while_it_discharges_is_counted_and_covered_by_others() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, limits=WIDE)
    lost = bids(0, 820.0, [88.0] * 32, assets={"bat": AssetReading(available=False, power_mw=-3.0)})
    (decision,), setpoints, _ = decided(zone, lost)
    plan = plan_of(decision)
    assert plan.assets["bat"].power_mw[:2] == [-3.0, 0.0]
    sent = {s.asset_id: s for s in setpoints}
    assert sent["bat"].power_mw == 0.0
    assert "unavailable" in sent["bat"].reason
    assert sent["gas"].power_mw >= 88.0 + 3.0 - 86.0 - 0.01
    assert plan.grid_mw[0] == pytest.approx(88.0 + 3.0 - plan.assets["gas"].power_mw[0])


def test_a_lost_asset_falls_back_and_returns_when_it_answers() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    away = {"bat": AssetReading(available=False, power_mw=2.0)}
    back = {"bat": AssetReading(available=True, soc=0.6)}
    messages = [*bids(0, assets=away), *bids(1), *bids(2, assets=back), *bids(3)]
    decisions, _, statuses = decided(zone, messages)
    battery = [s for s in statuses if s.asset_id == "bat"]
    assert [s.available for s in battery] == [False, False, True, True]
    assert [s.power_mw for s in battery[:2]] == [2.0, 0.0]
    assert battery[2].soc == 0.6
    assert [d.state.assets["bat"].available for d in decisions] == [False, False, True, True]


def test_a_new_asset_serves_from_the_first_slot_after_it_joined() -> None:
    small, larger = make_zone(BATTERY, limits=WIDE), make_zone(BATTERY, QUICK, limits=WIDE)
    before = PlantReducer(small, explore=False)
    state, _ = run(before, [*bids(0), *bids(1)])
    saved_state = dict(before.changes(state))
    after = PlantReducer(larger, explore=False)
    _, outputs = run(after, bids(2, 900.0, [95.0] * 32), after.load(ZONE, saved_state.get))
    sent = {s.asset_id: s.power_mw for s in said_on(outputs, "setpoints")}
    assert sent["gas"] > 0.0
    assert {s.asset_id: s.power_mw for s in said_on(outputs, "assets")} == {
        "bat": pytest.approx(0.0, abs=4.0),
        "gas": 0,
    }


def test_of_two_actors_with_the_same_priority_the_later_rules_and_the_other_is_reported() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, limits=WIDE)
    given = {"verdict": "accepted", "asset_ids": ["bat"], "expires_at": slot_at(9), "priority": 5}
    one = order_of("target", "one", principal="a", power_mw=3.0, **given)
    two = order_of("target", "two", principal="b", power_mw=-1.0, **given)
    for first, second, power in ((one, two, -1.0), (two, one, 3.0)):
        (decision,), setpoints, _ = decided(zone, [first, second, *bids(0)])
        assert setpoints[0].power_mw == pytest.approx(power, abs=1e-4)
        assert setpoints[0].reason.startswith(f"target {second.order_id} by {second.principal}")
        assert {verdict.order_id: verdict.outcome for verdict in decision.verdicts} == {
            first.order_id: "superseded",
            second.order_id: "accepted",
        }


def test_a_hold_goes_before_an_order_of_any_priority_and_limits_before_both() -> None:
    zone = make_zone(BATTERY, limits=Limits(ramp_limit_mw=100.0, import_cap_mw=60.0))
    strong = order_of("target", "t", verdict="accepted", asset_ids=["bat"], power_mw=-4.0, priority=99)
    hold = order_of("hold", "h", verdict="accepted", asset_ids=["bat"])
    (_,), setpoints, _ = decided(zone, [strong, *bids(0, levels=[58.0] * 32)])
    assert -2.01 <= setpoints[0].power_mw <= -1.99
    (_,), setpoints, _ = decided(zone, [strong, hold, *bids(0, levels=[58.0] * 32)])
    assert setpoints[0].power_mw == 0.0


def test_an_order_that_cannot_be_met_for_long_is_met_first_and_never_by_its_opposite() -> None:
    """A battery that is to charge for good must not discharge now to have room later."""
    zone = make_zone(BATTERY, QUICK, LOAD, limits=WIDE)
    order = order_of("target", "t", verdict="accepted", asset_ids=["bat"], power_mw=-4.0)
    messages = [order, *(message for index in range(4) for message in bids(index))]
    decisions, setpoints, _ = decided(zone, messages)
    powers = [s.power_mw for s in setpoints if s.asset_id == "bat"]
    assert powers == pytest.approx([-4.0, -4.0, -2.0, 0.0], abs=1e-4)
    assert decisions[0].engine == "lp"
    assert max(plan_of(decisions[0]).assets["bat"].power_mw) <= 1e-4
    assert PlanNote(code="order_energy_limited", asset_id="bat", values={"minutes": 60.0}) in decisions[0].notes
    assert [verdict.outcome for decision in decisions for verdict in decision.verdicts] == [
        "accepted",
        "accepted",
        "clamped",
        "clamped",
    ]


def test_a_plan_does_not_flip_within_its_slot() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    reducer = PlantReducer(zone, explore=False)
    state, _ = run(reducer, bids(0, levels=[90.0] * 32))
    other = bids(0, levels=[20.0] * 32)
    late: list[Message] = [trader_bid_at(0, [999.0] * 32), Deadline(zone=ZONE, slot=slot_at(0))]
    change = Correction(zone=ZONE, slot=slot_at(0), step_min=30, values={}, net_load_mw=700.0, revision=1)
    _, outputs = run(reducer, [*other, *late, change], state)
    assert said_on(outputs, "setpoints") == []
    assert said_on(outputs, "decisions") == []


@pytest.mark.parametrize("clear", [solve, solve_dp])
def test_the_reserve_for_emergencies_is_kept_by_every_engine(clear: Any) -> None:
    zone = grid_zone(ROUND.model_copy(update={"reserve_soc": 0.3}), ROUND_PEAKER)
    rising = np.concatenate([np.full(4, 70.0), np.linspace(70.0, 100.0, 28)])
    plan = clear(clearing_problem(zone, ClearingInputs(rising, price_per_mwh=np.linspace(500.0, 50.0, 32))))
    assert plan.soc[0].min() >= 0.35 - 1e-6


@pytest.mark.parametrize("clear", [solve, solve_dp])
@pytest.mark.parametrize("price", [-150.0, -1e-9, 0.0, 1e-9])
def test_a_battery_never_turns_energy_into_heat_at_prices_around_zero(clear: Any, price: float) -> None:
    zone = grid_zone(ROUND.model_copy(update={"wear_cost_per_mwh": 0.0}), ramp_limit_mw=1000.0, import_cap_mw=1000.0)
    plan = clear(
        clearing_problem(zone, ClearingInputs(np.full(8, 50.0), price_per_mwh=price, stored_value_per_mwh=0.0))
    )
    moved = np.diff(np.concatenate([[0.5], plan.soc[0]])) * ROUND.energy_mwh
    out, into = np.maximum(plan.power_mw[0], 0.0) * 0.5, np.maximum(-plan.power_mw[0], 0.0) * 0.5
    assert moved == pytest.approx(into * ROUND.charge_efficiency - out / ROUND.discharge_efficiency, abs=1e-6)


def test_blind_for_a_slot_the_plant_follows_nothing_for_two_it_holds() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    messages = [*bids(0, 840.0, [84.0] * 32)]
    messages += [Deadline(zone=ZONE, slot=slot_at(1)), Deadline(zone=ZONE, slot=slot_at(2)), *bids(3, 840.0)]
    decisions, setpoints, _ = decided(zone, messages)
    battery = [s for s in setpoints if s.asset_id == "bat"]
    assert [bool(s.curve) for s in battery] == [True, False, False, True]
    assert [d.engine == "reflex:stale" for d in decisions] == [False, False, True, False]
    assert battery[2].power_mw == 0.0
    assert decisions[2].binding == (
        "net load has not been measured for 2 slots: batteries rest, peakers stay where they are"
    )


def test_an_asset_whose_readings_stop_follows_nothing_then_is_out_of_reach_until_it_answers() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, limits=WIDE)
    read = {"bat": AssetReading(soc=0.5)}
    messages = [m for index in range(5) for m in bids(index, assets=read if index in {0, 1, 4} else {})]
    decisions, setpoints, statuses = decided(zone, messages)
    battery = [s for s in setpoints if s.asset_id == "bat"]
    assert [bool(s.curve) for s in battery] == [True, True, False, False, True]
    assert [s.available for s in statuses if s.asset_id == "bat"] == [True, True, True, False, True]
    assert "unavailable" in battery[3].reason
    assert decisions[0].state.assets["gas"].silent_slots is None
    for decision in decisions:
        assert recompute(zone, decision).decision_id == decision.decision_id


def test_an_asset_that_reports_every_third_slot_is_not_taken_for_lost() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, limits=WIDE)
    messages = [
        m for index in range(13) for m in bids(index, assets={"bat": AssetReading(soc=0.5)} if index % 3 == 0 else {})
    ]
    _, _, statuses = decided(zone, messages)
    assert all(s.available for s in statuses if s.asset_id == "bat" and s.slot >= slot_at(3))
