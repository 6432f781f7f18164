"""The battery's dynamic programme against a mixed-integer programme, and the limits that it must keep."""

from __future__ import annotations

import highspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from vpp.numerics import storage_dp
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery

HOURS = 0.5
BATTERY = UnitBattery(energy_mwh=1.8, charge_efficiency=0.9381, discharge_efficiency=0.9381, wear_per_mwh=5.0)


def best_by_program(battery: UnitBattery, prices: Floats, start: float) -> float:
    """Return the best value by MILP: never charging and discharging at once."""
    program = highspy.Highs()
    program.setOptionValue("output_flag", False)
    program.setOptionValue("mip_rel_gap", 1e-7)
    n = len(prices)
    into = [program.addVariable(0.0, 1.0) for _ in range(n)]
    out = [program.addVariable(0.0, 1.0) for _ in range(n)]
    way = [program.addBinary() for _ in range(n)]
    stored = [program.addVariable(0.0, battery.energy_mwh) for _ in range(n)]
    worth = 0.0
    for t in range(n):
        before = start if t == 0 else stored[t - 1]
        moved = battery.charge_efficiency * HOURS * into[t] - HOURS / battery.discharge_efficiency * out[t]
        program.addConstr(stored[t] - moved - before == 0.0)
        program.addConstr(into[t] + way[t] <= 1.0)
        program.addConstr(out[t] - way[t] <= 0.0)
        worth = worth + HOURS * (float(prices[t]) - battery.wear_per_mwh) * out[t] - HOURS * float(prices[t]) * into[t]
    program.maximize(worth)
    return float(program.getObjectiveValue())


def earned(battery: UnitBattery, path: Floats, prices: Floats, points: int) -> float:
    cell = battery.cell(points)
    return float(sum(storage_dp.cash(move, price, cell) for move, price in zip(np.diff(path), prices, strict=True)))


@pytest.mark.parametrize("low", [20.0, -250.0])
def test_the_path_earns_what_the_mixed_integer_programme_does(low: float) -> None:
    chance = np.random.default_rng(3)
    prices = 80.0 + 60.0 * np.sin(np.arange(96) / 8.0) + chance.normal(0.0, 25.0, 96)
    prices[30:36] = low
    path = storage_dp.best_path(prices, np.full(96, HOURS), np.zeros(361), 180.0, BATTERY.cell(361))
    ideal = best_by_program(BATTERY, prices, 0.9)
    assert earned(BATTERY, path, prices, 361) == pytest.approx(ideal, rel=2e-3)
    assert earned(BATTERY, path, prices, 361) <= ideal + 1e-6


def test_the_path_is_the_same_whatever_is_kept_between() -> None:
    prices = np.random.default_rng(4).normal(60.0, 40.0, 1200)
    whole = storage_dp.best_path(prices, np.full(1200, HOURS), np.zeros(46), 22.5, BATTERY.cell())
    value = storage_dp.before_steps(prices[1:], np.full(1199, HOURS), np.zeros(46), BATTERY.cell())
    assert whole[1] == storage_dp.move_to(value, prices[0], HOURS, 22.5, BATTERY.cell())
    later = storage_dp.best_path(prices[700:], np.full(500, HOURS), np.zeros(46), whole[700], BATTERY.cell())
    assert np.array_equal(whole[700:], later)


@settings(max_examples=60, deadline=None)
@given(
    prices=of_numpy.arrays(np.float64, 24, elements=st.floats(-1000.0, 20000.0) | st.just(np.nan)),
    start=st.floats(0.0, 45.0),
)
def test_any_prices_keep_store_and_power_in_their_limits(prices: Floats, start: float) -> None:
    cell = BATTERY.cell()
    path = storage_dp.best_path(prices, np.full(24, HOURS), np.zeros(46), start, cell)
    move = np.diff(path) * cell[0]
    assert path.min() >= 0.0
    assert path.max() <= 45.0
    assert (move <= HOURS * BATTERY.charge_efficiency + 1e-9).all()
    assert (-move <= HOURS / BATTERY.discharge_efficiency + 1e-9).all()
    assert (move[np.isnan(prices)] == 0.0).all()
