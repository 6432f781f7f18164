"""Which part of a zone's configuration may change while it runs; all else needs a restart.

What decides and settles is read anew at each slot: limits, costs, powers, the price range. What the state of a step is
made for stays as it is: slots, channels, market times, the share, which assets there are and how much they store. A key
that nobody named as live needs a restart, also one of a new asset type (``Asset.LIVE``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vpp.fleet.schema import Zone

_LIVE = frozenset(
    {
        "limits",
        "frequency",
        "energy_price_flat_per_mwh",
        "generation_price_flat_per_mwh",
        "service_factor",
        "hedge",
        "churn_price_per_mwh",
    }
)
_LIVE_OF_MARKET = frozenset({"price_floor_per_mwh", "price_cap_per_mwh"})
_ONLY_AT_START = frozenset({"soc_start", "start_mwh"})


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key that differs: its place (``limits.import_cap_mw``, ``assets.B1.wear_cost_per_mwh``) and both values.

    ``live``: whether it may change while the zone runs. An asset that joins or leaves is one key, None if it is not.
    """

    key: str
    before: Any
    after: Any
    live: bool

    def __str__(self) -> str:
        """Return the change in words."""
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.after)}"


def differences(before: Zone, after: Zone) -> list[KeyChange]:
    """Return the keys in which two configurations of a zone differ, but those that count only at the first slot."""
    live_of_asset = {asset.asset_id: asset.LIVE for asset in before.assets}
    return [
        KeyChange(".".join(place), old, new, _is_live(place, live_of_asset))
        for place, old, new in _differences((), _by_name(before), _by_name(after))
        if _ONLY_AT_START.isdisjoint(place[2:])
    ]


def with_start_of(before: Zone, after: Zone) -> Zone:
    """Return ``after`` with what counts only at the first slot as in ``before``: a run that continues has its own."""
    starts = {
        (asset.kind, asset.asset_id): {key: getattr(asset, key) for key in _ONLY_AT_START if hasattr(asset, key)}
        for asset in before.assets
    }
    assets = (asset.model_copy(update=starts.get((asset.kind, asset.asset_id))) for asset in after.assets)
    return after.model_copy(update={"assets": tuple(assets)})


def _by_name(zone: Zone) -> dict[str, Any]:
    plain = zone.model_dump(mode="json")
    return {**plain, "assets": {asset["asset_id"]: asset for asset in plain["assets"]}}


def _differences(place: tuple[str, ...], before: Any, after: Any) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _differences((*place, key), before.get(key), after.get(key))
    elif before != after:
        yield place, before, after


def _is_live(place: tuple[str, ...], live_of_asset: dict[str, frozenset[str]]) -> bool:
    match place:
        case ("market", key):
            return key in _LIVE_OF_MARKET
        case ("assets", name, key):
            return key in live_of_asset[name]
        case ("assets", _):
            return False
        case _:
            return place[0] in _LIVE


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"a {value['kind']}"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
