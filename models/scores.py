"""Scores past forecasts as actuals arrive: forecasts wait until their target time, then count once.

The same sums make the live skill and the backtest's figures.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from numba import njit

from vpp.domain import QUANTILE_LEVELS

Array = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

LEVELS = np.array(QUANTILE_LEVELS)
N, ABS, ABS_PERSISTENCE, PINBALL, COVERED = range(5)
SUMS = 5
VERSION = 1
_ROW = struct.Struct("<BHqdB")
_BLOCK = struct.Struct("<BHHq")


class Waiting:
    """Forecasts of one target that wait for their actuals, by origin slot; float32, as they are kept.

    ``quantiles``: shape (origins, H, 7). ``mean``: shape (origins, H). ``now``: actual at the origin, NaN when missing.
    ``origin``: slot index that a row holds, -1 = none. ``by_model``: whether a model made it whose errors teach.
    ``first_error``: error of the mean at the first horizon, NaN until it is known.
    """

    def __init__(self, name: str, steps: Indices) -> None:
        self.name = name
        self.rows = int(steps[-1]) + 1
        h = len(steps)
        self.origin = np.full(self.rows, -1, dtype=np.int64)
        self.now = np.full(self.rows, np.nan)
        self.by_model = np.zeros(self.rows, dtype=np.bool_)
        self.quantiles: Floats32 = np.full((self.rows, h, LEVELS.size), np.nan, dtype=np.float32)
        self.mean: Floats32 = np.full((self.rows, h), np.nan, dtype=np.float32)
        self.first_error = np.full(self.rows, np.nan, dtype=np.float32)
        self._dirty: set[int] = set()
        self._first_dirty = False

    def put(self, index: int, now: float, quantiles: Array, mean: Array, *, by_model: bool) -> None:
        """Keep the forecast issued when slot ``index`` closed."""
        row = index % self.rows
        self.origin[row] = index
        self.now[row] = now
        self.by_model[row] = by_model
        self.quantiles[row] = quantiles
        self.mean[row] = mean
        self.first_error[row] = np.nan
        self._dirty.add(row)

    def set_first_error(self, row: int, error: float) -> None:
        """Note the error at the first horizon."""
        self.first_error[row] = error
        self._first_dirty = True

    def changes(self) -> Mapping[str, bytes]:
        """Return the state values that changed, and count them as kept."""
        out = {}
        for row in sorted(self._dirty):
            head = _ROW.pack(VERSION, self.mean.shape[1], self.origin[row], self.now[row], int(self.by_model[row]))
            out[f"{self.name}.{row}"] = head + self.quantiles[row].tobytes() + self.mean[row].tobytes()
        if self._first_dirty or self._dirty:
            out[f"{self.name}.first"] = self.first_error.tobytes()
        self._dirty.clear()
        self._first_dirty = False
        return out

    def load(self, get: Callable[[str], bytes | None]) -> None:
        """Fill from kept values; values of another shape are left out."""
        h = self.mean.shape[1]
        first = get(f"{self.name}.first")
        if first is None or len(first) != self.first_error.nbytes:
            return
        self.first_error = np.frombuffer(first, np.float32).copy()
        for row in range(self.rows):
            raw = get(f"{self.name}.{row}")
            if raw is None or raw[0] != VERSION or len(raw) != _ROW.size + 4 * h * (LEVELS.size + 1):
                continue
            _, _, self.origin[row], self.now[row], self.by_model[row] = _ROW.unpack_from(raw)
            values = np.frombuffer(raw, np.float32, offset=_ROW.size)
            self.quantiles[row] = values[: h * LEVELS.size].reshape(h, LEVELS.size)
            self.mean[row] = values[h * LEVELS.size :]


@njit(cache=True)
def score_rows(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    index: int,
    actual: float,
    steps: Indices,
    origin: Indices,
    now: Array,
    quantiles: Floats32,
    levels: Array,
    sums: Array,
) -> None:
    """Add the scores of all forecasts of slot ``index`` to ``sums`` (H, 5); the pinball loss is the levels' mean."""
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
        self._dirty: set[int] = set()

    def of_day(self, day: int) -> Array:
        """Return the sums of UTC day number ``day``, to be added to."""
        row = day % len(self.day)
        if self.day[row] != day:
            self.day[row] = day
            self.sums[row] = 0.0
        self._dirty.add(row)
        return np.asarray(self.sums[row])

    def sums_of(self, day: int) -> Array:
        """Return the sums of a day, shape (H, 5); zeros where it is not held."""
        row = day % len(self.day)
        return np.asarray(self.sums[row] if self.day[row] == day else np.zeros_like(self.sums[row]))

    def window(self, day: int) -> Array:
        """Return the sums over the window that ends with ``day``, shape (H, 5)."""
        inside = (self.day > day - len(self.day)) & (self.day <= day) & (self.day >= 0)
        return np.asarray(self.sums[inside].sum(axis=0))

    def changes(self) -> Mapping[str, bytes]:
        """Return the state values that changed, and count them as kept."""
        out = {}
        for row in sorted(self._dirty):
            out[f"{self.name}.{row}"] = (
                _BLOCK.pack(VERSION, *self.sums.shape[:2], self.day[row]) + self.sums[row].tobytes()
            )
        self._dirty.clear()
        return out

    def load(self, get: Callable[[str], bytes | None]) -> None:
        """Fill from kept values; values of another shape are left out."""
        for row in range(len(self.day)):
            raw = get(f"{self.name}.{row}")
            if raw is None or len(raw) != _BLOCK.size + self.sums[row].nbytes:
                continue
            version, days, horizons, day = _BLOCK.unpack_from(raw)
            if (version, days, horizons) == (VERSION, *self.sums.shape[:2]):
                self.day[row] = day
                self.sums[row] = np.frombuffer(raw, np.float64, offset=_BLOCK.size).reshape(self.sums[row].shape)
