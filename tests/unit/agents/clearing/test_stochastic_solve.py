"""The stochastic programme against the LP, and where it steps aside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.assets.registry import fleet_at_rest
from agents.assets.state import AssetState
from agents.assets.twin import deliver
from agents.clearing.penalties import deviations
from agents.clearing.plan_cost import plan_costs
from agents.clearing.problem import Bands, ClearingInputs, ClearingProblem, clearing_problem, seen
from agents.clearing.solve import solve
from agents.clearing.stochastic_kernel import meet
from agents.clearing.stochastic_programme import PRICE_NODES, PRICE_PAIRS, RAMP_NODES, applies, induce
from agents.clearing.stochastic_solve import regrets, solve_dp, solve_dp_with_curve
from tests.worlds.grid_cases import BATTERY, COMMITTED, LOAD, PEAKER, evening, evening_problem, grid_zone, loose_zone
from vpp.fleet.assets import CurtailableRenewable

ZONE = grid_zone(BATTERY, PEAKER, LOAD)


def realised(problem: ClearingProblem) -> float:
    """Return the cost of deciding slot by slot by the programme on certain forecasts."""
    state, powers = problem.state, []
    steps = problem.steps
    for t in range(steps - 1):
        part = clearing_problem(
            problem.zone,
            ClearingInputs(
                problem.net_mw[t:],
                state=state,
                price_per_mwh=problem.price_per_mwh[t:],
                stored_value_per_mwh=problem.stored_value_per_mwh,
            ),
        )
        plan = solve_dp(part)
        powers.append(plan.power_mw[:, 0])
        state = replace(state, soc=plan.soc[:, 0], power_mw=plan.power_mw[:, 0], grid_mw=float(plan.grid_mw[0]))
    last = solve(
        clearing_problem(
            problem.zone,
            ClearingInputs(
                problem.net_mw[-1:],
                state=state,
                price_per_mwh=problem.price_per_mwh[-1:],
                stored_value_per_mwh=problem.stored_value_per_mwh,
            ),
        )
    )
    path = np.stack([*powers, last.power_mw[:, 0]], axis=1)
    soc = np.tile(last.soc, (1, steps))
    return sum(plan_costs(problem, path, path > 1e-9, soc).values())


@pytest.mark.parametrize("seed", range(3))
def test_on_certain_forecasts_the_programme_comes_close_to_the_lp(seed: int) -> None:
    net = evening(16, seed)
    problem = clearing_problem(
        ZONE, ClearingInputs(net, state=fleet_at_rest(ZONE, float(net[0])), stored_value_per_mwh=95.0)
    )
    best = solve(problem)
    idle = (
        250.0 * 0.5 * np.maximum(np.abs(np.diff(net)) - 3.0, 0.0).sum()
        + 500.0 * 0.5 * np.maximum(net - 86.0, 0.0).sum()
        - 95.0 * 7.2
    )
    cost = realised(problem)
    assert best.cost - 1e-6 <= cost <= best.cost + max(100.0, 0.1 * (idle - best.cost))


def test_the_first_action_is_the_programme_s_and_the_plan_explains_itself() -> None:
    problem = evening_problem(ZONE)
    plan = solve_dp(problem)
    assert plan.engine == "dp"
    assert plan.status == "optimal"
    assert plan.water_value_per_mwh[0] > 0
    assert "water value" in plan.binding
    assert plan.objective >= solve(problem).objective - 0.05


def test_arbitrage_without_limits() -> None:
    zone = loose_zone(BATTERY)
    price = np.array([120.0, *[20.0] * 7])
    state = fleet_at_rest(zone, 50.0)
    problem = clearing_problem(
        zone, ClearingInputs(np.full(8, 50.0), state=state, price_per_mwh=price, stored_value_per_mwh=0.0)
    )
    assert applies(problem)
    assert solve_dp(problem).power_mw[0, 0] == pytest.approx(8.0)


def test_a_curve_point_is_near_the_second_pass() -> None:
    problem = evening_problem(ZONE, grid_mw=60.0)
    plan = solve_dp_with_curve(problem)
    assert plan.curve_mw[0, 6] == pytest.approx(plan.power_mw[0, 0])
    for k in (0, 12):
        again = solve_dp(seen(problem, plan, float(plan.curve_net_mw[k])))
        assert again.engine == "dp"
        assert again.power_mw[1, 0] == pytest.approx(plan.power_mw[1, 0])
        assert plan.curve_mw[0, k] == pytest.approx(again.power_mw[0, 0])


def test_the_same_problem_gives_the_same_bits() -> None:
    problem = evening_problem(ZONE)
    assert solve_dp(problem).power_mw.tobytes() == solve_dp(problem).power_mw.tobytes()


def test_it_steps_aside_for_what_it_does_not_cover() -> None:
    wind = CurtailableRenewable(asset_id="w", curtail_cost_per_mwh=1.0)
    plain = evening_problem(ZONE)
    wanted = Bands.none(3, 32)
    wanted.min_mw[0, 3] = 1.0
    low = replace(plain.state, soc=np.array([0.01, np.nan, np.nan]))
    lost = replace(plain.state, available=np.array([True, False, True]))
    cut = evening_problem(grid_zone(BATTERY, wind), potential_mw=np.full((2, 32), 5.0))
    assert applies(plain)
    for other in (
        replace(plain, bands=wanted),
        replace(plain, state=low),
        replace(plain, state=lost),
        cut,
        evening_problem(grid_zone(BATTERY, COMMITTED)),
        evening_problem(grid_zone(BATTERY, BATTERY.model_copy(update={"asset_id": "c"}))),
    ):
        assert not applies(other)
        assert solve_dp(other).engine in {"lp", "milp"}


def test_alternatives_cost_more_and_the_plan_itself_nothing() -> None:
    problem = evening_problem(ZONE)
    plan = solve_dp(problem)
    own = {asset.asset_id: float(plan.power_mw[i, 0]) for i, asset in enumerate(ZONE.assets)}
    costs = regrets(problem, plan, {"same": {"b": own["b"]}, "charge": {"b": -8.0}, "beyond": {"b": 99.0}})
    assert costs["same"] == pytest.approx(0.0, abs=1e-6)
    assert costs["charge"] > 0
    assert costs["beyond"] == pytest.approx(regrets(problem, plan, {"most": {"b": 8.0}})["most"])
    linear = solve(problem)
    assert regrets(problem, linear, {"charge": {"b": -8.0}})["charge"] >= 0


@given(
    seed=st.integers(0, 10_000),
    peaker=st.booleans(),
    price=st.sampled_from([-150.0, 0.0, 40.0, 300.0]),
    soc=st.sampled_from([0.05, 0.5, 0.95]),
    step_h=st.sampled_from([0.5, 0.25]),
)
@hypothesis_settings(max_examples=20, deadline=None)
def test_every_first_action_can_be_delivered(seed: int, peaker: bool, price: float, soc: float, step_h: float) -> None:
    rng = np.random.default_rng(seed)
    zone = grid_zone(*((BATTERY, PEAKER, LOAD) if peaker else (BATTERY,)), export_cap_mw=40.0)
    steps = 6
    state = fleet_at_rest(zone, 60.0 if seed % 2 else float("nan"))
    problem = clearing_problem(
        zone,
        ClearingInputs(
            rng.uniform(-60, 110, steps),
            state=replace(state, soc=np.where(np.isnan(state.soc), np.nan, soc)),
            price_per_mwh=price + rng.normal(0, 60, steps),
            step_h=np.array([step_h] * 3 + [0.5] * 3),
            stored_value_per_mwh=[80.0, 20.0],
            ramp_sd_mw=1.0,
            level_sd_mw=2.0,
            service_factor=3.0,
        ),
    )
    plan = solve_dp_with_curve(problem)
    assert plan.engine == "dp"
    for power in (*plan.curve_mw[0], plan.power_mw[0, 0]):
        done = deliver(BATTERY, AssetState(soc=soc), float(power), step_h)
        assert done.power_mw == pytest.approx(power, abs=1e-5)


@given(
    st.integers(2, 12),
    st.one_of(st.just(0.0), st.just(3.0), st.floats(0.01, 30.0), st.just(1e6)),
    st.one_of(st.just(1.0), st.floats(0.3, 2.0)),
    st.lists(st.floats(-40.0, 40.0), min_size=1, max_size=4),
    st.integers(0, 99),
)
def test_the_step_from_one_plant_power_to_the_next_is_the_best_of_all(
    powers: int, ramp: float, spacing: float, changes: list[float], seed: int
) -> None:
    work = np.random.default_rng(seed).normal(0.0, 500.0, (3, powers))
    work[:, -1] = np.inf
    by_power = np.zeros((powers, 3))
    meet(by_power, work.T.copy(), np.array(changes), 1.0 / len(changes), ramp, 125.0, spacing)
    moves = spacing * (np.arange(powers)[None, :] - np.arange(powers)[:, None])
    each = [125.0 * np.maximum(np.abs(change - moves) - ramp, 0.0)[None] + work[:, None, :] for change in changes]
    result = by_power.T
    assert result == pytest.approx(np.mean([cost.min(axis=2) for cost in each], axis=0), rel=1e-9, abs=1e-5)


def test_prices_of_unit_spread_are_paired_with_ramps_without_leaning_to_either() -> None:
    paired = PRICE_NODES[PRICE_PAIRS]
    assert paired.mean() == pytest.approx(0.0, abs=1e-12)
    assert (paired**2).mean() == pytest.approx(1.0)
    assert paired @ deviations(RAMP_NODES) == pytest.approx(0.0, abs=1e-12)


def test_a_price_that_will_be_seen_is_worth_waiting_for() -> None:
    zone = loose_zone(BATTERY)
    state = replace(fleet_at_rest(zone, 50.0), soc=np.array([0.1]))
    sure = clearing_problem(
        zone, ClearingInputs(np.full(16, 50.0), state=state, price_per_mwh=100.0, stored_value_per_mwh=0.0)
    )
    unsure = replace(sure, price_sd_per_mwh=np.full(16, 60.0))
    assert solve_dp(unsure).water_value_per_mwh[0] > solve_dp(sure).water_value_per_mwh[0] + 10.0
    assert induce(unsure).value.min() < induce(sure).value.min()


def test_the_value_before_a_price_is_the_mean_over_what_may_be_seen() -> None:
    zone = loose_zone(BATTERY)
    problem = clearing_problem(zone, ClearingInputs(np.full(2, 50.0), price_per_mwh=100.0, stored_value_per_mwh=90.0))
    spread = replace(problem, price_sd_per_mwh=np.full(2, 40.0))
    seen_prices = 100.0 + 40.0 * PRICE_NODES
    each = [
        induce(
            clearing_problem(zone, ClearingInputs(np.full(2, 50.0), price_per_mwh=price, stored_value_per_mwh=90.0))
        ).value
        for price in seen_prices
    ]
    share = np.bincount(PRICE_PAIRS) / len(PRICE_PAIRS)
    assert induce(spread).value == pytest.approx(sum(s * value for s, value in zip(share, each, strict=True)))
