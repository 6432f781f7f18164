"""A plant with every kind of asset decides and settles the same at any size, its fleet and bids growing with it.

Net loads and prices have no two equal values, so a linear programme has one optimum. A peaker that commits is left to
``tests/unit/agents/clearing/test_highs_any_size.py``: its search ends at a gap, which several plans may be within.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from agents.plant.narrative import story
from agents.plant.reducer import PlantReducer
from tests.worlds.builders import actor_bid_at, closed_slot, make_zone, run, trader_bid_at
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER
from vpp.domain import FREQUENCY, WIND
from vpp.domain import LOAD as LOAD_CHANNEL
from vpp.fleet.assets import Asset, CurtailableLoad, CurtailableRenewable, EvDepot
from vpp.fleet.market import PriceKnown
from vpp.fleet.schema import Limits, Market, Share, Zone
from vpp.messages import Alert, AssetStatus, Decision, LedgerEntry, Message, Setpoint, Trade

FACTORS = [1e-4, 1e-2, 10.0, 1e3]
SLOTS = 8
SERVED_MW = 100.0
MOST_APART = 1e-6
"""Relative, and as a share of the site (powers) or of the largest revenue of a slot (money)."""

_DROOPING = BATTERY.model_copy(update={"droop_mw_per_hz": 20.0})
_DEPOT = EvDepot(
    asset_id="cars",
    energy_mwh=6.0,
    charge_mw=2.0,
    discharge_mw=1.5,
    connected_from="19:00",
    departure="07:00",
    departure_mwh=5.0,
    arrival_mwh=2.0,
    start_mwh=3.1,
)
_FLEXIBLE = CurtailableLoad(asset_id="flex", capacity_mw=3.0, curtail_cost_per_mwh=110.0, only_at_cap=False)
_WIND = CurtailableRenewable(asset_id="wind", share=0.6, curtail_cost_per_mwh=12.0)
FLEETS: dict[str, tuple[tuple[Asset, ...], set[str]]] = {
    "all kinds": ((_DROOPING, PEAKER, _WIND, _FLEXIBLE, _DEPOT, LOAD), {"lp"}),
    "one battery": ((_DROOPING, PEAKER, LOAD), {"dp"}),
}
_GROWS = re.compile(r"(_mw|_mwh|ramp_mw_per_h|droop_mw_per_hz|start_cost)$")


def grown(asset: Asset, factor: float) -> Asset:
    """Return the asset with all that has a size times the factor; what is per MWh stays."""
    sizes = {
        name: value * factor
        for name, value in asset
        if _GROWS.search(name) and "per_mwh" not in name and value is not None
    }
    return asset.model_copy(update=sizes)


def site(fleet: str, known: PriceKnown, factor: float) -> Zone:
    return make_zone(
        *(grown(asset, factor) for asset in FLEETS[fleet][0]),
        share=Share(region_mw=10.0 * SERVED_MW * factor, served_mw=SERVED_MW * factor),
        limits=Limits(ramp_limit_mw=3.0 * factor, import_cap_mw=86.0 * factor, export_cap_mw=40.0 * factor),
        market=Market(currency="GBP", price_known=known, contingent_bids=known is PriceKnown.AFTER),
    )


def records(factor: float) -> Iterator[Message]:
    """Yield both policies' bids of some slots around an evening peak above the cap."""
    random = np.random.default_rng(11)
    hours = np.arange(SLOTS + 33) / 2.0
    net = 78.0 + 15.0 * np.sin(hours / 3.0) + random.normal(0.0, 1.5, len(hours))
    price = 95.0 + 70.0 * np.sin(hours / 2.0) + random.normal(0.0, 9.0, len(hours))
    for i in range(SLOTS):
        region_mw, wind_mw = 10.0 * float(net[i]) * factor, 150.0 * factor * (1.0 + 0.1 * math.sin(i))
        channels = {LOAD_CHANNEL: region_mw + wind_mw, WIND: wind_mw, FREQUENCY: 49.9 + 0.02 * i}
        seen = closed_slot(i, region_mw, float(price[i]))
        seen = msgspec.structs.replace(seen, values={**seen.values, **channels})
        ahead = slice(i + 1, i + 33)
        yield actor_bid_at(
            i,
            (net[ahead] * factor).tolist(),
            observation=seen,
            observed_net_mw=float(net[i] * factor),
            ramp_sd_mw=[0.6 * factor] * 32,
            level_sd_mw=(np.linspace(0.6, 3.0, 32) * factor).tolist(),
        )
        yield trader_bid_at(
            i,
            price[ahead].tolist(),
            observation=seen,
            price_sd_per_mwh=[7.0] * 32,
            curve=[(-500.0, -1.0), (55.0, -0.4), (92.0, 0.0), (140.0, 1.0)],
        )


Seen = dict[tuple[Any, ...], float]


def decided(fleet: str, known: PriceKnown, factor: float) -> tuple[Seen, Seen, list[Any]]:
    """Return powers and money, divided by the factor, and every code that has no size."""
    zone = site(fleet, known, factor)
    _, outputs = run(PlantReducer(zone), records(factor))
    powers: Seen = {}
    money: Seen = {}
    codes: list[Any] = []
    for message in (output.message for output in outputs):
        if isinstance(message, Setpoint):
            at = (message.slot, message.asset_id)
            powers[*at, "setpoint"] = message.power_mw / factor
            powers |= {(*at, "curve", k): mw / factor for k, (_, mw) in enumerate(message.curve)}
            powers |= {(*at, "net", k): net / factor for k, (net, _) in enumerate(message.curve)}
            powers |= {(*at, "price", k): mw / factor for k, (_, mw) in enumerate(message.price_curve)}
            powers |= {(*at, "frequency", k): mw / factor for k, (_, mw) in enumerate(message.frequency_curve)}
        elif isinstance(message, AssetStatus):
            powers[message.slot, message.asset_id, "delivered"] = message.power_mw / factor
            powers[message.slot, message.asset_id, "charge"] = SERVED_MW * (message.soc or 0.0)
        elif isinstance(message, LedgerEntry):
            items = ("revenue", "wear_cost", "fuel_cost", "start_cost", "penalty", "penalty_no_action", "pnl")
            money |= {
                (message.slot, message.asset_id, name): (getattr(message, name) or 0.0) / factor for name in items
            }
        elif isinstance(message, Trade):
            codes.append((message.slot, message.asset_id, message.side))
        elif isinstance(message, Alert):
            codes.append((message.slot, message.code, message.severity))
        elif isinstance(message, Decision):
            money |= {(message.slot, name): cost / factor for name, cost in message.costs.items()}
            money |= {(message.slot, "instead", name): cost / factor for name, cost in message.alternatives.items()}
            money[message.slot, "objective"] = (message.objective or 0.0) / factor
            codes += [message.engine, [(note.code, note.asset_id) for note in message.notes]]
            codes += [[(check.asset_id, check.outcome, check.reason) for check in message.checks]]
            codes += [without_sizes(line) for line in story(message, [], zone)]
    return powers, money, codes


def without_sizes(sentence: str) -> str:
    """Return a sentence without its amounts: a home's are in kW, a region's in GW, and money grows with them."""
    return re.sub(r"[-+]?[\d,]*\.?\d+ ?([kMG]?Wh?)?\b", "#", sentence)


@pytest.mark.parametrize("known", [PriceKnown.DAY_AHEAD, PriceKnown.AFTER])
@pytest.mark.parametrize("fleet", sorted(FLEETS))
def test_a_plant_decides_and_settles_the_same_at_any_size(fleet: str, known: PriceKnown) -> None:
    powers, money, codes = decided(fleet, known, 1.0)
    engines = FLEETS[fleet][1]
    assert {str(code) for code in codes if str(code) in {"lp", "milp", "dp"}} <= engines
    acting = {asset_id for (_, asset_id, what, *_), mw in powers.items() if what == "delivered" and abs(mw) > 0.1}
    assert len(acting) >= len(FLEETS[fleet][0]) / 2, acting
    assert any(what == "price" for (_, _, what, *_) in powers) == (known is PriceKnown.AFTER)
    turnover = max(abs(amount) for (_, *name), amount in money.items() if name[-1] == "revenue")
    for factor in FACTORS:
        scaled_powers, scaled_money, scaled_codes = decided(fleet, known, factor)
        assert scaled_codes == codes, factor
        for expected, scaled, whole in ((powers, scaled_powers, SERVED_MW), (money, scaled_money, turnover)):
            assert scaled.keys() == expected.keys(), factor
            assert scaled == pytest.approx(expected, rel=MOST_APART, abs=MOST_APART * whole), factor
