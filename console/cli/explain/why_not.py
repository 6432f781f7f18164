"""The question "why not ...": the assets and the powers of another first step."""

from __future__ import annotations

import re

from agents.assets.registry import TYPES, store_rows, type_of
from vpp.errors import ConfigError
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone

_PART = re.compile(r"[\s=]+|:\s+|(?<=\d)(?=[kmg]?w$)", re.IGNORECASE)
_UNITS = {"w": 1e-6, "kw": 1e-3, "mw": 1.0, "gw": 1e3}
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_AT_REST = frozenset({"hold", "rest"})
_FILLERS = frozenset({"", "at", "with", "to", "by", "full"})
HINT = 'write e.g. "discharge 5 MW", "rest", "GB-battery-1 charge 3 MW", "charge 2 kW" or "GB-peaker-1 0 MW"'


def first_powers(zone: Zone, wish: str) -> dict[str, float]:
    """Return the wished power by asset (MW, positive into the grid).

    A verb speaks of the zone's assets of its kind: with one of them the name may be left out; ``rest`` without a name
    speaks of all batteries. Without a size, ``discharge`` and the like mean all that the asset has.

    Raises:
        ConfigError: It cannot be read, names an unknown asset, or leaves open which asset is meant.
    """
    words = [word.rstrip(":") for word in _PART.split(wish.strip())]
    parts = [word for word in words if word.lower() not in _FILLERS]
    sizes = [word for word in parts if _NUMBER.fullmatch(word)]
    signs = _signs()
    verbs = [word.lower() for word in parts if word.lower() in signs]
    units = [word for word in parts if word.lower() in _UNITS]
    names = [word for word in parts if word not in sizes and word not in units and word.lower() not in signs]
    if max(len(sizes), len(units), len(verbs), len(names)) > 1 or not (sizes or verbs):
        raise ConfigError(f"{wish!r} cannot be read", hint=HINT)
    unit = _UNITS[units[0].lower()] if units else 1.0
    verb, size = next(iter(verbs), ""), float(sizes[0]) * unit if sizes else None
    return {
        asset.asset_id: _power(zone, asset, verb, size, wish) for asset in _meant(zone, next(iter(names), None), verb)
    }


def _meant(zone: Zone, name: str | None, verb: str) -> list[Asset]:
    ids = ", ".join(asset.asset_id for asset in zone.assets)
    if name is not None:
        matches = [asset for asset in zone.assets if asset.asset_id == name]
        if not matches:
            raise ConfigError(f"zone {zone.zone} has no asset {name!r}", hint=f"it has {ids}")
        return matches
    if verb in _AT_REST:
        return [zone.assets[row] for row in store_rows(zone)]
    stores = set(store_rows(zone))
    matches = [
        asset for row, asset in enumerate(zone.assets) if (verb in type_of(asset).verbs if verb else row in stores)
    ]
    if len(matches) != 1:
        raise ConfigError(f"which asset of {zone.zone}?", hint=f"name one first; it has {ids}")
    return matches


def _signs() -> dict[str, int]:
    """Return the sign of each verb: 1 into the grid, -1 out of it, 0 rest."""
    return {
        **dict.fromkeys(_AT_REST, 0),
        **{verb: sign for kind in TYPES.values() for verb, sign in kind.verbs.items()},
    }


def _power(zone: Zone, asset: Asset, verb: str, size: float | None, wish: str) -> float:
    sign = _signs().get(verb, 1)
    if sign == 0:
        return 0.0
    if size is None:
        full = type_of(asset).full_mw(zone, asset, verb)
        if full is None:
            raise ConfigError(f"{verb} {asset.asset_id} by how much?", hint=HINT)
        return sign * full
    if verb and size < 0:
        raise ConfigError(f"{wish!r}: {verb} already says the direction", hint="give the size without a sign")
    return sign * size
