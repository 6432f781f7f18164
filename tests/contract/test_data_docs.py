"""The pages on data and fleets name every key that there is."""

from pathlib import Path

import pytest

from vpp.files.cells.availability import NOT_CHANNELS
from vpp.files.cells.units import UNITS
from vpp.files.mapping import Mapping, SourceColumn, TimeColumn, parse_mapping, shipped_mappings
from vpp.fleet import schema
from vpp.fleet.lookup import shipped_fleet, zone_table
from vpp.fleet.schema import parse_fleet

DOCS = Path(__file__).resolve().parents[2] / "docs" / "guide"


def blocks(page, language):
    text = (DOCS / page).read_text(encoding="utf-8")
    return [part.split("```")[0] for part in text.split(f"```{language}\n")[1:]]


@pytest.mark.parametrize("model", schema._MODELS)
def test_every_fleet_key_is_explained(model):
    text = (DOCS / "fleet.md").read_text(encoding="utf-8")
    assert [name for name in model.model_fields if f"`{name}`" not in text and f"{name}:" not in text] == []


def test_every_shipped_zone_is_listed():
    text = (DOCS / "fleet.md").read_text(encoding="utf-8")
    assert [zone.zone for zone in shipped_fleet().zones if f"`{zone.zone}`" not in text] == []


def test_every_mapping_key_unit_and_market_is_explained():
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    assert [unit for unit in UNITS if f"`{unit}`" not in text] == []
    keys = {*Mapping.model_fields, *SourceColumn.model_fields, *TimeColumn.model_fields} - {"source", "description"}
    assert [key for key in sorted(keys) if f"{key}:" not in text and f"`{key}`" not in text] == []
    assert [name for name in shipped_mappings() if f"`{name}`" not in text] == []
    assert [name for name in zone_table()["markets"] if name != "SIM" and f"`{name}`" not in text] == []
    assert [name for name in NOT_CHANNELS if f"`{name}`" not in text] == []


def test_the_examples_on_the_pages_are_valid():
    shown = parse_fleet(blocks("fleet.md", "yaml")[0], "fleet.md").zones[0]
    shipped = shipped_fleet().get("GB")
    assert shipped is not None
    assert shown == shipped.model_copy(update={"market": shown.market})
    assert parse_mapping(blocks("data.md", "yaml")[0], "data.md").name == "my_site"
