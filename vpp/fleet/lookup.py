"""Finds the configuration of a zone by name: the user's fleet file first, then the shipped ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from vpp.atomic_file import write_atomic
from vpp.fleet.schema import Fleet, Market, Zone, parse_fleet

SIMULATED = re.compile(r"SIM_\d{1,5}")


SIMULATED_AS = "SIM_NORTH"


def find_zone(name: str, own_fleet: Fleet | None = None) -> Zone | None:
    """Return the zone of this name from the user's fleet, else from the shipped ones, else None.

    ``SIM_001`` and the like are copies of the simulator's first zone.
    """
    mine = own_fleet.get(name) if own_fleet else None
    if mine is not None:
        return mine
    fleet = shipped_fleet()
    shipped = fleet.get(name)
    template = fleet.get(SIMULATED_AS) if shipped is None and SIMULATED.fullmatch(name) else None
    return shipped if template is None else _renamed(template, name)


def write_fleet(path: Path, zones: Iterable[Zone]) -> None:
    """Write zones as a fleet file, whole or not at all; a null is left out only where it is the default."""
    body = {zone.zone: _without_default_nulls(zone, zone.model_dump(mode="json", exclude={"zone"})) for zone in zones}
    text = yaml.safe_dump({"zones": body}, sort_keys=False, allow_unicode=True, width=120)
    write_atomic(path, text)


def _without_default_nulls(value: Any, plain: Any) -> Any:
    """Return ``plain``, the JSON of ``value``, without the nulls that are defaults."""
    match value:
        case BaseModel():
            fields = type(value).model_fields
            return {
                key: _without_default_nulls(getattr(value, key), entry)
                for key, entry in plain.items()
                if entry is not None or fields[key].default is not None
            }
        case tuple():
            return [_without_default_nulls(*pair) for pair in zip(value, plain, strict=True)]
        case _:
            return plain


@lru_cache(maxsize=1)
def shipped_fleet() -> Fleet:
    """Return the fleets that come with the package."""
    fleet = Fleet()
    folder = resources.files("vpp").joinpath("_assets", "fleets")
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            fleet = fleet.merged(parse_fleet(entry.read_text(encoding="utf-8"), entry.name))
    return fleet


@lru_cache(maxsize=1)
def zone_table() -> dict[str, Any]:
    """Return the shipped table: ``markets`` and ``zones`` by name."""
    text = resources.files("vpp").joinpath("_assets", "zones.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def known_facts(name: str) -> dict[str, Any] | None:
    """Return time zone, country, subdivision and market of a name, or None for one that the table lacks."""
    entry = zone_entry(name)
    if entry is None:
        return None
    return {**entry, "market": market_named(entry["market"])}


def zone_entry(name: str) -> dict[str, Any] | None:
    """Return a name's entry in the shipped table, also for one as exports spell it (``BZN|DE-LU``, ``NO1``)."""
    zones = zone_table()["zones"]
    plain = _plain(name.rpartition("|")[2])
    return zones.get(name) or next((entry for name, entry in zones.items() if _plain(name) == plain), None)


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "")


def market_named(name: str) -> Market:
    """Return the market of this name in the shipped table."""
    return Market(**{k: v for k, v in zone_table()["markets"][name].items() if k != "price_known_step_min"})


def _renamed(zone: Zone, name: str) -> Zone:
    assets = tuple(
        asset.model_copy(update={"asset_id": asset.asset_id.replace(zone.zone, name)}) for asset in zone.assets
    )
    return zone.model_copy(update={"zone": name, "assets": assets})
