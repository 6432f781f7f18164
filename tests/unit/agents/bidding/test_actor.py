"""The actor bids once per forecast, in MW of the served share."""

from __future__ import annotations

from typing import Any

import pytest

from agents.bidding.actor import ActorReducer, actor_bid, spreads_of
from tests.worlds.builders import T0, ZONE, forecast_at, make_zone, quantiles_around, run, said_on
from vpp.domain import QUANTILE_NAMES
from vpp.errors import MessageError
from vpp.messages import Correction, End, Promotion, Spreads, encode


def test_a_bid_is_the_forecast_scaled_to_the_served_share() -> None:
    spreads = Spreads(ramp_sd_mw=[6.0] * 48, level_sd_mw=[8.0] * 48, carry=[0.5] * 48)
    forecast = forecast_at(0, spreads=spreads, ramp_mw_per_min=2.0)
    bid = actor_bid(make_zone(), forecast)
    assert bid.net_mw == [50.0] * 48
    assert bid.ramp_sd_mw[0] == 0.6
    assert bid.level_sd_mw[0] == 0.8
    assert bid.carry[0] == 0.5
    assert bid.ramp_mw_per_min == 0.2
    assert bid.observed_net_mw == 50.0
    assert bid.hedge == 0.6


def test_the_mean_is_bid_where_it_differs_from_the_median() -> None:
    forecast = forecast_at(0, net_load=quantiles_around([500.0] * 48, mean=[510.0] * 48))
    assert actor_bid(make_zone(), forecast).net_mw[0] == 51.0


def test_without_a_net_load_forecast_the_bid_is_empty_and_says_why() -> None:
    (output,) = run(ActorReducer(make_zone()), [forecast_at(0, level_mw=None, reason="no history")])[1]
    assert output.message.horizon_min == []
    assert output.message.reason == "no history"


def test_a_repeated_forecast_yields_nothing_also_after_a_restart() -> None:
    reducer = ActorReducer(make_zone())
    state, _ = run(reducer, [forecast_at(0), forecast_at(1)])
    saved_state = dict(reducer.changes(state))
    again = reducer.load(ZONE, saved_state.get)
    assert run(reducer, [forecast_at(1), forecast_at(0)], again)[1] == []


def test_corrections_and_the_end_are_passed_on() -> None:
    correction = Correction(zone=ZONE, slot=T0, step_min=30, values={}, net_load_mw=510.0, revision=1)
    _, outputs = run(ActorReducer(make_zone()), [correction, End(zone=ZONE, producer="forecast", last_slot=T0)])
    assert said_on(outputs, "bids") == [correction, End(zone=ZONE, producer="actor", last_slot=T0)]


def test_what_is_no_forecast_is_refused() -> None:
    stray = Promotion(zone=ZONE, available_at=T0, model_id="m", sha256="0")
    with pytest.raises(MessageError, match="not a forecast"):
        run(ActorReducer(make_zone()), [stray])


def test_lists_of_another_length_are_refused() -> None:
    spreads = Spreads(ramp_sd_mw=[1.0], level_sd_mw=[1.0], carry=[1.0])
    with pytest.raises(MessageError, match="1 values for 48 horizons"):
        actor_bid(make_zone(), forecast_at(0, spreads=spreads))


def test_a_bid_with_24_hours_fits_into_four_kilobytes() -> None:
    spreads = Spreads(ramp_sd_mw=[1 / 3] * 48, level_sd_mw=[2 / 3] * 48, carry=[1 / 7] * 48)
    levels = [40000 / 7 + i / 13 for i in range(48)]
    bid = actor_bid(make_zone(), forecast_at(0, net_load=quantiles_around(levels), spreads=spreads))
    assert len(encode(bid)) <= 4096


def test_spreads_without_any_in_the_forecast_come_from_the_quantiles() -> None:
    quantiles = quantiles_around([500.0, 500.0], 10.0)
    wider = quantiles_around([500.0], 20.0)
    levels: dict[str, Any] = {n: [quantiles.level(n)[0], wider.level(n)[0]] for n in QUANTILE_NAMES}
    grown = type(quantiles)(source="model", model_id="m", **levels)
    spreads = spreads_of(grown)
    assert spreads.level_sd_mw == pytest.approx([40 / 2.5631031, 80 / 2.5631031])
    assert spreads.ramp_sd_mw == pytest.approx([15.6063, 27.0308], abs=1e-3)
    assert spreads.carry == [1.0, 1.0]
