"""Orders of each OpenADR event: an event that changes or disappears cancels its orders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from agents.orders.openadr_events import AskedOrder, DemandEvent, EventAsks, asks_of
from vpp.errors import DataError


class StandingOrder(msgspec.Struct, frozen=True):
    """An order that was given for an event."""

    order_id: str
    expires_at: datetime


class EventRecord(msgspec.Struct, frozen=True):
    """The version of an event that was acted on, and the orders that were given for it.

    ``comings``: how often it was removed and listed again. ``gone_until``: time until which a removed event may return.
    """

    modified: str
    orders: tuple[StandingOrder, ...] = ()
    comings: int = 0
    gone_until: datetime | None = None


class BookState(msgspec.Struct):
    """The events that the VTN lists, and those that went before their time, by id; written to disk at each change."""

    events: dict[str, EventRecord] = {}


@dataclass(slots=True)
class BookChanges:
    """What follows from a list of events.

    Attributes:
        cancelled: Ids of orders that no longer hold; to be sent first.
        given: Orders with the event that asks for them.
        asks: What each new or changed event asks for, with the event.
        refused: Ids of new or changed events that cannot be done, with the reason.
    """

    cancelled: list[str] = field(default_factory=list)
    given: list[tuple[DemandEvent, AskedOrder]] = field(default_factory=list)
    asks: list[tuple[DemandEvent, EventAsks]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def follow(
    state: BookState, events: Iterable[DemandEvent], now: datetime, longest: timedelta
) -> tuple[BookState, BookChanges]:
    """Return the new state and the resulting orders; a list without changes has no effect.

    Args:
        state: As the last list left it.
        events: All events that the VTN lists now.
        now: Orders whose time is over are neither given nor cancelled.
        longest: Longest life of an order: one that ends later waits.
    """
    changes = BookChanges()
    after: dict[str, EventRecord] = {}
    for event in events:
        before = state.events.get(event.id, EventRecord(""))
        is_back = before.gone_until is not None
        is_new = event.id not in state.events or is_back or before.modified != event.modification_date_time
        comings = before.comings + is_back
        asks = _readable(event, comings, longest, changes, is_new=is_new)
        current = {order.order_id: order for order in asks.orders if order.expires_at > now}
        standing = {order.order_id: order for order in before.orders if order.order_id in current}
        changes.cancelled += _ended(before, standing, now)
        for order in current.values():
            if order.order_id not in standing and order.expires_at <= now + longest:
                changes.given.append((event, order))
                standing[order.order_id] = StandingOrder(order.order_id, order.expires_at)
        after[event.id] = EventRecord(event.modification_date_time, tuple(standing.values()), comings)
    for name, record in state.events.items():
        if name not in after:
            changes.cancelled += _ended(record, {}, now)
            until = record.gone_until or max((order.expires_at for order in record.orders), default=now)
            if until > now:
                after[name] = EventRecord(record.modified, (), record.comings, until)
    return BookState(after), changes


def _readable(event: DemandEvent, comings: int, longest: timedelta, changes: BookChanges, *, is_new: bool) -> EventAsks:
    """Return the requests of an event, empty if they cannot be fulfilled; new and refused ones are noted."""
    try:
        asks = asks_of(event, comings)
        too_long = [order for order in asks.orders if order.expires_at - order.starts_at > longest]
        if too_long:
            raise DataError(f"an interval of it is longer than the longest order, {longest / timedelta(hours=1):g} h")
    except DataError as error:
        if is_new:
            changes.refused.append((event.id, str(error)))
        return EventAsks()
    if is_new:
        changes.asks.append((event, asks))
    return asks


def _ended(record: EventRecord, standing: dict[str, StandingOrder], now: datetime) -> list[str]:
    return [order.order_id for order in record.orders if order.order_id not in standing and order.expires_at > now]
