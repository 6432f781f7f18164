"""What people type into a fleet file: each mistake is one clear line with its place and the next step."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.errors import FleetError
from vpp.fleet.schema import load_fleet, parse_fleet
from vpp.validation_text import one_name_each

GOOD = "share: {region_mw: 100, served_mw: 100}\n    limits: {ramp_limit_mw: 5, import_cap_mw: 90}"


def zone(extra="", name="AB"):
    return f"zones:\n  {name}:\n    {GOOD}\n{extra}"


def asset(text):
    return zone(f"    assets:\n      - {{{text}}}")


def batteries(*ids):
    rows = (
        f"      - {{kind: battery, asset_id: {name}, energy_mwh: 1, charge_mw: 1, discharge_mw: 1}}" for name in ids
    )
    return zone("\n".join(("    assets:", *rows)))


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
        (
            zone().replace("served_mw: 100", "served_mw: 100.5"),
            "share: served_mw 100.5 must not exceed region_mw 100: the plant serves a part of the region",
        ),
        (zone("    frequency: {nominal_hz: 16.7}"), "fast_reserve_hz 49.5 must not exceed"),
        (batteries("B1", "b1"), "assets 'B1' and 'b1' differ in case only: give each asset a name of its own"),
        (batteries("Straße", "STRASSE"), "differ in case only"),
        (batteries("B1", "C1", "B1"), "asset 'B1' comes twice: give each asset a name of its own"),
        (batteries("B 1", "B  1"), "differ in blanks or in how a letter is encoded only"),
        (batteries("B1", '"B1 "'), "differ in blanks"),
        (batteries('"M\xfchle"', '"Mu\u0308hle"'), "differ in blanks or in how a letter is encoded only"),
        (batteries("ZONE"), "no asset may be named 'zone'"),
        (zone() + "\n" + zone(name="ab").removeprefix("zones:\n"), "zones 'AB' and 'ab' differ in case only"),
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


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n", "{}", "zones:", "zones: {}", "zones: []", "~"])
def test_a_file_without_a_zone_is_refused(text, tmp_path):
    path = tmp_path / "fleet.yaml"
    path.write_text(text)
    with pytest.raises(FleetError, match=r"fleet\.yaml describes no zone") as caught:
        load_fleet(path)
    assert "vpp init FILE" in (caught.value.hint or "")


@given(st.lists(st.text("aAbBßẞ\u0130i ", min_size=1, max_size=3), min_size=1, max_size=5))
def test_ids_are_accepted_exactly_where_each_differs_by_more_than_case_and_blanks(names):
    plain = {" ".join(unicodedata.normalize("NFKC", name).casefold().split()) for name in names}
    assert (one_name_each("asset", names) is None) == (len(plain) == len(names))


def test_a_site_serves_all_of_its_region_and_a_plant_a_part():
    assert parse_fleet(zone(), "fleet.yaml").zones[0].share.factor == 1.0
    assert parse_fleet(zone().replace("served_mw: 100", "served_mw: 1"), "fleet.yaml").zones[0].share.factor == 0.01
