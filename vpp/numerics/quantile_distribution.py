"""A distribution given by its quantiles: the probability that a value lies below a bound."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vpp.domain import QUANTILE_LEVELS

_LAST = len(QUANTILE_LEVELS) - 1


def cumulative(quantiles: Sequence[float], value: float) -> float:
    """Return P(X <= value) of a distribution known by its quantiles at ``QUANTILE_LEVELS``.

    Linear between them; beyond the outermost the density falls exponentially from that of the outer interval. Plain
    loops and numbers, so kernels compile it and callers without numba run it as it is.

    >>> cumulative([-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0], 0.5)
    0.625
    """
    levels = QUANTILE_LEVELS
    if value < quantiles[0]:
        width = max(quantiles[1] - quantiles[0], 1e-9)
        density = (levels[1] - levels[0]) / width
        return levels[0] * math.exp((value - quantiles[0]) * density / levels[0])
    if value >= quantiles[_LAST]:
        width = max(quantiles[_LAST] - quantiles[_LAST - 1], 1e-9)
        density = (levels[_LAST] - levels[_LAST - 1]) / width
        tail = 1.0 - levels[_LAST]
        return 1.0 - tail * math.exp(-(value - quantiles[_LAST]) * density / tail)
    for i in range(_LAST):
        low, high = quantiles[i], quantiles[i + 1]
        if value < high:
            return levels[i] + (levels[i + 1] - levels[i]) * (value - low) / (high - low)
    return levels[_LAST]


def probability_beyond(quantiles: Sequence[float], centre: float, limit: float) -> float:
    """Return the probability that a value with these quantiles lies further than ``limit`` from ``centre``.

    Args:
        quantiles: At ``QUANTILE_LEVELS``, not crossing.
        centre: As the value of the slot just closed, where the quantiles are those of a later one.
        limit: Not negative, in the unit of the quantiles.
    """
    inside = cumulative(quantiles, centre + limit) - cumulative(quantiles, centre - limit)
    return min(1.0, max(0.0, 1.0 - inside))
