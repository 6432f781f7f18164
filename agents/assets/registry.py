"""The asset types by the ``kind`` of the fleet file, and what follows from them for a fleet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from agents.assets.battery import BatteryType
from agents.assets.contract import AssetType, StorageParameters
from agents.assets.curtailable import CurtailableType
from agents.assets.ev_depot import EvDepotType
from agents.assets.fleet_state import FleetState
from agents.assets.flexible_load import FlexibleLoadType
from agents.assets.peaker import PeakerType
from vpp.fleet.assets import ENTRIES, Asset
from vpp.fleet.schema import Zone

T = TypeVar("T")
TYPES: dict[str, AssetType[Any]] = {}
"""Asset type by kind; the order is that of their blocks in the dispatch."""


def register(asset_type: AssetType[Any]) -> None:
    """Add an asset type; its entry class must be registered (``vpp.fleet.schema.add_asset_kind``).

    Raises:
        ValueError: Its entry class is not registered, or the kind has a type already.
    """
    kind = next((name for name, entry in ENTRIES.items() if entry is asset_type.entry), None)
    if kind is None or kind in TYPES:
        raise ValueError(f"{type(asset_type).__name__}: its entry is not registered, or its kind has a type already")
    TYPES[kind] = asset_type


for _each in (BatteryType(), PeakerType(), FlexibleLoadType(), CurtailableType(), EvDepotType()):
    register(_each)


def type_of(asset: Asset) -> AssetType[Any]:
    """Return the type of an asset."""
    return TYPES[asset.kind]


def kind_name(kind: str) -> str:
    """Return the display name of a kind of asset."""
    return (TYPES[kind].label if kind in TYPES else None) or kind.replace("_", " ")


def store_of(asset: Asset) -> StorageParameters | None:
    """Return the parameters of an asset that trades freely with a store, None for others."""
    return type_of(asset).store(asset)


def rows_where(zone: Zone, holds: Callable[[AssetType[Any], Any], object]) -> list[int]:
    """Return the places in the zone's file of the assets of which ``holds(type, asset)`` is true or not None."""
    return [
        row
        for row, asset in enumerate(zone.assets)
        if (answer := holds(type_of(asset), asset)) is not None and answer is not False
    ]


def store_rows(zone: Zone) -> list[int]:
    """Return the places of the assets that trade freely with a store."""
    return rows_where(zone, lambda kind, asset: kind.store(asset))


def stores_of(zone: Zone) -> dict[str, StorageParameters]:
    """Return the parameters of the assets that trade freely with a store, by asset id, in file order."""
    return {asset.asset_id: store for asset in zone.assets if (store := store_of(asset)) is not None}


def fleet_at_rest(zone: Zone, grid_mw: float = float("nan")) -> FleetState:
    """Return the fleet at rest: stores at their start SoC, everything else off."""
    states = [type_of(asset).at_rest(asset) for asset in zone.assets]
    return FleetState(
        soc=np.array([state.soc for state in states], dtype=float),
        power_mw=np.array([state.power_mw for state in states], dtype=float),
        running_min=np.array([state.running_min for state in states], dtype=float),
        ready_in_min=np.array([state.ready_in_min for state in states], dtype=float),
        available=np.ones(len(states), dtype=bool),
        grid_mw=grid_mw,
    )
