"""Current time by the clock of a run: the end of the newest closed slot in the store."""

from __future__ import annotations

from datetime import datetime, timedelta

from vpp.store.contract import Store
from vpp.store.tables import TELEMETRY

FIRST_STEP = timedelta(minutes=30)
"""Slot length of a zone with one closed slot and no configuration."""


def slot_length(store: Store, zone: str, configured: timedelta | None = None) -> timedelta:
    """Return the distance of the two newest slots of a zone.

    Args:
        store: The tables of the run.
        zone: The zone.
        configured: Its configured slot length, taken where fewer than two slots are closed.
    """
    slots: list[datetime] = store.read(TELEMETRY, zone=zone, columns=("slot",), order="desc", limit=2).column("slot")
    return slots[0] - slots[1] if len(slots) == 2 else configured or FIRST_STEP


def run_clock(store: Store, zone: str, configured: timedelta | None = None) -> datetime | None:
    """Return the end of the newest closed slot of a zone; None if none is closed.

    Args:
        store: The tables of the run.
        zone: The zone.
        configured: As ``slot_length``.
    """
    newest: datetime | None = next(iter(store.latest(TELEMETRY, zone, columns=("slot",)).column("slot")), None)
    return None if newest is None else newest + slot_length(store, zone, configured)


def free_from(store: Store, zone: str) -> datetime | None:
    """Return the start of the first slot that is not decided yet: an order that ends by then can no longer act."""
    clock = run_clock(store, zone)
    return None if clock is None else clock + slot_length(store, zone)
