"""Levels of price quantiles that adapt as prices come: adaptive conformal inference, a reducer in stream state.

A level moves by ``gamma (q - 1[price below it])`` (Gibbs, Candès: Adaptive conformal inference under distribution
shift, 2021). Only the outer two on each side do: between them lies the median, which is a forecast of its own.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.forecast.scoreboard import WaitingForecasts
from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.streams.state_codec import ArrayCodec

GAMMA = 0.001
"""How far a level moves for a forecast of a half hour; shorter slots move it less, so that a day moves it as far."""
ADAPTING = np.array([q < 0.2 or q > 0.8 for q in QUANTILE_LEVELS])
_LEVELS = np.array(QUANTILE_LEVELS)


class PriceLevels:
    """Levels in place of the nominal ones at each horizon, ``levels`` of shape (H, 7), rising along the levels.

    Args:
        horizons: Number of horizons.
        per_day: Slots in a day.
    """

    def __init__(self, horizons: int, per_day: int) -> None:
        self.levels = np.tile(_LEVELS, (horizons, 1))
        self._gamma = GAMMA * min(1.0, 48.0 / per_day)
        self._moved = False
        self._codec = ArrayCodec("price-levels-2", self.levels)

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
            _LEVELS,
            ADAPTING,
        )
        self._moved = self._moved or moved > 0

    def record(self) -> bytes:
        """Return the levels as bytes; empty while they are the nominal ones."""
        return self._codec.pack(self.levels) if self._moved else b""

    def load(self, record: bytes) -> None:
        """Fill from what ``record`` returned; levels of another shape are left out."""
        self._moved = self._codec.unpack(record, self.levels)


@kernel
def _adapt(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    index: int,
    price: float,
    steps: Ints,
    origin: Ints,
    by_model: npt.NDArray[np.bool_],
    quantiles: Floats32,
    levels: Floats,
    gamma: float,
    nominal: Floats,
    adapting: npt.NDArray[np.bool_],
) -> int:
    moved = 0
    rows, last = origin.shape[0], nominal.shape[0] - 1
    for h in range(steps.shape[0]):
        row = (index - steps[h]) % rows
        if origin[row] != index - steps[h] or not by_model[row] or not quantiles[row, h, 0] < quantiles[row, h, last]:
            continue
        moved += 1
        for q in range(last + 1):
            if adapting[q]:
                below = 1.0 if price < quantiles[row, h, q] else 0.0
                levels[h, q] = min(max(levels[h, q] + gamma * (nominal[q] - below), 0.0), 1.0)
        for q in range(1, last + 1):
            levels[h, q] = max(levels[h, q], levels[h, q - 1])
    return moved
