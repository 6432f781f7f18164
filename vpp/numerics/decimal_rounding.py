"""Rounding of many numbers to decimals: what Python's ``round`` gives, in a fraction of its time."""

from __future__ import annotations

import numpy as np

from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

_EXACT_POWERS = range(23)
"""Powers of ten that a float64 holds exactly."""

_MOST_UNITS = 2.0**50
_ERROR_SHARE = 2.0**-52
"""A product is off by at most half of this share of itself."""


def rounded(values: Floats, decimals: int) -> Floats:
    """Return ``round(value, decimals)`` of each value, bit for bit.

    ``round`` takes the nearest decimal number of the exact value. So does a product with a power of ten, unless it lies
    too near the middle of two whole numbers: then all values go through ``round``.

    Args:
        values: Shape (n,).
        decimals: Decimals to keep.
    """
    if decimals in _EXACT_POWERS:
        nearest = np.empty(len(values))
        if _round_all(values, 10.0**decimals, nearest):
            return nearest
    return np.array([round(value, decimals) for value in values.tolist()], dtype=float)


@kernel
def _round_all(values: Floats, units: float, out: Floats) -> bool:
    """Fill ``out`` with the values to the nearest ``1 / units``; False where one of them is not certain."""
    for i in range(len(values)):
        scaled = values[i] * units
        whole = np.rint(scaled)
        from_middle = 0.5 - abs(scaled - whole)
        if not (abs(scaled) < _MOST_UNITS and from_middle > abs(scaled) * _ERROR_SHARE):
            return False
        out[i] = whole / units
    return True
