"""Static limits: bounds of an order on an asset, independent of its state."""

from __future__ import annotations

import math

from agents.assets.registry import type_of
from vpp.fleet.assets import Asset
from vpp.fleet.scale import power_text
from vpp.fleet.schema import Zone


def static_power_mw(zone: Zone, asset: Asset) -> tuple[float, float]:
    """Return the least and the greatest power (MW, positive into the grid) that an asset is built for."""
    return type_of(asset).power_limits_mw(zone, asset)


def power_excess(zone: Zone, asset: Asset, power_mw: float | None) -> str | None:
    """Return in words why an asset can never deliver ``power_mw``, None if it can or if no power is requested."""
    if power_mw is None:
        return None
    low, high = static_power_mw(zone, asset)
    if not math.isfinite(power_mw) or not low <= power_mw <= high:
        return f"{asset.asset_id} can deliver {power_text(low)} to {power_text(high)}, not {power_text(power_mw)}"
    return None


def soc_excess(asset: Asset, soc: float | None) -> str | None:
    """Return in words why an asset can never reach ``soc`` (0-1), None if it can."""
    limits = type_of(asset).soc_limits(asset)
    if limits is None:
        return f"{asset.asset_id} is a {asset.kind} and has no state of charge to order"
    low, high = limits
    if soc is None or not low <= soc <= high:
        return f"{asset.asset_id} is kept between {low:g} and {high:g} SoC, not at {soc}"
    return None
