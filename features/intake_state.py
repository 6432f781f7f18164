"""State of the intake of one zone: last closed slot, ticks of the open slot, a waiting record, last week."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from features.clock_jump import SlotClock
from features.quality import Checks
from features.quality_alerts import FaultEpisode
from vpp.errors import MessageError
from vpp.messages import AssetReading, Values
from vpp.streams.state_codec import ChangedValues

FREQUENCY_CLASS_HZ = 0.005
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


class ReadingMean(msgspec.Struct):
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


class SlotReadings(msgspec.Struct):
    """Readings of assets that gateways sent within one slot that is not closed."""

    assets: dict[str, ReadingMean] = {}
    marks: dict[str, str] = {}

    def add(self, at: float, readings: dict[str, AssetReading], marks: dict[str, str]) -> None:
        """Take the readings of one time (seconds since 1970); an asset's readings of earlier times count no more."""
        self.marks |= marks
        for asset_id, reading in readings.items():
            mean = self.assets.setdefault(asset_id, ReadingMean(-math.inf, reading))
            if at > mean.at:
                mean.add(at, reading)


class IntakeHead(msgspec.Struct):
    """The small part of the state that changes with every slot; ``faults``: episodes under way."""

    last: int | None = None
    clock: SlotClock = msgspec.field(default_factory=SlotClock)
    open: Ticks | None = None
    channels: list[str] = []
    checks: Checks = msgspec.field(default_factory=Checks)
    faults: list[FaultEpisode] = []
    ended: bool = False
    readings: dict[int, SlotReadings] = {}


@dataclass
class IntakeState:
    """Last closed slot, the open one's ticks, and what last week's slots held (for repeats and corrections)."""

    head: IntakeHead = field(default_factory=IntakeHead)
    ticks: Ticks | None = None
    closed: dict[int, tuple[Values, int]] = field(default_factory=dict)
    changed: ChangedValues = field(default_factory=ChangedValues)

    def check_channels(self, names: Iterable[str]) -> None:
        """Refuse a record that would give the zone more channels than any has: each closed slot carries them all.

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
        """Return the readings of assets that wait for a slot, and forget those of it and of all before."""
        waiting = self.head.readings.get(index, SlotReadings())
        self.head.readings = {i: slot for i, slot in self.head.readings.items() if i > index}
        return waiting
