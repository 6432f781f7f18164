"""The joint value of service and trading: money and penalties of a policy against a fleet at rest.

Batteries are settled at actual prices; peakers and loads at their net cost, for their fuel follows the market.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.assets.registry import type_of
from agents.evaluation.grid_score import GridRun
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats


def policy_figures(zone: Zone, runs: Sequence[GridRun], idle: Sequence[GridRun]) -> dict[str, float | int]:
    """Return the figures of one policy over its runs; money in the zone's currency.

    ``value``: cost of no action less that of the policy. ``money``: batteries' energy at actual prices, less wear, and
    what is left in store, beyond those of no action. ``service_cost``: penalties, fuel and curtailment, less generation
    at the flat price.

    Args:
        zone: Fleet and limits.
        runs: The policy's runs.
        idle: The same runs with no action.
    """
    slots = sum(len(run.grid_mw) for run in runs)
    money = sum(
        battery_money(zone, run) - battery_money(zone, idle_run) for run, idle_run in zip(runs, idle, strict=True)
    )
    value = sum(idle_run.cost - run.cost for run, idle_run in zip(runs, idle, strict=True))
    resting = sum(idle_run.cost + battery_money(zone, idle_run) for idle_run in idle)
    return {
        "value": round(value, 2),
        "service_cost": round(resting - (value - money), 2),
        "money": round(money, 2),
        "ramp_breach_pct": round(100.0 * sum(run.ramp_breaches for run in runs) / slots, 3),
        "cap_breaches": sum(run.cap_breaches for run in runs),
        "penalties": round(sum(run.costs["ramp"] + run.costs["cap"] for run in runs), 2),
        "reflexes": sum(run.fallbacks for run in runs),
    }


def battery_money(zone: Zone, run: GridRun) -> float:
    """Return the earnings of the batteries: all costs except penalties and the costs of other assets."""
    other_money: Floats = sum(
        (run.power_mw[row] for row, asset in enumerate(zone.assets) if not type_of(asset).trades_at_market),
        np.zeros(len(run.grid_mw)),
    )
    flat = zone.generation_price_flat_per_mwh or 0.0
    generation = flat * float(other_money.sum()) * zone.step.hours
    return -(run.costs["energy"] + generation + run.costs["wear"] + run.costs["stored"])


def gain_pct(value: float, reference: float) -> float | None:
    """Return by how much ``value`` is above ``reference``, in per cent of its size; None if that is 0."""
    return round(100.0 * (value - reference) / abs(reference), 2) if reference else None


def usual_stored_value(past_prices: Floats, share: float) -> float:
    """Return the value of energy left in store: a share of the median of past prices, per MWh."""
    return share * float(np.median(past_prices))
