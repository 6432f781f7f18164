"""Account of an order, slot by slot: energy moved and money lost against the plan without it.

An order is approved up to a cost. Each slot that it rules, the plant also plans without it; after the slot both are
valued at the slot's price, and an order that lost more than it was approved for, or moved more than a budget allowed,
ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from agents.assets.registry import store_of, type_of
from agents.assets.state import AssetState
from agents.assets.twin import deliver
from agents.orders.approval import approval_of
from agents.orders.budget import WITHIN_BUDGET
from agents.plant.orders_in_force import Asked, in_force, names
from agents.plant.state import AssetKept, Counted
from vpp.fleet.assets import Asset
from vpp.fleet.scale import energy_text
from vpp.fleet.schema import Zone
from vpp.messages import Order
from vpp.numerics.arrays import Floats

_SAME_SHARE = 1e-6
"""An excess below this share of what was approved, or of the energy moved at 1 per MWh, is what rounding leaves."""


@dataclass(frozen=True, slots=True)
class OrderLimit:
    """What an order was approved for: greatest loss of money, and where a budget approved it greatest energy (MWh)."""

    loss: float
    energy_mwh: float | None

    def excess(self, lost: float, moved_mwh: float, currency: str) -> str | None:
        """Return what was exceeded, as a sentence; None if nothing was."""
        if lost > self.loss + _SAME_SHARE * (abs(self.loss) + moved_mwh):
            return f"it lost {lost:,.2f} {currency} and was approved for {self.loss:,.2f} at most"
        if self.energy_mwh is not None and moved_mwh > self.energy_mwh * (1.0 + _SAME_SHARE):
            return f"it moved {energy_text(moved_mwh)} and was approved for {energy_text(self.energy_mwh)} at most"
        return None


def limit_of(order: Order) -> OrderLimit | None:
    """Return what an order was approved for, None if its approval names no cost."""
    approval = approval_of(order) if order.action in WITHIN_BUDGET else None
    if approval is None or approval.cost is None:
        return None
    return OrderLimit(approval.cost, approval.energy_mwh if approval.mode == "budget" else None)


def limited(orders: Sequence[Order], start: datetime) -> list[Order]:
    """Return the orders in force at ``start`` that were approved up to a cost."""
    return [order for order in orders if in_force(order, start) and limit_of(order) is not None]


def counted_assets(zone: Zone, orders: Sequence[Order], asked_for: Asked, without_mw: Floats) -> dict[str, Counted]:
    """Return the assets whose next slot counts to an order.

    Args:
        zone: The zone.
        orders: Orders that were approved up to a cost.
        asked_for: Demands of all orders; they name the one that rules an asset.
        without_mw: What the plant would do without ``orders``, shape (A,).
    """
    counted = {}
    for row, asset in enumerate(zone.assets):
        ruler = asked_for.ruling[row]
        if ruler is None and type_of(asset).soc_limits(asset) is not None:
            ruler = next((o for o in reversed(orders) if o.action == "soc_target" and names(o, asset)), None)
        if ruler is not None and any(ruler is order for order in orders):
            counted[asset.asset_id] = Counted(ruler.order_id, float(without_mw[row]))
    return counted


@dataclass(frozen=True, slots=True)
class SlotValue:
    """What energy is worth in one slot.

    ``price_per_mwh``: of the slot. ``later_per_mwh``: expected price later, at which energy left in store is valued.
    ``hours``: length of the slot. ``at``: its start, in the zone's time zone.
    """

    price_per_mwh: float
    later_per_mwh: float
    hours: float
    at: datetime


def moved_and_lost(
    asset: Asset, before: AssetKept, after: AssetKept, without_mw: float, value: SlotValue
) -> tuple[float, float]:
    """Return energy (MWh, at least 0) and money that an order moved and lost with one asset in one slot.

    Args:
        asset: The asset.
        before: State at the slot's start.
        after: State at its end, as it was delivered.
        without_mw: Power that the plant would have set without the order, MW.
        value: What energy is worth in the slot and later, per MWh.
    """
    start = before.state()
    other = deliver(asset, start, without_mw, value.hours, at=value.at)
    soc = math.nan if after.soc is None else after.soc
    lost = _worth(asset, start, other.power_mw, other.soc, value) - _worth(asset, start, after.power_mw, soc, value)
    return abs(after.power_mw - other.power_mw) * value.hours, lost


def _worth(asset: Asset, start: AssetState, power_mw: float, soc: float, value: SlotValue) -> float:
    """Return revenue minus running cost of a slot, and the value of what is in store after it."""
    kind = type_of(asset)
    energy = power_mw * value.hours
    cost = kind.running_cost(asset, energy, started=kind.started(start, power_mw), shortfall_mwh=0.0)
    store, capacity = store_of(asset), kind.energy_mwh(asset)
    stored = 0.0
    if capacity is not None and not math.isnan(soc):
        stored = soc * capacity * value.later_per_mwh * (1.0 if store is None else store.discharge_efficiency)
    return energy * value.price_per_mwh - cost.wear - cost.running - cost.start + stored
