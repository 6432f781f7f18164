"""Forecasts that wait for their actuals, kept rounded and only as long as each horizon waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from vpp.domain import QUANTILE_LEVELS, QUANTILE_NAMES
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.numerics.significant_bits import FLOAT32_BITS, round_significant
from vpp.streams.state_codec import ArrayCodec, ValueKey

CENTRE_BITS = 14
OFFSET_BITS = 5
"""A waiting forecast keeps its median to 0.003 %, and how far other levels lie from it to 1.6 % of that."""

ERROR_BITS = 12

_KIND = "waiting"
_SHAPE = "waiting-4"
_PARTS = 3
_LEVELS = len(QUANTILE_LEVELS)
_MEDIAN = QUANTILE_NAMES.index("q50")
_MEAN = _LEVELS
"""Row of the mean among the offsets, after those of the levels."""

Stored = tuple[Floats32, Floats32]
"""Medians, shape (H,), and offsets of levels and mean from them, shape (8, H)."""


@dataclass(frozen=True, slots=True)
class Part:
    """Horizons that are kept together, and for how many slots: until nothing asks for them any more."""

    horizons: slice
    slots: int

    @property
    def count(self) -> int:
        """Number of its horizons."""
        return int(self.horizons.stop - self.horizons.start)


def parts_of(steps: Ints) -> tuple[Part, ...]:
    """Return near, middle and far horizons of ``steps`` (H,), rising, by thirds of the longest.

    The error of a horizon is compared with that of the one before it, so the last of a part waits for the next part.
    """
    edges = [int(np.searchsorted(steps, int(steps[-1]) * k / _PARTS, side="right")) for k in range(1, _PARTS)]
    ends = sorted({edge for edge in edges if edge} | {len(steps)})
    starts = [0, *ends[:-1]]
    return tuple(
        Part(slice(start, end), int(steps[min(end, len(steps) - 1)]) + 1)
        for start, end in zip(starts, ends, strict=True)
    )


class WaitingForecasts:
    """Forecasts of one target that wait for their actual values, by origin slot; rounded as in the stored state.

    ``quantiles``: shape (origins, H, 7). ``mean``: shape (origins, H). ``now``: actual at the origin, NaN when missing.
    ``origin``: slot index that a row holds, -1 = none. ``by_model``: whether a model made it whose errors teach.
    ``first_error``: error of the mean at the first horizon, NaN until it is known.

    Args:
        steps: Slots to each horizon, shape (H,), rising.
    """

    def __init__(self, steps: Ints) -> None:
        self.rows = int(steps[-1]) + 1
        h = len(steps)
        self.origin = np.full(self.rows, -1, dtype=np.int64)
        self.now = np.full(self.rows, np.nan)
        self.by_model = np.zeros(self.rows, dtype=np.bool_)
        self.quantiles: Floats32 = np.full((self.rows, h, _LEVELS), np.nan, dtype=np.float32)
        self.mean: Floats32 = np.full((self.rows, h), np.nan, dtype=np.float32)
        self.first_error = np.full(self.rows, np.nan, dtype=np.float32)
        self.parts = parts_of(steps)
        self._fresh: dict[int, Stored] = {}
        self._first_codec = ArrayCodec("first-errors-3", self.first_error, bits=ERROR_BITS)

    def put(self, index: int, now: float, quantiles: Floats, mean: Floats | None = None, *, by_model: bool) -> None:
        """Add the forecast issued when slot ``index`` closed.

        Args:
            index: The slot.
            now: Value of that slot, NaN if it is missing.
            quantiles: Shape (H, 7).
            mean: Shape (H,); None: the median.
            by_model: Whether a model made it; a fallback's errors are not learned from.
        """
        centre = quantiles[:, _MEDIAN].copy()
        round_significant(centre, CENTRE_BITS)
        offsets = np.zeros((_LEVELS + 1, len(centre)))
        offsets[:_LEVELS] = quantiles.T - centre
        offsets[_MEDIAN] = 0.0
        if mean is not None:
            offsets[_MEAN] = mean - quantiles[:, _MEDIAN]
        round_significant(offsets, OFFSET_BITS)
        stored = centre.astype(np.float32), offsets.astype(np.float32)
        self._begin(index, now, by_model=by_model)
        self.first_error[index % self.rows] = np.nan
        self._fill(index, slice(None), stored)
        self._fresh[index] = stored

    def set_first_error(self, row: int, error: float) -> None:
        """Set the error at the first horizon, rounded as in the stored state."""
        rounded = np.array([error])
        round_significant(rounded, ERROR_BITS)
        self.first_error[row] = rounded[0]

    def newest_errors(self, index: int, actual: float, steps: Ints, places: Ints) -> Floats:
        """Return the errors of a model's forecasts of slot ``index`` (actual - mean), NaN if there is none.

        Args:
            index: The slot.
            actual: Its actual.
            steps: How many slots before it each forecast was made, shape (n,).
            places: Number of that horizon, -1 = none, shape (n,).
        """
        rows = (index - steps) % self.rows
        is_due = (places >= 0) & (self.origin[rows] == index - steps) & self.by_model[rows]
        return np.where(is_due, actual - self.mean[rows, places], np.nan)

    def record(self) -> bytes:
        """Return the state that changes with every slot: the errors at the first horizon."""
        return self._first_codec.pack(self.first_error)

    def load_record(self, record: bytes) -> bool:
        """Fill from what ``record`` returned; False, and nothing changes, where it is of another shape."""
        return self._first_codec.unpack(record, self.first_error)

    def take_fresh(self) -> dict[int, Stored]:
        """Return the parts to store of the forecasts added since the last call, by slot, and mark them as stored."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def arrays(self, index: int, part: Part, stored: Stored | None) -> list[npt.NDArray[Any]]:
        """Return the stored arrays of one part of a forecast, None without a forecast of this slot."""
        row, at, count = index % self.rows, part.horizons, self.mean.shape[1]
        centre, offsets = stored or (np.zeros(count, np.float32), np.zeros((_LEVELS + 1, count), np.float32))
        origin = np.array([-1 if stored is None else index], dtype=np.int32)
        return [origin, self.now[row : row + 1], self.by_model[row : row + 1], centre[at], offsets[:, at]]

    def restore(self, part: Part, arrays: Sequence[npt.NDArray[Any]]) -> None:
        """Fill one part of a forecast from what ``arrays`` returned, unless its row holds a newer one."""
        origin, now, by_model, centre, offsets = arrays
        index = int(origin[0])
        row_origin = int(self.origin[index % self.rows])
        if index < 0 or index < row_origin:
            return
        if index > row_origin:
            self._begin(index, float(now[0]), by_model=bool(by_model[0]))
        self._fill(index, part.horizons, (centre, offsets))

    def _begin(self, index: int, now: float, *, by_model: bool) -> None:
        row = index % self.rows
        self.origin[row], self.now[row], self.by_model[row] = index, np.float32(now), by_model
        self.quantiles[row], self.mean[row] = np.nan, np.nan

    def _fill(self, index: int, horizons: slice, stored: Stored) -> None:
        row, (centre, offsets) = index % self.rows, stored
        levels = centre + offsets
        self.quantiles[row, horizons] = levels[:_LEVELS].T
        self.mean[row, horizons] = levels[_MEAN]


def waiting_changes(waiting: Sequence[WaitingForecasts]) -> Mapping[str, bytes]:
    """Return the state values changed since the last call and mark them as stored; targets share a value per part."""
    fresh = [each.take_fresh() for each in waiting]
    changes: dict[str, bytes] = {}
    for index in sorted({index for stored in fresh for index in stored}):
        for number, part in enumerate(waiting[0].parts):
            targets = [e.arrays(index, part, stored.get(index)) for e, stored in zip(waiting, fresh, strict=True)]
            name = ValueKey(_KIND, (number, index % part.slots)).name
            changes[name] = _codec(len(waiting), part.count).pack(*map(np.array, zip(*targets, strict=True)))
    return changes


@cache
def _codec(targets: int, horizons: int) -> ArrayCodec:
    """Return the codec of one part of the forecasts of several targets, each as ``WaitingForecasts.arrays``."""
    centre, offsets = np.zeros(horizons, np.float32), np.zeros((_LEVELS + 1, horizons), np.float32)
    one: list[npt.NDArray[Any]] = [np.zeros(1, np.int32), np.zeros(1), np.zeros(1, np.bool_), centre, offsets]
    stacked = [np.stack([array] * targets) for array in one]
    return ArrayCodec(_SHAPE, *stacked, bits=[0, FLOAT32_BITS, 0, CENTRE_BITS, OFFSET_BITS])


def load_waiting(
    waiting: Sequence[WaitingForecasts], records: Sequence[bytes], get: Callable[[str], bytes | None]
) -> None:
    """Fill forecasts from kept values; values of another shape are left out.

    Args:
        waiting: Empty forecasts of each target.
        records: As ``WaitingForecasts.record`` returned them, in the same order.
        get: Reads a value by name.
    """
    if len(records) != len(waiting) or not all(e.load_record(r) for e, r in zip(waiting, records, strict=True)):
        return
    for number, part in enumerate(waiting[0].parts):
        arrays = [np.stack(like) for like in zip(*(each.arrays(0, part, None) for each in waiting), strict=True)]
        codec = _codec(len(waiting), part.count)
        for row in range(part.slots):
            if codec.unpack(get(ValueKey(_KIND, (number, row)).name), *arrays):
                for target, each in enumerate(waiting):
                    each.restore(part, [array[target] for array in arrays])
