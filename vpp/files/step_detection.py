"""Checks the order of a file's rows, finds the step of each zone and looks for the hour that clocks skip in spring."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vpp.domain import Step
from vpp.errors import DataError
from vpp.files.slots import WHOLE, ZoneStep

SECOND = np.timedelta64(1, "s")
RUN_OF_OTHER_STEP = 24
"""So many equal spacings in a row that are not the step are another step, not gaps."""
REGULAR_SHARE = 0.02
"""A spacing that makes up this share of all, or a run, is regular and no gap."""
SLOT_LENGTHS_MIN = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)
_DAY_S = 86_400


@dataclass(slots=True)
class ZoneRows:
    """What was seen of one zone.

    Attributes:
        first: First stamp.
        last: Last stamp.
        rows: Number of rows.
        counts: Number of occurrences by spacing in seconds.
        longest: Spacing in seconds to its longest run.
        phases: Number of stamps by second of the day.
        run: Spacing and length of the run at the end.
    """

    first: Any
    last: Any
    rows: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    longest: dict[int, int] = field(default_factory=dict)
    phases: dict[int, int] = field(default_factory=dict)
    run: tuple[int, int] = (0, 0)

    def regular_s(self) -> tuple[float, ...]:
        """Return the spacings in seconds that are no gaps, ascending."""
        least = max(2.0, REGULAR_SHARE * self.rows)
        often = {gap for gap, n in self.counts.items() if n >= least}
        often |= {gap for gap, n in self.longest.items() if n >= RUN_OF_OTHER_STEP}
        if not often and self.counts:
            often = {min(self.counts)}
        return tuple(float(gap) for gap in sorted(often) if gap > 0) or ((1.0,) if self.counts else ())

    def median_s(self) -> float:
        """Return the median spacing in seconds."""
        gaps = sorted(self.counts)
        total = np.cumsum([self.counts[gap] for gap in gaps])
        return float(gaps[int(np.searchsorted(total, total[-1] / 2.0))])


class Spacing:
    """Takes the rows of a file in order and refuses those of a zone that are unsorted or come twice.

    Args:
        path: The file, for errors.
        place: Which place of its interval a stamp names (0 start, 0.5 centre, 1 end).

    Attributes:
        zones: What was seen of each zone.
        is_by_zone: Zones stand one after the other: the rows of the whole file are not in order of time.
    """

    def __init__(self, path: str, place: float = 0.0) -> None:
        self.zones: dict[str, ZoneRows] = {}
        self.is_by_zone = False
        self._path = path
        self._place = place
        self._part_hour_min = 0
        self._last: Any = None

    def add(self, stamps: Any, zones: Any) -> None:
        """Take the next rows.

        Args:
            stamps: datetime64[ns], UTC.
            zones: Zone names, as many.

        Raises:
            DataError: A row is earlier than the previous one of its zone, or (timestamp, zone) is repeated.
        """
        if not len(stamps):
            return
        order = stamps if self._last is None else np.concatenate(([self._last], stamps))
        self.is_by_zone |= bool(np.any(np.diff(order) < np.timedelta64(0, "ns")))
        self._last = stamps[-1]
        for zone in dict.fromkeys(zones):
            self._add_zone(str(zone), stamps[zones == zone])

    def _add_zone(self, zone: str, stamps: Any) -> None:
        zone_rows = self.zones.get(zone)
        if zone_rows is None:
            self._one_spelling(zone)
            zone_rows = self.zones[zone] = ZoneRows(first=stamps[0], last=stamps[0])
            order = stamps
        else:
            order = np.concatenate(([zone_rows.last], stamps))
        between = np.diff(order)
        back = np.flatnonzero(between < np.timedelta64(0, "ns"))
        if len(back):
            at = int(back[0])
            raise DataError(
                f"{self._path} is not sorted by time: {_text(order[at + 1])} comes after {_text(order[at])} "
                f"in zone {zone}",
                hint=f"sort the rows by timestamp, then zone{_clock_hint(order[at] - order[at + 1])}",
            )
        twice = np.flatnonzero(between == np.timedelta64(0, "ns"))
        if len(twice):
            raise DataError(
                f"{self._path}: {_text(order[int(twice[0])])} comes twice for zone {zone}",
                hint=f"keep one row per timestamp and zone{_clock_hint(np.timedelta64(0, 'h'))}",
            )
        gaps = np.round(between / SECOND).astype(np.int64)
        zone_rows.rows += len(stamps)
        zone_rows.last = stamps[-1]
        _count(zone_rows.counts, gaps)
        _count(zone_rows.phases, (stamps.astype("datetime64[s]").astype(np.int64)) % _DAY_S)
        self._runs(zone_rows, gaps)

    def _one_spelling(self, zone: str) -> None:
        other = next((name for name in self.zones if name.casefold() == zone.casefold()), None)
        if other is not None:
            raise DataError(
                f"{self._path}: the zones {other!r} and {zone!r} differ by case only",
                hint="spell each zone in one way",
            )

    @staticmethod
    def _runs(zone_rows: ZoneRows, gaps: Any) -> None:
        if not len(gaps):
            return
        starts = np.flatnonzero(np.concatenate(([True], gaps[1:] != gaps[:-1])))
        lengths = np.diff(np.concatenate((starts, [len(gaps)])))
        for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            gap = int(gaps[start])
            total = int(length) + (zone_rows.run[1] if i == 0 and zone_rows.run[0] == gap else 0)
            zone_rows.longest[gap] = max(zone_rows.longest.get(gap, 0), total)
            zone_rows.run = (gap, total)

    def steps(self, stated_min: int | None = None, part_hour_min: int = 0) -> dict[str, ZoneStep]:
        """Return the rules by which rows become slots, by zone.

        Args:
            stated_min: Slot length by the mapping; rows then need no regular spacing.
            part_hour_min: Minutes that the file's clock is off the hours of UTC.

        Raises:
            DataError: The rows have no regular step, cover more than a slot, or do not begin at slot starts.
        """
        self._part_hour_min = part_hour_min
        several = {zone: rows for zone, rows in self.zones.items() if rows.rows > 1}
        if not several and stated_min is None:
            raise DataError(f"{self._path} has fewer than two rows per zone", hint="a single row has no step")
        steps = {}
        for zone, rows in several.items():
            step = self._own_step(zone, rows) if stated_min is None else stated_min
            if stated_min is not None:
                too_long = _too_long(rows, stated_min)
                if too_long:
                    raise DataError(f"{self._path}: zone {zone} {too_long}", hint=self._hint(rows))
                self._check_grid(zone, rows, stated_min, exact=part_hour_min > 0)
            steps[zone] = ZoneStep(step, rows.regular_s())
        least = stated_min or min(step.step_min for step in steps.values())
        return {zone: steps.get(zone, ZoneStep(least, ())) for zone in self.zones}

    def _own_step(self, zone: str, rows: ZoneRows) -> int:
        step = max(rows.counts, key=lambda gap: (rows.counts[gap], -gap))
        for gap, count in sorted(rows.counts.items()):
            odd = gap < step or gap % step or rows.longest.get(gap, 0) >= RUN_OF_OTHER_STEP
            if gap != step and odd:
                raise DataError(
                    f"{self._path} mixes steps: zone {zone} has rows every {_span(step)}, "
                    f"but {count} times {_span(gap)} apart",
                    hint=self._hint(rows),
                )
        if step % 60 or 1440 % (step // 60):
            raise DataError(
                f"{self._path} has a row every {step} s, which does not divide a day into whole slots of minutes",
                hint=self._hint(rows),
            )
        minutes = Step(step // 60).minutes
        self._check_grid(zone, rows, minutes, exact=True)
        return minutes

    def _check_grid(self, zone: str, rows: ZoneRows, step_min: int, *, exact: bool) -> None:
        wrong = self._off_grid(rows, step_min, exact=exact)
        if not wrong:
            return
        hint = self._hint(rows)
        if self._part_hour_min:
            finer_min = math.gcd(step_min, self._part_hour_min)
            hint = (
                f"its clock is {self._part_hour_min} min off the hours of UTC: write each row {step_min // finer_min} "
                f"times, {finer_min} min apart (an energy in as many parts)"
            )
        raise DataError(f"{self._path}: zone {zone} {wrong}", hint=hint)

    def _off_grid(self, rows: ZoneRows, step_min: int, *, exact: bool = False) -> str | None:
        """Return the error text if rows that cover whole slots do not begin at slot starts."""
        if rows.median_s() < WHOLE * step_min * 60:
            return None
        off = _distance(rows, step_min, self._place)
        worst = off if exact else np.array([0])
        share = float(np.average(np.abs(off) > 0.25 * step_min * 60, weights=list(rows.phases.values())))
        if share > 0.05 or np.any(np.abs(worst) > 0):
            return f"has stamps {_span(float(np.max(np.abs(off))))} away from the starts of slots of {step_min} min"
        return None

    def _hint(self, rows: ZoneRows) -> str:
        """Return the next step; a slot length or place that is named was tried on the rows."""
        for minutes in SLOT_LENGTHS_MIN:
            if _too_long(rows, minutes) or minutes * 60 < 0.9 * rows.median_s():
                continue
            for place, name in ((self._place, None), (0.0, "start"), (0.5, "centre"), (1.0, "end")):
                tried = Spacing(self._path, place)
                if tried._off_grid(rows, minutes):
                    continue
                stamp = "" if name is None else f"time: {{stamp: {name}}} and "
                return (
                    f"state in a mapping file (--mapping) {stamp}step_min: {minutes}; rows are then averaged into slots"
                )
        return "resample the file to one step, or split it where the step changes"


def _too_long(rows: ZoneRows, step_min: int) -> str | None:
    """Return the error text if rows cover more than one slot."""
    limit = 1.25 * step_min * 60
    if rows.median_s() > limit:
        return f"has rows every {_span(rows.median_s())}, which is more than a slot of {step_min} min"
    for gap, length in sorted(rows.longest.items()):
        if gap > limit and length >= RUN_OF_OTHER_STEP:
            return f"has {length + 1} rows {_span(gap)} apart, which is more than a slot of {step_min} min"
    return None


def _distance(rows: ZoneRows, step_min: int, place: float) -> Any:
    """Return the distance of each phase from the nearest slot start, in seconds."""
    step = step_min * 60
    phases = np.array(list(rows.phases), dtype=np.float64)
    length = min(rows.median_s(), float(step))
    begin = phases - place * length
    return (begin + step / 2.0) % step - step / 2.0


def _clock_hint(back: Any) -> str:
    """Return a hint on the clock change if stamps go back by at most an hour."""
    if back > np.timedelta64(1, "h"):
        return ""
    return "; if the clock was set back there, state time.zone in a mapping file"


def _count(into: dict[int, int], values: Any) -> None:
    for value, count in zip(*np.unique(values, return_counts=True), strict=True):
        into[int(value)] = into.get(int(value), 0) + int(count)


def _span(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 6 == 0 else f"{seconds:g} s"


def _text(stamp: Any) -> str:
    return f"{np.datetime_as_string(stamp, unit='s')}Z"


CLOCKS = (
    "Europe/London",
    "Europe/Berlin",
    "Europe/Athens",
    "America/New_York",
    "Australia/Sydney",
    "Pacific/Auckland",
)
"""Time zones that stand for all with the same skipped hour."""

_HOUR = pd.Timedelta(hours=1)
_MINUTE = pd.Timedelta(minutes=1)


class SkippedHour:
    """Looks for the hour in the stamps of a file, chunk by chunk."""

    def __init__(self) -> None:
        self._last: dict[str, pd.Timestamp] = {}
        self._note: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell the user; empty if no such hour is missing."""
        return () if self._note is None else (self._note,)

    def add(self, stamps: Any, zones: Any) -> None:
        """Take the next rows.

        Args:
            stamps: Times as the file has them, without an offset, rising in each zone.
            zones: Zone of each row.
        """
        for zone, rows in pd.Series(pd.DatetimeIndex(stamps)).groupby(np.asarray(zones), sort=False):
            name, times = str(zone), pd.DatetimeIndex(rows)
            if name in self._last:
                times = times.insert(0, self._last[name])
            self._last[name] = times[-1]
            if self._note is None:
                self._look(name, times)

    def _look(self, name: str, times: pd.DatetimeIndex) -> None:
        before, after = times[:-1], times[1:]
        gaps = (after - before > _HOUR) & (after - before <= 2 * _HOUR)
        for end in after[gaps]:
            clock = next((clock for clock in CLOCKS if _skips(clock, end)), None)
            if clock is not None:
                self._note = (
                    f"{name}: the hour from {end - _HOUR:%Y-%m-%d %H:%M} is missing, as on clocks of {clock}; the "
                    f"times are read as UTC. If they are local, state `time: {{zone: {clock}}}` in a mapping file"
                )
                return


def _skips(clock: str, end: pd.Timestamp) -> bool:
    """Return whether a clock skips the hour before ``end``."""
    hour = pd.DatetimeIndex([end - _HOUR, end - _MINUTE, end])
    local = hour.tz_localize(clock, ambiguous=np.ones(3, dtype=bool), nonexistent="NaT")
    return list(local.isna()) == [True, True, False]
