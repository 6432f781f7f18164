"""Lossless compression of one day of a channel. Telemetry has few decimals, so most days are whole numbers / 10^d.

A part is a row number and a mode, then what the mode says. Where ``whole / 10^decimals`` gives back every value bit for
bit, the differences of neighbouring whole numbers follow (``vpp.numerics.rice``). Sums of such values, as net load is
one, miss the nearest of them by a few of the smallest steps of a float: the numbers of these steps follow. Where values
are missing, a number for each slot follows first that says so; a missing value repeats the one before. Values that are
no such whole numbers follow as they are (float64, NaN = missing).

Parts of an earlier form, which had a code of one width for each slot, are still read.
"""

from __future__ import annotations

import struct

import numpy as np

from vpp.numerics import rice
from vpp.numerics.arrays import Bytes, Floats, Ints
from vpp.numerics.compiled import kernel

PART = struct.Struct("<HB")
_OLD_LEAST = struct.Struct("<q")
_RAW = 0
_STEPS, _GAPS, _WHOLE = 4, 8, 128
"""Marks of a mode of whole numbers, beside its decimals: with steps, with missing values."""

_OLD_STEPS = 64
_MOST_STEPS = 127
_SCALES = np.array([1.0, 10.0, 100.0, 1000.0])
_EXACT = 2.0**53
_HEAD = PART.size


def pack(data: Floats, rows: Ints, first: int, count: int) -> tuple[int, bytes]:
    """Return the number of ``rows`` with a value in columns ``first`` to ``first + count``, and their parts.

    Args:
        data: Values, shape (rows, capacity), NaN = missing.
        rows: Rows of ``data`` to pack, shape (k,).
        first: First column.
        count: Number of columns: the slots of a day.
    """
    out = rice.room(len(rows) * (_HEAD + 3 * count))
    parts, end = _pack(data, rows, first, count, _SCALES, out)
    return parts, out[:end].tobytes()


def unpack(chunk: bytes, at: int, count: int) -> tuple[int, Floats, int]:
    """Return row number and values (count,) of the part that begins at byte ``at``, and where it ends."""
    row, mode = PART.unpack_from(chunk, at)
    if mode & _WHOLE:
        values = np.empty(count)
        return row, values, _unpack(np.frombuffer(chunk, np.uint8), at + _HEAD, mode, _SCALES, values)
    (least,) = _OLD_LEAST.unpack_from(chunk, at + _HEAD)
    at += _HEAD + _OLD_LEAST.size
    if mode == _RAW:
        return row, np.frombuffer(chunk, "<f8", count, at).copy(), at + 8 * count
    return _unpack_old(chunk, at, row, mode, least, count)


def _unpack_old(chunk: bytes, at: int, row: int, mode: int, least: int, count: int) -> tuple[int, Floats, int]:
    decimals, width = divmod(mode % _OLD_STEPS, 8)
    codes = np.frombuffer(chunk, f"<u{width}", count, at)
    at += width * count
    values = (codes.astype(np.float64) + least) / _SCALES[decimals]
    if mode >= _OLD_STEPS:
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
        missing = np.isnan(values)
        if missing.all():
            continue
        parts += 1
        decimals, has_steps = _whole(values, scales)
        bits = values.view(np.int64)
        at = _write(row, 2, at, out)
        if decimals < 0:
            at = _write(_RAW, 1, at, out)
            at = _write(0, 8, at, out)
            for i in range(count):
                at = _write(bits[i], 8, at, out)
            continue
        has_gaps = missing.any()
        at = _write(_WHOLE + decimals + (_STEPS if has_steps else 0) + (_GAPS if has_gaps else 0), 1, at, out)
        scaled = np.rint(values * scales[decimals])
        changes = np.zeros(count, dtype=np.int64)
        steps = np.zeros(count, dtype=np.int64)
        before = 0
        for i in range(count):
            if not missing[i]:
                changes[i] = int(scaled[i]) - before
                before = int(scaled[i])
        if has_gaps:
            at = rice.write(missing.astype(np.int64), out, at)
        at = rice.write(changes, out, at)
        if has_steps:
            nearest = (scaled / scales[decimals]).view(np.int64)
            for i in range(count):
                if not missing[i]:
                    steps[i] = bits[i] - nearest[i]
            at = rice.write(steps, out, at)
    return parts, at


@kernel
def _unpack(data: Bytes, at: int, mode: int, scales: Floats, values: Floats) -> int:
    count = values.shape[0]
    missing, numbers = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    if mode & _GAPS:
        at = rice.read(data, at, missing)
    at = rice.read(data, at, numbers)
    whole = 0
    for i in range(count):
        whole += numbers[i]
        values[i] = whole / scales[mode & 3]
    if mode & _STEPS:
        at = rice.read(data, at, numbers)
        bits = values.view(np.int64)
        for i in range(count):
            bits[i] += numbers[i]
    for i in range(count):
        if missing[i]:
            values[i] = np.nan
    return at


@kernel
def _whole(values: Floats, scales: Floats) -> tuple[int, bool]:
    """Return the smallest number of decimals that restores every value, and whether steps are needed.

    -1 decimals: no number of decimals does.
    """
    for most_steps in (0, _MOST_STEPS):
        for decimals in range(scales.shape[0]):
            scaled = np.rint(values * scales[decimals])
            nearest = (scaled / scales[decimals]).view(np.int64)
            bits = values.view(np.int64)
            fits = True
            for i in range(values.shape[0]):
                if np.isnan(values[i]):
                    continue
                negative_zero = scaled[i] == 0.0 and np.signbit(values[i])
                if not abs(scaled[i]) < _EXACT or negative_zero or abs(bits[i] - nearest[i]) > most_steps:
                    fits = False
                    break
            if fits:
                return decimals, most_steps > 0
    return -1, False


@kernel
def _write(value: int, width: int, at: int, out: Bytes) -> int:
    """Write the low ``width`` bytes of ``value`` and return where they end."""
    for k in range(width):
        out[at + k] = (value >> (8 * k)) & 255
    return at + width
