"""Traces: the path of one slot through the steps, in the W3C Trace Context headers traceparent and tracestate.

The trace id is a hash of zone and slot, so every step and every reader finds it without asking. A record that comes
with a ``traceparent`` of its own keeps that id as long as it speaks of one slot. ``tracestate`` holds, as
``vpp=ARRIVED-TAKEN-SENT``, three wall times (ms since 1970): when the raw record that closed the slot arrived, when the
step that wrote this record took its input, and when it wrote. They are outside every message, so decisions and replays
do not depend on them.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from vpp.domain import iso
from vpp.messages import ActorBid, Decision, Forecast, Message, SlotClosed, TraderBid

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"

STEP_OF: dict[type, str] = {
    SlotClosed: "telemetry",
    Forecast: "forecast",
    ActorBid: "actor",
    TraderBid: "trader",
    Decision: "plant",
}
"""The messages that carry a slot from step to step, and the step that writes each; their ``slot`` is the closed one."""

_PARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_OURS = re.compile(rb"vpp=(\d{1,13})-(\d{1,13})-(\d{1,13})(?:,.*)?", re.DOTALL)
"""Milliseconds of at most 13 digits lie before the year 2287: every one is a time."""
_NO_TRACE = "0" * 32

Headers = Iterable[tuple[str, Any]] | None


def now_ms() -> int:
    """Return the wall time (ms since 1970)."""
    return time.time_ns() // 1_000_000


class Hop(msgspec.Struct, frozen=True):
    """A record's passage through the step that wrote it; wall times in ms since 1970.

    Attributes:
        trace_id: Of the slot, 32 hexadecimal digits.
        arrived_ms: When the raw record that closed the slot arrived at the broker.
        taken_ms: When the step took its input.
        sent_ms: When it wrote the record.
    """

    trace_id: str
    arrived_ms: int
    taken_ms: int
    sent_ms: int

    def headers(self, step: str) -> list[tuple[str, bytes]]:
        """Return the headers of the record.

        Args:
            step: Name of the step; with the trace id it makes the span id.
        """
        return [
            (TRACEPARENT, f"00-{self.trace_id}-{_span_id(self.trace_id, step)}-01".encode()),
            (TRACESTATE, f"vpp={self.arrived_ms}-{self.taken_ms}-{self.sent_ms}".encode()),
        ]

    @property
    def times(self) -> tuple[datetime, datetime, datetime]:
        """Arrived, taken and sent as times."""
        arrived, taken_at, sent_at = (
            datetime.fromtimestamp(at / 1000, UTC) for at in (self.arrived_ms, self.taken_ms, self.sent_ms)
        )
        return arrived, taken_at, sent_at


@lru_cache(maxsize=4096)
def trace_id_of(zone: str, slot: datetime) -> str:
    """Return the trace id of a zone's slot."""
    return hashlib.sha256(f"{zone}@{iso(slot)}".encode()).hexdigest()[:32]


def read_trace_id(headers: Headers) -> str | None:
    """Return the trace id of a record, None without a readable one."""
    for name, value in headers or ():
        if name == TRACEPARENT and isinstance(value, bytes):
            match = _PARENT.fullmatch(value)
            trace_id = _NO_TRACE if match is None else match[1].decode()
            return None if trace_id == _NO_TRACE else trace_id
    return None


def read_hop(headers: Headers) -> Hop | None:
    """Return the passage from a record's headers; None for a record that no step of the plant wrote."""
    return _hop_of(headers, read_trace_id(headers))


def _hop_of(headers: Headers, trace_id: str | None) -> Hop | None:
    if trace_id is None:
        return None
    for name, value in headers or ():
        if name == TRACESTATE and isinstance(value, bytes):
            match = _OURS.fullmatch(value)
            return None if match is None else Hop(trace_id, int(match[1]), int(match[2]), int(match[3]))
    return None


def source_headers(message: Message) -> list[tuple[str, bytes]]:
    """Return the trace headers of a record of a source; empty for a record without a slot."""
    slot = getattr(message, "slot", None)
    if slot is None:
        return []
    trace_id = trace_id_of(message.zone, slot)
    return [(TRACEPARENT, f"00-{trace_id}-{_span_id(trace_id, 'source')}-01".encode())]


class RecordTrace:
    """The trace of one record that a step takes, from which those of its outputs follow.

    Args:
        headers: Headers of the record.
        appended_ms: The broker's time of the record (ms since 1970).
        taken_ms: When the step took it; None: now.
    """

    __slots__ = ("_arrived_ms", "_taken_ms", "trace_id")

    def __init__(self, headers: Headers, appended_ms: int, taken_ms: int | None = None) -> None:
        self.trace_id = read_trace_id(headers)
        hop = _hop_of(headers, self.trace_id)
        self._arrived_ms = appended_ms if hop is None else hop.arrived_ms
        self._taken_ms = now_ms() if taken_ms is None else taken_ms

    def hop_of(self, message: Message, slot: datetime | None, sent_ms: int) -> Hop | None:
        """Return the passage of an output, None if its slot is unknown.

        Args:
            message: The output.
            slot: Slot of the input record, None if it has none.
            sent_ms: When it is written (ms since 1970).
        """
        record_slot = getattr(message, "slot", None) if type(message) in STEP_OF else slot
        trace_id = self.trace_id if record_slot == slot else None
        if trace_id is None and record_slot is not None:
            trace_id = trace_id_of(message.zone, record_slot)
        return None if trace_id is None else Hop(trace_id, self._arrived_ms, self._taken_ms, sent_ms)


@lru_cache(maxsize=4096)
def _span_id(trace_id: str, step: str) -> str:
    return hashlib.sha256(f"{trace_id}/{step}".encode()).hexdigest()[:16]
