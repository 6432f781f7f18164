"""Electric vehicle depot: timetable, physics, plan, money and words."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agents.assets.ev_depot import EvDepotType, timetable
from agents.assets.registry import fleet_at_rest
from agents.assets.state import AssetState, Clamp, Interval
from agents.assets.twin import deliver
from agents.clearing.checker import check
from agents.clearing.problem import Bands, ClearingInputs, ClearingProblem, Plan, clearing_problem
from agents.clearing.reflex import reflex_plan
from agents.clearing.solve import solve
from agents.clearing.stochastic_programme import applies
from tests.worlds.builders import make_zone
from vpp.errors import FleetError
from vpp.fleet.assets import EvDepot
from vpp.fleet.schema import Zone, parse_fleet

DEPOT = EvDepot(
    asset_id="depot",
    energy_mwh=4.0,
    charge_mw=1.0,
    connected_from="18:00",
    departure="06:30",
    departure_mwh=3.0,
    arrival_mwh=1.0,
    unmet_price_per_mwh=400.0,
)
BOTH_WAYS = DEPOT.model_copy(update={"discharge_mw": 1.0})
BERLIN = "Europe/Berlin"


def depot_zone(depot: EvDepot = DEPOT, *, time_zone: str = "UTC") -> Zone:
    """A zone with nothing but the depot."""
    return make_zone(depot).model_copy(update={"time_zone": time_zone})


def plan_of(
    depot: EvDepot, start: datetime, energy_mwh: float, prices: list[float], fixed: dict[int, float] | None = None
) -> tuple[ClearingProblem, Plan]:
    """The cleared plan from ``start`` on, in half hours."""
    zone = depot_zone(depot)
    state = replace(fleet_at_rest(zone), soc=np.array([energy_mwh / depot.energy_mwh]))
    bands = Bands.none(1, len(prices))
    for h, power in (fixed or {}).items():
        bands.fixed_mw[0, h] = power
    problem = clearing_problem(
        zone,
        ClearingInputs(
            np.full(len(prices), 20.0), state=state, start=start, price_per_mwh=np.array(prices), bands=bands
        ),
    )
    return problem, solve(problem)


def at(hour: float, day: int = 10) -> datetime:
    """A time of a winter day."""
    return datetime(2022, 1, day, tzinfo=UTC) + timedelta(hours=hour)


def test_the_timetable_knows_connection_departure_and_the_hours_left() -> None:
    edges = [at(5.0 + 0.5 * k) for k in range(5)] + [at(17.5), at(18.25), at(19.0)]
    day = timetable(DEPOT, edges)
    assert day.connected_h.tolist() == pytest.approx([0.5, 0.5, 0.5, 0, 0, 0.25, 0.75])
    assert day.departs.tolist() == [False, False, True, False, False, False, False]
    assert day.left_h.tolist() == pytest.approx([1.0, 0.5, 0.0, 12.5, 12.5, 12.25, 11.5])


def test_a_night_with_a_clock_change_is_an_hour_shorter() -> None:
    zone = depot_zone(time_zone=BERLIN)
    evening = zone.local(datetime(2022, 3, 26, 17, tzinfo=UTC))  # 18:00 in winter time
    later = zone.local(datetime(2022, 3, 26, 17, 30, tzinfo=UTC))
    assert timetable(DEPOT, [evening, later]).left_h[0] == pytest.approx(11.0)


@settings(max_examples=150, deadline=None)
@given(
    hour=st.integers(0, 47),
    energy=st.floats(0.0, 4.0),
    wanted=st.floats(-3.0, 3.0),
    both=st.booleans(),
    hours=st.sampled_from([5 / 60, 0.5, 1.0]),
)
def test_physics_keeps_the_energy_balance_and_the_connection(
    hour: int, energy: float, wanted: float, both: bool, hours: float
) -> None:
    depot = BOTH_WAYS if both else DEPOT
    begin = at(hour / 2)
    day = timetable(depot, [begin, begin + timedelta(hours=hours)])
    done = deliver(depot, AssetState(soc=energy / 4.0), wanted, hours, at=begin)
    share = float(day.connected_h[0]) / hours
    assert -depot.charge_mw * share - 1e-9 <= done.power_mw <= depot.discharge_mw * share + 1e-9
    inside = done.power_mw / 0.94 if done.power_mw > 0 else done.power_mw * 0.94
    aboard = energy - inside * hours
    assert -1e-9 <= aboard <= 4.0 + 1e-9
    lack = max(3.0 - aboard, 0.0) if day.departs[0] else 0.0
    due = 1.0 + max(aboard - 3.0, 0.0) if day.departs[0] else aboard
    assert done.soc * 4.0 == pytest.approx(due, abs=1e-8)
    assert done.shortfall_mwh == pytest.approx(lack, abs=1e-8)
    if done.power_mw == wanted:
        assert done.reason is None
    after = replace(done.state, power_mw=done.power_mw)
    error = EvDepotType().balance_error_mwh(depot, AssetState(soc=energy / 4.0), after, Interval(hours, begin))
    assert error == pytest.approx(0.0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(energy=st.floats(1.0, 4.0), wanted=st.lists(st.floats(-1, 1), min_size=25, max_size=25))
def test_discharging_never_takes_what_the_departure_needs(energy: float, wanted: list[float]) -> None:
    state = AssetState(soc=energy / 4.0)
    for k, power in enumerate(wanted):
        now = at(18.0 + k / 2)
        day = timetable(BOTH_WAYS, [now, now + timedelta(hours=0.5)])
        done = deliver(BOTH_WAYS, state, power, 0.5, at=now)
        if done.power_mw > 0 and not day.departs[0]:
            assert done.soc * 4.0 + 0.94 * float(day.left_h[0]) >= 3.0 - 1e-9
        if done.power_mw > 0 and day.departs[0]:
            assert done.shortfall_mwh == 0.0
        state = done.state


@settings(max_examples=40, deadline=None)
@given(
    energy=st.floats(0.0, 4.0),
    start=st.integers(0, 47),
    both=st.booleans(),
    prices=st.lists(st.floats(-50.0, 600.0), min_size=32, max_size=32),
)
def test_a_plan_meets_every_departure_that_can_be_met_and_prices_the_rest(
    energy: float, start: int, both: bool, prices: list[float]
) -> None:
    depot = BOTH_WAYS if both else DEPOT
    problem, plan = plan_of(depot, at(start / 2), energy, prices)
    assert plan.engine in {"lp", "milp"}
    days = timetable(depot, problem.edges())
    share = days.connected_h / problem.step_h
    power = plan.power_mw[0]
    assert (power >= -depot.charge_mw * share - 1e-6).all()
    assert (power <= depot.discharge_mw * share + 1e-6).all()
    aboard, most, unmet, least_unmet = energy, energy, 0.0, 0.0
    for h in range(32):
        inside = power[h] / 0.94 if power[h] > 0 else power[h] * 0.94
        aboard -= inside * 0.5
        most = min(most + 0.94 * 0.5 * share[h], 4.0)
        if days.departs[h]:
            unmet, least_unmet = unmet + max(3.0 - aboard, 0.0), least_unmet + max(3.0 - most, 0.0)
            aboard, most = 1.0 + max(aboard - 3.0, 0.0), 1.0 + max(most - 3.0, 0.0)
        assert plan.soc[0, h] * 4.0 == pytest.approx(aboard, abs=1e-5)
    assert unmet == pytest.approx(least_unmet, abs=1e-5)
    assert plan.costs["unmet"] == pytest.approx(400.0 * unmet, abs=0.01)


def test_charging_waits_for_the_cheap_hours() -> None:
    prices = [200.0] * 10 + [20.0] * 8 + [200.0] * 10
    _, plan = plan_of(DEPOT, at(18.0), 1.0, prices)
    assert plan.power_mw[0, :10].sum() == pytest.approx(0.0, abs=1e-6)
    # What the vehicles do not need comes back with them, so at 20 per MWh it pays to fill up.
    assert -plan.power_mw[0, 10:18].sum() * 0.5 * 0.94 == pytest.approx(3.0, abs=1e-3)


def test_a_bidirectional_depot_sells_above_its_wear_and_buys_back_before_it_leaves() -> None:
    prices = [300.0] * 4 + [20.0] * 21
    _, plan = plan_of(BOTH_WAYS, at(18.0), 3.0, prices)
    assert (plan.power_mw[0, :4] > 0.9).any()
    assert plan.costs["unmet"] == 0.0


def test_an_order_goes_before_the_departure_and_the_missing_energy_is_priced() -> None:
    zone = depot_zone()
    bands = Bands.none(1, 8)
    bands.max_mw[0, :] = bands.min_mw[0, :] = 0.0
    state = replace(fleet_at_rest(zone), soc=np.array([0.25]))
    plan = solve(clearing_problem(zone, ClearingInputs(np.full(8, 20.0), state=state, start=at(3.0), bands=bands)))
    assert plan.power_mw[0].tolist() == pytest.approx([0.0] * 8, abs=1e-6)
    assert plan.costs["unmet"] == pytest.approx(800.0)


def test_the_reflex_charges_evenly_and_the_checker_agrees_with_the_plan() -> None:
    problem, plan = plan_of(DEPOT, at(18.0), 1.0, [50.0] * 25)
    reflex = reflex_plan(problem, reason="iteration_limit")
    assert reflex.power_mw[0].tolist() == pytest.approx([-2.0 / 0.94 / 12.5] * 25)
    for each in (plan, reflex):
        wanted = {"depot": float(each.power_mw[0, 0])}
        assert [v.outcome for v in check(problem.zone, problem.state, wanted, 0.5, start=at(18.0))] == ["accepted"]


@pytest.mark.parametrize(
    ("wanted", "hour", "depot", "reason"),
    [
        pytest.param(-1.0, 12.0, DEPOT, Clamp.NOT_CONNECTED, id="away"),
        pytest.param(-2.0, 20.0, DEPOT, Clamp.POWER_LIMIT, id="too much"),
        pytest.param(0.5, 20.0, DEPOT, Clamp.POWER_LIMIT, id="charge only"),
        pytest.param(1.0, 5.5, BOTH_WAYS, Clamp.NEEDED_LATER, id="needed"),
    ],
)
def test_what_limits_it_has_a_name(wanted: float, hour: float, depot: EvDepot, reason: Clamp) -> None:
    assert deliver(depot, AssetState(soc=0.5), wanted, 0.5, at=at(hour)).reason is reason


def test_a_full_depot_takes_no_more() -> None:
    done = deliver(DEPOT, AssetState(soc=0.999), -1.0, 0.5, at=at(20.0))
    assert done.reason is Clamp.SOC_MAX
    assert done.soc == pytest.approx(1.0)


def test_without_the_time_it_refuses_and_without_soc_it_rests() -> None:
    with pytest.raises(ValueError, match="needs the time"):
        deliver(DEPOT, AssetState(soc=0.5), -1.0, 0.5)
    done = deliver(DEPOT, AssetState(), -1.0, 0.5, at=at(20.0))
    assert (done.power_mw, done.reason) == (0.0, Clamp.UNAVAILABLE)
    assert math.isnan(done.soc)


def test_the_stochastic_programme_leaves_a_depot_to_the_linear_one() -> None:
    zone = make_zone(*make_zone().assets, DEPOT)
    assert not applies(clearing_problem(zone, ClearingInputs(np.full(4, 20.0), start=at(0.0))))


def test_words_say_energy_need_and_action() -> None:
    _, plan = plan_of(DEPOT, at(5.5), 2.0, [50.0] * 4)
    assert "depot: 2 MWh aboard, 3 MWh needed at 06:30" in plan.binding
    assert plan.binding.endswith("charge 1 MW")
    away, idle = plan_of(DEPOT, at(12.0), 1.0, [50.0] * 4)
    assert "the vehicles are away until 18:00: rest" in idle.binding
    assert away.state.soc[0] == 0.25


FILE = """
zones:
  X:
    share: {region_mw: 100, served_mw: 100}
    limits: {ramp_limit_mw: 5, import_cap_mw: 90}
    assets:
      - {kind: ev_depot, asset_id: d, energy_mwh: 4, charge_mw: 1, connected_from: %s, departure: "06:30",
         departure_mwh: %s, arrival_mwh: 1}
"""


@pytest.mark.parametrize(
    ("opens", "need", "text"),
    [
        pytest.param("18:00", "3", "base 60", id="YAML reads a number"),
        pytest.param('"25:00"', "3", "connected_from must not be written", id="no time"),
        pytest.param('"06:00"', "3", "1 h connected", id="hardly connected"),
        pytest.param('"05:00"', "3", "raise charge_mw", id="can never be met"),
        pytest.param('"18:00"', "5", "must not exceed energy_mwh", id="more than it holds"),
    ],
)
def test_a_depot_that_makes_no_sense_is_refused(opens: str, need: str, text: str) -> None:
    with pytest.raises(FleetError, match=text):
        parse_fleet(FILE % (opens, need), "fleet.yaml")


def test_a_depot_reads_from_a_fleet_file() -> None:
    zone = parse_fleet(FILE % ('"18:00"', "3"), "fleet.yaml").get("X")
    assert zone is not None
    assert isinstance(zone.assets[0], EvDepot)
    assert fleet_at_rest(zone).soc.tolist() == [0.25]
