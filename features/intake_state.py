"""What the intake remembers of one zone: the last closed slot, the open one's ticks, a record that waits, last week."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from features.quality import Checks
from features.quality_alerts import FaultEpisode
from vpp.messages import AssetReading, Observation, Values
from vpp.streams.state_codec import ChangedValues


@dataclass
class Ticks:
    """Sums of the ticks of the open slot, by channel."""

    index: int
    seconds: float = 0.0
    sums: dict[str, tuple[float, int]] = field(default_factory=dict)
    assets: dict[str, AssetReading] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    seen: list[float] = field(default_factory=list)
    history: bool = False


class Held(msgspec.Struct):
    """A record from far ahead that waits for a second one to confirm it, and where it stands in its log."""

    message: Observation
    topic: str
    partition: int
    offset: int


class IntakeHead(msgspec.Struct):
    """The small part of the state that changes with every slot; ``faults``: episodes under way by channel."""

    last: int | None = None
    held: Held | None = None
    open: Ticks | None = None
    channels: list[str] = []
    checks: Checks = msgspec.field(default_factory=Checks)
    faults: dict[str, FaultEpisode] = {}
    ended: bool = False


@dataclass
class IntakeState:
    """Last closed slot, the open one's ticks, and what last week's slots held (for repeats and corrections)."""

    head: IntakeHead = field(default_factory=IntakeHead)
    ticks: Ticks | None = None
    closed: dict[int, tuple[Values, int]] = field(default_factory=dict)
    changed: ChangedValues = field(default_factory=ChangedValues)
