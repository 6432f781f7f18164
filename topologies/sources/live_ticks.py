"""Ticks of a source in real time: values of the running slot every few seconds, for every zone."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from topologies.sources.feed import Feed
from vpp.files.cells.availability import ASSET_MARK, is_published
from vpp.messages import Observation


@dataclass(slots=True)
class LiveTicks:
    """Makes the ticks that have come; the slot's own record closes it.

    Attributes:
        feed: The rows; they hold the slot that is running.
        every_s: Seconds between two ticks.
        shift: How much later than in the feed the slots are sent.
    """

    feed: Feed
    every_s: float
    shift: timedelta = timedelta(0)
    _last: float = 0.0
    _values: dict[str, tuple[datetime, dict[str, float | None]]] = field(default_factory=dict)

    def due(self, wall_s: float) -> list[Observation]:
        """Return one tick per zone where a new tick has ended, else none; measured values only, each its slot's mean.

        What the feed knows of single ticks (``Feed.swings``) moves them about that mean.

        Args:
            wall_s: Wall time in seconds since 1970.
        """
        end = math.floor(wall_s / self.every_s) * self.every_s
        if end <= self._last:
            return []
        self._last = end
        start, now = datetime.fromtimestamp(end - self.every_s, UTC), datetime.fromtimestamp(end, UTC)
        swings = self.feed.swings(end - self.shift.total_seconds(), self.every_s)
        return [
            Observation(
                zone=name,
                slot=start,
                values=_swung(self._slot_values(name, start), swings),
                duration_s=self.every_s,
                sent_at=now,
            )
            for name in sorted(self.feed.zones)
        ]

    def _slot_values(self, name: str, instant: datetime) -> dict[str, float | None]:
        zone = self.feed.zones[name]
        slot = zone.step.floor(instant)
        entry = self._values.get(name)
        if entry is None or entry[0] != slot:
            row_at = slot - self.shift
            frame = self.feed.frame(name, row_at + zone.step.delta, row_at)
            row: dict[str, float] = {str(k): v for k, v in frame.to_dict("index").get(row_at, {}).items()}
            values = {
                channel: None if math.isnan(value) else value
                for channel, value in row.items()
                if not channel.startswith(ASSET_MARK) and not is_published(zone, channel)
            }
            entry = self._values[name] = (slot, values)
        return entry[1]


def _swung(values: dict[str, float | None], swings: dict[str, float]) -> dict[str, float | None]:
    return {c: value if value is None or c not in swings else value + swings[c] for c, value in values.items()}
