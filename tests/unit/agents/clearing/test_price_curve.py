"""The price-contingent setpoint: where it is made, what it says, and what the twin makes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from agents.assets.registry import fleet_at_rest
from agents.clearing.price_curve import CARRY, _believed, _seen_at, seen_prices, with_price_curve
from agents.clearing.problem import ClearingInputs, Plan, clearing_problem
from agents.clearing.solve import solve
from agents.clearing.stochastic_solve import solve_dp
from agents.plant.recompute import recompute
from agents.plant.reducer import PlantReducer
from agents.plant.settlement import follow
from agents.plant.state import Planned
from tests.worlds.builders import (
    BATTERY,
    HALF_HOUR,
    LOAD,
    QUICK,
    ZONE,
    actor_bid_at,
    closed_slot,
    make_zone,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from vpp.fleet.market import PriceKnown
from vpp.fleet.schema import Limits, Market, Zone
from vpp.messages import Deadline, Message, Opinion, TraderBid

AFTER = Market(contingent_bids=True, price_known=PriceKnown.AFTER, currency="GBP")
WIDE = Limits(ramp_limit_mw=50.0, import_cap_mw=500.0)
DEAR = BATTERY.model_copy(update={"asset_id": "second", "wear_cost_per_mwh": 9.0})
OFFERS = [(-1000.0, -1.0), (70.0, 0.0), (130.0, 1.0)]


def bid(index: int = 0, **given: Any) -> TraderBid:
    return trader_bid_at(index, curve=OFFERS, **given)


def drawn(zone: Zone, *opinions: Opinion) -> Plan:
    problem = clearing_problem(
        zone,
        ClearingInputs(
            np.full(32, 50.0),
            state=fleet_at_rest(zone, 50.0),
            price_per_mwh=100.0,
            ramp_sd_mw=0.5,
            level_sd_mw=0.5,
        ),
    )
    plan = solve_dp(problem) if len(zone.batteries) == 1 else solve(problem)
    offers = bid(offers=list(opinions))
    return with_price_curve(problem, plan, offers, seen_prices(zone, offers, zone.step.index(slot_at(0))))


def opinion(share: float = 1.0, **given: Any) -> Opinion:
    return Opinion(share=share, expected_per_mwh=100.0, water_value_per_mwh=[100.0] * 4, **given)


@pytest.mark.parametrize(
    "zone",
    [
        pytest.param(make_zone(BATTERY, QUICK, LOAD, market=AFTER, limits=WIDE), id="dynamic programme"),
        pytest.param(make_zone(BATTERY, DEAR, QUICK, market=AFTER, limits=WIDE), id="linear programme"),
    ],
)
def test_low_prices_charge_high_ones_discharge_and_power_never_falls(zone: Zone) -> None:
    plan = drawn(zone)
    powers = plan.price_curve_mw
    assert np.all(np.diff(powers, axis=1) >= 0.0)
    assert powers[0, 0] == pytest.approx(-4.0, abs=0.11)
    assert powers[0, -1] == pytest.approx(4.0, abs=0.81)
    rests = np.interp(100.0, plan.price_curve_per_mwh, powers[0])
    assert abs(rests) < 0.5


def test_a_tight_ramp_limit_keeps_power_within_it_at_every_ordinary_price() -> None:
    tight = make_zone(BATTERY, QUICK, LOAD, market=AFTER, limits=Limits(ramp_limit_mw=1.0, import_cap_mw=500.0))
    assert np.abs(drawn(tight).price_curve_mw[0]).max() <= 1.1


def test_many_batteries_share_the_answer_and_a_held_one_stays_out() -> None:
    zone = make_zone(*(BATTERY.model_copy(update={"asset_id": f"b{i}"}) for i in range(7)), market=AFTER, limits=WIDE)
    problem = clearing_problem(
        zone, ClearingInputs(np.full(16, 50.0), state=fleet_at_rest(zone, 50.0), price_per_mwh=100.0)
    )
    problem.bands.fixed_mw[6, 0] = 1.0
    seen = seen_prices(zone, bid(), zone.step.index(slot_at(0)))
    powers = with_price_curve(problem, solve(problem), bid(), seen).price_curve_mw
    assert np.all(powers[6] == pytest.approx(1.0))
    assert powers[:6, 0] == pytest.approx(np.full(6, -4.0), abs=0.01)
    assert np.ptp(powers[:6], axis=0).max() < 1e-6


def test_the_share_that_answers_prices_follows_and_the_rest_stays_as_planned() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, market=AFTER, limits=WIDE)
    full, both = drawn(zone, opinion()), drawn(zone, opinion(0.5), opinion(0.5, fixed=True))
    fixed = drawn(zone, opinion(fixed=True))
    planned = full.power_mw[0, 0]
    assert fixed.price_curve_mw[0] == pytest.approx(np.full(21, planned))
    assert both.price_curve_mw[0] == pytest.approx(0.5 * (full.price_curve_mw[0] + planned))


def test_a_seen_price_carries_over_to_the_next_slots() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, market=AFTER, limits=WIDE)
    problem = clearing_problem(
        zone, ClearingInputs(np.full(32, 50.0), state=fleet_at_rest(zone, 50.0), price_per_mwh=100.0)
    )
    moved = _seen_at(problem, 130.0).price_per_mwh
    assert moved[0] == 130.0
    assert moved[1] == pytest.approx(100.0 + 30.0 * CARRY)
    assert np.all(np.diff(moved) < 0.0)
    assert moved[-1] == pytest.approx(100.0, abs=1.0)


def test_who_waits_for_the_price_believes_the_whole_spread() -> None:
    plain = trader_bid_at(0, [90.0, 110.0] * 16)
    for trust, spread in ((1.0, 10.0), (0.5, 20.0), (0.0, 10.0)):
        bid_at = msgspec.structs.replace(plain, trust=trust)
        assert _believed(bid_at, np.array([90.0, 110.0])) == pytest.approx([100.0 - spread, 100.0 + spread])


@pytest.mark.parametrize(
    ("zone", "offers"),
    [
        pytest.param(make_zone(), bid(), id="a market without curves"),
        pytest.param(
            make_zone(market=Market(contingent_bids=True, price_known=PriceKnown.AT_START)), bid(), id="price is known"
        ),
        pytest.param(make_zone(market=AFTER), bid(-1), id="an old bid"),
        pytest.param(make_zone(market=AFTER), trader_bid_at(0), id="a bid without offers"),
        pytest.param(make_zone(market=AFTER), None, id="no bid"),
    ],
)
def test_elsewhere_there_is_none(zone: Zone, offers: TraderBid | None) -> None:
    assert len(seen_prices(zone, offers, zone.step.index(slot_at(0)))) == 0


def test_departures_by_price_net_load_and_frequency_add_up() -> None:
    planned = Planned(
        1.0,
        curve=[(40.0, 0.0), (60.0, 2.0)],
        frequency_curve=[(49.0, 2.0), (50.0, 0.0)],
        price_curve=[(50.0, -4.0), (100.0, 1.0), (150.0, 4.0)],
    )
    assert follow(planned, 50.0, [(50.0, 1.0)], 100.0) == pytest.approx(1.0)
    assert follow(planned, 55.0, [(49.5, 1.0)], 150.0) == pytest.approx(1.0 + 0.5 + 1.0 + 3.0)
    assert follow(planned, None, None, 50.0) == pytest.approx(-4.0)
    assert follow(planned, None, None, None) == 1.0


def test_the_plant_publishes_follows_and_settles_it_and_makes_it_again() -> None:
    zone = make_zone(BATTERY, QUICK, LOAD, market=AFTER, limits=WIDE)
    messages: list[Message] = []
    for index, price in enumerate((100.0, 400.0, 100.0)):
        seen = closed_slot(index, 500.0, price)
        messages += [actor_bid_at(index, observation=seen), bid(index, observation=seen)]
    messages.append(Deadline(zone=ZONE, slot=slot_at(3)))
    _, outputs = run(PlantReducer(zone), messages)
    setpoints = [s for s in said_on(outputs, "setpoints") if s.asset_id == "bat"]
    assert [bool(s.price_curve) for s in setpoints] == [True, True, True, False]
    delivered = {s.slot: s for s in said_on(outputs, "assets") if s.asset_id == "bat"}
    dear = delivered[slot_at(1)]
    assert dear.planned_mw is not None
    assert dear.power_mw > dear.planned_mw + 2.0
    entry = next(e for e in said_on(outputs, "ledger") if e.asset_id == "bat" and e.slot == slot_at(1))
    assert entry.revenue == pytest.approx(dear.power_mw * HALF_HOUR.total_seconds() / 3600 * 400.0)
    for decision in said_on(outputs, "decisions"):
        assert recompute(zone, decision).decision_id == decision.decision_id
