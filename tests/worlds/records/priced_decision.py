"""A decision that orders are priced against, and orders of a target."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from agents.plant.reducer import PlantReducer
from tests.worlds.builders import (
    BATTERY,
    LOAD,
    QUICK,
    actor_bid_at,
    closed_slot,
    make_zone,
    order_of,
    run,
    said_on,
    slot_at,
    trader_bid_at,
)
from vpp.fleet.schema import Limits
from vpp.messages import Decision, Message, Order

ZONE = make_zone(BATTERY, QUICK, LOAD, limits=Limits(ramp_limit_mw=3.0, import_cap_mw=60.0))
PRICES = [100.0] * 8 + [200.0] * 4 + [100.0] * 20
NET = [50.0, 50.0, 51.0, 52.0, 54.0, 55.0, 56.0, 57.0, 58.0, 58.0, 57.0, 55.0, *[50.0] * 20]


@lru_cache(maxsize=1)
def decision() -> Decision:
    """The decision after slot 1: a 4 MW battery with 5 MWh, a peak of net load and price in four hours."""
    bids: list[Message] = []
    for i in range(2):
        bids.append(actor_bid_at(i, NET, observation=closed_slot(i)))
        bids.append(trader_bid_at(i, PRICES, observation=closed_slot(i)))
    _, outputs = run(PlantReducer(ZONE, explore=False), bids)
    newest: Decision = said_on(outputs, "decisions")[-1]
    return newest


def target(power_mw: float, *, first: int = 3, slots: int = 2, **given: Any) -> Order:
    fields: dict[str, Any] = {
        "asset_ids": [BATTERY.asset_id],
        "power_mw": power_mw,
        "issued_at": slot_at(2),
        "starts_at": slot_at(first),
        "expires_at": slot_at(first + slots),
        **given,
    }
    return order_of("target", **fields)
