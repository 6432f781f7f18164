"""Each asset type gives its limits and costs in words, and one verb per direction of power."""

from __future__ import annotations

import pytest

from agents.assets.registry import type_of
from tests.worlds.builders import BATTERY, PEAKER
from vpp.fleet.assets import Asset, CurtailableLoad, CurtailableRenewable, EvDepot

LOAD = CurtailableLoad(asset_id="shed", capacity_mw=0.006, curtail_cost_per_mwh=300.0)
WIND = CurtailableRenewable(asset_id="wind", channel="wind_mw", share=0.5, curtail_cost_per_mwh=20.0)
DEPOT = EvDepot(
    asset_id="depot",
    energy_mwh=4.0,
    charge_mw=1.0,
    connected_from="18:00",
    departure="06:30",
    departure_mwh=3.0,
    arrival_mwh=1.0,
)


@pytest.mark.parametrize(
    ("asset", "label", "value"),
    [
        (BATTERY, "Energy", f"{BATTERY.energy_mwh:g} MWh"),
        (PEAKER, "Fuel", f"{PEAKER.fuel_cost_per_mwh:g} EUR per MWh"),
        (LOAD, "Capacity", "6 kW"),
        (WIND, "Share", "50 %"),
        (DEPOT, "Energy at departure", "3 MWh of 4 MWh"),
    ],
)
def test_the_nameplate_has_units(asset: Asset, label: str, value: str) -> None:
    assert dict(type_of(asset).nameplate(asset, "EUR"))[label] == value


@pytest.mark.parametrize(
    ("asset", "power_mw", "word"),
    [
        (BATTERY, 1.0, "discharge"),
        (BATTERY, -1.0, "charge"),
        (PEAKER, 1.0, "run"),
        (LOAD, 1.0, "shed"),
        (WIND, -1.0, "cut"),
        (WIND, 1.0, "rest"),
        (DEPOT, -1.0, "charge"),
    ],
)
def test_an_action_has_one_verb(asset: Asset, power_mw: float, word: str) -> None:
    assert type_of(asset).action_word(power_mw) == word


def test_only_what_sheds_or_cuts_has_a_cost_of_curtailment() -> None:
    costs = [type_of(asset).curtail_cost_per_mwh(asset) for asset in (BATTERY, LOAD, WIND)]
    assert costs == [None, 300.0, 20.0]
