"""Median and quantiles of short lists: the results of numpy in a tenth of its time per call."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vpp.numerics.arrays import Floats


def median(values: Floats) -> float:
    """Return the median of at least one finite value, bit for bit as ``numpy.median``.

    >>> import numpy as np
    >>> median(np.array([4.0, 1.0, 3.0, 2.0]))
    2.5
    """
    ordered = sorted(values.tolist())
    middle = len(ordered) // 2
    upper: float = ordered[middle]
    if len(ordered) % 2:
        return upper
    lower: float = ordered[middle - 1]
    return (lower + upper) / 2.0


def quantiles(values: Floats, levels: Sequence[float]) -> list[float]:
    """Return quantiles of at least one finite value, bit for bit as ``numpy.quantile`` with its linear method.

    The quantile at level p lies at place ``(n - 1) p`` of the n ordered values, linear between two of them.

    >>> import numpy as np
    >>> quantiles(np.array([3.0, 1.0, 2.0]), (0.25, 0.5))
    [1.5, 2.0]
    """
    ordered: list[float] = sorted(values.tolist())
    last = len(ordered) - 1
    values_at = []
    for level in levels:
        place = last * level
        below = math.floor(place)
        part = place - below
        low, high = ordered[below], ordered[min(below + 1, last)]
        values_at.append(high - (high - low) * (1.0 - part) if part >= 0.5 else low + (high - low) * part)
    return values_at
