"""The trader bids prices that it trusts; experts gain weight by their profit on paper."""

from __future__ import annotations

import numpy as np
import pytest

from agents.bidding.paper_accounts import Rule
from agents.bidding.trader import TraderReducer, offers_of, stored_values
from tests.worlds.builders import T0, ZONE, closed_slot, forecast_at, make_zone, quantiles_around, run, said_on
from vpp.errors import MessageError
from vpp.fleet.market import PriceKnown
from vpp.fleet.schema import Market
from vpp.messages import Correction, End, Forecast, PriceOutlook, TraderBid, encode
from vpp.numerics.storage_dp import UnitBattery

HORIZONS = [30 * (i + 1) for i in range(48)]


def day_price(index: int, low: float = 40.0, high: float = 160.0) -> float:
    """Return a price that is low in the first half of each day and high in the second."""
    return low if index % 48 < 24 else high


def with_experts(index: int, **experts: list[float | None]) -> Forecast:
    outlook = PriceOutlook(horizon_min=HORIZONS, known=[None] * 48, experts=experts)
    seen = closed_slot(index, price=day_price(index))
    return forecast_at(index, observation=seen, price=None, outlook=outlook)


def bids(reducer: TraderReducer, forecasts: list[Forecast]) -> list[TraderBid]:
    return said_on(run(reducer, forecasts)[1], "bids")


def test_the_forecast_is_bid_shrunk_towards_its_mean_by_the_trust() -> None:
    prices = [80.0] * 24 + [120.0] * 24
    (bid,) = bids(TraderReducer(make_zone()), [forecast_at(0, price=quantiles_around(prices, 1.0))])
    assert bid.trust == 0.5
    assert bid.price_per_mwh == [90.0] * 24 + [110.0] * 24
    assert bid.weights == {"forecast": 1.0}


def test_where_the_price_is_known_ahead_it_is_trusted_in_full() -> None:
    zone = make_zone(market=Market(price_known=PriceKnown.DAY_AHEAD))
    prices = [80.0] * 24 + [120.0] * 24
    (bid,) = bids(TraderReducer(zone), [forecast_at(0, price=quantiles_around(prices, 1.0))])
    assert bid.price_per_mwh == prices


def test_published_prices_stand_as_they_are() -> None:
    outlook = PriceOutlook(horizon_min=HORIZONS, known=[70.0, *[None] * 47], experts={})
    (bid,) = bids(TraderReducer(make_zone()), [forecast_at(0, level_price=100.0, outlook=outlook)])
    assert bid.price_per_mwh[0] == 70.0
    assert bid.price_per_mwh[1] == pytest.approx(99.6875, abs=1e-3)


def test_a_price_that_is_published_when_its_slot_begins_has_a_spread() -> None:
    outlook = PriceOutlook(horizon_min=HORIZONS, known=[70.0, *[None] * 47], experts={})
    price = quantiles_around([100.0] * 48, 1.0)
    wide = (np.array(price.q75) - np.array(price.q25))[1] / 1.349

    def spreads(price_known: PriceKnown, **market: bool) -> list[float]:
        zone = make_zone(market=Market(price_known=price_known, **market))
        (bid,) = bids(TraderReducer(zone), [forecast_at(0, price=price, outlook=outlook)])
        return bid.price_sd_per_mwh

    assert spreads(PriceKnown.AT_START) == [0.0, *[round(wide, 1)] * 47]
    assert spreads(PriceKnown.AFTER, contingent_bids=True) == []
    assert spreads(PriceKnown.DAY_AHEAD) == []


def test_stored_energy_is_worth_less_the_more_there_is() -> None:
    prices = np.array([100.0] * 24 + [80.0, 120.0] * 12)
    values = stored_values(prices)
    assert values == sorted(values, reverse=True)
    assert np.mean(values) == pytest.approx(95.0)
    assert values[0] > values[-1]


def test_stored_energy_is_never_worth_less_than_nothing() -> None:
    assert stored_values(np.full(48, -50.0)) == [0.0] * 4


def test_opportunity_values_of_the_outlook_move_the_worth_of_stored_energy() -> None:
    outlook = PriceOutlook(horizon_min=HORIZONS, known=[None] * 48, experts={}, slopes={"value": [190.0, 150.0, 110.0]})
    (plain,) = bids(TraderReducer(make_zone()), [forecast_at(0, level_price=100.0)])
    (moved,) = bids(TraderReducer(make_zone()), [forecast_at(0, level_price=100.0, outlook=outlook)])
    assert moved.weights["slopes:value"] > 0.0
    worth = moved.offers[0].water_value_per_mwh
    assert worth[0] > plain.offers[0].water_value_per_mwh[0]
    assert worth == sorted(worth, reverse=True)


@pytest.mark.parametrize(("margin", "moves_up"), [(200.0, True), (-200.0, False)])
def test_a_margin_over_the_next_price_tells_who_fixes_power_before_to_buy_or_to_sell(
    margin: float, moves_up: bool
) -> None:
    margins = {"value": [margin + 5.0, margin, margin - 5.0]}
    outlook = PriceOutlook(horizon_min=HORIZONS, known=[None] * 48, experts={}, margins=margins)
    (bid,) = bids(TraderReducer(make_zone()), [forecast_at(0, level_price=100.0, outlook=outlook)])
    assert bid.weights["slopes:value"] > 0.2
    battery = UnitBattery.of(make_zone())
    offers = offers_of(bid, battery)
    assert offers is not None
    stored = battery.energy_mwh / 2.0
    after = offers.move(100.0, 0.5, stored)
    assert (after > stored) is moves_up
    assert (after < stored) is not moves_up


def test_the_expert_that_earns_more_on_paper_gains_weight() -> None:
    def forecasts(days: int) -> list[Forecast]:
        right = [[day_price(i + 1 + h) for h in range(48)] for i in range(48 * days)]
        wrong = [[200.0 - price for price in row] for row in right]
        return [with_experts(i, right=[*right[i]], wrong=[*wrong[i]]) for i in range(48 * days)]

    reducer = TraderReducer(make_zone())
    trader_bids = bids(reducer, forecasts(3))
    assert trader_bids[0].weights == {"right": 0.5, "wrong": 0.5}
    assert trader_bids[-1].weights["right"] > 0.7


def test_without_a_forecast_the_flat_price_is_bid() -> None:
    zone = make_zone(energy_price_flat_per_mwh=60.0)
    (bid,) = bids(TraderReducer(zone), [forecast_at(0, level_price=None)])
    assert bid.source == "flat"
    assert bid.price_per_mwh == [60.0] * 48
    assert bid.stored_value_per_mwh == [57.0] * 4


def test_without_any_price_the_bid_is_empty_and_says_why() -> None:
    (bid,) = bids(TraderReducer(make_zone()), [forecast_at(0, level_price=None)])
    assert bid.horizon_min == []
    assert bid.reason == "the forecast has no price"


def test_a_market_that_takes_curves_gets_offers_that_rise_with_the_price() -> None:
    zone = make_zone(market=Market(contingent_bids=True))
    (bid,) = bids(TraderReducer(zone), [forecast_at(0)])
    prices, shares = zip(*bid.curve, strict=True)
    assert list(prices) == sorted(prices)
    assert list(shares) == sorted(shares)
    assert min(shares) < 0.0 < max(shares)


def test_a_bid_fits_into_four_kilobytes() -> None:
    prices = [1000 / 7 + i / 13 for i in range(48)]
    (bid,) = bids(TraderReducer(make_zone()), [forecast_at(0, price=quantiles_around(prices, 1.0))])
    assert len(encode(bid)) <= 4096


def test_repeats_yield_nothing_and_a_restart_changes_nothing() -> None:
    forecasts = [forecast_at(i, price=quantiles_around([day_price(i + h + 1) for h in range(48)])) for i in range(60)]
    whole = run(TraderReducer(make_zone()), forecasts)[1]
    reducer = TraderReducer(make_zone())
    saved_state: dict[str, bytes] = {}
    parts = []
    for forecast in forecasts:
        state = reducer.load(ZONE, saved_state.get)
        state, outputs = run(reducer, [forecast, forecast], state)
        parts += outputs
        saved_state.update({name: value for name, value in reducer.changes(state).items() if value is not None})
    assert parts == whole


def test_the_end_is_passed_on_and_corrections_are_left_to_the_actor() -> None:
    correction = Correction(zone=ZONE, slot=T0, step_min=30, values={}, net_load_mw=510.0, revision=1)
    _, outputs = run(TraderReducer(make_zone()), [correction, End(zone=ZONE, producer="forecast", last_slot=T0)])
    assert said_on(outputs, "bids") == [End(zone=ZONE, producer="trader", last_slot=T0)]


def test_an_outlook_whose_lists_do_not_match_is_refused() -> None:
    outlook = PriceOutlook(horizon_min=HORIZONS, known=[None], experts={})
    with pytest.raises(MessageError, match="1 values for 48 horizons"):
        run(TraderReducer(make_zone()), [forecast_at(0, outlook=outlook)])


def test_a_bid_says_what_to_do_at_any_price_and_any_stored_energy() -> None:
    zone = make_zone()
    reducer = TraderReducer(zone, rule=Rule.CONTINGENT)
    (bid,) = bids(reducer, [forecast_at(0, price=quantiles_around([60.0] * 24 + [120.0] * 24, 1.0))])
    battery = UnitBattery.of(zone)
    offers = offers_of(bid, battery)
    assert offers is not None
    assert offers.expected_per_mwh == pytest.approx(60.0)
    half = battery.energy_mwh / 2.0
    assert offers.move(0.0, 0.5, half) > half > offers.move(500.0, 0.5, half)


@pytest.mark.parametrize("rule", list(Rule))
def test_on_paper_a_seen_price_counts_only_where_the_market_lets_it(rule: Rule) -> None:
    reducer = TraderReducer(make_zone(), rule=rule)
    expected = quantiles_around([100.0] * 48, 1.0)
    dear = closed_slot(1, price=5000.0)
    state, _ = run(reducer, [forecast_at(0, price=expected), forecast_at(1, observation=dear, price=expected)])
    assert state.book.accounts["fixed/forecast"].day_profit == 0.0
    assert ("forecast" in state.book.accounts) is (rule is Rule.CONTINGENT)
    if rule is Rule.CONTINGENT:
        assert state.book.accounts["forecast"].day_profit > 0.0


def test_a_school_that_earns_more_takes_over_the_bid() -> None:
    usual = [day_price(h) for h in range(48)]
    expected = [quantiles_around([usual[(i + 1 + h) % 48] for h in range(48)], 1.0) for i in range(48)]

    def forecast(index: int) -> Forecast:
        spike = 400.0 if index % 48 in {5, 6, 7} else 0.0
        seen = closed_slot(index, price=usual[index % 48] + spike)
        return forecast_at(index, observation=seen, price=expected[index % 48])

    reducer = TraderReducer(make_zone(), rule=Rule.CONTINGENT)
    trader_bids = bids(reducer, [forecast(i) for i in range(48 * 8)])
    first = {opinion.fixed: opinion.share for opinion in trader_bids[0].offers}
    last = {opinion.fixed: opinion.share for opinion in trader_bids[-1].offers}
    assert first == {True: 0.5, False: 0.5}
    assert last[False] > last[True] + 0.05
