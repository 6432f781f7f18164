"""The fleet's digital twin: what each asset delivers when it is told a setpoint.

Power is positive into the grid and is the mean over the interval. Nothing here knows the solver.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from agents.assets.fleet_state import FleetState
from vpp.fleet.schema import Asset, Battery, CurtailableLoad, Peaker
from vpp.numerics.arrays import Bools, Floats

_ROUNDING_MW = 1e-6
"""What a solver's plan may be off by; without it a plan that stops from just the greatest power would be refused."""


class Clamp(StrEnum):
    """Why an asset gives, or may give, something else than the setpoint."""

    NOT_FINITE = "not_finite"
    UNAVAILABLE = "unavailable"
    UNKNOWN_ASSET = "unknown_asset"
    WRONG_SIGN = "wrong_sign"
    POWER_LIMIT = "power_limit"
    SOC_MIN = "soc_min"
    SOC_MAX = "soc_max"
    RAMP_LIMIT = "ramp_limit"
    MIN_LOAD = "min_load"
    MIN_RUN = "min_run"
    NOT_READY = "not_ready"
    POTENTIAL = "potential"
    IMPORT_CAP = "import_cap"
    EXPORT_CAP = "export_cap"


@dataclass(frozen=True, slots=True)
class AssetState:
    """One asset at the start of an interval; fields as in ``FleetState``."""

    soc: float = math.nan
    power_mw: float = 0.0
    running_min: float = 0.0
    ready_in_min: float = 0.0
    available: bool = True

    @staticmethod
    def of(state: FleetState, row: int) -> AssetState:
        """Return the state of one asset of the fleet."""
        return AssetState(
            soc=float(state.soc[row]),
            power_mw=float(state.power_mw[row]),
            running_min=float(state.running_min[row]),
            ready_in_min=float(state.ready_in_min[row]),
            available=bool(state.available[row]),
        )


@dataclass(frozen=True, slots=True)
class Delivered:
    """What an asset gave over an interval.

    ``power_mw``: mean power. ``energy_mwh``: ``power_mw * hours``, at the grid side. ``soc``: at the end, NaN where
    there is none. ``state``: the state after it. ``reason``: why it is not the setpoint, None when it is.
    """

    power_mw: float
    energy_mwh: float
    soc: float
    state: AssetState
    reason: Clamp | None


def deliver(
    asset: Asset,
    state: AssetState,
    setpoint_mw: float,
    hours: float,
    *,
    potential_mw: float = math.nan,
    start: bool = False,
) -> Delivered:
    """Return what ``asset`` delivers when told ``setpoint_mw`` for ``hours``.

    Invariants:
        - A battery's energy changes by exactly ``-power / eta_d * hours`` (discharge) or ``-power * eta_c * hours``
          (charge); its SoC never leaves the band, and moves only towards it where it starts outside.
        - A peaker gives 0 or something between minimum load and capacity, no faster than its ramp, and runs its
          minimum time, unless it is not available.

    Args:
        asset: The asset.
        state: Its state at the start.
        setpoint_mw: Wanted power; NaN counts as none.
        hours: Length of the interval, > 0.
        potential_mw: Output of a renewable without curtailment; unknown (NaN) lets nothing be cut.
        start: A peaker that is off is told to start up, to deliver once ``ready_in_min`` is over.
    """
    wanted, cause = setpoint_mw, None
    if not math.isfinite(setpoint_mw):
        wanted, cause = 0.0, Clamp.NOT_FINITE
    if not state.available:
        wanted, cause = 0.0, Clamp.UNAVAILABLE
    soc, after = math.nan, state
    match asset:
        case Battery():
            power, reason = _clip_battery(asset, state.soc, wanted, hours)
            soc = _soc_after(asset, state.soc, power, hours, reason)
        case Peaker():
            power, reason = (0.0, None) if not state.available else clip_peaker(asset, state, wanted, hours)
            after = _run_on(asset, state, power, hours, start=start or wanted > 0)
        case CurtailableLoad():
            power, reason = _clip_cut(wanted, 0.0, asset.capacity_mw, Clamp.POWER_LIMIT)
        case _:
            most = max(potential_mw, 0.0) if math.isfinite(potential_mw) else 0.0
            power, reason = _clip_cut(wanted, -most, 0.0, Clamp.POTENTIAL)
    after = replace(after, soc=soc, power_mw=power)
    return Delivered(power, power * hours, soc, after, cause or reason)


def deliver_fleet(
    assets: tuple[Asset, ...],
    state: FleetState,
    setpoints_mw: Floats,
    hours: float,
    *,
    potential_mw: Floats,
    start: Bools | None = None,
) -> tuple[list[Delivered], FleetState]:
    """Return what each asset delivers and the fleet after it; one entry per asset, ``grid_mw`` unchanged."""
    given = [
        deliver(
            asset,
            AssetState.of(state, i),
            float(setpoints_mw[i]),
            hours,
            potential_mw=float(potential_mw[i]),
            start=bool(start[i]) if start is not None else False,
        )
        for i, asset in enumerate(assets)
    ]
    after = FleetState(
        soc=np.array([d.soc for d in given], dtype=float),
        power_mw=np.array([d.power_mw for d in given], dtype=float),
        running_min=np.array([d.state.running_min for d in given], dtype=float),
        ready_in_min=np.array([d.state.ready_in_min for d in given], dtype=float),
        available=state.available,
        grid_mw=state.grid_mw,
    )
    return given, after


def power_range(battery: Battery, soc: float, hours: float) -> tuple[float, float]:
    """Return the least and the greatest power (MW) that a battery can give for ``hours`` within its SoC band."""
    out = max(soc - battery.soc_min, 0.0) * battery.energy_mwh * battery.discharge_efficiency / hours
    into = max(battery.soc_max - soc, 0.0) * battery.energy_mwh / battery.charge_efficiency / hours
    return -min(into, battery.charge_mw), min(out, battery.discharge_mw)


def soc_after(battery: Battery, soc: float, power_mw: float, hours: float) -> float:
    """Return the SoC after ``hours`` at ``power_mw``, wherever that leads."""
    inside = power_mw / battery.discharge_efficiency if power_mw > 0 else power_mw * battery.charge_efficiency
    return soc - inside * hours / battery.energy_mwh


def _clip_battery(battery: Battery, soc: float, wanted: float, hours: float) -> tuple[float, Clamp | None]:
    if not math.isfinite(soc):
        return 0.0, Clamp.UNAVAILABLE
    low, high = power_range(battery, soc, hours)
    if wanted > high:
        return high, Clamp.POWER_LIMIT if high == battery.discharge_mw else Clamp.SOC_MIN
    if wanted < low:
        return low, Clamp.POWER_LIMIT if low == -battery.charge_mw else Clamp.SOC_MAX
    return wanted, None


def _soc_after(battery: Battery, soc: float, power: float, hours: float, reason: Clamp | None) -> float:
    # At a SoC limit the bound itself is the answer: the quotient would miss it by a rounding error, outside the band.
    if reason is Clamp.SOC_MIN:
        return min(soc, battery.soc_min)
    if reason is Clamp.SOC_MAX:
        return max(soc, battery.soc_max)
    moved = soc_after(battery, soc, power, hours)
    return min(max(moved, min(battery.soc_min, soc)), max(battery.soc_max, soc)) if power else soc


def clip_peaker(peaker: Peaker, state: AssetState, wanted: float, hours: float) -> tuple[float, Clamp | None]:
    """Return the power nearest to ``wanted`` that a peaker can give, and what keeps it from the rest."""
    running = state.running_min > 0 or state.power_mw > 0
    swing = peaker.ramp_mw_per_h * hours
    jump = max(swing, peaker.min_load_mw)
    reason: Clamp | None = None
    power = wanted
    if power < 0 or power > peaker.capacity_mw:
        power = min(max(power, 0.0), peaker.capacity_mw)
        reason = Clamp.WRONG_SIGN if wanted < 0 else Clamp.POWER_LIMIT
    if not running:
        if power == 0:
            return 0.0, reason
        if state.ready_in_min > 1e-9:
            return 0.0, Clamp.NOT_READY
        ceiling, floor = min(jump, peaker.capacity_mw), peaker.min_load_mw
    else:
        ceiling = min(max(state.power_mw + swing, peaker.min_load_mw), peaker.capacity_mw)
        floor = max(state.power_mw - swing, peaker.min_load_mw, 0.0)
        may_stop = state.running_min >= peaker.min_run_min - 1e-9
        if power < peaker.min_load_mw / 2 or power == 0:
            if may_stop and state.power_mw <= jump + _ROUNDING_MW:
                return 0.0, reason if power == 0 else Clamp.MIN_LOAD
            reason = Clamp.RAMP_LIMIT if may_stop else Clamp.MIN_RUN
            return min(floor, ceiling), reason
    if power > ceiling:
        return ceiling, Clamp.RAMP_LIMIT
    if power < floor:
        return floor, Clamp.MIN_LOAD if power < peaker.min_load_mw else Clamp.RAMP_LIMIT
    return power, reason


def _run_on(peaker: Peaker, state: AssetState, power: float, hours: float, *, start: bool) -> AssetState:
    minutes = hours * 60.0
    # With a minimum load of 0 a peaker may idle at 0 MW while its minimum time runs.
    idles = state.available and 0 < state.running_min < peaker.min_run_min - 1e-9
    if power > 0 or idles:
        return replace(state, running_min=state.running_min + minutes, ready_in_min=0.0)
    stopped = state.running_min > 0 or state.power_mw > 0
    needed = peaker.start_time_min if stopped else state.ready_in_min
    left = max(needed - minutes, 0.0) if start else peaker.start_time_min
    return replace(state, running_min=0.0, ready_in_min=left)


def _clip_cut(wanted: float, low: float, high: float, name: Clamp) -> tuple[float, Clamp | None]:
    power = min(max(wanted, low), high) + 0.0
    if power == wanted:
        return power, None
    return power, Clamp.WRONG_SIGN if wanted * (low + high) < 0 else name
