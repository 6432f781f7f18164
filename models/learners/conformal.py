"""Adaptive conformal inference: levels for nominal quantiles that move with the observed coverage.

Level a of nominal quantile q moves by γ (q - 1[actual below the quantile]) with every actual value: where too many
values fall below, a falls, and the interval follows (Gibbs, Candès: Adaptive conformal inference under distribution
shift, 2021).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.arrays import Bools, Floats
from vpp.numerics.compiled import kernel

NOMINAL = np.array(QUANTILE_LEVELS)
EVERY = np.ones(NOMINAL.size, dtype=np.bool_)
ALL_BUT_MEDIAN = NOMINAL != 0.5
"""Where the median is the forecast itself, it stays."""

LEAST_LEVEL, HIGHEST_LEVEL = -0.5, 1.5
"""Bounds of levels that may pass 0 and 1."""

_COMMON_PART = 0.05
"""All nominal levels are multiples of this, so a level moves by multiples of so much of γ."""


@kernel
def adapt_levels(levels: Floats, below: Bools, gamma: float, moving: Bools, low: float, high: float) -> None:
    """Move the levels of one forecast after its actual value.

    >>> levels = NOMINAL.copy()
    >>> adapt_levels(levels, np.zeros(7, dtype=bool), 0.1, ALL_BUT_MEDIAN, 0.0, 1.0)
    >>> levels.round(3).tolist()
    [0.055, 0.11, 0.275, 0.5, 0.825, 0.99, 1.0]

    Args:
        levels: Levels in place of the nominal ones, shape (7,); changed in place.
        below: Whether the actual value was below each quantile, shape (7,).
        gamma: Size of a step.
        moving: Which levels move, shape (7,).
        low: Least level.
        high: Highest level.
    """
    for q in range(levels.shape[0]):
        if moving[q]:
            hit = 1.0 if below[q] else 0.0
            levels[q] = min(max(levels[q] + gamma * (NOMINAL[q] - hit), low), high)


class LevelSteps:
    """Levels, shape (H, 7), as whole numbers of the smallest move away from the nominal ones, shape (7, H).

    Args:
        gamma: Size of a step.
    """

    def __init__(self, gamma: float) -> None:
        self._least_move = _COMMON_PART * gamma

    def of(self, levels: Floats) -> npt.NDArray[np.int32]:
        """Return the whole numbers nearest to some levels."""
        steps: npt.NDArray[np.int32] = np.rint((levels - NOMINAL) / self._least_move).astype(np.int32)
        return steps.T

    def levels(self, steps: npt.NDArray[np.int32]) -> Floats:
        """Return the levels of some whole numbers."""
        return np.asarray(NOMINAL + steps.T * self._least_move)

    def round(self, levels: Floats) -> None:
        """Round in place to whole numbers: only a level that a bound or a neighbour has stopped changes by more."""
        levels[:] = self.levels(self.of(levels))
