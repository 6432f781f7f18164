"""Converts rows to slots: each row's interval follows from its neighbours, rows of one slot are averaged.

A row that covers a whole slot goes to the nearest slot start, so stamps may be late or early by some seconds; a
faster one goes to the slot that its interval begins in. Chunks may be cut anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

WHOLE = 0.75
"""A row that stands for this share of a slot or more stands for the slot."""
PARTIAL_BELOW = 0.5
"""A slot of which less than this share is covered keeps its covered seconds in ``duration_s``."""

_NS = 1_000_000_000
COVERED = "duration_s"


@dataclass(frozen=True, slots=True)
class ZoneStep:
    """How the rows of one zone become slots.

    Attributes:
        step_min: Slot length in minutes.
        lengths_s: Regular spacings of its rows in seconds, ascending.
    """

    step_min: int
    lengths_s: tuple[float, ...]

    def lengths(self, before: Any, after: Any) -> Any:
        """Return the seconds that rows cover, from the seconds to the previous and the next row (NaN: none)."""
        nearest = np.fmin(before, after)
        if not self.lengths_s:
            return np.where(np.isnan(nearest), self.step_min * 60.0, np.fmin(nearest, self.step_min * 60.0))
        regular = np.asarray(self.lengths_s)
        at = np.searchsorted(regular, np.where(np.isnan(nearest), 0.0, nearest) * 1.1, side="right") - 1
        return regular[np.maximum(at, 0)]

    def slots(self, stamps: Any, lengths: Any, place: float) -> Any:
        """Return slot starts in ns since 1970 of stamps in ns that name a ``place`` (0 to 1) of their interval."""
        step = self.step_min * 60 * _NS
        starts = stamps - np.asarray(lengths * place * _NS, dtype=np.int64)
        is_whole = lengths >= WHOLE * self.step_min * 60.0
        return np.where(is_whole, (starts + step // 2) // step, starts // step) * step


@dataclass(slots=True)
class SlotMaker:
    """Makes slots of the rows of a file in order.

    Attributes:
        steps: How each zone's rows become slots; rows of other zones are left out.
        place: Which place of its interval a stamp names, 0 to 1.
        energies: Columns that hold the energy of a row (MWh): they become mean power (MW).
        repeat_min: Minutes that one value covers, by channel.
    """

    steps: Mapping[str, ZoneStep]
    place: float = 0.0
    energies: frozenset[str] = frozenset()
    repeat_min: Mapping[str, int] = field(default_factory=dict)
    _carry: pd.DataFrame | None = None
    _before: dict[str, int] = field(default_factory=dict)
    _repeated: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)

    def add(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Take the next rows and return the slots that no later row can change, by time."""
        return self._make(rows, last=False)

    def rest(self) -> pd.DataFrame | None:
        """Return the slots that are left at the end of the file, None if there are none."""
        if self._carry is None or self._carry.empty:
            return None
        return self._make(self._carry.iloc[:0], last=True)

    def _make(self, rows: pd.DataFrame, *, last: bool) -> pd.DataFrame:
        rows = rows[rows["zone"].isin(list(self.steps))]
        if self._carry is not None and len(self._carry):
            rows = pd.concat([self._carry, rows], ignore_index=True) if len(rows) else self._carry
        rows = rows.reset_index(drop=True)
        stamps = rows["stamp"].to_numpy(dtype="datetime64[ns]").astype(np.int64)
        zones = rows["zone"].to_numpy(dtype=object)
        slots = np.zeros(len(rows), dtype=np.int64)
        lengths = np.zeros(len(rows))
        steps = np.ones(len(rows), dtype=np.int64)
        for zone in dict.fromkeys(zones):
            mine = np.flatnonzero(zones == zone)
            lengths[mine] = self._lengths(zone, stamps[mine])
            slots[mine] = self.steps[zone].slots(stamps[mine], lengths[mine], self.place)
            steps[mine] = self.steps[zone].step_min * 60 * _NS
        is_complete = np.ones(len(rows), dtype=bool)
        if not last and len(rows):
            longest = max(step.step_min for step in self.steps.values()) * 60 * _NS
            # The newest stamp may still share its slot with rows to come, and its own length is not known yet.
            is_complete = slots < (stamps[-1] // longest - 2) * longest
        self._carry = rows[~is_complete]
        for zone in dict.fromkeys(zones[is_complete]):
            self._before[zone] = int(stamps[is_complete & (zones == zone)][-1])
        return self._averaged(rows[is_complete], slots[is_complete], lengths[is_complete], steps[is_complete])

    def _lengths(self, zone: str, stamps: Any) -> Any:
        gaps = np.diff(stamps) / _NS
        earlier = self._before.get(zone)
        before = np.concatenate(([np.nan if earlier is None else (stamps[0] - earlier) / _NS], gaps))
        after = np.concatenate((gaps, [np.nan]))
        return self.steps[zone].lengths(before, after)

    def _averaged(self, rows: pd.DataFrame, slots: Any, lengths: Any, steps: Any) -> pd.DataFrame:
        names = [name for name in rows.columns if name not in ("stamp", "zone")]
        frame = rows[["zone", *names]].copy()
        frame.insert(0, "slot", slots.astype("datetime64[ns]"))
        for name in self.energies & set(names):
            frame[name] = frame[name].to_numpy() / (lengths / 3600.0)
        seconds = steps / _NS
        is_whole = lengths >= PARTIAL_BELOW * seconds
        if not is_whole.all() or frame.duplicated(["slot", "zone"]).any():
            frame[COVERED] = np.minimum(lengths, seconds)
            groups = frame.groupby(["slot", "zone"], sort=False)
            means = groups[names].mean()
            means[COVERED] = groups[COVERED].sum()
            frame = means.reset_index()
            step_s = frame["zone"].map({zone: step.step_min * 60.0 for zone, step in self.steps.items()})
            partial = frame[COVERED] < PARTIAL_BELOW * step_s
            frame[COVERED] = frame[COVERED].where(partial)
            if not partial.any():
                frame = frame.drop(columns=COVERED)
        self._repeat(frame)
        return frame

    def _repeat(self, frame: pd.DataFrame) -> None:
        for name, minutes in self.repeat_min.items():
            if name not in frame:
                continue
            values = frame[name].to_numpy(copy=True)
            period = frame["slot"].to_numpy().astype(np.int64) // (minutes * 60 * _NS)
            for i, zone in enumerate(frame["zone"]):
                key = (zone, name)
                if not np.isnan(values[i]):
                    self._repeated[key] = (int(period[i]), float(values[i]))
                elif key in self._repeated and self._repeated[key][0] == period[i]:
                    values[i] = self._repeated[key][1]
            frame[name] = values
