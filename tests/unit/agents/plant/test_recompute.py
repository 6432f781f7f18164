"""A decision is made again, to the last bit, from its own record read back from the wire."""

from __future__ import annotations

import pytest

from agents.plant.order_lives import OrderLife, OrderLives
from agents.plant.recompute import Resumption, recompute, why_not
from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    QUICK,
    actor_bid_at,
    closed_slot,
    make_zone,
    order_of,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from vpp.errors import RefusedError
from vpp.fleet.schema import FrequencyResponse, Zone
from vpp.messages import Deadline, Decision, Decoder, Message, MissingBid, PlanTable, encode
from vpp.streams.topics import DECISIONS

DEAR = BATTERY.model_copy(update={"asset_id": "second", "wear_cost_per_mwh": 9.0})


def slots(count: int) -> list[Message]:
    messages: list[Message] = []
    for index in range(count):
        seen = closed_slot(index, 500.0 + 37.0 * index, 90.0 + 7.0 * index)
        net = [50.0 + 3.7 * (index + h % 9) for h in range(33)]
        messages += [
            actor_bid_at(index, net, observation=seen),
            trader_bid_at(index, [90.0 + 11.0 * ((index + h) % 7) for h in range(33)], observation=seen),
        ]
    return messages


def decisions_of(zone: Zone, messages: list[Message]) -> list[Decision]:
    _, outputs = run(PlantReducer(zone), messages)
    decode = Decoder(DECISIONS.carries)
    return [decode(encode(m)) for m in said_on(outputs, "decisions")]


def plan_of(decision: Decision) -> PlanTable:
    assert decision.plan is not None
    return decision.plan


@pytest.mark.parametrize(
    "zone",
    [
        pytest.param(make_zone(BATTERY, QUICK, LOAD), id="dynamic programme"),
        pytest.param(make_zone(BATTERY, DEAR, QUICK), id="linear programme"),
        pytest.param(make_zone(BATTERY, QUICK, LOAD, churn_price_per_mwh=20.0), id="price on churn"),
    ],
)
def test_recomputing_gives_the_same_bytes(zone: Zone) -> None:
    target = order_of("target", asset_ids=["bat"], power_mw=1.0, expires_at=slot_at(9), verdict="accepted")
    messages = [*slots(2), target, *slots(3)[4:], Deadline(zone=zone.zone, slot=slot_at(3))]
    found = decisions_of(zone, messages)
    assert found[-1].missing == [MissingBid(policy=policy, cause="no_bid") for policy in ("actor", "trader")]
    for decision in found:
        again = recompute(zone, decision)
        assert again.decision_id == decision.decision_id
        assert encode(again)[: -len(b"}")].split(b'"receipt"')[0] == encode(decision)[:-1].split(b'"receipt"')[0]


def test_a_plant_without_its_state_decides_the_next_slot_from_its_last_decision() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    *_, last, through = decisions_of(zone, slots(4))
    resumed = PlantReducer(zone, resumption=Resumption(encode(last).decode(), OrderLives()))
    state = resumed.load(zone.zone, lambda _: None)
    assert {"head", "plan", "orders"} <= set(resumed.changes(state))
    _, outputs = run(resumed, slots(4)[6:], state)
    (again,) = said_on(outputs, "decisions")
    assert isinstance(again, Decision)
    assert (again.decision_id, again.state) == (through.decision_id, through.state)


def test_an_order_that_admission_did_not_sign_ends_with_the_state_of_the_plant() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD)
    lives, order = OrderLives(), order_of("hold", asset_ids=["bat"], verdict="accepted")
    lives.open[order.order_id] = OrderLife(order)
    (decision,) = decisions_of(zone, slots(1))
    standing = {
        key: PlantReducer(zone, approval_key=key, resumption=Resumption(encode(decision).decode(), lives))
        .load(zone.zone, lambda _: None)
        .standing.orders
        for key in (None, b"k" * 32)
    }
    assert standing == {None: [order], b"k" * 32: []}


def test_other_assets_than_the_recorded_ones_have_no_setpoints_in_force() -> None:
    (decision,) = decisions_of(make_zone(BATTERY, QUICK, LOAD), slots(1))
    zone = make_zone(BATTERY, LOAD)
    state = PlantReducer(zone, resumption=Resumption(encode(decision).decode(), OrderLives())).load(
        zone.zone, lambda _: None
    )
    assert state.plan is None
    assert state.head.assets["bat"].soc == decision.state.assets["bat"].soc


def test_a_price_on_churn_holds_the_plant_to_its_plan() -> None:
    moved = {}
    for price in (0.0, 1e4):
        first, second = decisions_of(make_zone(BATTERY, QUICK, LOAD, churn_price_per_mwh=price), slots(2))
        before, after = plan_of(first).assets, plan_of(second).assets
        moved[price] = sum(abs(before[name].power_mw[1] - after[name].power_mw[0]) for name in ("bat", "gas"))
    assert moved[0.0] > 0.5
    assert moved[1e4] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "zone",
    [
        pytest.param(make_zone(BATTERY, QUICK, LOAD), id="dynamic programme"),
        pytest.param(make_zone(BATTERY, DEAR, QUICK), id="linear programme"),
    ],
)
def test_another_action_costs_the_sum_of_its_items(zone: Zone) -> None:
    (decision,) = decisions_of(zone, slots(1))
    planned = {asset_id: asset.power_mw[0] for asset_id, asset in plan_of(decision).assets.items()}
    same = why_not(zone, decision, planned)
    other = why_not(zone, decision, {"bat": -4.0 if planned["bat"] > 0 else 4.0})
    assert same.extra_cost == pytest.approx(0.0, abs=0.05)
    assert other.extra_cost > 0.0
    assert other.extra_cost == pytest.approx(sum(other.items.values()), abs=1e-9)
    served = other.items["ramp"] + other.items["cap"]
    assert other.items["priority"] == pytest.approx((zone.service_factor - 1.0) * served, abs=1e-9)
    assert ("flexibility" in other.items) == (decision.engine == "dp")


def test_what_physics_forbids_is_clipped_in_the_answer() -> None:
    zone = make_zone(BATTERY, DEAR, QUICK)
    (decision,) = decisions_of(zone, slots(1))
    assert why_not(zone, decision, {"bat": 400.0}).power_mw["bat"] == pytest.approx(BATTERY.discharge_mw)


def test_another_configuration_is_refused() -> None:
    (decision,) = decisions_of(make_zone(BATTERY), slots(1))
    with pytest.raises(RefusedError, match="configured otherwise"):
        recompute(make_zone(BATTERY, LOAD), decision)


def test_a_setting_at_its_default_makes_no_other_configuration() -> None:
    zone = make_zone(BATTERY)
    assert zone.config_hash == zone.model_validate(zone.model_dump()).config_hash
    assert zone.config_hash == zone.model_copy(update={"frequency": FrequencyResponse()}).config_hash
    assert zone.config_hash != zone.model_copy(update={"frequency": FrequencyResponse(nominal_hz=60.0)}).config_hash


def test_a_hold_is_made_again_but_solves_nothing() -> None:
    zone = make_zone(BATTERY)
    revision = decisions_of(zone, [*slots(1), order_of("hold", verdict="accepted")])[-1]
    assert revision.revision == 1
    assert recompute(zone, revision).decision_id == revision.decision_id
    with pytest.raises(RefusedError, match="cannot be solved again"):
        why_not(zone, revision, {"bat": 1.0})
