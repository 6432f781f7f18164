"""Capture: the day's bound, and losses by cause that sum to what is missing of it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents.assets.battery import BatteryType
from agents.assets.state import AssetState
from agents.assets.twin import deliver
from agents.evaluation.capture import CAUSES, POINTS, Capture, Slot, capture_of_day, together
from tests.worlds.builders import BATTERY
from vpp.fleet.assets import Battery
from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery

HOURS = 0.5
PRICES = np.array([50.0, 40.0, 30.0, 60.0, 140.0, 160.0, 90.0, 70.0])
LOSSLESS = BATTERY.model_copy(
    update={"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_cost_per_mwh": 0.0, "soc_start": 0.1}
)


def day(powers: list[float], prices: Floats = PRICES, battery: Battery = BATTERY, **given: bool) -> list[Slot]:
    """Return the slots of a day on which the twin was told ``powers``; every decision knew the prices to come."""
    state, slots = AssetState(soc=battery.soc_start), []
    for h, power in enumerate(powers):
        done = deliver(battery, state, power, HOURS)
        paid = 0.0 if math.isnan(prices[h]) else prices[h]
        cash = done.energy_mwh * paid - battery.wear_cost_per_mwh * max(done.energy_mwh, 0.0)
        slots.append(
            Slot(
                price=float(prices[h]),
                before_mwh=state.soc * battery.energy_mwh,
                after_mwh=done.soc * battery.energy_mwh,
                cash=cash,
                expected=prices[h:],
                step_h=np.full(len(prices) - h, HOURS),
                **given,
            )
        )
        state = done.state
    return slots


def test_the_bound_of_a_lossless_battery_by_hand() -> None:
    """Empty at first; buy 2 MWh at each of 40 and 30, sell at 140 and 160: 460. Nothing is left at the end."""
    capture = capture_of_day(BatteryType().store(LOSSLESS), day([0, -4, -4, 0, 4, 4, 0, 0], battery=LOSSLESS), HOURS)
    assert capture.value == pytest.approx(2 * (140 + 160 - 40 - 30))
    # A bought MWh more at 50 or 60 is worth the median of 65 at the end, so perfect foresight also ends full.
    assert capture.bound > capture.value
    rest = capture_of_day(BatteryType().store(LOSSLESS), day([0.0] * 8, battery=LOSSLESS), HOURS)
    assert rest.value == 0.0
    assert rest.bound == pytest.approx(capture.bound)


def test_the_best_path_captures_everything() -> None:
    unit = UnitBattery(0.8 * 10.0 / 4.0, 0.8, 0.8, 5.0)
    cell = unit.cell(POINTS)
    worth = 0.8 * float(np.median(PRICES))
    final = np.asarray(np.arange(POINTS) * cell[0] * worth, dtype=np.float64)
    path = storage_dp.best_path(PRICES, np.full(8, HOURS), final, 0.5 * (POINTS - 1), cell) * cell[0] * 4.0
    moves = np.diff(path)
    powers = [-m / 0.8 / HOURS if m > 0 else -m * 0.8 / HOURS for m in moves]
    capture = capture_of_day(BatteryType().store(BATTERY), day(powers), HOURS)
    assert capture.pct == pytest.approx(100.0, abs=0.01)
    assert math.fsum(capture.losses.values()) == pytest.approx(0.0, abs=0.05)


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    powers=st.lists(st.floats(-5.0, 5.0), min_size=8, max_size=8),
    prices=st.lists(st.floats(-100.0, 500.0), min_size=8, max_size=8),
    late=st.booleans(),
    held=st.booleans(),
)
def test_losses_sum_to_the_gap_and_no_path_beats_the_bound(
    powers: list[float], prices: list[float], late: bool, held: bool
) -> None:
    capture = capture_of_day(BatteryType().store(BATTERY), day(powers, np.array(prices), late=late, held=held), HOURS)
    assert math.fsum(capture.losses.values()) == pytest.approx(capture.bound - capture.value, abs=1e-7)
    assert capture.value <= capture.bound + 0.5
    assert capture.losses["forecast" if late else "latency"] == 0.0
    assert capture.losses["constraint" if held else "hold"] == 0.0


def test_resting_through_a_spread_is_booked_on_what_ruled() -> None:
    rests = day([0.0] * 8)
    knew = capture_of_day(BatteryType().store(BATTERY), rests, HOURS)
    # What is left at the day's end is worth another thing to a plan that ends there than to the day: a little remains.
    assert abs(knew.losses["forecast"]) < 0.02 * knew.bound
    assert knew.losses["constraint"] > 0.95 * (knew.bound - knew.value)
    held = capture_of_day(BatteryType().store(BATTERY), [replace(slot, held=True) for slot in rests], HOURS)
    assert held.losses["hold"] == pytest.approx(knew.losses["constraint"])
    flat = [replace(slot, expected=np.full(slot.expected.size, 70.0)) for slot in rests]
    blind = capture_of_day(BatteryType().store(BATTERY), flat, HOURS)
    assert blind.losses["forecast"] > 0.9 * (blind.bound - blind.value)
    stale = capture_of_day(BatteryType().store(BATTERY), [replace(slot, late=True) for slot in flat], HOURS)
    assert stale.losses["latency"] == pytest.approx(blind.losses["forecast"])


def test_a_slot_without_a_price_or_a_decision_is_no_forecasts_fault() -> None:
    prices = PRICES.copy()
    prices[4] = np.nan
    capture = capture_of_day(BatteryType().store(BATTERY), day([0.0] * 8, prices), HOURS)
    assert np.isfinite(capture.bound)
    bare = [replace(slot, expected=np.zeros(0), step_h=np.zeros(0)) for slot in day([0.0] * 8)]
    assert capture_of_day(BatteryType().store(BATTERY), bare, HOURS).losses["forecast"] == 0.0


def test_days_add_up() -> None:
    one = capture_of_day(BatteryType().store(BATTERY), day([0.0] * 8), HOURS)
    both = together([one, one])
    assert both.bound == pytest.approx(2 * one.bound)
    assert both.pct == one.pct
    empty = capture_of_day(BatteryType().store(BATTERY), [], HOURS)
    assert empty == Capture(0.0, 0.0, dict.fromkeys(CAUSES, 0.0))
    assert empty.pct is None
