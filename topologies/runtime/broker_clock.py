"""Refuses records dated after the broker's clock in a real-time run."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpp.domain import Step, iso
from vpp.errors import MessageError
from vpp.messages import (
    ActorBid,
    Correction,
    Deadline,
    Forecast,
    Message,
    Observation,
    Order,
    Promotion,
    Publication,
    SlotClosed,
    TraderBid,
)
from vpp.streams.broker_stamps import AHEAD


def refuse_future(message: Message, step: Step, now: datetime) -> None:
    """Refuse a record of what lies after the broker's clock.

    A slot is dated by its end, a tick by the end of its duration, a publication and a promotion by when they can be
    used, an order by when it was issued and sent; when an order begins and ends may lie ahead. A change of a zone is
    dated where it is judged (``ChangeAuthority``).

    Args:
        message: The record.
        step: Slots of its zone.
        now: The broker's time of the record.

    Raises:
        MessageError: With reason ``future``.
    """
    dated = _date(message, step)
    if dated is not None and dated > now + AHEAD:
        raise MessageError(f"it is dated {iso(dated)}; the broker's clock shows {iso(now)}", reason="future")


def _date(message: Message, step: Step) -> datetime | None:
    match message:
        case Observation():
            return message.slot + (step.delta if message.duration_s is None else timedelta(seconds=message.duration_s))
        case SlotClosed() | Correction() | Forecast() | ActorBid() | TraderBid() | Deadline():
            return message.slot + step.delta
        case Publication() | Promotion():
            return message.available_at
        case Order():
            return max(message.issued_at, message.sent_at or message.issued_at)
        case _:
            return None
