"""What people type into a fleet file: each mistake is one clear line with its place and the next step."""

import pytest

from vpp.errors import FleetError
from vpp.fleet.schema import parse_fleet

GOOD = "share: {region_mw: 100, served_mw: 100}\n    limits: {ramp_limit_mw: 5, import_cap_mw: 90}"


def zone(extra="", name="AB"):
    return f"zones:\n  {name}:\n    {GOOD}\n{extra}"


def asset(text):
    return zone(f"    assets:\n      - {{{text}}}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            asset("kind: battery, asset_id: b, energy_mwh: 0, charge_mw: 1, discharge_mw: 1"),
            "energy_mwh must be above 0, not 0",
        ),
        (
            asset("kind: peaker, asset_id: p, capacity_mw: -1, ramp_mw_per_h: 1, fuel_cost_per_mwh: 1"),
            "capacity_mw must be above 0",
        ),
        (
            asset("kind: peaker, asset_id: p, capacity_mw: 1, min_load_mw: 2, ramp_mw_per_h: 1, fuel_cost_per_mwh: 1"),
            "min_load_mw 2 must not exceed capacity_mw 1",
        ),
        (asset("kind: batery, asset_id: b"), "unknown kind batery (did you mean battery?)"),
        (asset("asset_id: b, energy_mwh: 1"), "kind"),
        (
            asset("kind: battery, asset_id: b, energy_mwh: .inf, charge_mw: 1, discharge_mw: 1"),
            "energy_mwh must be finite",
        ),
        (
            asset("kind: battery, asset_id: b, energy_mwh: .nan, charge_mw: 1, discharge_mw: 1"),
            "energy_mwh must be finite",
        ),
        (
            asset("kind: battery, asset_id: b, energie_mwh: 1, charge_mw: 1, discharge_mw: 1"),
            "(did you mean energy_mwh?)",
        ),
        (
            asset(
                "kind: battery, asset_id: b, energy_mwh: 1, charge_mw: 1, discharge_mw: 1, soc_min: 0.9, soc_max: 0.1"
            ),
            "soc_min + reserve_soc must lie below soc_max",
        ),
        (
            zone("    market: {price_floor_per_mwh: 100, price_cap_per_mwh: -100}"),
            "price_floor_per_mwh 100 must lie below price_cap_per_mwh -100",
        ),
        (zone("    market: {price_cap_per_mwh: .inf}"), "price_cap_per_mwh must be finite"),
        (zone(name="NO"), "line 2: YAML reads NO as false"),
        (zone(name="50"), "line 2: the name 50 is no text"),
        (zone(name="2024-01-01"), "the name 2024-01-01 is no text"),
        (zone(name="~"), "is no text"),
        (zone("    country: NO"), "YAML reads NO as false"),
        (zone("    country: on"), "YAML reads on as true"),
        (zone("    country: Germany"), "must be an ISO code of two capital letters"),
        (zone("    country: de"), "must be an ISO code of two capital letters"),
        (zone("    country: 50"), "write '50' in quotes"),
        (zone("    time_zone: 12:30"), "base 60"),
        ("zones:\n  AB: see other file", "zones.AB must hold keys"),
        ("zones:\n  AB: [1, 2]", "zones.AB must hold keys"),
        ("zones: 5", "zones must be a list"),
        ("just text", "must hold keys"),
        (zone() + "\n" + zone().removeprefix("zones:\n"), "AB comes twice (first in line 2)"),
        (zone("    hedge: 0.5\n    hedge: 0.6"), "hedge comes twice"),
        (zone("    limits: 5").replace("limits: {ramp_limit_mw: 5, import_cap_mw: 90}", ""), "limits must hold keys"),
        (zone("    neighbors: [FR]"), "(did you mean neighbours?)"),
        ("zones: {", "not YAML: line"),
        (zone(name='""'), "zone is empty"),
        (zone(name='"a\\nb"'), "must not be written"),
        (
            asset("kind: battery, asset_id: b, energy_mwh: true, charge_mw: 1, discharge_mw: 1"),
            "energy_mwh must be a number with a decimal point, not true",
        ),
        (zone("    hedge: false"), "hedge must be a number with a decimal point, not false"),
        (zone("    hedge: 0,5"), "hedge must be a number with a decimal point, not '0,5'"),
        (zone("    hedge:"), "hedge is empty"),
        (zone("    step_min: 30.5"), "step_min must be a whole number, not 30.5"),
        (zone("    country: 015"), "YAML reads 015 as a number of base 8"),
        (
            asset("kind: battery, asset_id: b, energy_mwh: 16 MWh, charge_mw: 1, discharge_mw: 1"),
            "energy_mwh must be a number with a decimal point, not '16 MWh' (the unit stands in the name of the key)",
        ),
        (
            asset('kind: battery, asset_id: "b\\e1", energy_mwh: 1, charge_mw: 1, discharge_mw: 1'),
            "must not be written",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(text, expected):
    with pytest.raises(FleetError) as caught:
        parse_fleet(text, "fleet.yaml")
    message = f"{caught.value} | {caught.value.hint}"
    assert expected in message
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(";") <= 1


def test_a_name_in_quotes_is_a_name():
    fleet = parse_fleet(zone(name="'NO'").replace("50", "50"), "fleet.yaml")
    assert fleet.zones[0].zone == "NO"
    assert parse_fleet(zone(name='"50"'), "fleet.yaml").zones[0].zone == "50"
