"""What a person means by "why not ...": the assets and the powers of another first step."""

from __future__ import annotations

import re

from vpp.errors import ConfigError
from vpp.fleet.schema import Asset, Battery, CurtailableLoad, CurtailableRenewable, Peaker, Zone

_PART = re.compile(r"[\s=]+|:\s+|(?<=\d)(?=mw$)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_VERBS = frozenset({"discharge", "charge", "hold", "rest", "run", "stop", "shed", "cut"})
_FILLERS = frozenset({"", "mw", "at", "with", "to", "by", "full"})
_KINDS: dict[str, tuple[type[Asset], ...]] = {
    "discharge": (Battery,),
    "charge": (Battery,),
    "run": (Peaker,),
    "stop": (Peaker,),
    "shed": (CurtailableLoad,),
    "cut": (CurtailableRenewable,),
}
_INTO_THE_PLANT = frozenset({"charge", "cut"})
_AT_REST = frozenset({"hold", "rest", "stop"})
HINT = 'write e.g. "discharge 5 MW", "rest", "GB-battery-1 charge 3 MW" or "GB-peaker-1 0 MW"'


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
    verbs = [word.lower() for word in parts if word.lower() in _VERBS]
    names = [word for word in parts if word not in sizes and word.lower() not in _VERBS]
    if max(len(sizes), len(verbs), len(names)) > 1 or not (sizes or verbs):
        raise ConfigError(f"{wish!r} cannot be read", hint=HINT)
    verb, size = next(iter(verbs), ""), next(iter(sizes), None)
    return {asset.asset_id: _power(asset, verb, size, wish) for asset in _meant(zone, next(iter(names), None), verb)}


def _meant(zone: Zone, name: str | None, verb: str) -> list[Asset]:
    ids = ", ".join(asset.asset_id for asset in zone.assets)
    if name is not None:
        found = [asset for asset in zone.assets if asset.asset_id == name]
        if not found:
            raise ConfigError(f"zone {zone.zone} has no asset {name!r}", hint=f"it has {ids}")
        return found
    if verb in {"hold", "rest"}:
        return list(zone.batteries)
    found = [asset for asset in zone.assets if isinstance(asset, _KINDS.get(verb, (Battery,)))]
    if len(found) != 1:
        raise ConfigError(f"which asset of {zone.zone}?", hint=f"name one first; it has {ids}")
    return found


def _power(asset: Asset, verb: str, size: str | None, wish: str) -> float:
    if verb in _AT_REST:
        return 0.0
    if size is None:
        given = _most(asset, verb)
    elif verb and float(size) < 0:
        raise ConfigError(f"{wish!r}: {verb} already says the direction", hint="give the size without a sign")
    else:
        given = float(size)
    return -given if verb in _INTO_THE_PLANT else given


def _most(asset: Asset, verb: str) -> float:
    match asset:
        case Battery():
            return asset.charge_mw if verb == "charge" else asset.discharge_mw
        case Peaker() | CurtailableLoad():
            return asset.capacity_mw
        case _:
            raise ConfigError(f"{verb} {asset.asset_id} by how much?", hint=HINT)
