"""Now of a fleet without a battery or a peaker."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.dashboard.views.values import plant_bounds
from tests.unit.console.dashboard.conftest import client_of
from tests.worlds.builders import BATTERY, LOAD, PEAKER, ZONE, make_zone
from tests.worlds.page_plant import forecast
from tests.worlds.plant_loop import Loop
from vpp.fleet.assets import Asset, CurtailableRenewable, EvDepot

DEPOT = EvDepot(
    asset_id="depot",
    energy_mwh=4.0,
    charge_mw=1.0,
    discharge_mw=0.5,
    connected_from="01:00",
    departure="12:00",
    departure_mwh=3.0,
    arrival_mwh=1.0,
)
WIND = CurtailableRenewable(asset_id="wind", curtail_cost_per_mwh=20.0)


async def test_the_next_change_and_the_bounds_of_a_plant_are_those_of_any_kind(tmp_path: Path) -> None:
    loop = Loop(tmp_path, swings=True, zone=make_zone(DEPOT))
    for _ in range(4):
        loop.close_slot()
    forecast(loop)
    async with client_of(loop) as client:
        answer = await client.get("/page/screen", params={"screen": "now", "zone": ZONE})
    loop.store.close()
    found = answer.json()["body"]
    assert found["strip"]["comes"]["headline"].startswith("EV depot")
    assert (found["values"]["plant"]["min_mw"], found["values"]["plant"]["max_mw"]) == (-1.0, 0.5)


@pytest.mark.parametrize(
    ("assets", "low", "high"),
    [
        pytest.param((BATTERY, PEAKER), -4.0, 19.0, id="battery and peaker"),
        pytest.param((BATTERY, DEPOT), -5.0, 4.5, id="every kind counts"),
        pytest.param((PEAKER, LOAD, WIND), 0.0, 15.0, id="no emergency load, no weather"),
    ],
)
def test_the_bounds_of_the_plant_are_those_of_all_assets(assets: tuple[Asset, ...], low: float, high: float) -> None:
    assert plant_bounds(make_zone(*assets)) == {"min_mw": low, "max_mw": high}
