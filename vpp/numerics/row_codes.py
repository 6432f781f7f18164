"""Arrays as whole numbers that are mostly small: codes of floats in their order, and steps between neighbours."""

from __future__ import annotations

import numpy as np

from vpp.numerics import rice
from vpp.numerics.arrays import Bytes, Floats32, Ints
from vpp.numerics.compiled import kernel


@kernel
def ordered_codes(values: Floats32, dropped: int) -> Ints:
    """Return floats as whole numbers in the order of the floats, without their lowest bits; shape (n,).

    Args:
        values: Shape (n,).
        dropped: How many of the lowest bits are left out.
    """
    codes = np.empty(values.shape[0], dtype=np.int64)
    for i, bits in enumerate(values.view(np.int32)):
        codes[i] = (bits ^ ((bits >> 31) & 0x7FFFFFFF)) >> dropped
    return codes


@kernel
def neighbour_steps(rows: Ints) -> Ints:
    """Return each number less the one before it in its row, the first of a row less the first of the row before.

    Args:
        rows: Shape (R, C); what comes before the first number is 0.

    Returns:
        Shape (R * C,), row by row.
    """
    count, width = rows.shape
    steps = np.empty(count * width, dtype=np.int64)
    for r in range(count):
        before = rows[r - 1, 0] if r > 0 else 0
        for c in range(width):
            steps[r * width + c] = rows[r, c] - before
            before = rows[r, c]
    return steps


@kernel
def write_floats(values: Floats32, width: int, dropped: int, out: Bytes, at: int) -> int:
    """Write the steps between neighbours of floats from byte ``at`` on; return the byte after them.

    Args:
        values: Rows one after the other, shape (R * C,).
        width: C.
        dropped: As for ``ordered_codes``.
        out: Bytes with room for the steps, shape (B,).
        at: First byte.
    """
    codes = ordered_codes(values, dropped)
    rows = codes.reshape((codes.shape[0] // width, width))
    return rice.write(neighbour_steps(rows), out, at)


@kernel
def write_whole(rows: Ints, out: Bytes, at: int) -> int:
    """Write the steps between neighbours of whole numbers, shape (R, C), from byte ``at`` on; return the byte after."""
    return rice.write(neighbour_steps(rows), out, at)
