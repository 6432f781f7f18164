"""Scores past forecasts as actuals arrive: forecasts wait until their target time, then count once.

The same sums make the live skill and the backtest's figures.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.numerics.compiled import kernel

LEVELS = np.array(QUANTILE_LEVELS)
N, ABS, ABS_PERSISTENCE, PINBALL, COVERED = range(5)
SUMS = 5
VERSION = 1
WAITING_FIRST = "waiting.first"
_ROW = struct.Struct("<BHqdB")
_BLOCK = struct.Struct("<BHHq")


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
        self.dirty: set[int] = set()
        self.first_dirty = False

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
        self.first_dirty = True
        self.dirty.add(row)

    def set_first_error(self, row: int, error: float) -> None:
        """Note the error at the first horizon."""
        self.first_error[row] = error
        self.first_dirty = True

    @property
    def row_bytes(self) -> int:
        """Length of a packed row."""
        return int(_ROW.size + self.quantiles[0].nbytes + self.mean[0].nbytes)

    def pack(self, row: int) -> bytes:
        """Return one row as bytes."""
        head = _ROW.pack(VERSION, self.mean.shape[1], self.origin[row], self.now[row], int(self.by_model[row]))
        return b"".join((head, self.quantiles[row].tobytes(), self.mean[row].tobytes()))

    def unpack(self, row: int, raw: bytes) -> None:
        """Fill one row from what ``pack`` returned; a value of another version or shape is left out."""
        h = self.mean.shape[1]
        if len(raw) != self.row_bytes or _ROW.unpack_from(raw)[:2] != (VERSION, h):
            return
        _, _, self.origin[row], self.now[row], self.by_model[row] = _ROW.unpack_from(raw)
        values = np.frombuffer(raw, np.float32, offset=_ROW.size)
        self.quantiles[row] = values[: h * LEVELS.size].reshape(h, LEVELS.size)
        self.mean[row] = values[h * LEVELS.size :]


def waiting_changes(waiting: Sequence[WaitingForecasts]) -> Mapping[str, bytes]:
    """Return the state values of forecasts that changed, and count them as kept; a slot's targets share one value."""
    out = {}
    for row in sorted(set().union(*(each.dirty for each in waiting))):
        out[f"waiting.{row}"] = b"".join(each.pack(row) for each in waiting)
    if any(each.first_dirty for each in waiting):
        out[WAITING_FIRST] = b"".join(each.first_error.tobytes() for each in waiting)
    for each in waiting:
        each.dirty.clear()
        each.first_dirty = False
    return out


def load_waiting(waiting: Sequence[WaitingForecasts], get: Callable[[str], bytes | None]) -> None:
    """Fill forecasts from kept values; values of another shape are left out."""
    first = get(WAITING_FIRST)
    if first is None or len(first) != sum(each.first_error.nbytes for each in waiting):
        return
    for each, errors in zip(waiting, np.split(np.frombuffer(first, np.float32), len(waiting)), strict=True):
        each.first_error = errors.copy()
    for row in range(waiting[0].rows):
        raw = get(f"waiting.{row}")
        if raw is None or len(raw) != sum(each.row_bytes for each in waiting):
            continue
        for at, each in enumerate(waiting):
            each.unpack(row, raw[at * each.row_bytes : (at + 1) * each.row_bytes])


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
        self._today: int | None = None
        self._ended: set[int] = set()
        self._dirty = False

    def of_day(self, day: int) -> Floats:
        """Return the sums of UTC day number ``day``, to be added to; a later day ends the one before."""
        row = day % len(self.day)
        if self.day[row] != day:
            self.day[row] = day
            self.sums[row] = 0.0
        if self._today is not None and self._today != row:
            self._ended.add(self._today)
        self._today = row
        self._dirty = True
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
        """Return the state values that changed, and count them as kept; today has a name of its own."""
        out = {f"{self.name}.{row}": self._pack(row) for row in sorted(self._ended)}
        if self._dirty and self._today is not None:
            out[f"{self.name}.today"] = self._pack(self._today)
        self._ended.clear()
        self._dirty = False
        return out

    def _pack(self, row: int) -> bytes:
        return b"".join((_BLOCK.pack(VERSION, *self.sums.shape[:2], self.day[row]), self.sums[row].tobytes()))

    def load(self, get: Callable[[str], bytes | None]) -> None:
        """Fill from kept values; values of another shape are left out."""
        for row in range(len(self.day)):
            self._unpack(get(f"{self.name}.{row}"))
        self._today = self._unpack(get(f"{self.name}.today"))

    def _unpack(self, raw: bytes | None) -> int | None:
        """Take one day's sums; return its row, None where the value is of no use."""
        if raw is None or len(raw) != _BLOCK.size + self.sums[0].nbytes:
            return None
        version, days, horizons, day = _BLOCK.unpack_from(raw)
        if (version, days, horizons) != (VERSION, *self.sums.shape[:2]):
            return None
        row = int(day) % len(self.day)
        self.day[row] = day
        self.sums[row] = np.frombuffer(raw, np.float64, offset=_BLOCK.size).reshape(self.sums[row].shape)
        return row
