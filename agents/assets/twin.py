"""The fleet's digital twin: what each asset delivers at a setpoint.

Power is positive into the grid and is the mean over the interval. The twin does not use the solver.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np

from agents.assets.fleet_state import FleetState
from agents.assets.registry import type_of
from agents.assets.state import AssetState, Clamp, Delivered, Interval
from vpp.fleet.assets import Asset
from vpp.numerics.arrays import Bools, Floats


def deliver(
    asset: Asset,
    state: AssetState,
    setpoint_mw: float,
    hours: float,
    *,
    potential_mw: float = math.nan,
    start: bool = False,
    at: datetime | None = None,
) -> Delivered:
    """Return what ``asset`` delivers at ``setpoint_mw`` for ``hours``, by the physics of its type.

    Args:
        asset: The asset.
        state: Its state at the start.
        setpoint_mw: Requested power; NaN counts as 0.
        hours: Length of the interval, > 0.
        potential_mw: Output of a renewable without curtailment; unknown (NaN) lets nothing be cut.
        start: A generator that is off gets its start command, to deliver once ``ready_in_min`` is over.
        at: Start of the interval in the zone's time zone (``Zone.local``).

    Raises:
        ValueError: The asset has a timetable and ``at`` is not given.
    """
    target_mw, cause = setpoint_mw, None
    if not math.isfinite(setpoint_mw):
        target_mw, cause = 0.0, Clamp.NOT_FINITE
    if not state.available:
        target_mw, cause = 0.0, Clamp.UNAVAILABLE
    interval = Interval(hours, at, potential_mw, start)
    delivered = type_of(asset).deliver(asset, state, target_mw, interval)
    after = msgspec.structs.replace(delivered.state, power_mw=delivered.power_mw)
    return Delivered(
        delivered.power_mw,
        delivered.power_mw * hours,
        after.soc,
        after,
        cause or delivered.reason,
        delivered.shortfall_mwh,
    )


def delivered_mw(asset: Asset, state: AssetState, setpoints_mw: Sequence[float], hours: float) -> list[float]:
    """Return the power (MW) that an available asset delivers at each of several setpoints; as ``deliver``.

    Args:
        asset: The asset.
        state: Its state at the start.
        setpoints_mw: Wanted powers, each finite.
        hours: Length of the interval, > 0.
    """
    kind, interval = type_of(asset), Interval(hours)
    return [kind.deliver(asset, state, wanted, interval).power_mw for wanted in setpoints_mw]


def deliver_fleet(
    assets: tuple[Asset, ...],
    state: FleetState,
    setpoints_mw: Floats,
    hours: float,
    *,
    potential_mw: Floats,
    start: Bools | None = None,
    at: datetime | None = None,
) -> tuple[list[Delivered], FleetState]:
    """Return what each asset delivers and the fleet after it; one entry per asset, ``grid_mw`` unchanged.

    Args:
        assets: The assets of the zone.
        state: State at the start.
        setpoints_mw: Setpoints, positive into the grid, shape (assets,).
        hours: Length of the interval.
        potential_mw: Output without curtailment, shape (assets,), NaN unknown or of another type.
        start: Whether the plan starts each asset, shape (assets,); None: no starts.
        at: Local time of the interval's start; None if no asset needs it.
    """
    delivered = [
        deliver(
            asset,
            AssetState.of(state, i),
            float(setpoints_mw[i]),
            hours,
            potential_mw=float(potential_mw[i]),
            start=bool(start[i]) if start is not None else False,
            at=at,
        )
        for i, asset in enumerate(assets)
    ]
    after = FleetState(
        soc=np.array([d.soc for d in delivered], dtype=float),
        power_mw=np.array([d.power_mw for d in delivered], dtype=float),
        running_min=np.array([d.state.running_min for d in delivered], dtype=float),
        ready_in_min=np.array([d.state.ready_in_min for d in delivered], dtype=float),
        available=state.available,
        grid_mw=state.grid_mw,
    )
    return delivered, after
