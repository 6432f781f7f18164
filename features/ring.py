"""The slot ring: per zone a few weeks of every channel, addressed by slot, with room for published future slots.

A gap is NaN, a duplicate overwrites itself, a late value lands in its own slot. The ring is kept as one packed value
per day and depth class (``features.day_codec``), so that a slot writes a kilobyte and not the whole history.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from features.day_codec import pack, unpack
from vpp.domain import Step
from vpp.numerics.arrays import Floats

FUTURE_DAYS = 4
"""Days after the newest closed slot that published values may fill (three whole local days need a fourth UTC day)."""

VERSION = 2
_HEAD = struct.Struct("<B8sqqqB")
_CHUNK = struct.Struct("<B8sqH")


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
        self.layout = hashlib.sha256(f"{VERSION}:{step.minutes}:{max_days}".encode()).digest()[:8]
        self.rows: dict[str, int] = {}
        self._depths: list[int] = []
        self._unkept: set[str] = set()
        self._rows_at: dict[int, npt.NDArray[np.int64]] = {}
        self._names = b""
        self.data: Floats = np.full((0, self.capacity), np.nan)
        self._reach(None)
        self._kept_head: int | None = None
        self.version = 0
        self._block_version = np.zeros(self._blocks, dtype=np.int64)
        self._row_version: list[int] = []
        self._dirty: set[tuple[int, int]] = set()
        self._expired: set[tuple[int, int]] = set()
        self._kept: set[tuple[int, int]] = set()
        self._kept_days: tuple[int, int] | None = None

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
        self._depths.append(depth)
        self._rows_at[depth] = np.flatnonzero(np.array(self._depths) == depth)
        self._names = bytes(self._rows_at) + "\n".join(self.rows).encode()
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
        for depth, day in list(self._kept):
            if day < head_day - depth or day < oldest_day:
                self._kept.discard((depth, day))
                self._kept_days = None
                self._dirty.discard((depth, day))
                self._expired.add((depth, day))
        self._dirty = {(depth, day) for depth, day in self._dirty if day >= head_day - depth}

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
        self._dirty.add((depth, day))
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
        """Return the values of slots ``first`` to ``last`` (exclusive), NaN where missing or out of reach."""
        row = self.rows.get(channel)
        whole = self.oldest <= first < last <= self.newest + 1
        low, high = (first, last) if whole else (max(first, self.oldest), min(last, self.newest + 1))
        if row is None or low >= high:
            return np.full(max(last - first, 0), np.nan)
        values: Floats = self.data[row]
        start = low % self.capacity
        end = start + high - low
        over = end - self.capacity
        held = values[start:end].copy() if over <= 0 else np.concatenate((values[start:], values[:over]))
        if whole:
            return held
        out = np.full(last - first, np.nan)
        out[low - first : high - first] = held
        return out

    def windows(self, channels: Sequence[str], first: int, last: int) -> Floats:
        """Return the windows of several channels, shape (channels, last - first); see ``window``."""
        rows, start = [self.rows.get(channel, -1) for channel in channels], first % self.capacity
        inside = self.oldest <= first < last <= self.newest + 1 and start + last - first <= self.capacity
        if inside and min(rows, default=-1) >= 0:
            held: Floats = self.data[rows, start : start + last - first]
            return held
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
        """Return the chunks that changed since the last call (None: delete), and count them as kept."""
        if not self._dirty and not self._expired and self.head == self._kept_head:
            return {}
        self._kept_head = self.head
        out: dict[str, bytes | None] = {f"ring.{depth}.{day}": None for depth, day in sorted(self._expired)}
        for depth, day in sorted(self._dirty):
            out[f"ring.{depth}.{day}"] = self._pack(depth, day)
            if (depth, day) not in self._kept:
                self._kept.add((depth, day))
                self._kept_days = None
        self._dirty.clear()
        self._expired.clear()
        if self._kept_days is None:
            days = [day for _, day in self._kept]
            self._kept_days = (min(days, default=0), max(days, default=-1))
        index = 0 if self.head is None else self.head
        head = _HEAD.pack(VERSION, self.layout, index, *self._kept_days, len(self._rows_at))
        out["ring"] = head + self._names
        return out

    def _pack(self, depth: int, day: int) -> bytes:
        count, parts = pack(self.data, self._rows_at[depth], self._columns(day).start, self._per_day)
        return _CHUNK.pack(VERSION, self.layout, day, count) + parts

    def load(self, get: Callable[[str], bytes | None]) -> bool:
        """Fill an empty ring from kept chunks; False (and still empty) when there are none of this layout."""
        head = get("ring")
        if head is None or len(head) < _HEAD.size:
            return False
        version, layout, index, first_day, last_day, depths = _HEAD.unpack_from(head)
        if version != VERSION or layout != self.layout:
            return False
        names = head[_HEAD.size + depths :].decode().split("\n") if len(head) > _HEAD.size + depths else []
        if any(self._depth_of(name) <= 0 for name in names):
            return False
        for name in names:  # chunks speak of rows by number
            self.row(name)
        self._reach(index)
        self._kept_head = index
        for depth in head[_HEAD.size : _HEAD.size + depths]:
            for day in range(first_day, last_day + 1):
                chunk = get(f"ring.{depth}.{day}")
                if chunk is not None and self._unpack(chunk, day):
                    self._kept.add((depth, day))
                    self._mark(day)
        self._row_version = [self.version] * len(self._row_version)
        return True

    def _unpack(self, chunk: bytes, day: int) -> bool:
        version, layout, stored_day, count = _CHUNK.unpack_from(chunk)
        if version != VERSION or layout != self.layout or stored_day != day:
            return False
        at = _CHUNK.size
        for _ in range(count):
            row, values, at = unpack(chunk, at, self._per_day)
            self.data[row, self._columns(day)] = values
        return True
