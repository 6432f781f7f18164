"""The setpoint's curve: seen net load to battery power."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.assets.registry import fleet_at_rest
from agents.assets.state import AssetState
from agents.assets.twin import deliver
from agents.clearing.inslot_curve import aggregated, curve, follow, share_out, with_curve
from agents.clearing.problem import ClearingInputs, Effort, clearing_problem, seen
from agents.clearing.solve import committed_powers, solve
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, evening_problem, grid_zone
from vpp.fleet.assets import Battery

MANY = tuple(
    Battery(asset_id=f"b{k}", energy_mwh=2.0 + k, charge_mw=1.0, discharge_mw=1.5, soc_start=0.1 + 0.1 * k)
    for k in range(7)
)


def test_each_point_is_the_second_pass_at_its_net_load() -> None:
    problem = evening_problem(grid_zone(BATTERY, PEAKER, LOAD))
    plan = with_curve(problem, solve(problem))
    assert plan.curve_net_mw[[0, 4, 8]] == pytest.approx(problem.net_mw[0] + 3.6 * 0.6 * np.array([-1, 0, 1]))
    for k in (0, 4, 8):
        again = committed_powers(seen(problem, plan, float(plan.curve_net_mw[k])), plan)
        assert again is not None
        assert plan.curve_mw[0, k] == pytest.approx(again[0])
    assert (plan.curve_mw[1:] == 0).all()


def test_powers_alone_are_those_of_the_whole_plan_to_the_bit() -> None:
    problem = evening_problem(grid_zone(BATTERY, PEAKER, LOAD))
    plan = solve(problem)
    dearer = replace(problem, price_per_mwh=2.0 * problem.price_per_mwh)
    powers = committed_powers(dearer, plan)
    assert powers is not None
    assert powers.tolist() == solve(dearer).power_mw[:, 0].tolist()
    assert committed_powers(replace(dearer, effort=Effort(simplex_iterations=1)), plan) is None


def test_a_passing_rise_of_net_load_never_asks_the_battery_to_charge_more() -> None:
    zone = grid_zone(BATTERY)
    problem = clearing_problem(
        zone, ClearingInputs(np.full(8, 75.0), state=fleet_at_rest(zone, 72.0), level_sd_mw=1.0, carry=np.zeros(8))
    )
    points = [powers["b"] for _, powers in curve(problem, solve(problem))]
    assert (np.diff(points) >= -1e-6).all()


def test_following_interpolates_and_stays_flat_outside() -> None:
    problem = evening_problem(grid_zone(BATTERY))
    plan = replace(solve(problem), curve_net_mw=np.array([70.0, 80.0]), curve_mw=np.array([[-2.0, 4.0]]))
    assert [follow(plan, 0, net) for net in (0.0, 75.0, 99.0)] == pytest.approx([-2.0, 1.0, 4.0])


def test_without_a_curve_the_plan_is_followed() -> None:
    problem = replace(evening_problem(grid_zone(BATTERY)), effort=Effort(simplex_iterations=1))
    plan = with_curve(problem, solve(problem))
    assert plan.engine == "reflex:limits"
    assert follow(plan, 0, 99.0) == plan.power_mw[0, 0]


def test_many_batteries_are_aggregated_for_the_curve_and_stay_within_their_limits() -> None:
    zone = grid_zone(*MANY, PEAKER)
    problem = evening_problem(zone)
    plan = with_curve(problem, solve(problem))
    merged, _ = aggregated(problem, plan)
    battery = merged.assets[0]
    assert isinstance(battery, Battery)
    assert (battery.energy_mwh, battery.charge_mw, battery.discharge_mw) == (35.0, 7.0, 10.5)
    for k in range(len(plan.curve_net_mw)):
        for i, asset in enumerate(MANY):
            power = float(plan.curve_mw[i, k])
            assert deliver(asset, AssetState.of(problem.state, i), power, 0.5).power_mw == pytest.approx(power)


@given(total=st.floats(-30, 30), seed=st.integers(0, 1000))
def test_a_shared_out_power_is_the_total_where_it_can_be(total: float, seed: int) -> None:
    zone = grid_zone(*MANY)
    soc = np.random.default_rng(seed).uniform(0.05, 0.95, len(MANY))
    problem = clearing_problem(zone, ClearingInputs(np.zeros(2), state=replace(fleet_at_rest(zone), soc=soc)))
    shares = share_out(problem, total)
    able = share_out(problem, 1e9 if total > 0 else -1e9).sum()
    assert shares.sum() == pytest.approx(np.clip(total, min(able, 0.0), max(able, 0.0)), abs=1e-9)
    for i, asset in enumerate(MANY):
        assert deliver(asset, AssetState(soc=float(soc[i])), float(shares[i]), 0.5).power_mw == pytest.approx(
            float(shares[i]), abs=1e-9
        )
