"""The twin: energy balances exactly and limits hold, whatever the setpoint."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.assets.battery import power_range
from agents.assets.registry import fleet_at_rest
from agents.assets.state import AssetState, Clamp
from agents.assets.twin import deliver, deliver_fleet
from tests.worlds.builders import make_zone
from tests.worlds.grid_cases import BATTERY, COMMITTED, LOAD, PEAKER
from vpp.fleet.assets import Battery, CurtailableRenewable, Peaker

BATTERIES = st.builds(
    Battery,
    asset_id=st.just("b"),
    energy_mwh=st.floats(0.1, 500),
    charge_mw=st.floats(0.1, 200),
    discharge_mw=st.floats(0.1, 200),
    charge_efficiency=st.floats(0.5, 1.0),
    discharge_efficiency=st.floats(0.5, 1.0),
    soc_min=st.floats(0.0, 0.3),
    soc_max=st.floats(0.6, 1.0),
)
PEAKERS = st.builds(
    Peaker,
    asset_id=st.just("p"),
    capacity_mw=st.floats(10, 100),
    min_load_mw=st.floats(0.5, 9),
    ramp_mw_per_h=st.floats(1, 300),
    fuel_cost_per_mwh=st.just(100.0),
    start_time_min=st.sampled_from([0.0, 30.0, 45.0]),
    min_run_min=st.sampled_from([0.0, 60.0]),
)
SETPOINTS = st.one_of(st.floats(-300, 300), st.floats(allow_nan=True, allow_infinity=True))


@given(
    battery=BATTERIES,
    soc=st.floats(0, 1),
    setpoints=st.lists(st.tuples(SETPOINTS, st.sampled_from([1 / 12, 0.25, 0.5, 1.0])), min_size=1, max_size=12),
)
def test_a_battery_keeps_its_band_and_balances_energy(
    battery: Battery, soc: float, setpoints: list[tuple[float, float]]
) -> None:
    state = AssetState(soc=soc)
    for setpoint, hours in setpoints:
        given = deliver(battery, state, setpoint, hours)
        assert -battery.charge_mw <= given.power_mw <= battery.discharge_mw
        assert min(battery.soc_min, state.soc) <= given.soc <= max(battery.soc_max, state.soc)
        moved = (
            given.power_mw / battery.discharge_efficiency
            if given.power_mw > 0
            else given.power_mw * battery.charge_efficiency
        )
        assert given.soc * battery.energy_mwh == pytest.approx(
            state.soc * battery.energy_mwh - moved * hours, abs=1e-9 * max(1.0, battery.energy_mwh)
        )
        assert given.energy_mwh == given.power_mw * hours
        if given.reason is None:
            assert given.power_mw == setpoint
        state = given.state


@given(battery=BATTERIES, soc=st.floats(0, 1), setpoint=st.floats(-300, 300))
def test_a_battery_gives_all_that_it_can(battery: Battery, soc: float, setpoint: float) -> None:
    low, high = power_range(battery, soc, 0.5)
    assert low <= 0.0 <= high
    given = deliver(battery, AssetState(soc=soc), setpoint, 0.5)
    assert given.power_mw == pytest.approx(min(max(setpoint, low), high))


@pytest.mark.parametrize(
    ("soc", "setpoint", "power", "after", "reason"),
    [
        pytest.param(0.5, 5.0, 5.0, 0.5 - 5 / 0.9 * 0.5 / 16, None, id="discharge"),
        pytest.param(0.5, -5.0, -5.0, 0.5 + 5 * 0.9 * 0.5 / 16, None, id="charge"),
        pytest.param(0.5, 9.0, 8.0, 0.5 - 8 / 0.9 * 0.5 / 16, Clamp.POWER_LIMIT, id="too-much"),
        pytest.param(0.1, 8.0, 1.44, 0.05, Clamp.SOC_MIN, id="runs-empty"),
        pytest.param(0.92, -8.0, -0.96 / 0.9, 0.95, Clamp.SOC_MAX, id="runs-full"),
        pytest.param(0.02, 8.0, 0.0, 0.02, Clamp.SOC_MIN, id="below-its-band"),
        pytest.param(0.99, -8.0, 0.0, 0.99, Clamp.SOC_MAX, id="above-its-band"),
        pytest.param(0.5, math.nan, 0.0, 0.5, Clamp.NOT_FINITE, id="no-setpoint"),
    ],
)
def test_battery_cases(soc: float, setpoint: float, power: float, after: float, reason: Clamp | None) -> None:
    given = deliver(BATTERY, AssetState(soc=soc), setpoint, 0.5)
    assert given.power_mw == pytest.approx(power)
    assert given.soc == pytest.approx(after)
    assert given.reason == reason


@given(peaker=PEAKERS, setpoints=st.lists(st.tuples(SETPOINTS, st.booleans()), min_size=1, max_size=12))
def test_a_peaker_keeps_load_ramp_run_and_start_time(peaker: Peaker, setpoints: list[tuple[float, bool]]) -> None:
    state = AssetState(ready_in_min=peaker.start_time_min)
    ran = 0.0
    for setpoint, start in setpoints:
        given = deliver(peaker, state, setpoint, 0.5, start=start)
        power, before = given.power_mw, state.power_mw
        swing = peaker.ramp_mw_per_h * 0.5
        assert power == 0 or peaker.min_load_mw - 1e-9 <= power <= peaker.capacity_mw
        jump = max(swing, peaker.min_load_mw)
        assert abs(power - before) <= (jump if power == 0 or before == 0 else swing) + 2e-6
        if power == 0 and before > 0:
            assert ran >= peaker.min_run_min
        if power > 0 and before == 0:
            assert state.ready_in_min == 0
        ran = ran + 30.0 if power > 0 else 0.0
        assert given.state.running_min == ran
        state = given.state


def test_without_a_minimum_load_a_peaker_idles_at_zero_through_its_minimum_time() -> None:
    peaker = PEAKER.model_copy(update={"min_run_min": 90.0, "start_time_min": 60.0})
    state, running = AssetState(), []
    for setpoint in (4.0, 0.0, 0.0, 0.0):
        state = deliver(peaker, state, setpoint, 0.5).state
        running.append(state.running_min)
    assert running == [30.0, 60.0, 90.0, 0.0]


def test_a_start_takes_its_time_from_the_order_on() -> None:
    state = AssetState(ready_in_min=45.0)
    powers = []
    for _ in range(4):
        given = deliver(COMMITTED, state, 6.0, 0.5)
        powers.append(given.power_mw)
        state = given.state
    assert powers == [0.0, 0.0, 6.0, 6.0]


def test_a_running_peaker_ordered_to_stop_too_early_runs_at_minimum_load() -> None:
    given = deliver(COMMITTED, AssetState(power_mw=6.0, running_min=30.0), 0.0, 0.5)
    assert (given.power_mw, given.reason) == (5.0, Clamp.MIN_RUN)


def test_a_peaker_below_minimum_load_goes_to_the_nearer_of_minimum_and_off() -> None:
    state = AssetState(power_mw=6.0, running_min=600.0)
    assert deliver(COMMITTED, state, 3.0, 0.5).power_mw == 5.0
    assert deliver(COMMITTED, state, 2.0, 0.5).power_mw == 0.0


def test_a_peaker_that_is_lost_gives_nothing_at_once() -> None:
    state = AssetState(power_mw=15.0, running_min=30.0, available=False)
    given = deliver(PEAKER, state, 15.0, 0.5)
    assert (given.power_mw, given.reason) == (0.0, Clamp.UNAVAILABLE)


@pytest.mark.parametrize(
    ("setpoint", "potential", "power", "reason"),
    [
        (-20.0, 30.0, -20.0, None),
        (-40.0, 30.0, -30.0, Clamp.POTENTIAL),
        (5.0, 30.0, 0.0, Clamp.WRONG_SIGN),
        (-5.0, math.nan, 0.0, Clamp.POTENTIAL),
    ],
)
def test_a_renewable_is_cut_by_at_most_its_output(
    setpoint: float, potential: float, power: float, reason: Clamp | None
) -> None:
    wind = CurtailableRenewable(asset_id="w", curtail_cost_per_mwh=1.0)
    given = deliver(wind, AssetState(), setpoint, 0.5, potential_mw=potential)
    assert (given.power_mw, given.reason) == (power, reason)


def test_a_load_sheds_up_to_its_capacity() -> None:
    assert deliver(LOAD, AssetState(), 9.0, 0.5).power_mw == 6.0
    assert deliver(LOAD, AssetState(), -1.0, 0.5).reason is Clamp.WRONG_SIGN


def test_a_fleet_delivers_what_each_of_its_assets_delivers() -> None:
    zone = make_zone()
    before = fleet_at_rest(zone, grid_mw=50.0)
    setpoints = np.linspace(-2.0, 3.0, len(zone.assets))
    unknown = np.full(len(zone.assets), math.nan)
    delivered, after = deliver_fleet(zone.assets, before, setpoints, 0.5, potential_mw=unknown)
    alone = [deliver(a, AssetState.of(before, i), setpoints[i], 0.5) for i, a in enumerate(zone.assets)]
    assert [one.power_mw for one in delivered] == [one.power_mw for one in alone]
    assert after.power_mw.tolist() == [one.power_mw for one in alone]
    assert after.grid_mw == 50.0
