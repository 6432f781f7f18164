"""Runs the kernel over a history (training, backfill) or over a ring (serving)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.calendar import Calendar
from features.derived_series import is_published
from features.feature_spec import FeatureSpec
from features.kernel import SIMILAR_SEARCH_DAYS, fill_origins, fill_row, fill_targets
from features.kernel_reads import sum_series
from features.ring import SlotRing
from vpp.numerics.arrays import Floats, Ints

CALENDAR_BACK_DAYS = SIMILAR_SEARCH_DAYS + 1
CALENDAR_AHEAD_DAYS = 2


@dataclass(frozen=True, slots=True)
class FeatureHistory:
    """The series of a spec over a regular span of slots, with the times at which values were known.

    ``first``: index of the first slot. ``data``: shape (series, slots), NaN = missing. ``limits``: int64, shape
    (slots, series): the last position in ``data`` of the series that was known when a slot closed.
    ``calendar``: table from ``first`` to two days past the last slot.
    """

    spec: FeatureSpec
    first: int
    data: Floats
    limits: Ints
    calendar: Floats

    @property
    def slots(self) -> int:
        """Number of slots."""
        return int(self.data.shape[1])

    def origin_rows(self, origins: Ints) -> Floats:
        """Return the matrix (features, origins) with the rows that depend on the origin filled, the rest NaN."""
        spec = self.spec
        out = np.full((len(spec.features), len(origins)), np.nan)
        fill_origins(spec.code, self.data, 0, 0, self.limits[origins], origins, spec.step_min, out)
        return out

    def fill_targets(self, matrix: Floats, origins: Ints, steps: Ints) -> None:
        """Compute the remaining rows of ``matrix`` for the targets ``origins + steps``."""
        spec = self.spec
        fill_targets(
            spec.code, self.data, 0, 0, self.limits[origins], self.calendar, 0, origins, steps, spec.step_min, matrix
        )


def make_history(
    spec: FeatureSpec, values: Mapping[str, Floats], first: int, known_until: Mapping[str, Ints], calendar: Calendar
) -> FeatureHistory:
    """Return a history for the kernel.

    Args:
        spec: The feature table.
        values: One array per channel of the spec, all of one length, slot ``first`` first.
        first: Index of the first slot.
        known_until: For each published channel the last position known when each slot closed.
        calendar: The zone's calendar.
    """
    channels = spec.channels
    slots = len(values[channels[0]])
    stacked = np.stack([np.asarray(values[channel], dtype=np.float64) for channel in channels])
    rows, signs = resolve(spec, {channel: row for row, channel in enumerate(channels)})
    data = np.empty((len(spec.series), slots))
    sum_series(stacked, rows, signs, 0, slots, data)
    limits = np.empty((slots, len(spec.series)), dtype=np.int64)
    now = np.arange(slots)
    for s, series in enumerate(spec.series):
        limits[:, s] = np.min([known_until.get(channel, now) for channel, _ in series.terms], axis=0)
    days_ahead = CALENDAR_AHEAD_DAYS * (1440 // spec.step_min)
    return FeatureHistory(spec, first, data, limits, calendar.table(first, first + slots + days_ahead))


def resolve(spec: FeatureSpec, row_of: Mapping[str, int]) -> tuple[Ints, Floats]:
    """Return the rows of channel values that each series sums (-1: no more), and their signs."""
    names, signs = spec.terms()
    rows = np.full(signs.shape, -1, dtype=np.int64)
    for i, channels in enumerate(names):
        rows[i, : len(channels)] = [row_of[channel] for channel in channels]
    return rows, signs


class RingFeatures:
    """Computes the feature rows of the newest slot from a ring; caches what changes once a day.

    Args:
        spec: The feature table of the model in force.
        calendar: The zone's calendar.
    """

    def __init__(self, spec: FeatureSpec, calendar: Calendar) -> None:
        self.spec = spec
        self.step_per_day = 1440 // spec.step_min
        self._calendar = calendar
        self._table_day: int | None = None
        self._table: Floats = np.empty((0, 0))
        self._table_first = 0
        self._out = np.empty((len(spec.features), len(spec.horizons_min)))
        self._horizons = spec.horizon_steps
        self._published = np.array([all(is_published(c) for c, _ in series.terms) for series in spec.series])
        self._ring: SlotRing | None = None
        self._rows: Ints = np.empty((0, 0), dtype=np.int64)
        self._signs: Floats = np.empty((0, 0))
        self._series: Floats = np.empty((0, 0))
        self._seen = -1

    def calendar_at(self, index: int) -> tuple[Floats, int]:
        """Return a calendar table that covers all that the kernel reads for origin ``index``, and its first slot."""
        per_day = 1440 // self.spec.step_min
        day = index // per_day
        if self._table_day != day:
            self._table_first = (day - CALENDAR_BACK_DAYS) * per_day
            self._table = self._calendar.table(self._table_first, (day + CALENDAR_AHEAD_DAYS + 1) * per_day)
            self._table_day = day
        return self._table, self._table_first

    def rows(self, ring: SlotRing, index: int) -> Floats:
        """Return the features of origin ``index``, shape (features, horizons); the array is reused by the next call."""
        self._follow(ring)
        limits = np.where(self._published, ring.newest, index)[None, :]
        table, first = self.calendar_at(index)
        base = ring.oldest // ring.capacity * ring.capacity
        fill_row(
            self.spec.code,
            self.spec.n_origin,
            self._series,
            base,
            ring.oldest,
            limits,
            table,
            first,
            index,
            self._horizons,
            self.spec.step_min,
            self._out,
        )
        return self._out

    def _follow(self, ring: SlotRing) -> None:
        """Sum the series of the days that changed in ``ring`` since the last call."""
        if self._ring is not ring:
            for channel in self.spec.channels:
                if ring.row(channel) is None:
                    raise ValueError(f"the ring keeps no {channel}")
            self._rows, self._signs = resolve(self.spec, ring.rows)
            self._series = np.full((len(self.spec.series), ring.capacity), np.nan)
            self._ring, self._seen = ring, -1
        for block in ring.changed_since(self._seen):
            first = block * self.step_per_day
            sum_series(ring.data, self._rows, self._signs, first, first + self.step_per_day, self._series)
        self._seen = ring.version
