"""The slot ring: per zone a few weeks of every channel, addressed by slot, with room for published future slots.

A gap is NaN, a duplicate overwrites itself, a late value lands in its own slot. The ring is stored as one packed value
per day and depth (``features.day_codec``): channels with equal days of history share it. So a slot writes a kilobyte.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from features.day_codec import pack, unpack
from vpp.domain import Step
from vpp.numerics.arrays import Floats
from vpp.streams.state_codec import ChangedValues, ValueKey
from vpp.streams.state_codec import pack as pack_value
from vpp.streams.state_codec import unpack as unpack_value

FUTURE_DAYS = 4
"""Days after the newest closed slot that published values may fill (three whole local days need a fourth UTC day)."""


_CHANNELS = "channels"
"""Value that holds the names of the channels by row."""


class RingRecord(msgspec.Struct, frozen=True):
    """State that changes with every slot: the newest closed slot, and the names of stored chunks.

    ``head``: slot index, None before the first. ``days``: first and last UTC day of a kept chunk. ``depths``: days of
    history of each class of channels. ``channels``: names by row, only in states of
    earlier versions, which stored them here.
    """

    layout: str
    head: int | None
    days: tuple[int, int]
    depths: list[int]
    channels: list[str] = []


class SlotRing:
    """Values of many channels by slot index (``Step.index``), float64, NaN = missing.

    Args:
        step: Slot length of the zone.
        depth_of: Days of history that a channel needs; 0 = the channel is not kept.
        max_days: The largest depth that ``depth_of`` returns.

    Invariants:
        - What a channel holds does not depend on whether the ring was saved and loaded in between: a value older than
          the channel's depth is NaN in memory too.
        - ``data[row, index % capacity]`` is the value of slot ``index`` for every index in ``[oldest, newest]``, the
          first and the last slot that the ring can hold.
    """

    def __init__(self, step: Step, depth_of: Callable[[str], int], *, max_days: int) -> None:
        self.step = step
        self._depth_of = depth_of
        self._per_day = step.per_day
        self._blocks = max_days + FUTURE_DAYS + 2
        self.capacity = self._blocks * self._per_day
        self.layout = f"ring-3 {step.minutes} min {max_days} days"
        self.rows: dict[str, int] = {}
        self._depths: list[int] = []
        self._unkept: set[str] = set()
        self._has_new_row = False
        self._rows_at: dict[int, npt.NDArray[np.int64]] = {}
        self.data: Floats = np.full((0, self.capacity), np.nan)
        self._reach(None)
        self.version = 0
        self._block_version = np.zeros(self._blocks, dtype=np.int64)
        self._row_version: list[int] = []
        self._changed = ChangedValues()
        self._chunks: set[tuple[int, int]] = set()
        self._chunk_days: tuple[int, int] | None = (0, -1)

    def _reach(self, head: int | None) -> None:
        self.head: int | None = head
        self._head_day = 0 if head is None else head // self._per_day
        self.newest = (self._head_day + FUTURE_DAYS + 1) * self._per_day - 1
        self.oldest = self.newest - self.capacity + 1

    def row(self, channel: str) -> int | None:
        """Return the row of ``channel`` in ``data``, or None when it is not kept; makes room for a new channel."""
        row = self.rows.get(channel)
        if row is not None:
            return row
        depth = 0 if channel in self._unkept else self._depth_of(channel)
        if depth <= 0:
            self._unkept.add(channel)
            return None
        row = self.rows[channel] = len(self._depths)
        self._has_new_row = True
        self._depths.append(depth)
        self._rows_at[depth] = np.flatnonzero(np.array(self._depths) == depth)
        self._row_version.append(self.version)
        self.data = np.vstack([self.data, np.full((1, self.capacity), np.nan)])
        return row

    def advance(self, index: int) -> None:
        """Move the newest closed slot to ``index``; an earlier one than the present head changes nothing.

        Blocks that come into reach are cleared, and values older than their channel's depth are dropped.
        """
        if self.head is not None and index <= self.head:
            return
        old_last = None if self.head is None else self.newest // self._per_day
        self._reach(index)
        last = self.newest // self._per_day
        if old_last is None:
            return
        for day in range(max(old_last + 1, last - self._blocks + 1), last + 1):
            self.data[:, self._columns(day)] = np.nan
            self._mark(day)
        if last != old_last:
            self._expire(index // self._per_day)
            self._row_version = [self.version] * len(self._row_version)

    def _expire(self, head_day: int) -> None:
        oldest_day = self.oldest // self._per_day
        for row, depth in enumerate(self._depths):
            for day in range(oldest_day, head_day - depth):
                self.data[row, self._columns(day)] = np.nan
                self._mark(day)
        for depth, day in self._chunks:
            if day < head_day - depth or day < oldest_day:
                self._changed.mark("ring", (depth, day))

    def put(self, channel: str, index: int, value: float | None) -> bool:
        """Write one value; None and NaN make the slot missing. Returns False when the ring does not keep it."""
        row = self.rows.get(channel)
        if row is None:
            row = self.row(channel)
            if row is None:
                return False
        if self.head is None:
            self._reach(index)
        day, depth = index // self._per_day, self._depths[row]
        if not self.oldest <= index <= self.newest or day < self._head_day - depth:
            return False
        new = math.nan if value is None else float(value)
        column = index % self.capacity
        old = self.data.item(row, column)
        if old == new or (math.isnan(old) and math.isnan(new)):
            return True
        self.data[row, column] = new
        self._changed.mark("ring", (depth, day))
        self._mark(day)
        self._row_version[row] = self.version
        return True

    def get(self, channel: str, index: int) -> float:
        """Return one value, NaN when it is missing or out of reach."""
        row = self.rows.get(channel)
        if row is None or not self.oldest <= index <= self.newest:
            return float("nan")
        return self.data.item(row, index % self.capacity)

    def window(self, channel: str, first: int, last: int) -> Floats:
        """Return the values of slots ``first`` to ``last`` (exclusive), NaN if missing or out of reach."""
        row = self.rows.get(channel)
        is_inside = self.oldest <= first < last <= self.newest + 1
        low, high = (first, last) if is_inside else (max(first, self.oldest), min(last, self.newest + 1))
        if row is None or low >= high:
            return np.full(max(last - first, 0), np.nan)
        values: Floats = self.data[row]
        start = low % self.capacity
        end = start + high - low
        over = end - self.capacity
        window = values[start:end].copy() if over <= 0 else np.concatenate((values[start:], values[:over]))
        if is_inside:
            return window
        out = np.full(last - first, np.nan)
        out[low - first : high - first] = window
        return out

    def windows(self, channels: Sequence[str], first: int, last: int) -> Floats:
        """Return the windows of several channels, shape (channels, last - first); see ``window``."""
        rows, start = [self.rows.get(channel, -1) for channel in channels], first % self.capacity
        inside = self.oldest <= first < last <= self.newest + 1 and start + last - first <= self.capacity
        if inside and min(rows, default=-1) >= 0:
            window: Floats = self.data[rows, start : start + last - first]
            return window
        return np.stack([self.window(channel, first, last) for channel in channels])

    def changed_since(self, version: int) -> list[int]:
        """Return the blocks (day-long column ranges) that changed after ``version``; -1 returns all."""
        changed: list[int] = (self._block_version > version).nonzero()[0].tolist()
        return changed

    def stamp(self, channels: Iterable[str]) -> tuple[int, ...]:
        """Return when each channel last changed; while two stamps of one ring agree, so do these channels' values."""
        rows = self.rows
        return tuple(self._row_version[rows[channel]] if channel in rows else -1 for channel in channels)

    def _mark(self, day: int) -> None:
        self.version += 1
        self._block_version[day % self._blocks] = self.version

    def _columns(self, day: int) -> slice:
        first = (day % self._blocks) * self._per_day
        return slice(first, first + self._per_day)

    def changes(self) -> Mapping[str, bytes | None]:
        """Return the chunks that changed since the last call (None: delete), and mark them as stored."""
        out: dict[str, bytes | None] = {}
        if self._has_new_row:
            out[_CHANNELS] = pack_value(list(self.rows), self.layout)
            self._has_new_row = False
        oldest_day = self.oldest // self._per_day
        for key in self._changed.take():
            assert isinstance(key.part, tuple)
            depth, day = map(int, key.part)
            if day >= max(self._head_day - depth, oldest_day):
                out[key.name] = self._pack(depth, day)
                self._chunks.add((depth, day))
            elif (depth, day) in self._chunks:
                out[key.name] = None
                self._chunks.discard((depth, day))
            self._chunk_days = None
        return out

    def record(self) -> RingRecord:
        """Return the state that changes with every slot, after ``changes``."""
        if self._chunk_days is None:
            days = [day for _, day in self._chunks]
            self._chunk_days = (min(days, default=0), max(days, default=-1))
        return RingRecord(self.layout, self.head, self._chunk_days, list(self._rows_at))

    def _pack(self, depth: int, day: int) -> bytes:
        count, parts = pack(self.data, self._rows_at[depth], self._columns(day).start, self._per_day)
        return pack_value((day, count, parts), self.layout)

    def load(self, record: RingRecord, get: Callable[[str], bytes | None]) -> bool:
        """Fill an empty ring; return False, with the ring still empty, if the stored layout differs.

        Args:
            record: As ``record`` returned it.
            get: Reads a chunk by name.
        """
        if record.layout != self.layout:
            return False
        first_day, last_day = record.days
        names = record.channels or unpack_value(get(_CHANNELS), list[str], self.layout)
        if names is None and first_day <= last_day:
            return False
        names = names or []
        if any(self._depth_of(name) <= 0 for name in names):
            return False
        for name in names:  # chunks refer to rows by number
            self.row(name)
        self._has_new_row = bool(record.channels)
        self._reach(record.head)
        for depth in record.depths:
            for day in range(first_day, last_day + 1):
                if self._unpack(get(ValueKey("ring", (depth, day)).name), day):
                    self._chunks.add((depth, day))
                    self._mark(day)
        self._chunk_days = None
        self._row_version = [self.version] * len(self._row_version)
        return True

    def _unpack(self, raw: bytes | None, day: int) -> bool:
        chunk = unpack_value(raw, tuple[int, int, bytes], self.layout)
        if chunk is None or chunk[0] != day:
            return False
        _, count, parts = chunk
        at = 0
        for _ in range(count):
            row, values, at = unpack(parts, at, self._per_day)
            self.data[row, self._columns(day)] = values
        return True
