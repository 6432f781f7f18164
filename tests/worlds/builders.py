"""Builders of small worlds for tests: one zone with whole numbers, slots from T0, forecasts and bids on them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from vpp.domain import PRICE, QUANTILE_NAMES, horizons_min
from vpp.fleet.assets import Asset, Battery, CurtailableLoad, Peaker
from vpp.fleet.schema import Limits, Market, Share, Zone
from vpp.messages import ActorBid, Forecast, Message, Order, Quantiles, SlotClosed, TraderBid
from vpp.streams.reducer import Origin, Output, Reducer

T0 = datetime(2022, 1, 3, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ZONE = "Z"

BATTERY = Battery(
    asset_id="bat",
    energy_mwh=10.0,
    charge_mw=4.0,
    discharge_mw=4.0,
    charge_efficiency=0.8,
    discharge_efficiency=0.8,
    soc_min=0.1,
    soc_max=0.9,
    soc_start=0.5,
    wear_cost_per_mwh=5.0,
)
PEAKER = Peaker(asset_id="gas", capacity_mw=15.0, ramp_mw_per_h=16.0, fuel_cost_per_mwh=160.0, start_cost=50.0)
QUICK = PEAKER.model_copy(update={"start_cost": 0.0})
LOAD = CurtailableLoad(asset_id="shed", capacity_mw=6.0, curtail_cost_per_mwh=300.0)


def slot_at(index: int) -> datetime:
    """Return the start of the ``index``-th half hour after T0."""
    return T0 + index * HALF_HOUR


def make_zone(*assets: Asset, **given: Any) -> Zone:
    """Return a zone that serves a tenth of its region, with a ramp limit of 3 MW and a cap of 86 MW."""
    fields: dict[str, Any] = {
        "zone": ZONE,
        "share": Share(region_mw=1000.0, served_mw=100.0),
        "limits": Limits(ramp_limit_mw=3.0, import_cap_mw=86.0),
        "market": Market(currency="GBP"),
        "assets": assets or (BATTERY, PEAKER, LOAD),
    }
    return Zone(**{**fields, **given})


def closed_slot(index: int, net_mw: float | None = 500.0, price: float | None = 100.0, **given: Any) -> SlotClosed:
    """Return a closed slot of the region's net load and price."""
    values = {"load_mw": net_mw, PRICE: price}
    return SlotClosed(zone=ZONE, slot=slot_at(index), step_min=30, values=values, net_load_mw=net_mw, **given)


def quantiles_around(levels: Iterable[float], width: float = 10.0, **given: Any) -> Quantiles:
    """Return quantiles at equal distances of ``width`` around each level."""
    centre = list(levels)
    columns: dict[str, Any] = {name: [c + (i - 3) * width for c in centre] for i, name in enumerate(QUANTILE_NAMES)}
    return Quantiles(source=given.pop("source", "model"), model_id=given.pop("model_id", "m1"), **columns, **given)


def forecast_at(
    index: int, *, level_mw: float | None = 500.0, level_price: float | None = 100.0, **given: Any
) -> Forecast:
    """Return a flat forecast on the standard half-hour horizons, after a slot that looked the same."""
    horizons = list(horizons_min(30))
    fields: dict[str, Any] = {
        "observation": closed_slot(index, level_mw, level_price),
        "net_load": None if level_mw is None else quantiles_around([level_mw] * len(horizons)),
        "price": None if level_price is None else quantiles_around([level_price] * len(horizons), 1.0),
        "ramp_mw_per_min": 0.0,
    }
    return Forecast(zone=ZONE, slot=slot_at(index), step_min=30, horizon_min=horizons, **{**fields, **given})


def actor_bid_at(index: int, net: list[float] | None = None, **given: Any) -> ActorBid:
    """Return an actor's bid, in MW served: flat 50 MW, or ``net`` by half hour."""
    net = [50.0] * 32 if net is None else net
    count = len(net)
    fields: dict[str, Any] = {
        "observation": closed_slot(index),
        "horizon_min": [30 * (i + 1) for i in range(count)],
        "ramp_sd_mw": [0.5] * count,
        "level_sd_mw": [0.5] * count,
        "carry": [1.0] * count,
        "p_ramp": 0.1,
        "observed_net_mw": 50.0,
        **given,
    }
    return ActorBid(
        zone=ZONE,
        slot=slot_at(index),
        step_min=30,
        net_mw=net,
        hedge=0.6,
        ramp_mw_per_min=0.0,
        source="model",
        model_id="m1",
        **fields,
    )


def trader_bid_at(index: int, price: list[float] | None = None, **given: Any) -> TraderBid:
    """Return a trader's bid: flat 100 per MWh, or ``price`` by half hour."""
    price = [100.0] * 32 if price is None else price
    fields: dict[str, Any] = {
        "observation": closed_slot(index),
        "horizon_min": [30 * (i + 1) for i in range(len(price))],
        "stored_value_per_mwh": [97.0, 95.0, 93.0, 91.0],
        "stored_width": [0.25] * 4,
        **given,
    }
    return TraderBid(
        zone=ZONE,
        slot=slot_at(index),
        step_min=30,
        price_per_mwh=price,
        trust=1.0,
        source="model",
        model_id="m1",
        **fields,
    )


def order_of(action: str, order_id: str = "o1", **given: Any) -> Order:
    """Return an order of an operator, issued at T0."""
    fields: dict[str, Any] = {"principal": "ops", "reason": "test", "issued_at": T0, **given}
    return Order(zone=ZONE, order_id=order_id, action=action, **fields)


def run(reducer: Reducer[Any], messages: Iterable[Message], state: Any = None) -> tuple[Any, list[Output]]:
    """Feed messages to a reducer; return its state and everything it said, in order."""
    state = reducer.initial(ZONE) if state is None else state
    outputs: list[Output] = []
    for offset, message in enumerate(messages):
        state, text = reducer.step(state, message, Origin("in", 0, offset))
        outputs += text
    return state, outputs


def said_on(outputs: Iterable[Output], topic: str) -> list[Any]:
    """Return the messages of one topic."""
    return [output.message for output in outputs if output.topic == topic]
