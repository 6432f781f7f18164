"""Scores past forecasts as actuals arrive: forecasts wait until their target time, then count once.

The same sums make the live skill and the backtest's figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.streams.state_codec import ArrayCodec, ChangedValues, ValueKey, pack, unpack

LEVELS = np.array(QUANTILE_LEVELS)
N, ABS, ABS_PERSISTENCE, PINBALL, COVERED = range(5)
SUMS = 5
_ROWS = "waiting-rows-2"


class WaitingForecasts:
    """Forecasts of one target that wait for their actuals, by origin slot; float32, as they are kept.

    ``quantiles``: shape (origins, H, 7). ``mean``: shape (origins, H). ``now``: actual at the origin, NaN when missing.
    ``origin``: slot index that a row holds, -1 = none. ``by_model``: whether a model made it whose errors teach.
    ``first_error``: error of the mean at the first horizon, NaN until it is known.
    """

    def __init__(self, steps: Ints) -> None:
        self.rows = int(steps[-1]) + 1
        h = len(steps)
        self.origin = np.full(self.rows, -1, dtype=np.int64)
        self.now = np.full(self.rows, np.nan)
        self.by_model = np.zeros(self.rows, dtype=np.bool_)
        self.quantiles: Floats32 = np.full((self.rows, h, LEVELS.size), np.nan, dtype=np.float32)
        self.mean: Floats32 = np.full((self.rows, h), np.nan, dtype=np.float32)
        self.first_error = np.full(self.rows, np.nan, dtype=np.float32)
        self.changed = ChangedValues()
        self._first_codec = ArrayCodec("first-errors-2", self.first_error)
        self._row_codec = ArrayCodec("waiting-2", *self._row(0))

    def put(self, index: int, now: float, quantiles: Floats, mean: Floats, *, by_model: bool) -> None:
        """Keep the forecast issued when slot ``index`` closed.

        Args:
            index: The slot.
            now: Value of that slot, NaN where it is missing.
            quantiles: Shape (H, 7).
            mean: Shape (H,).
            by_model: Whether a model made it; a fallback's errors are not learned from.
        """
        row = index % self.rows
        self.origin[row] = index
        self.now[row] = now
        self.by_model[row] = by_model
        self.quantiles[row] = quantiles
        self.mean[row] = mean
        self.first_error[row] = np.nan
        self.changed.mark("waiting", row)

    def set_first_error(self, row: int, error: float) -> None:
        """Note the error at the first horizon."""
        self.first_error[row] = error

    def newest_errors(self, index: int, actual: float, steps: Ints, places: Ints) -> Floats:
        """Return what a model's forecasts of slot ``index`` missed it by (actual less mean), NaN where there is none.

        Args:
            index: The slot.
            actual: Its actual.
            steps: How many slots before it each forecast was made, shape (n,).
            places: Number of that horizon, -1 = none, shape (n,).
        """
        rows = (index - steps) % self.rows
        there = (places >= 0) & (self.origin[rows] == index - steps) & self.by_model[rows]
        return np.where(there, actual - self.mean[rows, places], np.nan)

    def record(self) -> bytes:
        """Return what changes with every slot: the errors at the first horizon."""
        return self._first_codec.pack(self.first_error)

    def pack(self, row: int) -> bytes:
        """Return one row as bytes."""
        return self._row_codec.pack(*self._row(row))

    def load_record(self, record: bytes) -> bool:
        """Fill from what ``record`` returned; False, and nothing changes, where it is of another shape."""
        return self._first_codec.unpack(record, self.first_error)

    def unpack(self, row: int, raw: bytes) -> None:
        """Fill one row from what ``pack`` returned; a value of another version or shape is left out."""
        self._row_codec.unpack(raw, *self._row(row))

    def _row(self, row: int) -> tuple[npt.NDArray[Any], ...]:
        one = slice(row, row + 1)
        return self.origin[one], self.now[one], self.by_model[one], self.quantiles[row], self.mean[row]


def waiting_changes(waiting: Sequence[WaitingForecasts]) -> Mapping[str, bytes]:
    """Return the rows that changed since the last call, and count them as kept; a slot's targets share one value."""
    rows = {key.number: key.name for each in waiting for key in each.changed.take()}
    return {name: pack([each.pack(row) for each in waiting], _ROWS) for row, name in rows.items()}


def load_waiting(
    waiting: Sequence[WaitingForecasts], records: Sequence[bytes], get: Callable[[str], bytes | None]
) -> None:
    """Fill forecasts from kept values; values of another shape are left out.

    Args:
        waiting: Empty forecasts of each target.
        records: As ``WaitingForecasts.record`` returned them, in the same order.
        get: Reads a row by name.
    """
    if len(records) != len(waiting) or not all(e.load_record(r) for e, r in zip(waiting, records, strict=True)):
        return
    for row in range(waiting[0].rows):
        parts = unpack(get(ValueKey("waiting", row).name), list[bytes], _ROWS) or []
        for each, raw in zip(waiting, parts, strict=False):
            each.unpack(row, raw)


@kernel
def score_rows(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    index: int,
    actual: float,
    steps: Ints,
    origin: Ints,
    now: Floats,
    quantiles: Floats32,
    levels: Floats,
    sums: Floats,
) -> None:
    """Add the scores of all forecasts of slot ``index`` to ``sums`` (H, 5); the pinball loss is the levels' mean.

    Args:
        index: Slot index.
        actual: Value of the slot, NaN missing.
        steps: Slots to each horizon, shape (H,).
        origin: Slot index that each waiting row holds, -1 = none, shape (origins,).
        now: Value at each origin, shape (origins,).
        quantiles: Forecast quantiles of each waiting row, shape (origins, H, 7).
        levels: The quantile levels, shape (7,).
        sums: Sums by horizon, shape (H, 5); added to in place.
    """
    rows = origin.shape[0]
    for h in range(steps.shape[0]):
        row = (index - steps[h]) % rows
        if origin[row] != index - steps[h] or now[row] != now[row] or quantiles[row, h, 0] != quantiles[row, h, 0]:
            continue
        loss = 0.0
        for q in range(levels.shape[0]):
            gap = actual - quantiles[row, h, q]
            loss += levels[q] * gap if gap >= 0.0 else (levels[q] - 1.0) * gap
        sums[h, 0] += 1.0
        sums[h, 1] += abs(actual - quantiles[row, h, 3])
        sums[h, 2] += abs(actual - now[row])
        sums[h, 3] += loss / levels.shape[0]
        if quantiles[row, h, 0] <= actual <= quantiles[row, h, 6]:
            sums[h, 4] += 1.0


class Scoreboard:
    """Sums of scores by day and horizon over the trailing window.

    ``sums``: shape (days, H, 5): count, absolute error of the median, that of persistence, pinball loss, covered by the
    90 % interval.
    """

    def __init__(self, name: str, horizons: int, days: int) -> None:
        self.name = name
        self.sums = np.zeros((days, horizons, SUMS))
        self.day = np.full(days, -1, dtype=np.int64)
        self._today: int | None = None
        self._changed = ChangedValues()
        self._codec = ArrayCodec(f"scores-2 {days} days", self.day[:1], self.sums[0])

    def of_day(self, day: int) -> Floats:
        """Return the sums of UTC day number ``day``, to be added to; a later day ends the one before."""
        row = day % len(self.day)
        if self.day[row] != day:
            self.day[row] = day
            self.sums[row] = 0.0
        if self._today is not None and self._today != row:
            self._changed.mark(self.name, self._today)
        self._today = row
        return np.asarray(self.sums[row])

    def sums_of(self, day: int) -> Floats:
        """Return the sums of a day, shape (H, 5); zeros where it is not held."""
        row = day % len(self.day)
        return np.asarray(self.sums[row] if self.day[row] == day else np.zeros_like(self.sums[row]))

    def window(self, day: int) -> Floats:
        """Return the sums over the window that ends with ``day``, shape (H, 5)."""
        inside = (self.day > day - len(self.day)) & (self.day <= day) & (self.day >= 0)
        return np.asarray(self.sums[inside].sum(axis=0))

    def changes(self) -> Mapping[str, bytes]:
        """Return the days that ended since the last call, and count them as kept."""
        return {key.name: self._pack(key.number) for key in self._changed.take()}

    def record(self) -> bytes:
        """Return the sums of the day under way; empty before the first."""
        return b"" if self._today is None else self._pack(self._today)

    def load(self, record: bytes, get: Callable[[str], bytes | None]) -> None:
        """Fill from kept values; values of another shape are left out.

        Args:
            record: As ``record`` returned it.
            get: Reads a day by name.
        """
        for row in range(len(self.day)):
            self._unpack(get(ValueKey(self.name, row).name))
        self._today = self._unpack(record)

    def _pack(self, row: int) -> bytes:
        return self._codec.pack(self.day[row : row + 1], self.sums[row])

    def _unpack(self, raw: bytes | None) -> int | None:
        """Take one day's sums; return its row, None where the value is of no use."""
        day, sums = np.empty_like(self.day[:1]), np.empty_like(self.sums[0])
        if not self._codec.unpack(raw, day, sums):
            return None
        row = int(day[0]) % len(self.day)
        self.day[row], self.sums[row] = day[0], sums
        return row
