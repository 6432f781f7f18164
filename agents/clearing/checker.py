"""The independent checker of all setpoints before they are sent. It shares no code with the solver."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from agents.assets.fleet_state import FleetState
from agents.assets.registry import type_of
from agents.assets.state import AssetState, Clamp, Delivered
from agents.assets.twin import deliver
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone

Outcome = Literal["accepted", "clamped", "refused"]
_SAME_SHARE = 1e-8
"""Powers that differ by less than this share of the served power count as equal."""


class SetpointVerdict(msgspec.Struct, frozen=True):
    """Verdict on one setpoint: ``power_mw`` is safe to send (0: refused), ``reason`` is None if accepted."""

    asset_id: str
    outcome: Outcome
    power_mw: float
    reason: Clamp | None


def check(
    zone: Zone,
    state: FleetState,
    setpoints_mw: Mapping[str, float],
    hours: float,
    *,
    net_mw: float = math.nan,
    potential_mw: Mapping[str, float] | None = None,
    start: datetime | None = None,
) -> tuple[SetpointVerdict, ...]:
    """Return a verdict per setpoint, in the zone's order, unknown assets last.

    Refused: not a number, unknown asset, not available. Clamped: more than the asset can deliver over the interval, or
    a power that increases a breach of the import cap or the export cap.

    Args:
        zone: The zone with its assets and limits.
        state: The fleet at the start of the interval.
        setpoints_mw: Asset id to power (MW, positive into the grid).
        hours: Length of the interval.
        net_mw: Net load expected (MW); NaN leaves the caps out.
        potential_mw: Asset id to a renewable's output without curtailment.
        start: UTC start of the interval, which assets with a timetable need.
    """
    potentials = potential_mw or {}
    at = None if start is None else zone.local(start)

    def delivery(row: int, asset: Asset, power_mw: float) -> Delivered:
        potential = potentials.get(asset.asset_id, math.nan)
        return deliver(asset, AssetState.of(state, row), power_mw, hours, potential_mw=potential, at=at)

    verdicts: dict[str, SetpointVerdict] = {}
    same_mw = zone.served_scale.share(_SAME_SHARE)
    for row, asset in enumerate(zone.assets):
        if asset.asset_id not in setpoints_mw:
            continue
        power_mw = setpoints_mw[asset.asset_id]
        delivered = delivery(row, asset, power_mw)
        if delivered.reason in {Clamp.NOT_FINITE, Clamp.UNAVAILABLE}:
            verdicts[asset.asset_id] = SetpointVerdict(asset.asset_id, "refused", 0.0, delivered.reason)
        elif abs(delivered.power_mw - power_mw) > same_mw:
            verdicts[asset.asset_id] = SetpointVerdict(asset.asset_id, "clamped", delivered.power_mw, delivered.reason)
        else:
            verdicts[asset.asset_id] = SetpointVerdict(asset.asset_id, "accepted", delivered.power_mw, None)
    if math.isfinite(net_mw):
        _keep_caps(zone, verdicts, net_mw, delivery)
    unknown = sorted(set(setpoints_mw) - {asset.asset_id for asset in zone.assets})
    refused = tuple(SetpointVerdict(asset_id, "refused", 0.0, Clamp.UNKNOWN_ASSET) for asset_id in unknown)
    return (*verdicts.values(), *refused)


def _keep_caps(
    zone: Zone, verdicts: dict[str, SetpointVerdict], net_mw: float, delivery: Callable[[int, Asset, float], Delivered]
) -> None:
    """Reduce charging above the import cap and feed-in beyond the export cap, in file order.

    An asset that cannot deliver the reduced power gets what it can; its verdict stands if that would not help the cap.

    Args:
        zone: The zone with its assets and limits.
        verdicts: Verdicts so far by asset id; changed in place.
        net_mw: Net load expected (MW).
        delivery: Delivery of an asset (its place in the zone, its entry) to a power (MW).
    """
    same_mw = zone.served_scale.share(_SAME_SHARE)
    grid = net_mw - sum(v.power_mw for v in verdicts.values())
    above = grid - zone.limits.import_cap_mw
    below = -math.inf if zone.limits.export_cap_mw is None else -zone.limits.export_cap_mw - grid
    for row, asset in enumerate(zone.assets):
        verdict = verdicts.get(asset.asset_id)
        if verdict is None or not type_of(asset).yields_to_caps:
            continue
        power = verdict.power_mw
        if above > same_mw and power < 0:
            moved, reason = delivery(row, asset, min(power + above, 0.0)).power_mw, Clamp.IMPORT_CAP
            if moved <= power:
                continue
            above -= moved - power
        elif below > same_mw and power > 0:
            moved, reason = delivery(row, asset, max(power - below, 0.0)).power_mw, Clamp.EXPORT_CAP
            if moved >= power:
                continue
            below -= power - moved
        else:
            continue
        verdicts[asset.asset_id] = SetpointVerdict(asset.asset_id, "clamped", moved, reason)
