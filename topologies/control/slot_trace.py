"""The path of one slot through the steps from the store, with waiting and processing times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vpp.domain import iso
from vpp.errors import ConfigError, DataError
from vpp.store.contract import Store
from vpp.store.decisions import LATEST, utc_time
from vpp.store.tables import DECISIONS, HOPS

BEFORE: dict[str, tuple[str, ...]] = {
    "telemetry": (),
    "forecast": ("telemetry",),
    "actor": ("forecast",),
    "trader": ("forecast",),
    "plant": ("actor", "trader"),
}
"""The steps in order, and those whose records each of them takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPassage:
    """How a slot passed one step; durations in seconds, times by the wall clock.

    ``waited_s``: from the last record that the step needed to the moment it took it up (from the broker, until the
    step was free); ``worked_s``: until it wrote; ``stored_s``: from there until the store held its record.
    """

    step: str
    taken_at: datetime
    sent_at: datetime
    stored_at: datetime
    waited_s: float
    worked_s: float
    stored_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotTrace:
    """One slot's way. ``decided_s``, ``total_s``: from arrival to the plant's decision, and to the last stored row.

    ``missing``: steps that the store holds no record of; ``decided_s`` is then None if the plant is one of them.
    """

    zone: str
    slot: datetime
    trace_id: str
    arrived_at: datetime
    steps: tuple[StepPassage, ...]
    missing: tuple[str, ...]
    decided_s: float | None
    total_s: float


def find_trace(store: Store, reference: str) -> SlotTrace:
    """Return the way of one slot.

    Args:
        store: Where the rows are.
        reference: ``ZONE@TIME`` (the slot that holds the time; UTC if no zone is said) or ``ZONE@latest``.

    Raises:
        ConfigError: It names no zone, or the time cannot be read.
        DataError: The store knows no way of this slot.
    """
    zone, _, time_text = reference.partition("@")
    if not zone or not time_text:
        raise ConfigError(f"{reference!r} names no slot", hint="write ZONE@2022-01-31T18:30 (UTC) or ZONE@latest")
    rows = _newest(store, zone) if time_text == LATEST else _at(store, zone, utc_time(time_text))
    if not rows:
        spans = [f"{span.zone} from {iso(span.first)} to {iso(span.last)}" for span in store.spans(HOPS)]
        raise DataError(
            f"no trace of {reference}",
            hint="traces of slots: " + "; ".join(spans) if spans else "start a plant first: vpp up",
        )
    return trace_of(rows)


def trace_of(rows: list[dict[str, Any]]) -> SlotTrace:
    """Return the way that rows of one slot tell."""
    hops = {row["step"]: row for row in rows}
    first = min(rows, key=lambda row: row["arrived_at"])
    steps = []
    for step, needed in BEFORE.items():
        hop = hops.get(step)
        if hop is None:
            continue
        ready = max((hops[name]["sent_at"] for name in needed if name in hops), default=hop["arrived_at"])
        steps.append(
            StepPassage(
                step=step,
                taken_at=hop["taken_at"],
                sent_at=hop["sent_at"],
                stored_at=hop["stored_at"],
                waited_s=_seconds(ready, hop["taken_at"]),
                worked_s=_seconds(hop["taken_at"], hop["sent_at"]),
                stored_s=_seconds(hop["sent_at"], hop["stored_at"]),
            )
        )
    arrived = first["arrived_at"]
    return SlotTrace(
        zone=first["zone"],
        slot=first["slot"],
        trace_id=first["trace_id"],
        arrived_at=arrived,
        steps=tuple(steps),
        missing=tuple(step for step in BEFORE if step not in hops),
        decided_s=_seconds(arrived, hops["plant"]["sent_at"]) if "plant" in hops else None,
        total_s=_seconds(arrived, max(row["stored_at"] for row in rows)),
    )


def _newest(store: Store, zone: str) -> list[dict[str, Any]]:
    decided = store.latest(HOPS, zone, filters={"step": "plant"}, columns=("slot",)).column("slot")
    return _at(store, zone, decided[0]) if decided else store.latest(HOPS, zone).dicts()


def _at(store: Store, zone: str, instant: datetime) -> list[dict[str, Any]]:
    rows = _exactly(store, zone, instant)
    if rows:
        return rows
    decisions = store.read(
        DECISIONS, zone=zone, end=instant, order="desc", limit=1, columns=("slot", "for_slot")
    ).dicts()
    holding = [row["slot"] for row in decisions if row["slot"] <= instant < row["for_slot"]]
    return _exactly(store, zone, holding[0]) if holding else []


def _exactly(store: Store, zone: str, slot: datetime) -> list[dict[str, Any]]:
    return store.read(HOPS, zone=zone, start=slot, end=slot + timedelta(seconds=1)).dicts()


def _seconds(start: datetime, end: datetime) -> float:
    """Return the seconds from one time to another; a clock of another machine that lags by a little makes no sense."""
    return round(max((end - start).total_seconds(), 0.0), 6)
