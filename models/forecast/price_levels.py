"""Price quantile levels that adapt to arriving prices (``models.learners.conformal``): a reducer in stream state.

Only the outer two on each side move: between them lies the median, which is a forecast of its own.
"""

from __future__ import annotations

import numpy as np

from models.forecast.waiting_forecasts import WaitingForecasts
from models.learners.conformal import NOMINAL, LevelSteps, adapt_levels
from vpp.numerics.arrays import Bools, Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.streams.state_codec import ArrayCodec

GAMMA = 0.001
"""How far a level moves for a forecast of a half hour; shorter slots move it less, so a day moves it as far."""
OUTER = np.abs(NOMINAL - 0.5) > 0.3


class PriceLevels:
    """Levels in place of the nominal ones at each horizon, ``levels`` of shape (H, 7), rising along the levels.

    Args:
        horizons: Number of horizons.
        per_day: Slots in a day.
    """

    def __init__(self, horizons: int, per_day: int) -> None:
        self.levels = np.tile(NOMINAL, (horizons, 1))
        self._gamma = GAMMA * min(1.0, 48.0 / per_day)
        self._moved = False
        self._steps = LevelSteps(self._gamma)
        self._codec = ArrayCodec("price-levels-4", self._steps.of(self.levels))

    def adapt(self, index: int, price: float, steps: Ints, waiting: WaitingForecasts) -> None:
        """Enter the price of slot ``index``: every forecast of it by a model whose levels adapt moves its own.

        Args:
            index: The slot.
            price: Its price per MWh.
            steps: Horizons in slots, shape (H,).
            waiting: Forecasts that wait; one that was published (no width) moves nothing.
        """
        moved = _adapt(
            index,
            price,
            steps,
            waiting.origin,
            waiting.by_model,
            waiting.quantiles,
            self.levels,
            self._gamma,
        )
        if moved:
            self._steps.round(self.levels)
            self._moved = True

    def record(self) -> bytes:
        """Return the levels as bytes; empty while they are the nominal ones."""
        return self._codec.pack(self._steps.of(self.levels)) if self._moved else b""

    def load(self, record: bytes) -> None:
        """Fill from what ``record`` returned; levels of another shape are left out."""
        steps = self._steps.of(self.levels)
        self._moved = self._codec.unpack(record, steps)
        self.levels[:] = self._steps.levels(steps)


@kernel
def _adapt(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    index: int,
    price: float,
    steps: Ints,
    origin: Ints,
    by_model: Bools,
    quantiles: Floats32,
    levels: Floats,
    gamma: float,
) -> int:
    moved = 0
    rows, last = origin.shape[0], levels.shape[1] - 1
    below = np.empty(levels.shape[1], dtype=np.bool_)
    for h in range(steps.shape[0]):
        row = (index - steps[h]) % rows
        if origin[row] != index - steps[h] or not by_model[row] or not quantiles[row, h, 0] < quantiles[row, h, last]:
            continue
        moved += 1
        for q in range(last + 1):
            below[q] = price < quantiles[row, h, q]
        adapt_levels(levels[h], below, gamma, OUTER, 0.0, 1.0)
        for q in range(1, last + 1):
            levels[h, q] = max(levels[h, q], levels[h, q - 1])
    return moved
