"""The plan in sentences: what each asset does and why, from the decision alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from agents.plant.plan_sentences import (
    limit_sentence,
    money,
    planned_actions,
    ruling_order,
    selling_pays,
    step_reason,
    symbol,
    thresholds,
)
from tests.worlds.builders import BATTERY, PEAKER, T0, make_zone, order_of
from vpp.fleet.assets import CurtailableLoad, EvDepot
from vpp.fleet.scale import power_text
from vpp.messages import Decision
from vpp.messages.decision import AssetPlan, AssetSnapshot, Duals, Engine, PlanTable, PlantSnapshot

PLANT = make_zone()
STEPS = 6
# Worth of stored energy 100: charging pays below 100 * 0.8 = 80, selling above 100 / 0.8 + 5 = 130.
WATER = 100.0
BEFORE = AssetSnapshot(soc=0.5, power_mw=0.0, running_min=0.0, ready_in_min=0.0, available=True)


def decision(
    battery: list[float], soc: list[float], worth: list[float], *, ramp: list[float] | None = None, **given: Any
) -> Decision:
    steps = len(battery)
    gas, shed = given.pop("gas", [0.0] * steps), given.pop("shed", [0.0] * steps)
    return Decision(
        version=2,
        zone="Z",
        slot=T0,
        for_slot=T0 + timedelta(minutes=30),
        decision_id="d",
        revision=0,
        engine=Engine.LP,
        objective=0.0,
        binding=None,
        state=PlantSnapshot(assets={"bat": BEFORE}),
        plan=PlanTable(
            horizon_min=[30 * (h + 1) for h in range(steps)],
            net_mw=[50.0] * steps,
            grid_mw=[50.0] * steps,
            price_per_mwh=worth,
            assets={
                "bat": AssetPlan(power_mw=battery, soc=soc),
                "gas": AssetPlan(power_mw=gas),
                "shed": AssetPlan(power_mw=shed),
            },
        ),
        duals=Duals(
            water_value_per_mwh={"bat": WATER},
            power_price_per_mwh=worth,
            ramp_price_per_mw=ramp or [0.0] * steps,
            cap_price_per_mw=[0.0] * steps,
        ),
        **given,
    )


def reason(power: float, worth: float, soc: float = 0.5, **given: Any) -> str:
    return step_reason(decision([power], [soc], [worth], **given), PLANT, BATTERY, 0)


def test_thresholds_are_those_of_the_efficiencies_and_the_wear() -> None:
    assert thresholds(BATTERY, WATER) == pytest.approx((80.0, 130.0))


@pytest.mark.parametrize(
    ("power", "worth", "soc", "expected"),
    [
        (4.0, 228.0, 0.5, "Power is worth £228/MWh; selling pays above £130."),
        (-4.0, 60.0, 0.5, "Power is worth £60/MWh; charging pays below £80."),
        (4.0, 129.9999, 0.5, "Power is worth £130/MWh; selling pays above £130."),
        (-4.0, 80.0001, 0.5, "Power is worth £80/MWh; charging pays below £80."),
        (0.0, 100.0, 0.5, "Power is worth £100/MWh, between £80 and £130."),
        (0.0, 200.0, 0.1, "It is empty."),
        (0.0, 10.0, 0.9, "It is full."),
    ],
)
def test_a_battery_says_what_power_is_worth_against_what_it_stores(
    power: float, worth: float, soc: float, expected: str
) -> None:
    assert reason(power, worth, soc) == expected


def test_charging_above_its_price_names_the_limit_that_it_prepares_for() -> None:
    message = decision([-2.0, 0.0, 0.0, 0.0], [0.6] * 4, [100.0] * 4, ramp=[0.0, 0.0, 50.0, 40.0])
    assert step_reason(message, PLANT, BATTERY, 0) == "Raises import early: the ramp limit binds from 01:30 to 02:30."
    assert (
        limit_sentence(message, PLANT) == "The ramp limit of 3 MW binds 01:30–02:30: one MW more would save up to £50."
    )


def test_no_limit_ahead_is_no_sentence() -> None:
    assert limit_sentence(decision([0.0], [0.5], [100.0]), PLANT) is None


@pytest.mark.parametrize(
    ("gas", "expected"),
    [
        (10.0, "Power is worth more than its fuel, £160/MWh."),
        (0.0, "Its fuel, £160/MWh, costs more than power is worth, £100/MWh."),
    ],
)
def test_a_peaker_compares_its_fuel(gas: float, expected: str) -> None:
    assert step_reason(decision([0.0], [0.5], [100.0], gas=[gas]), PLANT, PEAKER, 0) == expected


@pytest.mark.parametrize(
    ("only_at_cap", "power", "sentence"),
    [
        (True, 2.0, f"Import would exceed its cap of {power_text(PLANT.limits.import_cap_mw)}."),
        (True, 0.0, f"Import stays below its cap, {power_text(PLANT.limits.import_cap_mw)}."),
        (False, 0.0, "Power is worth £100/MWh, curtailing costs £300."),
    ],
)
def test_shed_load_names_the_cap_or_its_cost(only_at_cap: bool, power: float, sentence: str) -> None:
    load = CurtailableLoad(asset_id="shed", capacity_mw=6.0, curtail_cost_per_mwh=300.0, only_at_cap=only_at_cap)
    plan = decision([0.0], [0.5], [100.0], shed=[power])
    assert step_reason(plan, PLANT, load, 0) == sentence


def test_a_store_that_owes_energy_names_the_value_of_both() -> None:
    depot = EvDepot(
        asset_id="bat",
        energy_mwh=4.0,
        charge_mw=1.0,
        connected_from="18:00",
        departure="06:30",
        departure_mwh=3.0,
        arrival_mwh=1.0,
    )
    sentence = step_reason(decision([-1.0], [0.5], [60.0]), PLANT, depot, 0)
    assert sentence == "Power is worth £60/MWh, a MWh more in store £100."


def test_selling_below_its_price_names_the_limit_that_it_serves() -> None:
    plan = decision([2.0, 0.0], [0.6] * 2, [100.0] * 2, ramp=[50.0, 0.0])
    assert step_reason(plan, PLANT, BATTERY, 0).startswith("Keeps import down: the ramp limit binds from ")


@pytest.mark.parametrize(("worth", "pays"), [(129.0, False), (129.9999, True), (130.0, True), (228.0, True)])
def test_selling_pays_from_the_worth_of_stored_energy_on(worth: float, pays: bool) -> None:
    plan = decision([4.0], [0.5], [worth])
    assert selling_pays(plan, "bat", BATTERY) is pays
    assert not selling_pays(plan, "gas", BATTERY), "no stored energy, no worth of it"


def test_a_decision_without_plan_has_no_actions() -> None:
    assert planned_actions(replace(decision([0.0], [0.5], [100.0]), plan=None), PLANT) == []


def test_steps_of_one_sign_are_one_action_with_its_states_of_charge() -> None:
    message = decision([4.0, 2.0, 0.0, -1.0, -3.0, 0.0], [0.4, 0.3, 0.3, 0.4, 0.6, 0.6], [200.0] * 3 + [50.0] * 3)
    sells, charges = planned_actions(message, PLANT)
    assert (sells.first_mw, sells.last_mw, sells.soc_before, sells.soc_after) == (4.0, 2.0, 0.5, 0.3)
    assert (charges.start, charges.end) == (
        message.for_slot + timedelta(minutes=90),
        message.for_slot + timedelta(minutes=150),
    )
    assert (charges.soc_before, charges.soc_after) == (0.3, 0.6)
    assert charges.reason == "Power is worth £50/MWh; charging pays below £80."


def test_power_below_the_least_is_rest() -> None:
    assert planned_actions(decision([0.04, -0.04], [0.5, 0.5], [100.0, 100.0]), PLANT) == []


def test_an_order_rules_with_its_giver_and_reason_and_a_hold_rules_above_all() -> None:
    ends = T0 + timedelta(hours=2)
    target = order_of("target", "o1", asset_ids=["bat"], power_mw=-2.0, expires_at=ends, reason="test run")
    hold = order_of("hold", "o2", reason="crew on site")
    message = decision([-2.0], [0.5], [100.0], orders=[target])
    assert step_reason(message, PLANT, BATTERY, 0) == "By order of ops, −2 MW until 02:00: test run."
    small = decision([-0.2], [0.5], [100.0], orders=[replace(target, power_mw=-0.25)])
    assert step_reason(small, PLANT, BATTERY, 0) == "By order of ops, −0.25 MW until 02:00: test run."
    both = decision([0.0], [0.5], [100.0], orders=[target, hold])
    assert step_reason(both, PLANT, BATTERY, 0) == "Hold by ops: crew on site."
    assert ruling_order(message, BATTERY, ends) is None
    assert ruling_order(message, PEAKER, T0) is None


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [(1234.5, "GBP", "£1,234"), (-0.4, "GBP", "£0"), (-12.0, "EUR", "−€12"), (7.0, "XYZ", "XYZ 7"), (3.0, "", "3")],
)
def test_money_has_no_decimals_and_a_true_minus(value: float, currency: str, text: str) -> None:
    assert money(value, currency) == text
    assert symbol("GBP") == "£"
