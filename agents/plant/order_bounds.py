"""Worst-case bounds of an order outside the plan: after the look-ahead, and at other prices than expected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from agents.assets.registry import type_of
from agents.clearing.problem import ClearingProblem
from agents.plant.orders_in_force import names
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.messages import Order

_PRICE_SHARE = 0.1
"""A price may come out otherwise by this share of its size at least."""


@dataclass(frozen=True, slots=True)
class MostEffect:
    """The most that an order can move (MWh, at least 0) and cost (money, at least 0)."""

    energy_mwh: float = 0.0
    cost: float = 0.0


def most_beyond(problem: ClearingProblem, order: Order, end: datetime) -> MostEffect:
    """Return the most that an order can do after the look-ahead.

    ``sum over its assets of |asked - natural|_max * hours``, each MWh at the highest price of the look-ahead plus the
    asset's own running cost.

    Args:
        problem: The look-ahead with the order.
        order: The order.
        end: End of the look-ahead.
    """
    if order.expires_at is None or order.expires_at <= end:
        return MostEffect()
    hours = (order.expires_at - max(end, order.starts_at or end)).total_seconds() / 3600.0
    dearest = float(np.abs(problem.price_per_mwh).max(initial=0.0))
    energy = cost = 0.0
    for asset in problem.assets:
        if names(order, asset):
            moved = _most_change_mw(problem.zone, asset, order) * hours
            own_cost = type_of(asset).running_cost(asset, 1.0, started=False, shortfall_mwh=0.0)
            energy += moved
            cost += moved * (dearest + own_cost.wear + own_cost.running)
    return MostEffect(energy, cost)


def _most_change_mw(zone: Zone, asset: Asset, order: Order) -> float:
    """Return the greatest difference (MW) between the power of an asset with an order and its power without it."""
    low, high = type_of(asset).power_limits_mw(zone, asset)
    match order.action:
        case "target" if order.power_mw is not None:
            return max(order.power_mw - low, high - order.power_mw, 0.0)
        case "band":
            least = low if order.min_mw is None else max(order.min_mw, low)
            most = high if order.max_mw is None else min(order.max_mw, high)
            return max(least - low, high - most, 0.0)
        case "soc_target" if type_of(asset).soc_limits(asset) is not None:
            return high - low
        case _:
            return 0.0


def price_margin(problem: ClearingProblem) -> float:
    """Return the margin of a price (per MWh) around its expectation: its spread, at least a tenth of the price."""
    spread = float(np.mean(problem.price_sd_per_mwh)) if len(problem.price_sd_per_mwh) else 0.0
    level = float(np.mean(np.abs(problem.price_per_mwh))) if len(problem.price_per_mwh) else 0.0
    return max(spread, _PRICE_SHARE * level)
