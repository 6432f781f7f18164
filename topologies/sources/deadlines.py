"""Deadlines of live mode: times at which a slot closes and is decided, even with missing records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from topologies.sources.pace import RunClock
from vpp.fleet.schema import Zone
from vpp.messages import Deadline
from vpp.streams.topics import BIDS, RAW


@dataclass(slots=True)
class Deadlines:
    """Yields the deadlines that have come, once each, the later slot alone where several have.

    Attributes:
        zones: The zones, by name; each has its own step.
        close_after_s: Wall seconds from a slot's end until it closes.
        decide_after_s: Wall seconds from a slot's end until it is decided.
    """

    zones: Mapping[str, Zone]
    close_after_s: float
    decide_after_s: float
    _sent: dict[tuple[str, str], datetime] = field(default_factory=dict)

    def due(self, clock: RunClock, wall_s: float) -> list[tuple[str, Deadline]]:
        """Return (topic, deadline) pairs that have come since the last call, closing before deciding.

        Args:
            clock: The run clock in force.
            wall_s: Wall time in seconds since 1970.
        """
        deadlines = []
        for topic, after_s in ((RAW.name, self.close_after_s), (BIDS.name, self.decide_after_s)):
            for name, zone in sorted(self.zones.items()):
                slot = zone.step.floor(clock.now(wall_s - after_s)) - zone.step.delta
                before = self._sent.get((topic, name))
                if before is None or slot > before:
                    self._sent[(topic, name)] = slot
                    if before is not None:
                        deadlines.append((topic, Deadline(zone=name, slot=slot, sent_at=slot + zone.step.delta)))
        return deadlines
