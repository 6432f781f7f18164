"""Memory of executed order ids: an order acts once, independent of the number of orders in between.

Ids are kept by time and not by number, so a flood of other orders cannot push one out.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from agents.orders.approval import CLOCK_SKEW, approval_of
from vpp.messages import Order
from vpp.streams.reducer import Origin

KEPT_FOR = timedelta(days=1)
HOLDS_WITHIN = timedelta(minutes=10)
MAX_HOLDS = 30


class OrderMemory(msgspec.Struct):
    """Ids of orders that were accepted, and the holds of each principal.

    ``until_s``: order id to the time (s since 1970) until which it is kept. ``holds_s``: principal to the times of its
    last holds. ``newest_s``: the broker's newest time of an accepted order, 0 where no broker is.
    """

    until_s: dict[str, float] = {}
    holds_s: dict[str, list[float]] = {}
    newest_s: float = 0.0

    def has(self, order: Order) -> bool:
        """Return whether an order of this id was accepted before."""
        return order.order_id in self.until_s

    def sent_at(self, origin: Origin) -> datetime | None:
        """Return the broker's time of an order, None if no broker is; a later order is never earlier than one before.

        A broker that leaves the time to producers would else show an old order, whose id is forgotten, as a new one.
        """
        if origin.appended_at is None:
            return None
        return max(origin.appended_at, datetime.fromtimestamp(self.newest_s, UTC))

    def note(self, order: Order, origin: Origin) -> None:
        """Remember an accepted order at least as long as its approval is valid; drop entries that are over."""
        sent_at = self.sent_at(origin)
        if sent_at is not None:
            self.newest_s = sent_at.timestamp()
        now = sent_at or order.issued_at
        approval = approval_of(order)
        until = now + KEPT_FOR
        if approval is not None:
            until = max(until, approval.expires_at + CLOCK_SKEW)
        self.until_s = {name: at for name, at in self.until_s.items() if at > now.timestamp()}
        self.until_s[order.order_id] = until.timestamp()
        if order.action == "hold":
            recent = {name: self._recent(name, now) for name in (*self.holds_s, order.principal)}
            recent[order.principal].append(now.timestamp())
            self.holds_s = {name: times for name, times in recent.items() if times}

    def holds_too_often(self, order: Order, origin: Origin) -> bool:
        """Return whether the principal of a hold has used up its holds."""
        return len(self._recent(order.principal, order_time(order, origin))) >= MAX_HOLDS

    def _recent(self, principal: str, now: datetime) -> list[float]:
        since = (now - HOLDS_WITHIN).timestamp()
        return [at for at in self.holds_s.get(principal, []) if at > since]


def order_time(order: Order, origin: Origin) -> datetime:
    """Return the broker's time of an order; where no broker is, the time at which it was issued."""
    return origin.appended_at or order.issued_at
