"""Stored days run again: the same plant makes the same deliveries, another policy others."""

from __future__ import annotations

import numpy as np
import pytest

from tests.worlds.builders import slot_at
from tests.worlds.plant_loop import PLANT, Loop
from topologies.backtests.stored_days import POLICIES, StoredDays, plant_by_day, settled, stored_days
from vpp.errors import DataError

SLOTS = 14


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    loop = Loop(tmp_path_factory.mktemp("stored"), swings=True)
    while loop.next_slot < SLOTS:
        loop.close_slot()
    return loop


@pytest.fixture(scope="module")
def days(loop: Loop) -> StoredDays:
    return stored_days(loop.store, PLANT, slot_at(0), slot_at(SLOTS))


def test_joint_is_the_live_plant_slot_by_slot(loop: Loop, days: StoredDays) -> None:
    power, soc = list(plant_by_day(days, "joint", PLANT))[-1].arrays(days.first, days.slots)
    assert (days.start, days.slots, days.missing) == (slot_at(1), SLOTS - 1, 0)
    stored = {
        (slot, asset_id): (power_mw, soc)
        for slot, asset_id, power_mw, soc in loop.store.read("assets", columns=("slot", "asset_id", "power_mw", "soc"))
    }
    for row, asset in enumerate(PLANT.assets):
        live = [stored[slot_at(i), asset.asset_id] for i in range(1, SLOTS)]
        assert power[row].tolist() == [power_mw for power_mw, _ in live]
        assert [None if np.isnan(value) else value for value in soc[row]] == [value for _, value in live]
    assert np.abs(power[0]).max() > 1.0


def test_a_start_inside_the_run_takes_the_battery_as_it_was(loop: Loop, days: StoredDays) -> None:
    later = stored_days(loop.store, PLANT, slot_at(6), slot_at(SLOTS))
    assert (later.start, later.slots) == (slot_at(6), SLOTS - 6)
    (before,) = (
        row[0] for row in loop.store.read("assets", columns=("soc",), filters={"slot": slot_at(5), "asset_id": "bat"})
    )
    assert later.soc == {"bat": before}


def test_money_lies_between_the_bounds(days: StoredDays) -> None:
    runs = settled(days, "joint", list(plant_by_day(days, "joint", PLANT))[-1])
    assert runs["perfect_foresight"].cost <= runs["joint"].cost < runs["no_action"].cost


def test_trading_alone_earns_more_and_breaks_ramps_and_the_grid_alone_neither(days: StoredDays) -> None:
    runs = {}
    for policy in POLICIES:
        runs[policy] = settled(days, policy, list(plant_by_day(days, policy, PLANT))[-1])[policy]
    ramps, energy = ({name: run.costs[item] for name, run in runs.items()} for item in ("ramp", "energy"))
    assert ramps["trade_only"] > 1.0 + max(ramps["joint"], ramps["grid_only"])
    assert energy["trade_only"] < energy["joint"] < energy["grid_only"]
    assert runs["joint"].cost < min(runs["trade_only"].cost, runs["grid_only"].cost)


def test_another_service_factor_moves_the_plant(days: StoredDays) -> None:
    heedless = PLANT.model_copy(update={"service_factor": 0.0})
    costs = [
        settled(days, "joint", list(plant_by_day(days, "joint", zone))[-1])["joint"].costs["ramp"]
        for zone in (PLANT, heedless)
    ]
    assert costs[1] > costs[0]


def test_where_nothing_was_decided_there_is_nothing_to_run(loop: Loop) -> None:
    with pytest.raises(DataError, match="no decisions of Z"):
        stored_days(loop.store, PLANT, slot_at(100), slot_at(200))
