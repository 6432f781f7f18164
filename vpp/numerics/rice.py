"""Whole numbers that are mostly small, in few bits: Golomb-Rice codes with a parameter for each block of numbers.

A number n of a block with parameter k is written as ``n >> k`` ones, a zero and the low k bits of n (Rice: Some
practical universal noiseless coding techniques, 1979). A number that would take ``_MOST_ONES`` ones or more is written
as so many ones, the number of its bits and its bits. A negative number -n stands for 2n - 1, a positive one for 2n.
"""

from __future__ import annotations

import numpy as np

from vpp.numerics.arrays import Bytes, Ints
from vpp.numerics.compiled import kernel

_BLOCK = 16
_MOST_ONES = 12
_PARAMETER_BITS, _LENGTH_BITS = 5, 6
_LARGEST_BYTES = 11
"""Bytes that a number takes at most, the parameter of its block included."""


def room(count: int) -> Bytes:
    """Return an empty buffer that ``count`` numbers fit in."""
    return np.zeros(_LARGEST_BYTES * count + 1, dtype=np.uint8)


@kernel
def write(numbers: Ints, out: Bytes, at: int) -> int:
    """Write whole numbers of less than 62 bits into an empty buffer from byte ``at`` on; return the byte after them.

    Args:
        numbers: Shape (n,).
        out: Zeros, with room for them.
        at: First byte.
    """
    bit = 8 * at
    for start in range(0, numbers.shape[0], _BLOCK):
        block = numbers[start : start + _BLOCK]
        folded = (block << 1) ^ (block >> 63)
        k = _parameter(folded)
        bit = _put(k, _PARAMETER_BITS, bit, out)
        for n in folded:
            ones = n >> k
            if ones < _MOST_ONES:
                bit = _put((1 << ones) - 1, ones + 1, bit, out)
                bit = _put(n, k, bit, out)
            else:
                length = _length(n)
                bit = _put((1 << _MOST_ONES) - 1, _MOST_ONES, bit, out)
                bit = _put(length, _LENGTH_BITS, bit, out)
                bit = _put(n, length, bit, out)
    return (bit + 7) // 8


@kernel
def read(data: Bytes, at: int, numbers: Ints) -> int:
    """Fill ``numbers`` (n,) from byte ``at`` on; return the byte after them, or -1 where the data end before."""
    bit, k = 8 * at, 0
    end = 8 * data.shape[0]
    for i in range(numbers.shape[0]):
        if i % _BLOCK == 0:
            if bit + _PARAMETER_BITS > end:
                return -1
            k = _get(data, bit, _PARAMETER_BITS)
            bit += _PARAMETER_BITS
        ones = 0
        while ones < _MOST_ONES and bit < end and _get(data, bit, 1) == 1:
            ones += 1
            bit += 1
        length, high = k, ones
        if ones < _MOST_ONES:
            bit += 1
        elif bit + _LENGTH_BITS > end:
            return -1
        else:
            length, high = _get(data, bit, _LENGTH_BITS), 0
            bit += _LENGTH_BITS
        if bit + length > end:
            return -1
        n = (high << length) | _get(data, bit, length)
        bit += length
        numbers[i] = (n >> 1) ^ -(n & 1)
    return (bit + 7) // 8


@kernel
def _parameter(folded: Ints) -> int:
    """Return the parameter with which the numbers take the fewest bits."""
    lengths = np.array([_length(n) for n in folded])
    best, fewest = 0, -1
    # From the length of the longest number on, each further step of the parameter adds a bit to every number.
    for k in range(min(1 << _PARAMETER_BITS, lengths.max() + 1)):
        bits = 0
        for i in range(folded.shape[0]):
            ones = folded[i] >> k
            bits += ones + 1 + k if ones < _MOST_ONES else _MOST_ONES + _LENGTH_BITS + lengths[i]
        if fewest < 0 or bits < fewest:
            best, fewest = k, bits
    return best


@kernel
def _length(n: int) -> int:
    """Return the number of bits of ``n``."""
    length = 0
    while n > 0:
        n >>= 1
        length += 1
    return length


@kernel
def _put(value: int, bits: int, bit: int, out: Bytes) -> int:
    left, end = value & ((1 << bits) - 1), bit + bits
    while bit < end:
        place = bit & 7
        out[bit >> 3] |= (left << place) & 0xFF
        left >>= 8 - place
        bit += 8 - place
    return end


@kernel
def _get(data: Bytes, bit: int, bits: int) -> int:
    value = 0
    for i in range(bits):
        value |= ((data[bit >> 3] >> (bit & 7)) & 1) << i
        bit += 1
    return value
