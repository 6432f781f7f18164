"""Probability of a large ramp of net load, sizes of large ramps, and the probability that raises an alarm."""

from __future__ import annotations

import math

import numpy as np

from features.ring import SlotRing
from models.forecast.ramp_events import HOURS, event_threshold
from models.forecast.waiting_forecasts import WaitingForecasts
from vpp.domain import NET_LOAD, Step
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.numerics.quantile_distribution import cumulative
from vpp.numerics.significant_bits import round_significant
from vpp.streams.state_codec import ArrayCodec

SIZE_DAYS = 42
MIN_DAYS = 14
BINS = 20
MEMORY_DAYS = 120.0
LEAST_EVENTS = 30.0
SIZE_BITS, COUNT_BITS = 12, 18
"""Significant bits that are kept: counts fade by a part in some thousand with each slot, so they need more."""

FIRST_LEVEL = 0.4
"""Level until enough ramps were seen: where CSI is about 2/3, an alarm pays from there on."""

_cumulative = kernel(cumulative)


class LargeRamps:
    """Sizes of large ramps of one zone, and the probability from which alarms had the best CSI of the past.

    A large ramp is a change that only the largest tenth of the past weeks' changes over as many minutes reach. CSI is
    hits / (events + false alarms).

    ``sizes``: shape (H,), MW, NaN until two weeks are known; rebuilt each UTC day from the days before it, so a
    later correction does not move them. ``counts``: shape (BINS + 1, 2), forecasts by the probability of the likelier
    direction, and how many of them a ramp of that direction followed; the last row counts ramps. They fade with a time
    constant of ``MEMORY_DAYS``.

    Args:
        horizons_min: The H horizons.
        step: Slot length.
    """

    def __init__(self, horizons_min: tuple[int, ...], step: Step) -> None:
        self._step = step
        self._steps = np.array(horizons_min, dtype=np.int64) // step.minutes
        self.hours = [hours for hours in HOURS if 60 * hours in horizons_min]
        self.columns = np.array([horizons_min.index(60 * hours) for hours in self.hours], dtype=np.int64)
        self.sizes = np.full(self._steps.size, math.nan)
        self._day = np.full(1, -1, dtype=np.int64)
        self._counts = np.zeros((BINS + 1, 2))
        self._codec = ArrayCodec("large-ramps-3", self._day, self.sizes, self._counts, bits=(0, SIZE_BITS, COUNT_BITS))
        self._keep = 1.0 - 1.0 / (MEMORY_DAYS * step.per_day)

    def enter(self, ring: SlotRing, index: int, actual: float, waiting: WaitingForecasts) -> None:
        """Add the net load of slot ``index``: score the forecasts of its change over each number of hours.

        Args:
            ring: Holds the net load of the past weeks.
            index: The slot.
            actual: Its net load, MW.
            waiting: Forecasts of net load.
        """
        self.renew(ring, index)
        _enter(
            index,
            actual,
            self._steps[self.columns],
            self.columns,
            waiting.origin,
            waiting.now,
            waiting.quantiles,
            self.sizes[self.columns],
            self._counts,
            self._keep,
        )
        round_significant(self._counts, COUNT_BITS)

    def renew(self, ring: SlotRing, index: int) -> None:
        """Make the sizes again where slot ``index`` begins a day for them."""
        day, per_day = index // self._step.per_day, self._step.per_day
        if day == self._day[0]:
            return
        self._day[0] = day
        self.sizes[:] = math.nan
        past = ring.window(NET_LOAD, (day - SIZE_DAYS) * per_day, day * per_day)
        if np.count_nonzero(np.isfinite(past)) < MIN_DAYS * per_day:
            return
        for h, steps in enumerate(self._steps.tolist()):
            size = event_threshold(past, steps)
            self.sizes[h] = math.nan if size is None else size
        round_significant(self.sizes, SIZE_BITS)

    @property
    def alarm_level(self) -> float:
        """The probability from which a ramp raises the alarm."""
        return float(_best(self._counts))

    def record(self) -> bytes:
        """Return sizes and counts as bytes; empty before the first slot."""
        return self._codec.pack(self._day, self.sizes, self._counts) if self._day[0] >= 0 else b""

    def load(self, record: bytes) -> None:
        """Fill from what ``record`` returned; values of another shape are left out."""
        self._codec.unpack(record, self._day, self.sizes, self._counts)


@kernel
def beyond(quantiles: Floats, now: float, size: Floats) -> Floats:
    """Return the probabilities that each horizon's level lies above now + size, and below now - size, shape (2, H).

    Args:
        quantiles: Levels, shape (H, 7), MW.
        now: Net load of the closed slot.
        size: Size of the change, shape (H,); NaN gives NaN.
    """
    out = np.empty((2, size.shape[0]))
    for h in range(size.shape[0]):
        out[0, h] = 1.0 - _cumulative(quantiles[h], now + size[h])
        out[1, h] = _cumulative(quantiles[h], now - size[h])
        if np.isnan(size[h]):
            out[:, h] = np.nan
    return out


@kernel
def _enter(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    index: int,
    actual: float,
    steps: Ints,
    columns: Ints,
    origin: Ints,
    now: Floats,
    quantiles: Floats32,
    large: Floats,
    counts: Floats,
    keep: float,
) -> None:
    rows, bins = origin.shape[0], counts.shape[0] - 1
    counts *= keep
    for n in range(steps.shape[0]):
        row = (index - steps[n]) % rows
        if origin[row] != index - steps[n] or np.isnan(now[row]) or np.isnan(large[n]):
            continue
        horizon_quantiles = quantiles[row, columns[n]]
        rise = 1.0 - _cumulative(horizon_quantiles, now[row] + large[n])
        fall = _cumulative(horizon_quantiles, now[row] - large[n])
        change = actual - now[row]
        is_event = abs(change) >= large[n]
        place = min(int(max(rise, fall) * bins), bins - 1)
        counts[place, 0] += 1.0
        if is_event and (change > 0.0) == (rise > fall):
            counts[place, 1] += 1.0
        if is_event:
            counts[bins, 0] += 1.0


@kernel
def _best(counts: Floats) -> float:
    bins = counts.shape[0] - 1
    if counts[bins, 0] < LEAST_EVENTS:
        return FIRST_LEVEL
    alarms, hits, best, level = 0.0, 0.0, -1.0, FIRST_LEVEL
    for place in range(bins - 1, 0, -1):
        alarms += counts[place, 0]
        hits += counts[place, 1]
        csi = hits / (counts[bins, 0] + alarms - hits)
        if csi > best:
            best, level = csi, place / bins
    return level
