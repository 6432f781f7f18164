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
    """Return a buffer that ``count`` numbers fit in."""
    return np.empty(_LARGEST_BYTES * count + 1, dtype=np.uint8)


@kernel
def write(numbers: Ints, out: Bytes, at: int) -> int:
    """Write whole numbers of less than 62 bits into a buffer from byte ``at`` on; return the byte after them.

    Args:
        numbers: Shape (n,).
        out: With room for them; what it holds is overwritten.
        at: First byte.
    """
    held, bits = 0, 0
    folded_block, lengths = np.empty(_BLOCK, np.int64), np.empty(_BLOCK, np.int64)
    for start in range(0, numbers.shape[0], _BLOCK):
        folded = folded_block[: min(_BLOCK, numbers.shape[0] - start)]
        for i in range(folded.shape[0]):
            n = numbers[start + i]
            folded[i] = (n << 1) ^ (n >> 63)
        k = _parameter(folded, lengths)
        held, bits, at = _put(k, _PARAMETER_BITS, held, bits, out, at)
        for n in folded:
            ones = n >> k
            if ones < _MOST_ONES:
                code = ((n & ((1 << k) - 1)) << (ones + 1)) | ((1 << ones) - 1)
                held, bits, at = _put(code, ones + 1 + k, held, bits, out, at)
            else:
                length = _length(n)
                code = (length << _MOST_ONES) | ((1 << _MOST_ONES) - 1)
                held, bits, at = _put(code, _MOST_ONES + _LENGTH_BITS, held, bits, out, at)
                low = length // 2
                held, bits, at = _put(n & ((1 << low) - 1), low, held, bits, out, at)
                held, bits, at = _put(n >> low, length - low, held, bits, out, at)
    if bits > 0:
        out[at] = held
        at += 1
    return at


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
def _parameter(folded: Ints, lengths: Ints) -> int:
    """Return the parameter with which the numbers of a block take the fewest bits; ``lengths`` is overwritten."""
    count, longest = folded.shape[0], 0
    for i in range(count):
        lengths[i] = _length(folded[i])
        longest = max(longest, lengths[i])
    best, fewest = 0, -1
    # From the length of the longest number on, each further step of the parameter adds a bit to every number.
    for k in range(min(1 << _PARAMETER_BITS, longest + 1)):
        if fewest >= 0 and count * (1 + k) >= fewest:
            break  # a number takes 1 + k bits at least
        bits = 0
        for i in range(count):
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
def _put(code: int, length: int, held: int, bits: int, out: Bytes, at: int) -> tuple[int, int, int]:
    """Add a code to the bits that wait for a whole byte, write whole bytes; return what waits, its bits and the place.

    Args:
        code: The code, lowest bit first, no bits above ``length``.
        length: Its bits, at most 55.
        held: Bits that wait.
        bits: Their number, below 8.
        out: The buffer.
        at: Next byte of it.
    """
    held |= code << bits
    bits += length
    while bits >= 8:
        out[at] = held & 0xFF
        at += 1
        held >>= 8
        bits -= 8
    return held, bits, at


@kernel
def _get(data: Bytes, bit: int, bits: int) -> int:
    value = 0
    for i in range(bits):
        value |= ((data[bit >> 3] >> (bit & 7)) & 1) << i
        bit += 1
    return value
