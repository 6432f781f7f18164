"""Lossless compression of one day of a channel: telemetry has few decimals, so most days fit whole numbers.

A part is a row number, a mode, the least code and then one code per slot, little-endian. In the modes of whole numbers
a value is ``(least + code) / 10^decimals``, and the largest code stands for a missing one; they are taken only where
that gives back every value bit for bit. Sums of such values, as net load is one, miss the nearest of them by a few of
the smallest steps of a float: in those modes one signed byte per slot follows, the number of steps. Otherwise the
values follow as they are (float64, NaN = missing).
"""

from __future__ import annotations

import struct

import numpy as np

from vpp.numerics.arrays import Bytes, Floats, Ints
from vpp.numerics.compiled import kernel

PART = struct.Struct("<HBq")
_RAW = 0
_STEPS = 64
_MOST_STEPS = 127
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
    decimals, width = divmod(mode % _STEPS, 8)
    codes = np.frombuffer(chunk, f"<u{width}", count, at)
    at += width * count
    values = (codes.astype(np.float64) + least) / _SCALES[decimals]
    if mode >= _STEPS:
        values = (values.view(np.int64) + np.frombuffer(chunk, np.int8, count, at)).view(np.float64)
        at += count
    values[codes == 2 ** (8 * width) - 1] = np.nan
    return row, values, at


@kernel
def _pack(data: Floats, rows: Ints, first: int, count: int, scales: Floats, out: Bytes) -> tuple[int, int]:
    parts = 0
    at = 0
    for row in rows:
        values = data[row, first : first + count].copy()
        if np.isnan(values).all():
            continue
        parts += 1
        decimals, least, most, has_steps = _whole(values, scales)
        width = 0
        if decimals >= 0:
            for w in _WIDTHS:
                if most - least < 2.0 ** (8 * w) - 1.0:
                    width = w
                    break
        mode = decimals * 8 + width + (_STEPS if has_steps else 0)
        at = _write(row, 2, at, out)
        at = _write(mode if width else _RAW, 1, at, out)
        at = _write(int(least) if width else 0, 8, at, out)
        bits = values.view(np.int64)
        if not width:
            for i in range(count):
                at = _write(bits[i], 8, at, out)
            continue
        scaled = np.rint(values * scales[decimals])
        for i in range(count):
            code = (1 << 8 * width) - 1 if np.isnan(values[i]) else int(scaled[i] - least)
            at = _write(code, width, at, out)
        if has_steps:
            nearest = (scaled / scales[decimals]).view(np.int64)
            for i in range(count):
                at = _write(0 if np.isnan(values[i]) else bits[i] - nearest[i], 1, at, out)
    return parts, at


@kernel
def _whole(values: Floats, scales: Floats) -> tuple[int, float, float, bool]:
    """Return the fewest decimals that give every value back, least and largest whole number, and whether with steps.

    -1 decimals: none do.
    """
    for most_steps in (0, _MOST_STEPS):
        for decimals in range(scales.shape[0]):
            scaled = np.rint(values * scales[decimals])
            nearest = (scaled / scales[decimals]).view(np.int64)
            bits = values.view(np.int64)
            least = np.inf
            most = -np.inf
            fits = True
            for i in range(values.shape[0]):
                if np.isnan(values[i]):
                    continue
                negative_zero = scaled[i] == 0.0 and np.signbit(values[i])
                if not abs(scaled[i]) < _EXACT or negative_zero or abs(bits[i] - nearest[i]) > most_steps:
                    fits = False
                    break
                least = min(least, scaled[i])
                most = max(most, scaled[i])
            if fits:
                return decimals, least, most, most_steps > 0
    return -1, 0.0, 0.0, False


@kernel
def _write(value: int, width: int, at: int, out: Bytes) -> int:
    """Write the low ``width`` bytes of ``value`` and return where they end."""
    for k in range(width):
        out[at + k] = (value >> (8 * k)) & 255
    return at + width
