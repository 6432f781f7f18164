"""A first fleet for a site by its kind: usual assets, scaled to the site's file."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from vpp.fleet.assets import Battery, CurtailableLoad, CurtailableRenewable
from vpp.fleet.schema import Limits, Share, Zone, default_zone

HOURS_STORED = 2.0
"""Energy of a battery over its power, where nothing is stated."""


class SiteKind(StrEnum):
    """What a file is of."""

    HOME = "home"
    COMMERCIAL = "commercial"
    SOLAR = "solar"
    WIND = "wind"
    BATTERY = "battery"
    REGION = "region"


def site_zone(
    kind: SiteKind,
    name: str,
    *,
    step_min: int,
    peak_mw: float,
    ramp_mw: float,
    battery_mwh: float | None = None,
    battery_mw: float | None = None,
    **fields: Any,
) -> Zone:
    """Return a zone with the assets of its kind.

    A region gets the default fleet. Every other site is served whole and has a battery; a commercial site also has
    load that may be shed at the connection's limit, a solar or wind plant output that may be curtailed. A home has
    neither a peaker nor load shedding.

    Args:
        kind: What the site is.
        name: Zone name.
        step_min: Slot length in minutes.
        peak_mw: Largest magnitude of its net load.
        ramp_mw: 85 % quantile of the change of its net load per step.
        battery_mwh: Energy of the battery; None: two hours of its power.
        battery_mw: Power of the battery; None: half the peak.
        **fields: Zone fields that are known otherwise (time zone, market, country, channels).
    """
    if kind is SiteKind.REGION:
        return default_zone(
            name, step_min=step_min, region_mw=peak_mw, ramp_mw=ramp_mw, served_mw=min(100.0, peak_mw), **fields
        )
    power_mw = battery_mw or (battery_mwh / HOURS_STORED if battery_mwh else 0.5 * peak_mw)
    assets: list[Any] = [
        Battery(
            asset_id=f"{name}-battery-1",
            energy_mwh=battery_mwh or HOURS_STORED * power_mw,
            charge_mw=power_mw,
            discharge_mw=power_mw,
        )
    ]
    if kind is SiteKind.COMMERCIAL:
        assets.append(
            CurtailableLoad(asset_id=f"{name}-load-1", capacity_mw=0.1 * peak_mw, curtail_cost_per_mwh=1000.0)
        )
    if kind in (SiteKind.SOLAR, SiteKind.WIND):
        assets.append(
            CurtailableRenewable(
                asset_id=f"{name}-{kind.value}-1", channel=f"{kind.value}_mw", share=1.0, curtail_cost_per_mwh=0.0
            )
        )
    connection_mw = 1.2 * max(peak_mw, power_mw)
    return Zone(
        zone=name,
        step_min=step_min,
        share=Share(region_mw=peak_mw, served_mw=peak_mw),
        limits=Limits(ramp_limit_mw=2.0 * connection_mw, import_cap_mw=connection_mw, export_cap_mw=connection_mw),
        assets=tuple(assets),
        **fields,
    )
