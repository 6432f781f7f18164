"""A day of a channel as few bytes, without loss: telemetry has few decimals, so most days fit whole numbers.

A part is a row number, a mode, the least code and then one code per slot, little-endian. In the modes of whole numbers
a value is ``(least + code) / 10^decimals``, and the largest code stands for a missing one; they are taken only where
that gives back every value bit for bit. Otherwise the values follow as they are (float64, NaN = missing). It is written
with every slot: zlib over differences gives as many bytes and takes thirty times as long.
"""

from __future__ import annotations

import struct

import numpy as np

from vpp.numerics.arrays import Bytes, Floats, Ints
from vpp.numerics.compiled import kernel

PART = struct.Struct("<HBq")
_RAW = 0
_WIDTHS = (1, 2, 4)
_SCALES = np.array([1.0, 10.0, 100.0, 1000.0])
_EXACT = 2.0**53
_HEAD = PART.size


def pack(data: Floats, rows: Ints, first: int, count: int) -> tuple[int, bytes]:
    """Return how many of ``rows`` hold a value in columns ``first`` to ``first + count``, and the parts of those.

    Args:
        data: Values, shape (rows, capacity), NaN = missing.
        rows: Rows of ``data`` to pack, shape (k,).
        first: First column.
        count: Number of columns: the slots of a day.
    """
    out = np.empty(len(rows) * (_HEAD + 8 * count), dtype=np.uint8)
    parts, end = _pack(data, rows, first, count, _SCALES, out)
    return parts, out[:end].tobytes()


def unpack(chunk: bytes, at: int, count: int) -> tuple[int, Floats, int]:
    """Return row number and values (count,) of the part that begins at byte ``at``, and where it ends."""
    row, mode, least = PART.unpack_from(chunk, at)
    at += _HEAD
    if mode == _RAW:
        return row, np.frombuffer(chunk, "<f8", count, at).copy(), at + 8 * count
    decimals, width = divmod(mode, 8)
    codes = np.frombuffer(chunk, f"<u{width}", count, at)
    values = (codes.astype(np.float64) + least) / _SCALES[decimals]
    values[codes == 2 ** (8 * width) - 1] = np.nan
    return row, values, at + width * count


@kernel
def _pack(data: Floats, rows: Ints, first: int, count: int, scales: Floats, out: Bytes) -> tuple[int, int]:
    parts = 0
    at = 0
    for row in rows:
        values = data[row, first : first + count]
        if np.isnan(values).all():
            continue
        parts += 1
        decimals, least, most = _whole(values, scales)
        width = 0
        if decimals >= 0:
            for w in _WIDTHS:
                if most - least < 2.0 ** (8 * w) - 1.0:
                    width = w
                    break
        at = _write(row, 2, at, out)
        at = _write(decimals * 8 + width if width else _RAW, 1, at, out)
        at = _write(int(least) if width else 0, 8, at, out)
        if width:
            for value in values:
                missing = np.isnan(value)
                code = (1 << 8 * width) - 1 if missing else int(np.rint(value * scales[decimals]) - least)
                at = _write(code, width, at, out)
        else:
            bits = values.copy().view(np.int64)
            for i in range(count):
                at = _write(bits[i], 8, at, out)
    return parts, at


@kernel
def _whole(values: Floats, scales: Floats) -> tuple[int, float, float]:
    """Return the fewest decimals that give every value back, and the least and largest whole number; -1: none do."""
    for decimals in range(scales.shape[0]):
        least = np.inf
        most = -np.inf
        exact = True
        for value in values:
            if np.isnan(value):
                continue
            whole = np.rint(value * scales[decimals])
            negative_zero = whole == 0.0 and np.signbit(value)
            if not abs(whole) < _EXACT or negative_zero or whole / scales[decimals] != value:
                exact = False
                break
            least = min(least, whole)
            most = max(most, whole)
        if exact:
            return decimals, least, most
    return -1, 0.0, 0.0


@kernel
def _write(value: int, width: int, at: int, out: Bytes) -> int:
    """Write the low ``width`` bytes of ``value`` and return where they end."""
    for k in range(width):
        out[at + k] = (value >> (8 * k)) & 255
    return at + width
