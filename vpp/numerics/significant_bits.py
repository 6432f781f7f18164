"""Rounding to a number of significant binary digits."""

from __future__ import annotations

import numpy as np

from vpp.numerics.arrays import Floats

_FLOAT64_BITS = 53
FLOAT32_BITS = 24
"""Significant bits of a float32: a value rounded to as many, or fewer, passes through one unchanged."""


def round_significant(values: Floats, bits: int) -> None:
    """Round in place to ``bits`` significant binary digits, so to within ``2^-bits`` of each value; twice is once.

    NaN, infinities, zeros and their signs stay. What a state keeps in few bytes is rounded so in memory as well: a
    worker that continues and one that starts again from its state then hold the same values.

    Args:
        values: Any shape; a view is written through.
        bits: 1 to 52; the first significant digit counts.
    """
    dropped = _FLOAT64_BITS - bits
    codes = values.view(np.int64)
    codes += 1 << (dropped - 1)
    codes &= -(1 << dropped)
