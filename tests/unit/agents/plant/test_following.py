"""Assets that do not do what they are set to: derated, tried again, and back when they follow."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from agents.plant.following import ASTRAY_SLOTS, SOC_HELD_H, TRIAL_SLOTS
from agents.plant.narrative import story
from agents.plant.recompute import recompute
from agents.plant.reducer import PlantReducer
from agents.plant.settlement import settle_slot
from agents.plant.state import AssetKept, Planned, fleet_at_start
from tests.worlds.builders import BATTERY, LOAD, QUICK, actor_bid_at, closed_slot, make_zone, said_on, trader_bid_at
from tests.worlds.builders import run as run_reducer
from vpp.fleet.schema import Limits
from vpp.messages import AlertCode, AlertEffect, AssetReading, Message

ZONE = make_zone()
Gateway = Callable[[int, float, AssetKept], AssetReading]
"""What an asset reads after a slot: its number, the power that it was set to, its state before."""


def run(gateway: Gateway, slots: int, *, asked_mw: float = 2.0, soc: float = 0.9) -> list[AssetKept]:
    """Settle slots in which the battery is set to ``asked_mw``, or to rest where it is planned as out of reach."""
    assets, seen = fleet_at_start(ZONE, {"bat": soc}), []
    for i in range(1, slots + 1):
        before = assets["bat"]
        derating = before.conduct.derating
        power = asked_mw if before.available else 0.0
        if derating is not None and derating.reach_mw is not None:
            low, high = derating.reach_mw
            power = max(power, -99.0 if low is None else low)
            power = min(power, 99.0 if high is None else high)
        reading = gateway(i, power, before)
        assets = settle_slot(ZONE, closed_slot(i, assets={"bat": reading}), i, assets, {"bat": Planned(power)}).assets
        seen.append(assets["bat"])
    return seen


@pytest.mark.parametrize("asked_mw", [1.0, -1.0])
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda i, power, _: AssetReading(power_mw=0.0, soc=0.6), "still"),
        (lambda i, power, _: AssetReading(power_mw=0.02 * (i % 3)), "not_following"),
        (lambda i, power, _: AssetReading(power_mw=-power), "wrong_sign"),
        (lambda i, power, _: AssetReading(power_mw=2.0 * power + i % 2 * 0.1), "not_following"),
    ],
)
def test_an_asset_that_follows_nothing_is_out_of_reach(answer: Gateway, code: str, asked_mw: float) -> None:
    seen = run(answer, ASTRAY_SLOTS, asked_mw=asked_mw, soc=0.5)
    assert [asset.available for asset in seen] == [True] * (ASTRAY_SLOTS - 1) + [False]
    derating = seen[-1].conduct.derating
    assert derating is not None
    assert (derating.code, derating.asked_mw, derating.reach_mw) == (code, asked_mw, None)


@pytest.mark.parametrize("asked_mw", [2.0, -2.0])
def test_a_clipped_asset_is_planned_with_what_it_gives(asked_mw: float) -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=max(min(power, 1.0), -1.0)), 6, asked_mw=asked_mw, soc=0.5)
    derating = seen[-1].conduct.derating
    assert derating is not None
    assert derating.code == "partly_following"
    assert derating.reach_mw == ((None, 1.0) if asked_mw > 0 else (-1.0, None))
    assert all(asset.available for asset in seen)


def test_small_departures_are_no_fault() -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=0.9 * power), 40, asked_mw=0.5)
    assert all(asset.conduct.derating is None for asset in seen)


def test_resting_says_nothing_of_following() -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=0.0, soc=0.6), 20, asked_mw=0.0)
    assert all(asset.available and asset.conduct.astray == 0 for asset in seen)


def test_an_asset_is_tried_again_after_waits_that_grow() -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=0.0 if i % 2 else 0.01), 200)
    tried = [i for i, asset in enumerate(seen) if asset.conduct.is_trial]
    waits = [b - a for a, b in itertools.pairwise(tried)]
    assert waits[:2] == [2 * TRIAL_SLOTS + 1, 4 * TRIAL_SLOTS + 1]
    assert max(waits) <= 48 + 1


def test_a_mended_asset_comes_back() -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=0.0 if i < 6 else power), 40, soc=1.0)
    first = next(i for i, asset in enumerate(seen) if not asset.available)
    back = next(i for i in range(first, 40) if seen[i].available)
    assert back == first + TRIAL_SLOTS
    assert seen[back].conduct.is_trial
    last = seen[back + ASTRAY_SLOTS].conduct
    assert (last.is_trial, last.derating, last.wait) == (False, None, TRIAL_SLOTS)


def test_readings_that_move_again_are_tried_at_once() -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=0.0 if i < 5 else 0.3), 8)
    assert [asset.available for asset in seen[:6]] == [True, True, False, False, True, False]


def test_a_charge_that_stands_still_is_counted_by_energy() -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=power, soc=0.9), 14, asked_mw=1.0)
    held = [asset for asset in seen if asset.conduct.soc_held]
    assert held[0].soc == pytest.approx(0.9 - seen.index(held[0]) * 0.5 / 0.8 / 10.0)
    assert held == seen[seen.index(held[0]) :]
    assert all(asset.available for asset in seen)


def test_a_charge_that_jumps_is_not_believed_at_once() -> None:
    def forged(i: int, power: float, before: AssetKept) -> AssetReading:
        return AssetReading(power_mw=0.0, soc=0.3 if i < 5 else 0.9)

    seen = run(forged, 18, asked_mw=0.0, soc=0.3)
    assert [asset.soc for asset in seen[3:16]] == pytest.approx([0.3] * 13)
    assert seen[4 + round(2 * SOC_HELD_H)].soc == 0.9
    assert seen[4].conduct.soc_reading == 0.9


def test_whole_percents_and_losses_do_not_disturb_the_count() -> None:
    def rounded(i: int, power: float, before: AssetKept) -> AssetReading:
        return AssetReading(power_mw=power, soc=round(0.9 - i * 0.01 * 1.04, 2))

    seen = run(rounded, 60, asked_mw=0.16)
    assert all(asset.conduct.soc_held == 0 for asset in seen)


def test_power_is_inferred_from_the_charge_where_nothing_else_is_read() -> None:
    zone = make_zone()
    assets = fleet_at_start(zone, {"bat": 0.9})
    for i in range(1, 6):
        reading = AssetReading(soc=0.9)
        power = 4.0 if assets["bat"].available else 0.0
        assets = settle_slot(zone, closed_slot(i, assets={"bat": reading}), i, assets, {"bat": Planned(power)}).assets
    derating = assets["bat"].conduct.derating
    assert derating is not None
    assert derating.code == "still"


def test_an_asset_that_does_not_answer_is_not_judged() -> None:
    seen = run(lambda i, power, _: AssetReading(power_mw=0.0, available=False), 10)
    assert all(asset.conduct.derating is None and not asset.available for asset in seen)
    back = run(lambda i, power, _: AssetReading(power_mw=power, available=i > 4), 10)
    assert [asset.available for asset in back[:5]] == [False] * 4 + [True]


def dear(index: int, reading: AssetReading) -> list[Message]:
    """Return bids that let the battery sell all it can for some hours."""
    seen = closed_slot(index, assets={"bat": reading})
    return [actor_bid_at(index, observation=seen), trader_bid_at(index, [300.0] * 8 + [50.0] * 24, observation=seen)]


def test_the_plant_says_which_asset_does_not_follow_and_plans_without_it() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, limits=Limits(ramp_limit_mw=30.0, import_cap_mw=86.0))
    still = AssetReading(power_mw=0.0, soc=0.8)
    given = (message for i in range(8) for message in dear(i, still))
    state, outputs = run_reducer(PlantReducer(zone), given)
    (alert,) = (alert for alert in said_on(outputs, "alerts") if "derated-bat" in alert.alert_id)
    assert "bat: setpoint 4 MW, measured 0 MW" in alert.text
    assert "planned as unreachable" in alert.text
    assert not state.head.assets["bat"].available
    last = said_on(outputs, "decisions")[-1]
    assert last.state.assets["bat"].derating.code == "still"
    setpoints_mw = [s.power_mw for s in said_on(outputs, "setpoints") if s.asset_id == "bat"]
    assert setpoints_mw[:3] == [4.0] * 3
    assert setpoints_mw[3:] == [0.0] * 5
    assert any("bat: setpoint" in line for line in story(last, []))
    assert recompute(zone, last).decision_id == last.decision_id


def test_a_clipped_asset_is_cleared_within_its_reach_and_comes_back() -> None:
    zone = make_zone(
        BATTERY.model_copy(update={"energy_mwh": 100.0}),
        QUICK,
        LOAD,
        limits=Limits(ramp_limit_mw=30.0, import_cap_mw=86.0),
    )
    reducer = PlantReducer(zone)
    state, setpoint_mw, soc, outputs = reducer.initial("Z"), 0.0, 0.8, []
    for i in range(20):
        most = 1.0 if i < 8 else 4.0
        power = min(setpoint_mw, most)
        soc -= power * 0.5 / 0.8 / 100.0
        state, of_slot = run_reducer(reducer, dear(i, AssetReading(power_mw=power, soc=soc)), state)
        setpoint_mw = next(s.power_mw for s in said_on(of_slot, "setpoints") if s.asset_id == "bat")
        outputs += of_slot
    setpoints_mw = [s.power_mw for s in said_on(outputs, "setpoints") if s.asset_id == "bat"]
    assert setpoints_mw[:3] == [4.0] * 3
    assert setpoints_mw[3:11] == [1.0] * 8
    assert setpoints_mw[11:14] == [4.0] * 3
    assert all(s.available for s in said_on(outputs, "assets"))
    decided = said_on(outputs, "decisions")[5]
    assert decided.state.assets["bat"].derating.code == "partly_following"
    assert recompute(zone, decided).decision_id == decided.decision_id
    begun, ended = (alert for alert in said_on(outputs, "alerts") if alert.code is AlertCode.ASSET_DERATED)
    assert begun.text == "bat: setpoint 4 MW, measured 1 MW: plans are limited to at most 1 MW"
    assert begun.effect is AlertEffect.PLANNED_IN_PART
    assert ended == begun.ended(ended.ended_at)
    assert ended.ended_at > begun.slot
