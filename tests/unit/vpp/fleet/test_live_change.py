"""Which keys of a zone may change while it runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.worlds.builders import BATTERY, PEAKER, make_zone
from vpp.fleet.assets import ENTRIES, Asset, CurtailableRenewable
from vpp.fleet.live_change import differences, with_start_of
from vpp.fleet.schema import FrequencyResponse, Limits, Market, Share, Zone

ZONE = make_zone(BATTERY, PEAKER)
CHEAPER = PEAKER.model_copy(update={"fuel_cost_per_mwh": 90.0})
LARGER = BATTERY.model_copy(update={"energy_mwh": 20.0})


def with_zone(**fields: Any) -> Zone:
    return ZONE.model_copy(update=fields)


def test_a_zone_differs_from_itself_in_nothing() -> None:
    assert differences(ZONE, Zone.model_validate(ZONE.model_dump(mode="json"))) == []


@pytest.mark.parametrize(
    ("after", "keys"),
    [
        (with_zone(limits=Limits(ramp_limit_mw=3.0, import_cap_mw=80.0)), ["limits.import_cap_mw"]),
        (with_zone(limits=Limits(ramp_limit_mw=3.0, import_cap_mw=86.0, export_cap_mw=9.0)), ["limits.export_cap_mw"]),
        (with_zone(market=Market(currency="GBP", price_cap_per_mwh=500.0)), ["market.price_cap_per_mwh"]),
        (with_zone(frequency=FrequencyResponse(dead_band_hz=0.2)), ["frequency.dead_band_hz"]),
        (with_zone(hedge=0.1, service_factor=2.0), ["service_factor", "hedge"]),
        (with_zone(energy_price_flat_per_mwh=40.0), ["energy_price_flat_per_mwh"]),
        (with_zone(assets=(CHEAPER, BATTERY)), ["assets.gas.fuel_cost_per_mwh"]),
    ],
)
def test_what_decides_and_settles_changes_live(after: Zone, keys: list[str]) -> None:
    assert [(one.key, one.live) for one in differences(ZONE, after)] == [(key, True) for key in keys]


@pytest.mark.parametrize(
    ("after", "key"),
    [
        (with_zone(step_min=15), "step_min"),
        (with_zone(time_zone="Europe/Berlin"), "time_zone"),
        (with_zone(channels=("load_mw",)), "channels"),
        (with_zone(share=Share(region_mw=1000.0, served_mw=50.0)), "share.served_mw"),
        (with_zone(market=Market(currency="EUR")), "market.currency"),
        (with_zone(assets=(LARGER, PEAKER)), "assets.bat.energy_mwh"),
        (with_zone(assets=(BATTERY,)), "assets.gas"),
        (
            with_zone(assets=(*ZONE.assets, CurtailableRenewable(asset_id="sun", curtail_cost_per_mwh=1.0))),
            "assets.sun",
        ),
    ],
)
def test_what_state_is_made_for_needs_a_restart(after: Zone, key: str) -> None:
    assert [(one.key, one.live) for one in differences(ZONE, after)] == [(key, False)]


NEEDS_RESTART = {
    "battery": {"energy_mwh"},
    "peaker": set(),
    "load": set(),
    "renewable": {"channel"},
    "ev_depot": {"energy_mwh"},
}
AT_START = {"soc_start", "start_mwh"}


@pytest.mark.parametrize("kind", ENTRIES)
def test_every_key_of_an_asset_type_is_live_or_needs_a_restart_on_purpose(kind: str) -> None:
    entry = ENTRIES[kind]
    listed = {"kind", "asset_id", *NEEDS_RESTART[kind], *(AT_START & set(entry.model_fields))}
    assert set(entry.model_fields) - entry.LIVE == listed
    assert set(entry.model_fields) >= entry.LIVE


def test_a_key_of_a_new_asset_type_needs_a_restart_until_it_is_named_live() -> None:
    class Boiler(Asset):
        kind: str = "boiler"
        capacity_mw: float

    before, after = (
        ZONE.model_copy(update={"assets": (Boiler(asset_id="heat", capacity_mw=mw),)}) for mw in (1.0, 2.0)
    )
    assert [(one.key, one.live) for one in differences(before, after)] == [("assets.heat.capacity_mw", False)]


def test_the_charge_at_the_start_counts_for_nothing_later() -> None:
    assert differences(ZONE, with_zone(assets=(BATTERY.model_copy(update={"soc_start": 0.7}), PEAKER))) == []


def test_a_difference_reads_as_a_line() -> None:
    (cap,) = differences(ZONE, with_zone(limits=Limits(ramp_limit_mw=3.0, import_cap_mw=80.0)))
    (gone,) = differences(ZONE, with_zone(assets=(BATTERY,)))
    assert str(cap) == "limits.import_cap_mw: 86 -> 80"
    assert str(gone) == "assets.gas: a peaker -> none"


def test_a_run_that_continues_keeps_what_it_started_with() -> None:
    resumed = with_zone(assets=(BATTERY.model_copy(update={"soc_start": 0.83}), PEAKER))
    wanted = with_zone(assets=(CHEAPER, BATTERY), hedge=0.1)
    assert wanted.batteries[0].soc_start != 0.83
    after = with_start_of(resumed, wanted)
    assert after.batteries[0].soc_start == 0.83
    assert with_start_of(wanted, after) == wanted
