"""What each asset can do and must do over the horizon, before any choice: bounds that the dispatch starts from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.clearing.penalties import LEVEL_NODES, deviations
from agents.clearing.problem import ClearingProblem
from vpp.fleet.schema import Battery, CurtailableLoad, CurtailableRenewable, Peaker
from vpp.numerics.arrays import Bools, Floats


def floor_and_ceiling(battery: Battery) -> tuple[float, float]:
    """Return the SoC band of plans: the battery's band with the reserve kept."""
    return battery.soc_min + battery.reserve_soc, battery.soc_max


def cut_limits(problem: ClearingProblem) -> Floats:
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


def binding_values(problem: ClearingProblem) -> Floats:
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


def _deliverable(problem: ClearingProblem, i: int, count: int) -> Floats:
    asset, given = problem.assets[i], problem.bands.fixed_mw[i, :count]
    if isinstance(asset, Battery):
        return _held_in_band(asset, float(problem.state.soc[i]), given, problem.step_h)
    if isinstance(asset, CurtailableRenewable):
        return np.clip(given, -np.maximum(np.nan_to_num(problem.potential_mw[i, :count]), 0.0), 0.0)
    return np.clip(given, 0.0, asset.capacity_mw)


def _held_in_band(battery: Battery, soc: float, given: Floats, step_h: Floats) -> Floats:
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


@dataclass(frozen=True, slots=True)
class EnergyBand:
    """Where a battery's energy may be at the end of each step, and when it may only recover.

    ``low_mwh``, ``high_mwh``: shape (N,). ``below``, ``above``: shape (N,), True while it comes back from below (it
    must not discharge) or from above (it must not charge).
    """

    low_mwh: Floats
    high_mwh: Floats
    below: Bools
    above: Bools


def energy_band(problem: ClearingProblem, row: int, fixed_mw: Floats) -> EnergyBand:
    """Return the band of one battery's plan.

    Inside its band it stays there, the reserve kept. Outside, whether it starts so or what is fixed leads there, it is
    led back at a quarter of its power, less where the import cap leaves less room to charge.

    Args:
        problem: The decision.
        row: The battery's row.
        fixed_mw: Shape (N,), its binding power (see ``binding_values``), NaN where free.
    """
    battery = problem.assets[row]
    assert isinstance(battery, Battery)
    floor, ceiling = (share * battery.energy_mwh for share in floor_and_ceiling(battery))
    energy = float(problem.state.soc[row]) * battery.energy_mwh
    low, high = np.full(problem.steps, floor), np.full(problem.steps, ceiling)
    below, above = np.zeros(problem.steps, dtype=bool), np.zeros(problem.steps, dtype=bool)
    held = ~np.isnan(fixed_mw)
    if not held.any() and floor <= energy <= ceiling:
        return EnergyBand(low, high, below, above)
    least, most = energy, energy
    spare = np.maximum(problem.zone.limits.import_cap_mw - problem.net_mw, 0.0)
    able = 1.0 if problem.state.available[row] else 0.0
    for h, dt in enumerate(problem.step_h):
        if held[h]:
            power = float(fixed_mw[h])
            out = power / battery.discharge_efficiency if power > 0 else power * battery.charge_efficiency
            least, most = least - out * dt, most - out * dt
        else:
            below[h], above[h] = least < floor - 1e-9, most > ceiling + 1e-9
            into = min(battery.charge_mw / 4.0, float(spare[h])) * battery.charge_efficiency * dt * able
            out = battery.discharge_mw / 4.0 / battery.discharge_efficiency * dt * able
            least = min(least + into, floor) if below[h] else floor
            most = max(most - out, ceiling) if above[h] else ceiling
        low[h], high[h] = min(floor, least), max(ceiling, most)
    return EnergyBand(low - 1e-9, high + 1e-9, below, above)


def commits(peaker: Peaker) -> bool:
    """Return whether a peaker has an on/off decision."""
    return peaker.min_load_mw > 0 or peaker.start_cost > 0 or peaker.min_run_min > 0 or peaker.start_time_min > 0
