"""What a plan is expected to cost, item by item, computed from its powers alone and not from the solver's objective."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from agents.clearing.penalties import level_hinges, ramp_hinges
from agents.clearing.problem import ClearingProblem
from vpp.fleet.schema import Battery, CurtailableLoad, CurtailableRenewable, Peaker
from vpp.numerics.arrays import Bools, Floats


def grid_power(problem: ClearingProblem, power_mw: Floats) -> Floats:
    """Return grid power ``net - sum(power)``, shape (N,)."""
    return np.asarray(problem.net_mw - power_mw.sum(axis=0))


def plan_costs(problem: ClearingProblem, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
    """Return expected cost items in real money (no service factor): cost positive, income negative.

    ``energy``: power bought less power sold by all assets, at the price that each is weighed at; ``stored``: minus the
    worth of energy left in the batteries; ``ramp``, ``cap``: expected penalties.
    """
    plain = replace(problem, service_factor=1.0)
    grid = grid_power(problem, power_mw)
    before = np.concatenate([[problem.state.grid_mw], grid[:-1]])
    change = np.where(np.isnan(before), 0.0, grid - before)
    costs = dict.fromkeys(("energy", "wear", "fuel", "start", "curtail", "stored"), 0.0)
    costs["ramp"] = float(ramp_hinges(plain).cost(change).sum())
    costs["cap"] = float(level_hinges(plain).cost(grid).sum())
    dt = problem.step_h
    for i, asset in enumerate(problem.assets):
        energy = power_mw[i] * dt
        price = problem.price_per_mwh if isinstance(asset, Battery) else problem.generation_price_per_mwh
        costs["energy"] -= float(price @ energy)
        match asset:
            case Battery():
                costs["wear"] += asset.wear_cost_per_mwh * float(np.maximum(energy, 0.0).sum())
                costs["stored"] -= stored_worth(problem, asset, float(soc[i, -1]))
            case Peaker():
                costs["fuel"] += asset.fuel_cost_per_mwh * float(energy.sum())
                was = np.concatenate([[problem.state.running_min[i] > 0], running[i, :-1]])
                costs["start"] += asset.start_cost * int((running[i] & ~was).sum())
            case CurtailableLoad() | CurtailableRenewable():
                costs["curtail"] += asset.curtail_cost_per_mwh * float(np.abs(energy).sum())
    return costs


def choice_cost(problem: ClearingProblem, costs: dict[str, float]) -> float:
    """Return the cost in the choice's own terms: ramp and cap items times the service factor."""
    served = costs["ramp"] + costs["cap"]
    return sum(costs.values()) + (problem.service_factor - 1.0) * served


def stored_worth(problem: ClearingProblem, battery: Battery, soc: float) -> float:
    """Return the worth of energy above ``soc_min`` at the horizon's end; below it the first segment's value is owed."""
    energy = (soc - battery.soc_min) * battery.energy_mwh
    widths = problem.stored_width * (battery.soc_max - battery.soc_min) * battery.energy_mwh
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    filled = np.clip(energy - edges[:-1], 0.0, widths)
    beyond = min(energy, 0.0) * problem.stored_value_per_mwh[0]
    above = max(energy - edges[-1], 0.0) * problem.stored_value_per_mwh[-1]
    return float(filled @ problem.stored_value_per_mwh + beyond + above)
