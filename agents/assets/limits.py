"""Static limits: what an order may ask of an asset, whatever its state is."""

from __future__ import annotations

import math

from vpp.fleet.schema import Asset, Battery, CurtailableLoad, Peaker, Zone


def static_power_mw(zone: Zone, asset: Asset) -> tuple[float, float]:
    """Return the least and the greatest power (MW, positive into the grid) that an asset is built for.

    A renewable can be cut by no more than its share of what the plant serves.
    """
    match asset:
        case Battery():
            return -asset.charge_mw, asset.discharge_mw
        case Peaker() | CurtailableLoad():
            return 0.0, asset.capacity_mw
        case _:
            return -zone.share.served_mw * asset.share, 0.0


def power_excess(zone: Zone, asset: Asset, power_mw: float | None) -> str | None:
    """Return in words why an asset can never give ``power_mw``, None where it can; None asks for nothing."""
    if power_mw is None:
        return None
    low, high = static_power_mw(zone, asset)
    if not math.isfinite(power_mw) or not low <= power_mw <= high:
        return f"{asset.asset_id} gives {low:g} to {high:g} MW, not {power_mw:g}"
    return None


def soc_excess(asset: Asset, soc: float | None) -> str | None:
    """Return in words why an asset can never reach ``soc`` (0-1), None where it can."""
    if not isinstance(asset, Battery):
        return f"{asset.asset_id} is a {asset.kind} and has no state of charge"
    low, high = asset.soc_min + asset.reserve_soc, asset.soc_max
    if soc is None or not low <= soc <= high:
        return f"{asset.asset_id} is kept between {low:g} and {high:g} SoC, not at {soc}"
    return None
