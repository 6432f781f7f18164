"""Scores past forecasts once when their actuals arrive; live skill and backtest use the same sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.streams.state_codec import ArrayCodec, ChangedValues, ValueKey

LEVELS = np.array(QUANTILE_LEVELS)
N, ABS, ABS_PERSISTENCE, PINBALL, COVERED = range(5)
SUMS = 5
SUM_BITS = 12
"""Significant bits of a sum that are kept: a day of scores then holds to some parts in ten thousand."""

_COUNTS, _ERRORS = [N, COVERED], [ABS, ABS_PERSISTENCE, PINBALL]


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
        self._codec = ArrayCodec(f"scores-4 {days} days", self.day[:1], *_split(self.sums[0]), bits=SUM_BITS)

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
        return self._codec.pack(self.day[row : row + 1], *_split(self.sums[row]))

    def _unpack(self, raw: bytes | None) -> int | None:
        """Take one day's sums; return its row, None if the value is of no use."""
        day = np.empty_like(self.day[:1])
        counts, errors = _split(self.sums[0])
        if not self._codec.unpack(raw, day, counts, errors):
            return None
        row = int(day[0]) % len(self.day)
        self.day[row] = day[0]
        self.sums[row][:, _COUNTS], self.sums[row][:, _ERRORS] = counts.T, errors.T
        return row


def _split(sums: Floats) -> tuple[Ints, Floats]:
    """Return counts, shape (2, H), and sums of errors, shape (3, H), of the sums of a day (H, 5)."""
    return sums[:, _COUNTS].T.astype(np.int64), sums[:, _ERRORS].T
