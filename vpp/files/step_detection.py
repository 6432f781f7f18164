"""Checks the order of a file's rows and finds its step, chunk by chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vpp.domain import Step
from vpp.errors import DataError

SECOND = np.timedelta64(1, "s")
RUN_OF_OTHER_STEP = 24
"""So many equal spacings in a row that are not the step are another step, not gaps."""


@dataclass(slots=True)
class ZoneRows:
    """What was seen of one zone; ``counts`` maps a spacing in seconds to how often it came."""

    first: Any
    last: Any
    rows: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    longest: dict[int, int] = field(default_factory=dict)
    run: tuple[int, int] = (0, 0)


class Spacing:
    """Takes the rows of a file in order and refuses unsorted and duplicate ones.

    Args:
        path: The file, for errors.
    """

    def __init__(self, path: str) -> None:
        self.zones: dict[str, ZoneRows] = {}
        self._path = path
        self._last: Any = None

    def add(self, slots: Any, zones: Any) -> None:
        """Take the next rows.

        Args:
            slots: datetime64[ns], UTC.
            zones: Zone names, as many.

        Raises:
            DataError: A row is earlier than the one before, or (timestamp, zone) comes twice.
        """
        if not len(slots):
            return
        order = slots if self._last is None else np.concatenate(([self._last], slots))
        back = np.flatnonzero(np.diff(order) < np.timedelta64(0, "ns"))
        if len(back):
            at = int(back[0])
            raise DataError(
                f"{self._path} is not sorted by time: {_text(order[at + 1])} comes after {_text(order[at])}",
                hint="sort the rows by timestamp, then zone",
            )
        self._last = slots[-1]
        for zone in dict.fromkeys(zones):
            self._add_zone(str(zone), slots[zones == zone])

    def _add_zone(self, zone: str, slots: Any) -> None:
        seen = self.zones.get(zone)
        if seen is None:
            seen = self.zones[zone] = ZoneRows(first=slots[0], last=slots[0])
            order = slots
        else:
            order = np.concatenate(([seen.last], slots))
        gaps = (np.diff(order) / SECOND).astype(np.int64)
        twice = np.flatnonzero(gaps == 0)
        if len(twice):
            raise DataError(
                f"{self._path}: {_text(order[int(twice[0])])} comes twice for zone {zone}",
                hint="keep one row per timestamp and zone",
            )
        seen.rows += len(slots)
        seen.last = slots[-1]
        for gap, count in zip(*np.unique(gaps, return_counts=True), strict=True):
            seen.counts[int(gap)] = seen.counts.get(int(gap), 0) + int(count)
        self._runs(seen, gaps)

    @staticmethod
    def _runs(seen: ZoneRows, gaps: Any) -> None:
        if not len(gaps):
            return
        starts = np.flatnonzero(np.concatenate(([True], gaps[1:] != gaps[:-1])))
        lengths = np.diff(np.concatenate((starts, [len(gaps)])))
        for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            gap = int(gaps[start])
            total = int(length) + (seen.run[1] if i == 0 and seen.run[0] == gap else 0)
            seen.longest[gap] = max(seen.longest.get(gap, 0), total)
            seen.run = (gap, total)

    def step(self, stated_min: int | None = None) -> tuple[int, float | None]:
        """Return the slot length in minutes and, where rows come faster than that, the seconds between them.

        Args:
            stated_min: Slot length by the mapping.

        Raises:
            DataError: The rows have no regular step, or zones differ in it.
        """
        found = {zone: self._step_s(zone, rows) for zone, rows in self.zones.items() if rows.rows > 1}
        if not found:
            if stated_min:
                return stated_min, None
            raise DataError(f"{self._path} has fewer than two rows per zone", hint="one row gives no step")
        steps = set(found.values())
        if len(steps) > 1:
            one, other = sorted(found, key=lambda zone: found[zone])[:: len(found) - 1]
            raise DataError(
                f"{self._path} mixes steps: {one} every {found[one] / 60:g} min, "
                f"{other} every {found[other] / 60:g} min",
                hint="write one file per step",
            )
        seconds = steps.pop()
        if stated_min and stated_min * 60 > seconds:
            return stated_min, float(seconds)
        if seconds % 60 or 1440 % (seconds // 60):
            raise DataError(
                f"{self._path} has a row every {seconds} s, which does not divide a day into whole slots of minutes",
                hint="state the slot length in a mapping file (step_min: 5), then rows are averaged",
            )
        return Step(seconds // 60).minutes, None

    def _step_s(self, zone: str, rows: ZoneRows) -> int:
        step = max(rows.counts, key=lambda gap: (rows.counts[gap], -gap))
        for gap, count in sorted(rows.counts.items()):
            odd = gap < step or gap % step or rows.longest.get(gap, 0) >= RUN_OF_OTHER_STEP
            if gap != step and odd:
                raise DataError(
                    f"{self._path} mixes steps: zone {zone} has rows every {step / 60:g} min, "
                    f"but {count} times {gap / 60:g} min apart",
                    hint="resample the file to one step, or split it where the step changes",
                )
        return step


def _text(stamp: Any) -> str:
    return f"{np.datetime_as_string(stamp, unit='s')}Z"
