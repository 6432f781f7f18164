"""What each asset can do and must do over the horizon, before any choice: bounds that the dispatch starts from."""

from __future__ import annotations

import numpy as np

from agents.penalties import LEVEL_NODES, deviations
from agents.problem import Array, ClearingProblem
from vpp.fleet import Battery, CurtailableLoad, CurtailableRenewable, Peaker


def floor_and_ceiling(battery: Battery) -> tuple[float, float]:
    """Return the SoC band of plans: the battery's band with the reserve kept."""
    return battery.soc_min + battery.reserve_soc, battery.soc_max


def cut_limits(problem: ClearingProblem) -> Array:
    """Return the MW that each load may shed and each renewable may be cut by, shape (A, N), at least 0.

    A load ``only_at_cap`` is an emergency means: it is there only where the net load, with the worst node of its error,
    passes the cap. A renewable whose output is unknown cannot be planned to be cut.
    """
    limits = np.zeros((len(problem.assets), problem.steps))
    worst = problem.level_sd_mw * float(deviations(LEVEL_NODES)[-1])
    worst[0] = problem.cap_margin_mw
    above = np.maximum(problem.net_mw + worst - problem.zone.limits.import_cap_mw, 0.0)
    for i, asset in enumerate(problem.assets):
        if not problem.state.available[i]:
            continue
        if isinstance(asset, CurtailableLoad):
            limits[i] = np.minimum(asset.capacity_mw, above) if asset.only_at_cap else asset.capacity_mw
        elif isinstance(asset, CurtailableRenewable):
            limits[i] = np.maximum(np.nan_to_num(problem.potential_mw[i]), 0.0)
    return limits


def binding_values(problem: ClearingProblem) -> Array:
    """Return the power that will be delivered whatever is planned, shape (A, N), NaN where the plan is free.

    Only the unbroken run of fixed values from h = 0 binds, as far as physics lets it; an asset that is not available
    gives nothing after it.
    """
    values = np.full((len(problem.assets), problem.steps), np.nan)
    for i in range(len(problem.assets)):
        given = problem.bands.fixed_mw[i]
        missing = np.flatnonzero(np.isnan(given))
        count = int(missing[0]) if len(missing) else problem.steps
        if count:
            values[i, :count] = _deliverable(problem, i, count)
        if not problem.state.available[i]:
            values[i, count:] = 0.0
    return values


def _deliverable(problem: ClearingProblem, i: int, count: int) -> Array:
    asset, given = problem.assets[i], problem.bands.fixed_mw[i, :count]
    if isinstance(asset, Battery):
        return _held_in_band(asset, float(problem.state.soc[i]), given, problem.step_h)
    if isinstance(asset, CurtailableRenewable):
        return np.clip(given, -np.maximum(np.nan_to_num(problem.potential_mw[i, :count]), 0.0), 0.0)
    return np.clip(given, 0.0, asset.capacity_mw)


def _held_in_band(battery: Battery, soc: float, given: Array, step_h: Array) -> Array:
    energy = soc * battery.energy_mwh
    empty = min(battery.soc_min * battery.energy_mwh, energy)
    full = max(battery.soc_max * battery.energy_mwh, energy)
    power = np.clip(given, -battery.charge_mw, battery.discharge_mw)
    for h, dt in enumerate(step_h[: len(power)]):
        most = (energy - empty) * battery.discharge_efficiency / dt
        least = -(full - energy) / battery.charge_efficiency / dt
        power[h] = min(max(power[h], least), most)
        out = power[h] / battery.discharge_efficiency if power[h] > 0 else power[h] * battery.charge_efficiency
        energy = min(max(energy - out * dt, empty), full)
    return power


def commits(peaker: Peaker) -> bool:
    """Return whether a peaker has an on/off decision."""
    return peaker.min_load_mw > 0 or peaker.start_cost > 0 or peaker.min_run_min > 0 or peaker.start_time_min > 0
