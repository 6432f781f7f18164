"""Completeness of a zone's history: the lags of a target in the ring, and whether policies may bid on them."""

from __future__ import annotations

import math

from features.ring import SlotRing
from vpp.messages import KnownLags

NEWEST_LAGS = 13
"""The closed slot and the twelve before it; beside them the same slot a day and a week ago."""

READY_SHARE = 0.3
"""Share of the lags that must be there before policies bid, where no setting says another."""


def lags_of(
    ring: SlotRing, channel: str, index: int, *, stands_in: int | None, restored_to: int | None, ready_share: float
) -> KnownLags:
    """Return the completeness of the lags of ``channel`` after slot ``index`` has closed.

    Args:
        ring: The zone's slots.
        channel: The target's channel.
        index: The closed slot.
        stands_in: First slot from which the guard's values replace measured ones; None: no slot.
        restored_to: Newest slot that was read from the kept state; None: nothing was.
        ready_share: Share of the lags (0-1) that must be there, measured or imputed, before policies bid.
    """
    day = ring.step.per_day
    newest = range(index - NEWEST_LAGS + 1, index + 1)
    slots = [*newest, index - day, index - 7 * day]
    values = ring.window(channel, newest.start, newest.stop).tolist()
    values += [ring.get(channel, slot) for slot in slots[NEWEST_LAGS:]]
    slots_present = [slot for slot, value in zip(slots, values, strict=True) if not math.isnan(value)]
    slots_known = [slot for slot in slots_present if stands_in is None or slot < stands_in]
    return KnownLags(
        asked=len(slots),
        known=len(slots_known),
        imputed=len(slots_present) - len(slots_known),
        restored=0 if restored_to is None else sum(slot <= restored_to for slot in slots_known),
        ready=len(slots_present) >= ready_share * len(slots),
    )
