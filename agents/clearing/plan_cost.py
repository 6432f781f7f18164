"""Expected cost of a plan by item, computed from its powers instead of the solver's objective."""

from __future__ import annotations

import numpy as np

from agents.assets.registry import type_of
from agents.clearing.penalties import level_hinges, ramp_hinges
from agents.clearing.problem import ClearingProblem
from vpp.numerics.arrays import Bools, Floats

_ITEMS = ("energy", "wear", "fuel", "start", "curtail", "stored")


def grid_power(problem: ClearingProblem, power_mw: Floats) -> Floats:
    """Return grid power ``net - sum(power)``, shape (N,)."""
    return np.asarray(problem.net_mw - power_mw.sum(axis=0))


def plan_costs(problem: ClearingProblem, power_mw: Floats, running: Bools, soc: Floats) -> dict[str, float]:
    """Return expected cost items in real money (no service factor): cost positive, income negative.

    ``energy``: power bought minus power sold by all assets, at the price of each asset; ``stored``: minus the value of
    energy left in stores; ``ramp``, ``cap``: expected penalties; further items are those of the asset types.

    Args:
        problem: The decision.
        power_mw: Shape (A, N), planned power.
        running: Shape (A, N), True while a generator runs.
        soc: Shape (A, N), SoC (0-1) at the end of each step, NaN without a store.
    """
    grid = grid_power(problem, power_mw)
    before = np.concatenate([[problem.state.grid_mw], grid[:-1]])
    change = np.where(np.isnan(before), 0.0, grid - before)
    costs = dict.fromkeys(_ITEMS, 0.0)
    costs["ramp"] = float(ramp_hinges(problem, service_factor=1.0).cost(change).sum())
    costs["cap"] = float(level_hinges(problem, service_factor=1.0).cost(grid).sum())
    for i, asset in enumerate(problem.assets):
        kind = type_of(asset)
        price = problem.price_per_mwh if kind.trades_at_market else problem.generation_price_per_mwh
        costs["energy"] -= float(price @ (power_mw[i] * problem.step_h))
        for name, cost in kind.plan_costs(problem, i, power_mw[i], running[i], soc[i]).items():
            costs[name] = costs.get(name, 0.0) + cost
    return costs


def choice_cost(problem: ClearingProblem, costs: dict[str, float]) -> float:
    """Return the cost as weighted in the optimisation: ramp and cap items times the service factor."""
    served = costs["ramp"] + costs["cap"]
    return sum(costs.values()) + (problem.service_factor - 1.0) * served
