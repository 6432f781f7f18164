"""State of the intake of one zone: last closed slot, ticks of the open slot, a waiting record, last week."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from features.clock_jump import SlotClock
from features.quality import Checks
from features.quality_alerts import FaultEpisode
from features.ring import RingRecord, SlotRing
from vpp.errors import MessageError
from vpp.messages import Alert, AssetReading, Values

FREQUENCY_CLASS_HZ = 0.005
MEMORY_DAYS = 7
"""Repeats and corrections of slots that closed so long ago are told from new ones."""

MAX_CHANNELS = 500
MAX_CHANNEL_CHARS = 20_000


@dataclass
class Ticks:
    """Sums of the ticks of the open slot, by channel; ``frequency``: by class of ``FREQUENCY_CLASS_HZ`` too."""

    index: int
    seconds: float = 0.0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    assets: dict[str, AssetReading] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    seen: list[float] = field(default_factory=list)
    history: bool = False
    frequency: dict[int, tuple[float, int]] = field(default_factory=dict)

    def frequency_shares(self) -> list[tuple[float, float]]:
        """Return (mean Hz, share of the ticks) of each frequency class, rising."""
        count = sum(n for _, n in self.frequency.values())
        return [(round(total / n, 6), n / count) for _, (total, n) in sorted(self.frequency.items())]


class ReadingMean(msgspec.Struct, omit_defaults=True):
    """Mean power of one asset over the readings of a slot (MW), and the rest of the newest reading."""

    at: float
    newest: AssetReading
    power_sum_mw: float = 0.0
    powers: int = 0

    def add(self, at: float, reading: AssetReading) -> None:
        """Take one more reading."""
        self.at, self.newest = at, reading
        if reading.power_mw is not None:
            self.power_sum_mw += reading.power_mw
            self.powers += 1

    def mean(self) -> AssetReading:
        """Return the reading of the slot."""
        power = self.power_sum_mw / self.powers if self.powers else None
        return msgspec.structs.replace(self.newest, power_mw=power)


class SlotReadings(msgspec.Struct, omit_defaults=True):
    """Readings of assets that gateways sent within one slot that is not closed."""

    assets: dict[str, ReadingMean] = {}
    marks: dict[str, str] = {}

    def add(self, at: float, readings: dict[str, AssetReading], marks: dict[str, str]) -> None:
        """Add the readings of one time (seconds since 1970); earlier readings that arrive later are ignored."""
        self.marks |= marks
        for asset_id, reading in readings.items():
            mean = self.assets.setdefault(asset_id, ReadingMean(-math.inf, reading))
            if at > mean.at:
                mean.add(at, reading)


class IntakeHead(msgspec.Struct, omit_defaults=True):
    """The small part of the state that changes with every slot; ``faults``: episodes under way.

    ``first``: from here to ``last`` every slot was closed. ``revisions``: of the slots that were corrected. ``ring``:
    of the values of closed slots. ``published_before``: alerts on what was published before the run, each with the
    last slot that it speaks of. ``run_from``: first slot of a run whose rows before it come, None once it has begun.
    """

    last: int | None = None
    first: int | None = None
    revisions: dict[int, int] = {}
    ring: RingRecord | None = None
    clock: SlotClock = msgspec.field(default_factory=SlotClock)
    open: Ticks | None = None
    channels: list[str] = []
    checks: Checks = msgspec.field(default_factory=Checks)
    faults: list[FaultEpisode] = []
    ended: bool = False
    readings: dict[int, SlotReadings] = {}
    published_before: list[tuple[int, Alert]] = []
    run_from: int | None = None


@dataclass
class IntakeState:
    """Last closed slot, ticks of the open slot, and the values of last week's slots (for repeats and corrections)."""

    ring: SlotRing
    head: IntakeHead = field(default_factory=IntakeHead)
    ticks: Ticks | None = None
    changed: bool = False

    def close(self, index: int, values: Values) -> None:
        """Count slot ``index`` as closed with these values."""
        head = self.head
        if head.first is None or head.last is None or index != head.last + 1:
            head.first = index
        head.last = index
        head.revisions = {slot: n for slot, n in head.revisions.items() if slot > index - self._memory_slots}
        self.ring.advance(index)
        self._keep(index, values)

    def is_before_run(self, index: int) -> bool:
        """Return whether a slot lies before the run, so that it is history even without a row."""
        return self.head.run_from is not None and index < self.head.run_from

    def correct(self, index: int, values: Values) -> int:
        """Change values of a closed slot and return the number of its correction."""
        revision = self.head.revisions[index] = self.head.revisions.get(index, 0) + 1
        self._keep(index, values)
        return revision

    def closed(self, index: int) -> Values | None:
        """Return the closed or corrected values of slot ``index``, None if it was not closed in the last week."""
        first, last = self.head.first, self.head.last
        if first is None or last is None or not max(first, last - self._memory_slots + 1) <= index <= last:
            return None
        values = {channel: self.ring.get(channel, index) for channel in self.ring.rows}
        return {channel: None if math.isnan(value) else value for channel, value in values.items()}

    @property
    def _memory_slots(self) -> int:
        return MEMORY_DAYS * self.ring.step.per_day

    def _keep(self, index: int, values: Values) -> None:
        self.changed = True
        for channel, value in values.items():
            self.ring.put(channel, index, value)

    def check_channels(self, names: Iterable[str]) -> None:
        """Refuse a record that exceeds the maximum number of channels of a zone: each closed slot has all of them.

        Raises:
            MessageError: With reason ``channels``.
        """
        channels = {*self.head.channels, *names}
        if len(channels) > MAX_CHANNELS or sum(map(len, channels)) > MAX_CHANNEL_CHARS:
            raise MessageError(
                f"the zone would have {len(channels)} channels; {MAX_CHANNELS} with {MAX_CHANNEL_CHARS} characters "
                "in their names are the most",
                reason="channels",
            )

    def take_readings(self, index: int) -> SlotReadings:
        """Return the waiting readings of assets of a slot, and drop those of this slot and earlier ones."""
        waiting = self.head.readings.get(index, SlotReadings())
        self.head.readings = {i: slot for i, slot in self.head.readings.items() if i > index}
        return waiting
