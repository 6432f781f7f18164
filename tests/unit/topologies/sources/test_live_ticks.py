"""Ticks in real time: each once, of the slot that is running, with its mean; the slot's record then closes it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from topologies.sources.feed import open_simulator
from topologies.sources.live_ticks import LiveTicks
from topologies.sources.options import SIMULATION_START
from vpp.domain import FREQUENCY

ZONES = ("SIM_NORTH", "SIM_SOUTH")
FEED = open_simulator(ZONES, start=SIMULATION_START, history=timedelta(0))


def test_a_tick_of_each_zone_comes_once_per_span_and_holds_measured_values() -> None:
    ticks = LiveTicks(FEED, 5.0)
    wall_s = SIMULATION_START.timestamp() + 1802.0
    first = ticks.due(wall_s)
    assert [tick.zone for tick in first] == list(ZONES)
    assert {(tick.slot, tick.duration_s) for tick in first} == {(SIMULATION_START + timedelta(seconds=1795), 5.0)}
    assert ticks.due(wall_s + 2.9) == []
    (second, _) = ticks.due(wall_s + 3.1)
    assert second.slot == SIMULATION_START + timedelta(seconds=1800)
    row = FEED.frame("SIM_NORTH", second.slot + timedelta(minutes=30), second.slot).iloc[0]
    assert second.values["load_mw"] == pytest.approx(row["load_mw"])
    assert not any("forecast" in channel for channel in second.values)


def test_the_frequency_of_ticks_swings_about_its_slot_and_now_and_then_a_unit_trips() -> None:
    begin = SIMULATION_START.timestamp()
    swings = [FEED.swings(begin + 5.0 * n, 5.0)[FREQUENCY] for n in range(2 * 17_280)]
    assert swings[:100] == [FEED.swings(begin + 5.0 * n, 5.0)[FREQUENCY] for n in range(100)]
    assert abs(sum(swings) / len(swings)) < 0.01
    calm = sorted(map(abs, swings))[len(swings) // 2]
    assert 0.002 < calm < 0.02
    assert min(swings) < -0.1
    tick = LiveTicks(FEED, 5.0).due(begin + 1802.0)[0]
    row = FEED.frame("SIM_NORTH", SIMULATION_START + timedelta(minutes=30), SIMULATION_START).iloc[0]
    assert tick.values[FREQUENCY] == pytest.approx(row[FREQUENCY] + FEED.swings(begin + 1800.0, 5.0)[FREQUENCY])
