"""Forward jumps of a zone's clock: records from the future wait until time or their sequence confirms them.

A zone's clock is its newest slot. A record further ahead than ``FREE_GAP`` is applied at once if the broker's time
since the last record explains a gap of this length at the run's pace, as after a real outage. Otherwise it waits. It is
applied, with the records after it, if ``CONFIRMING`` records have arrived in sequence while the old clock was silent,
or if a later record or a deadline that the pace explains has moved the clock to it. It becomes a dead letter as soon as
a record of the old clock arrives. Shorter gaps are allowed, but gaps that the pace does not explain may only add up to
``FREE_GAP`` until time has passed for them, so many small jumps move the clock no further than one. A warm-up may leave
gaps at the start of a zone and while its old clock is silent.
"""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import msgspec

from vpp.domain import Step, iso
from vpp.messages import Alert, AlertCode, AlertEffect, DeadLetter, Observation, encode
from vpp.streams.reducer import Origin, Output

FREE_GAP = timedelta(hours=3)
CONFIRMING = 3
SILENT_SLOTS = 3.0
"""The old clock is silent once nothing came of it for so many slots of the run's pace."""
SLOW_SLOT_S = 0.5
"""Below so many seconds a slot a run has no pace to speak of, since brokers append its records in batches: it explains
no jump, and the old clock counts as silent at once."""
MAX_HELD = 48
MAX_HELD_BYTES = 32_000
MAX_WARM_GAP_DAYS = 7
_SMOOTHING = 0.2
_SLACK = 0.9


class Held(msgspec.Struct):
    """A waiting record from the future, and its position in the log."""

    message: Observation
    topic: str
    partition: int
    offset: int


class SlotClock(msgspec.Struct, omit_defaults=True):
    """The pace of a zone's slots by the broker's clock, and the waiting records.

    Attributes:
        seen_s: Broker's time of the newest record taken (s since 1970), None if no broker is.
        advanced_s: Broker's time at which the newest slot began.
        slot_s: Broker's time from one slot to the next, smoothed (s).
        lead: Slots by which the clock moved on sooner than the pace explains; time pays them back.
        warming: The newest record was one of the warm-up: what follows it may begin later.
        held: Records that wait, in order.
    """

    seen_s: float | None = None
    advanced_s: float | None = None
    slot_s: float | None = None
    lead: float = 0.0
    warming: bool = False
    held: list[Held] = []

    def note(self, slots: int, step: Step, at: datetime | None, *, history: bool = False) -> None:
        """Update the pace by an applied record.

        Args:
            slots: Slots by which the record moved the zone's clock.
            step: Length of a slot.
            at: The broker's time of the record.
            history: Whether the record belongs to the warm-up.
        """
        self.warming = history
        if at is None:
            return
        now_s = at.timestamp()
        self.seen_s = now_s if self.seen_s is None else max(now_s, self.seen_s)
        if slots <= 0:
            return
        lead = 0.0 if history else self._lead_after(slots, step, at)
        if self.advanced_s is not None and lead <= self.lead:
            each_s = max(now_s - self.advanced_s, 0.0) / slots
            self.slot_s = each_s if self.slot_s is None else self.slot_s + _SMOOTHING * (each_s - self.slot_s)
        free = free_slots(step)
        # A longer gap is only applied if it is explained or confirmed, so it leaves no lead.
        self.lead = min(lead, free) if slots <= free else 0.0
        self.advanced_s = now_s

    def explains(self, gap: int, step: Step, at: datetime | None) -> bool:
        """Return whether the pace explains a record ``gap`` slots ahead.

        Args:
            gap: Slots from the newest one to that of the record.
            step: Length of a slot.
            at: The broker's time of the record.
        """
        if self.warming and gap <= MAX_WARM_GAP_DAYS * step.per_day:
            return True
        if gap <= free_slots(step):
            return gap <= 1 or at is None or self._lead_after(gap, step, at) <= free_slots(step)
        if at is None or self.seen_s is None or self.slot_s is None or self.slot_s < SLOW_SLOT_S:
            return False
        return at.timestamp() - self.seen_s >= _SLACK * (gap - 1) * min(self.slot_s, step.seconds)

    def _lead_after(self, slots: int, step: Step, at: datetime) -> float:
        """Return the lead after the clock moves on by ``slots``; 0 in a run that has no pace."""
        if self.advanced_s is None or self.slot_s is None or self.slot_s < SLOW_SLOT_S:
            return 0.0
        due = max(at.timestamp() - self.advanced_s, 0.0) / min(self.slot_s, step.seconds)
        return max(self.lead - due, 0.0) + max(slots - 1 - due, 0.0)

    def may_warm_up(self, at: datetime | None) -> bool:
        """Return whether a record marked as history may belong to a warm-up; the mark alone moves no running clock.

        Args:
            at: The broker's time of the record.
        """
        if self.warming or at is None or self.seen_s is None:
            return True
        return self.slot_s is not None and self.slot_s >= SLOW_SLOT_S and self.is_silent(at)

    def hold(self, message: Observation, origin: Origin) -> None:
        """Add a record to the waiting ones."""
        self.held = [*self.held, Held(message, origin.topic, origin.partition, origin.offset)]

    def is_followed_by(self, message: Observation, step: Step) -> bool:
        """Return whether a record continues the sequence of the waiting ones."""
        if not self.held:
            return False
        last = self.held[-1].message.slot
        return last < message.slot and step.index(message.slot) - step.index(last) <= free_slots(step)

    def is_confirmed(self, at: datetime | None) -> bool:
        """Return whether enough records wait in sequence while the old clock is silent.

        Args:
            at: The broker's time of the newest record.
        """
        count = len(self.held)
        if count < CONFIRMING:
            return False
        return count >= MAX_HELD or self.size_bytes >= MAX_HELD_BYTES or self.is_silent(at)

    def is_silent(self, at: datetime | None, slots: float = SILENT_SLOTS) -> bool:
        """Return whether no record of the old clock has arrived for ``slots`` slots of the run's pace."""
        if at is None or self.seen_s is None or self.slot_s is None or self.slot_s < SLOW_SLOT_S:
            return True
        return at.timestamp() - self.seen_s >= slots * self.slot_s

    @property
    def size_bytes(self) -> int:
        """Bytes of the waiting records."""
        return sum(len(encode(entry.message)) for entry in self.held)

    def release(self) -> list[Observation]:
        """Remove and return all waiting records."""
        entries, self.held = self.held, []
        return [entry.message for entry in entries]

    def release_before(self, index: int, step: Step) -> list[Observation]:
        """Remove and return the waiting records of slots before ``index``."""
        due = [entry.message for entry in self.held if step.index(entry.message.slot) < index]
        self.held = self.held[len(due) :]
        return due

    def drop(self, last: datetime) -> list[Output]:
        """Remove the waiting records and return their dead letters.

        Args:
            last: The zone's newest slot.
        """
        entries, self.held = self.held, []
        return [
            Output(
                "dlq",
                DeadLetter(
                    zone=entry.message.zone,
                    reason="future",
                    detail=f"slot {iso(entry.message.slot)} lies {entry.message.slot - last} "
                    "after the zone's newest slot, "
                    f"and fewer than {CONFIRMING} records followed it in sequence",
                    topic=entry.topic,
                    partition=entry.partition,
                    offset=entry.offset,
                    raw=base64.b64encode(encode(entry.message)).decode(),
                ),
            )
            for entry in entries
        ]


def free_slots(step: Step) -> int:
    """Return the number of slots by which a zone's clock may move at once without confirmation."""
    return max(2, int(FREE_GAP / step.delta))


def jump_alert(zone: str, last: datetime, ahead: datetime, *, confirmed: bool = False) -> Output:
    """Return the alert that records from the future wait, or that they were applied; one row for each jump.

    Args:
        zone: The zone.
        last: Its newest slot.
        ahead: Slot of the first waiting record.
        confirmed: Whether they were applied.
    """
    manner = (
        f"they were used: {CONFIRMING} records in sequence, or the time that passed, confirmed the jump"
        if confirmed
        else f"they wait for {CONFIRMING} records in sequence; a record of the time between sets them aside"
    )
    alert = Alert(
        zone=zone,
        slot=last,
        alert_id=f"clock-jump-{iso(last)}",
        severity="info" if confirmed else "warning",
        topic="telemetry quality",
        code=AlertCode.CLOCK_JUMP,
        effect=AlertEffect.USED_AS_REAL if confirmed else AlertEffect.QUARANTINED,
        text=f"telemetry is dated {iso(ahead)}, {ahead - last} after the zone's newest slot: {manner}",
    )
    return Output("alerts", alert)
