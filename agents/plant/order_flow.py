"""Orders in the plant: accepted, evaluated, counted, ended; each change of state is one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from agents.orders.refusal import Refusal
from agents.plant.conditions import Condition, alert_of
from agents.plant.order_account import SlotValue, limit_of, moved_and_lost
from agents.plant.orders_in_force import admit, unexpired
from agents.plant.settlement import Settlement
from agents.plant.state import AssetKept, Counted, PlantState
from vpp.fleet.schema import Zone
from vpp.messages import AlertCode, AlertEffect, Decision, Order, OrderState
from vpp.streams.reducer import Output

TRADER = "trader"


def take_order(state: PlantState, order: Order, at: datetime) -> list[Output]:
    """Accept a valid order; return the changes of orders' states.

    Args:
        state: The plant; changed.
        order: The order.
        at: The run's clock.
    """
    standing = state.standing
    before = standing.orders
    standing.orders = admit(before, order)
    ids = {order.order_id for order in standing.orders}
    ended = [order for order in before if order.order_id not in ids]
    state.changed.mark("orders")
    lives = standing.lives.arrive(order, at)
    lives += standing.lives.withdraw(ended, at, f"{order.action} by {order.principal}: {order.reason}")
    return _records(lives)


def refuse_order(state: PlantState, order: Order, at: datetime, refusal: Refusal) -> list[Output]:
    """Return the final state of an order that the plant refuses.

    Args:
        state: The plant; its count of states changes.
        order: The order.
        at: The run's clock.
        refusal: Why.
    """
    state.changed.mark("orders")
    return _records([state.standing.lives.refuse(order, at, str(refusal), over=refusal.code == "over")])


def weigh_orders(state: PlantState, decision: Decision) -> list[Output]:
    """Return the changes of orders' states by a decision."""
    lives = state.standing.lives.weigh(decision.verdicts, decision.for_slot, decision.decision_id)
    if lives:
        state.changed.mark("orders")
    return _records(lives)


def end_orders(zone: Zone, state: PlantState, slot: datetime) -> list[Output]:
    """End the orders that are over, and those that did more than they were approved for; say so.

    Args:
        zone: The zone.
        state: The plant; changed.
        slot: The slot that is decided next.
    """
    standing = state.standing
    outputs: list[Output] = []
    for order in list(standing.orders):
        limit, life = limit_of(order), standing.lives.open.get(order.order_id)
        excess = (
            None if limit is None or life is None else limit.excess(life.lost, life.moved_mwh, zone.market.currency)
        )
        if excess is not None:
            standing.orders = [other for other in standing.orders if other is not order]
            outputs += _records(standing.lives.withdraw([order], slot, excess))
            text = f"order {order.order_id} ({order.action}) by {order.principal} was stopped: {excess}"
            stopped = Condition(AlertCode.ORDER_STOPPED, AlertEffect.ORDER_NOT_FOLLOWED, text)
            outputs.append(Output("alerts", alert_of(zone, slot, f"order-stopped-{order.order_id}", stopped)))
    remaining = unexpired(standing.orders, slot)
    if outputs or len(remaining) != len(standing.orders):
        standing.orders = remaining
        state.changed.mark("orders")
        outputs += _records(standing.lives.expire(remaining, slot))
    return outputs


def count(
    zone: Zone, state: PlantState, counted: Mapping[str, Counted], before: Mapping[str, AssetKept], settled: Settlement
) -> None:
    """Count a settled slot to the orders that ruled it.

    Args:
        zone: The zone.
        state: The plant; the accounts of its orders change.
        counted: Which asset counts to which order.
        before: The fleet at the slot's start.
        settled: The slot.
    """
    later = _later_price(state)
    slot = settled.slot
    price = later if slot.price_per_mwh is None else slot.price_per_mwh
    value = SlotValue(price, later, zone.step.hours, zone.local(zone.step.start(slot.index)))
    for asset in zone.assets:
        entry = counted.get(asset.asset_id)
        life = None if entry is None else state.standing.lives.open.get(entry.order_id)
        if entry is None or life is None:
            continue
        moved, lost = moved_and_lost(
            asset, before[asset.asset_id], settled.assets[asset.asset_id], entry.without_mw, value
        )
        life.moved_mwh += moved
        life.lost += lost
        state.changed.mark("orders")


def _later_price(state: PlantState) -> float:
    """Return the mean expected price of the trader's last bid, 0 without one: what energy left in store is worth."""
    last = state.last.get(TRADER)
    prices = getattr(last.bid, "price_per_mwh", []) if last is not None else []
    return sum(prices) / len(prices) if prices else 0.0


def _records(lives: Sequence[OrderState]) -> list[Output]:
    return [Output("order_states", life) for life in lives]
