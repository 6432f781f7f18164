"""The look-ahead dispatch: arbitrage, service, physics, orders, and what to do when all cannot be met."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.assets.fleet_state import FleetState
from agents.assets.registry import fleet_at_rest
from agents.assets.state import AssetState
from agents.assets.twin import deliver
from agents.clearing.plan_cost import choice_cost, plan_costs
from agents.clearing.plan_notes import say_note
from agents.clearing.problem import Bands, ClearingInputs, ClearingProblem, Effort, Plan, clearing_problem, seen
from agents.clearing.solve import cost_if, solve, what_if
from tests.worlds.grid_cases import BATTERY, COMMITTED, LOAD, PEAKER, evening, evening_problem, grid_zone, loose_zone
from vpp.fleet.assets import Asset, Battery, CurtailableLoad, CurtailableRenewable, Peaker
from vpp.fleet.schema import Zone
from vpp.messages import PlanNote

FREE = BATTERY.model_copy(update={"wear_cost_per_mwh": 0.0})


def at(zone: Zone, *, grid_mw: float = float("nan"), **fields: Any) -> FleetState:
    state = fleet_at_rest(zone, grid_mw)
    arrays: dict[str, Any] = {name: np.array(value) for name, value in fields.items()}
    return replace(state, **arrays)


def feasible(problem: ClearingProblem, plan: Plan) -> None:
    """Follow the plan with the twin: it must give every setpoint as planned (a recovering battery included)."""
    states = [AssetState.of(problem.state, i) for i in range(len(problem.assets))]
    for h, hours in enumerate(problem.step_h):
        for i, asset in enumerate(problem.assets):
            start = bool(plan.running[i, h:].any())
            given = deliver(
                asset,
                states[i],
                plan.power_mw[i, h],
                hours,
                potential_mw=float(problem.potential_mw[i, h]),
                start=start,
            )
            if states[i].available:
                assert given.power_mw == pytest.approx(plan.power_mw[i, h], abs=1e-6), (asset.asset_id, h, given.reason)
            states[i] = given.state


def test_arbitrage_buys_low_and_sells_high() -> None:
    zone = loose_zone(FREE)
    problem = clearing_problem(
        zone,
        ClearingInputs(
            np.full(2, 50.0),
            state=at(zone, soc=[0.05]),
            price_per_mwh=np.array([10.0, 100.0]),
            stored_value_per_mwh=0,
        ),
    )
    plan = solve(problem)
    # 8 MW for half an hour store 3.6 MWh, of which 3.24 MWh come out again.
    assert plan.power_mw[0] == pytest.approx([-8.0, 6.48])
    assert plan.costs["energy"] == pytest.approx(4 * 10 - 3.24 * 100)
    assert plan.soc[0] == pytest.approx([0.05 + 3.6 / 16, 0.05])
    assert plan.engine == "lp"


def test_energy_left_is_worth_its_segments() -> None:
    zone = loose_zone(FREE)
    problem = clearing_problem(
        zone,
        ClearingInputs(
            np.full(1, 50.0), price_per_mwh=50.0, stored_value_per_mwh=[80.0, 20.0], stored_width=[0.5, 0.5]
        ),
    )
    plan = solve(problem)
    # From half full, more is worth 20 per MWh and less costs 80: neither pays at 50.
    assert plan.power_mw[0, 0] == 0.0
    assert plan.costs["stored"] == pytest.approx(-80.0 * 7.2)
    assert 20.0 <= plan.water_value_per_mwh[0] <= 80.0


def test_a_ramp_is_met_by_the_battery_and_priced() -> None:
    zone = grid_zone(BATTERY)
    plan = solve(clearing_problem(zone, ClearingInputs(np.array([75.0, 75.0]), state=at(zone, grid_mw=70.0))))
    assert plan.grid_mw[0] == pytest.approx(73.0)
    assert plan.power_mw[0, 0] == pytest.approx(2.0)
    assert plan.ramp_price_per_mw[0] > 0
    assert plan.binding.startswith("ramp limit 3 MW binds now")


def test_a_falling_ramp_calls_for_charging() -> None:
    zone = grid_zone(BATTERY)
    plan = solve(clearing_problem(zone, ClearingInputs(np.array([60.0, 60.0]), state=at(zone, grid_mw=70.0))))
    assert plan.grid_mw[0] == pytest.approx(67.0)
    assert plan.power_mw[0, 0] == pytest.approx(-7.0)
    assert plan.ramp_price_per_mw[0] < 0


def test_the_cap_is_kept_by_peaker_battery_and_then_load() -> None:
    zone = grid_zone(BATTERY, PEAKER, LOAD, ramp_limit_mw=100.0)
    empty = at(zone, soc=[0.05, np.nan, np.nan])
    plan = solve(clearing_problem(zone, ClearingInputs(np.array([98.0, 70.0]), state=empty)))
    assert plan.grid_mw[0] == pytest.approx(86.0)
    assert plan.power_mw[:, 0] == pytest.approx([0.0, 8.0, 4.0])  # the peaker ramps 8 MW a slot
    assert plan.cap_price_per_mw[0] > 0


def test_emergency_load_is_not_shed_below_the_cap() -> None:
    zone = grid_zone(LOAD)
    plan = solve(clearing_problem(zone, ClearingInputs(np.array([80.0, 85.0]), state=at(zone, grid_mw=70.0))))
    assert plan.power_mw[0] == pytest.approx([0.0, 0.0])


def test_offered_load_is_shed_where_it_pays() -> None:
    zone = loose_zone(CurtailableLoad(asset_id="l", capacity_mw=6.0, curtail_cost_per_mwh=90.0, only_at_cap=False))
    plan = solve(clearing_problem(zone, ClearingInputs(np.full(2, 50.0), price_per_mwh=np.array([80.0, 100.0]))))
    assert plan.power_mw[0] == pytest.approx([0.0, 6.0])


def test_a_renewable_is_cut_at_negative_prices_up_to_its_output() -> None:
    zone = loose_zone(CurtailableRenewable(asset_id="w", curtail_cost_per_mwh=5.0))
    problem = clearing_problem(
        zone,
        ClearingInputs(
            np.full(3, 50.0),
            price_per_mwh=np.array([-20.0, -2.0, -20.0]),
            stored_value_per_mwh=0.0,
            potential_mw=np.array([[30.0, 30.0, np.nan]]),
        ),
    )
    assert solve(problem).power_mw[0] == pytest.approx([-30.0, 0.0, 0.0])


def test_export_beyond_the_export_cap_is_priced() -> None:
    zone = loose_zone(FREE, export_cap_mw=5.0)
    plan = solve(clearing_problem(zone, ClearingInputs(np.zeros(1), price_per_mwh=200.0, stored_value_per_mwh=0.0)))
    assert plan.grid_mw[0] == pytest.approx(-5.0)
    assert plan.cap_price_per_mw[0] < 0


@pytest.mark.parametrize(
    ("price", "wear"),
    [(-200.0, 0.0), (-1.0, 0.0), (0.0, 0.0), (-200.0, 5.0)],
    ids=["deeply-negative", "negative", "zero", "with-wear"],
)
def test_prices_at_or_below_zero_stay_bounded_and_never_run_a_battery_both_ways(price: float, wear: float) -> None:
    battery = BATTERY.model_copy(update={"wear_cost_per_mwh": wear})
    zone = loose_zone(battery)
    problem = clearing_problem(zone, ClearingInputs(np.full(8, 50.0), price_per_mwh=price, stored_value_per_mwh=0.0))
    plan = solve(problem)
    feasible(problem, plan)
    assert np.isfinite(plan.objective)
    # SoC moves by exactly what the net power says: energy burnt inside would show here.
    inside = np.where(plan.power_mw[0] > 0, plan.power_mw[0] / 0.9, plan.power_mw[0] * 0.9) * 0.5 / 16.0
    assert np.diff(plan.soc[0], prepend=0.5) == pytest.approx(-inside, abs=1e-7)


def test_a_buying_price_below_the_selling_price_of_others_cannot_run_away() -> None:
    zone = loose_zone(BATTERY, PEAKER)
    inputs = ClearingInputs(
        np.full(4, 50.0), price_per_mwh=-50.0, generation_price_per_mwh=500.0, stored_value_per_mwh=0.0
    )
    plan = solve(clearing_problem(zone, inputs))
    assert np.abs(plan.power_mw).max() <= 15.0


@pytest.mark.parametrize("seed", range(6))
def test_a_committed_peaker_keeps_its_minimum_load_run_and_start_time(seed: int) -> None:
    zone = grid_zone(BATTERY, COMMITTED)
    problem = evening_problem(zone, seed=seed)
    plan = solve(problem)
    power = plan.power_mw[1]
    assert ((power < 1e-6) | (power > 5.0 - 1e-6)).all()
    assert power[0] == 0.0, "it takes half an hour to start"
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[False], plan.running[1], [False]]))))[::2]
    assert (runs >= 3).all()
    feasible(problem, plan)


def test_a_running_peaker_serves_its_minimum_time() -> None:
    zone = grid_zone(BATTERY, COMMITTED)
    state = at(zone, grid_mw=60.0, power_mw=[0.0, 6.0], running_min=[0.0, 30.0])
    plan = solve(clearing_problem(zone, ClearingInputs(np.full(8, 60.0), state=state)))
    assert list(plan.running[1, :3]) == [True, True, False]
    assert plan.power_mw[1, :2] == pytest.approx([5.0, 5.0])


def test_a_start_is_paid_only_when_it_is_worth_it() -> None:
    zone = grid_zone(COMMITTED.model_copy(update={"start_time_min": 0.0}), ramp_limit_mw=100.0)
    cheap = solve(clearing_problem(zone, ClearingInputs(np.array([86.2, 70.0, 70.0, 70.0]))))
    dear = solve(clearing_problem(zone, ClearingInputs(np.array([94.0, 90.0, 88.0, 70.0]))))
    assert not cheap.running.any()
    assert list(dear.running[0]) == [True, True, True, False]
    assert dear.costs["start"] == 100.0


@pytest.mark.parametrize("soc", [0.0, 0.02, 0.98, 1.0])
def test_a_start_outside_the_band_is_led_back_and_said(soc: float) -> None:
    zone = grid_zone(BATTERY)
    problem = evening_problem(zone, state=at(zone, grid_mw=75.0, soc=[soc]))
    plan = solve(problem)
    assert plan.status == "nearest"
    assert "outside 5 to 95 %" in say_note(plan.notes[0])
    path = plan.soc[0]
    assert ((path >= min(soc, 0.05) - 1e-7) & (path <= max(soc, 0.95) + 1e-7)).all()
    feasible(problem, plan)


def test_the_reserve_is_kept_in_plans() -> None:
    zone = grid_zone(BATTERY.model_copy(update={"reserve_soc": 0.3}))
    assert solve(evening_problem(zone)).soc[0].min() >= 0.35 - 1e-9


def bands(assets: int, steps: int, **entries: tuple[Any, Any]) -> Bands:
    wanted = Bands.none(assets, steps)
    for name, (where, value) in entries.items():
        getattr(wanted, name)[where] = value
    return wanted


def test_an_order_goes_before_price_and_ramp() -> None:
    zone = grid_zone(BATTERY)
    wanted = bands(1, 4, min_mw=((0, slice(0, 2)), 6.0), max_mw=((0, slice(0, 2)), 6.0))
    plan = solve(clearing_problem(zone, ClearingInputs(np.full(4, 70.0), state=at(zone, grid_mw=70.0), bands=wanted)))
    assert plan.power_mw[0, :2] == pytest.approx([6.0, 6.0])
    assert plan.status == "optimal"


def test_the_cap_goes_before_an_order() -> None:
    zone = grid_zone(BATTERY, ramp_limit_mw=100.0)
    wanted = bands(1, 2, max_mw=((0, 0), -8.0))
    plan = solve(
        clearing_problem(zone, ClearingInputs(np.array([83.0, 60.0]), state=at(zone, grid_mw=83.0), bands=wanted))
    )
    assert plan.power_mw[0, 0] == pytest.approx(-3.0)
    assert (plan.notes[0].code, plan.notes[0].values["short_mw"]) == ("order_missed", 5.0)


def test_an_unreachable_target_gives_the_nearest_plan_and_the_reason() -> None:
    zone = grid_zone(BATTERY)
    wanted = bands(1, 4, soc_target=(0, 0.95), soc_target_step=(0, 0))
    plan = solve(clearing_problem(zone, ClearingInputs(np.full(4, 50.0), state=at(zone, grid_mw=50.0), bands=wanted)))
    assert plan.power_mw[0, 0] == pytest.approx(-8.0)
    assert [say_note(note) for note in plan.notes] == ["b reaches 72.5 % SoC instead of 95.0 %"]


def test_an_unreachable_asset_may_still_be_doing_what_it_did() -> None:
    zone = grid_zone(BATTERY, PEAKER, ramp_limit_mw=100.0)
    wanted = bands(2, 4, fixed_mw=((0, slice(0, 2)), -8.0))
    state = at(zone, available=[False, True])
    plan = solve(clearing_problem(zone, ClearingInputs(np.full(4, 82.0), state=state, bands=wanted)))
    assert plan.power_mw[0] == pytest.approx([-8.0, -8.0, 0.0, 0.0])
    assert plan.power_mw[1, :2] == pytest.approx([4.0, 4.0])


def test_what_is_forced_beyond_physics_is_clipped_and_said() -> None:
    zone = grid_zone(BATTERY)
    plan = what_if(clearing_problem(zone, ClearingInputs(np.full(4, 50.0), state=at(zone, soc=[0.1]))), {"b": 8.0})
    assert plan.power_mw[0, 0] == pytest.approx(0.05 * 16 * 0.9 / 0.5)
    assert [say_note(note) for note in plan.notes] == ["b cannot deliver 8 MW: 1.44 MW is the closest power"]


def test_no_plan_is_better_than_the_plan() -> None:
    zone = grid_zone(BATTERY, PEAKER, LOAD)
    problem = evening_problem(zone)
    plan = solve(problem)
    for power in (-8.0, -2.5, 0.0, 5.0):
        other = what_if(problem, {"b": power})
        assert cost_if(problem, {"b": power}) == other.objective
        assert other.power_mw[0, 0] == pytest.approx(power)
        assert other.objective >= plan.objective - 0.05
    with pytest.raises(KeyError):
        what_if(problem, {"nobody": 1.0})


def test_the_second_pass_moves_the_forecast_by_carry_and_keeps_the_peaker() -> None:
    zone = grid_zone(BATTERY, PEAKER)
    problem = evening_problem(zone, carry=np.full(32, 0.5))
    plan = solve(problem)
    second = seen(problem, plan, float(problem.net_mw[0]) + 2.0)
    assert second.net_mw - problem.net_mw == pytest.approx([2.0, *[1.0] * 31])
    assert solve(second).power_mw[1, 0] == plan.power_mw[1, 0]


def test_the_plan_costs_what_the_solver_says() -> None:
    zone = grid_zone(BATTERY, PEAKER, LOAD, export_cap_mw=60.0)
    problem = evening_problem(zone, service_factor=3.0)
    plan = solve(problem)
    again = plan_costs(problem, plan.power_mw, plan.running, plan.soc)
    assert plan.objective == pytest.approx(choice_cost(problem, again))
    worse = np.zeros_like(plan.power_mw)
    idle = choice_cost(problem, plan_costs(problem, worse, worse > 0, np.full_like(plan.soc, 0.5)))
    assert plan.objective < idle


def test_water_value_lies_between_the_one_sided_differences() -> None:
    zone = grid_zone(BATTERY, PEAKER)
    problem = evening_problem(zone)

    def cost(energy: float) -> float:
        soc = np.array([0.5 + energy / 16.0, np.nan])
        return solve(replace(problem, state=replace(problem.state, soc=soc))).objective

    less, more = cost(0.0) - cost(-0.05), cost(0.05) - cost(0.0)
    water = solve(problem).water_value_per_mwh[0]
    assert min(-less, -more) / 0.05 - 0.1 <= water <= max(-less, -more) / 0.05 + 0.1


def test_decisions_do_not_depend_on_what_was_decided_before() -> None:
    zone = grid_zone(BATTERY, PEAKER, LOAD)
    problems = [evening_problem(zone, seed=seed) for seed in range(8)]
    first = [solve(problem).power_mw.tobytes() for problem in problems]
    broken = replace(problems[0], effort=Effort(simplex_iterations=3))
    solve(broken)
    again = [solve(problem).power_mw.tobytes() for problem in reversed(problems)]
    assert first == again[::-1]


def test_a_search_cut_short_leaves_a_note_that_a_state_keeps_as_it_is() -> None:
    problem = replace(evening_problem(grid_zone(BATTERY, COMMITTED)), effort=Effort(tree_nodes=4))
    (note,) = solve(problem).notes
    assert note.code == "search_ended"
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(note), type=PlanNote)
    assert msgspec.json.encode(again) == msgspec.json.encode(note)


def test_no_solution_within_the_effort_is_the_named_reflex() -> None:
    zone = grid_zone(BATTERY, PEAKER, LOAD)
    problem = replace(evening_problem(zone), effort=Effort(simplex_iterations=3))
    plan = solve(problem)
    assert plan.engine == "reflex:limits"
    assert plan.status == "iteration_limit_reached"
    assert np.nanmin(plan.soc) >= 0.05 - 1e-9
    assert (plan.grid_mw <= 86.0 + 1e-6).sum() > (evening() <= 86.0).sum()


def test_churn_is_priced() -> None:
    zone = loose_zone(FREE)
    price = np.array([10.0, 30.0, 20.0, 30.0])
    problem = clearing_problem(zone, ClearingInputs(np.full(4, 50.0), price_per_mwh=price, stored_value_per_mwh=0.0))
    reference = np.array([[0.0, 0.0, np.nan, np.nan]])
    moved, saved = (
        solve(replace(problem, reference_mw=reference, churn_price_per_mwh=churn)).power_mw[0, :2]
        for churn in (0.0, 200.0)
    )
    assert np.abs(moved).max() > 1.0
    assert saved == pytest.approx([0.0, 0.0])


def test_missing_values_and_wrong_shapes_are_refused() -> None:
    zone = grid_zone(BATTERY)
    with pytest.raises(ValueError, match="net_mw"):
        clearing_problem(zone, ClearingInputs(np.array([50.0, np.nan])))
    with pytest.raises(ValueError, match="carry"):
        clearing_problem(zone, ClearingInputs(np.zeros(3), carry=np.ones(2)))
    with pytest.raises(ValueError, match="must not increase"):
        clearing_problem(zone, ClearingInputs(np.zeros(3), stored_value_per_mwh=[10.0, 20.0]))


ASSETS: list[Asset] = [
    BATTERY,
    PEAKER,
    COMMITTED,
    LOAD,
    Battery(asset_id="b2", energy_mwh=4.0, charge_mw=1.0, discharge_mw=3.0, reserve_soc=0.2),
    CurtailableRenewable(asset_id="w", curtail_cost_per_mwh=2.0),
    Peaker(asset_id="p2", capacity_mw=30.0, ramp_mw_per_h=8.0, fuel_cost_per_mwh=90.0, start_cost=50.0),
]


@given(
    seed=st.integers(0, 10_000),
    picks=st.lists(st.integers(0, len(ASSETS) - 1), min_size=1, max_size=4, unique=True),
    price=st.sampled_from([-150.0, 0.0, 40.0, 300.0]),
)
@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_plan_can_be_delivered(seed: int, picks: list[int], price: float) -> None:
    rng = np.random.default_rng(seed)
    zone = grid_zone(*(ASSETS[k] for k in picks), export_cap_mw=40.0)
    steps = 8
    potential = np.where(
        np.array([isinstance(a, CurtailableRenewable) for a in zone.assets])[:, None], rng.uniform(0, 40, steps), 0.0
    )
    rest = fleet_at_rest(zone, 60.0)
    soc = np.where(np.isnan(rest.soc), np.nan, rng.uniform(0.0, 1.0, len(zone.assets)))
    problem = clearing_problem(
        zone,
        ClearingInputs(
            rng.uniform(-60, 110, steps),
            state=replace(rest, soc=soc),
            price_per_mwh=price + rng.normal(0, 60, steps),
            stored_value_per_mwh=[80.0, 20.0],
            ramp_sd_mw=1.0,
            level_sd_mw=2.0,
            potential_mw=potential,
            service_factor=3.0,
        ),
    )
    plan = solve(problem)
    feasible(problem, plan)
    assert plan.grid_mw == pytest.approx(problem.net_mw - plan.power_mw.sum(axis=0))
