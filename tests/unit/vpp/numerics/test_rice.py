"""Whole numbers read back, small ones take few bits, and what ends early is no number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpp.numerics import rice

numbers = st.integers(-(2**61), 2**61) | st.integers(-40, 40)


def written(values: np.ndarray, at: int = 0) -> np.ndarray:
    out = np.zeros(at + rice.room(values.size).size, np.uint8)
    return out[: rice.write(values, out, at)]


@settings(deadline=None)
@given(st.lists(numbers, max_size=70), st.integers(0, 3))
def test_every_number_reads_back_from_any_byte(values: list[int], at: int) -> None:
    given_numbers = np.array(values, dtype=np.int64)
    data, again = written(given_numbers, at), np.empty(len(values), dtype=np.int64)
    assert rice.read(data, at, again) == data.size
    assert np.array_equal(again, given_numbers)


def code_of(number: int, k: int) -> str:
    """Return the bits of one number, as the module defines them, the first one leftmost."""
    if number >> k < 12:
        return "1" * (number >> k) + "0" + f"{number:0{k}b}"[::-1][:k]
    length = number.bit_length()
    return "1" * 12 + f"{length:06b}"[::-1] + f"{number:b}"[::-1]


@settings(deadline=None)
@given(st.lists(numbers | st.integers(-(2**20), 2**20), max_size=70), st.integers(0, 3))
def test_bytes_are_those_of_the_shortest_code_of_each_block(values: list[int], at: int) -> None:
    folded = [2 * n if n >= 0 else -2 * n - 1 for n in values]
    bits = "0" * (8 * at)
    for start in range(0, len(folded), 16):
        block = folded[start : start + 16]
        codes = ["".join(code_of(n, k) for n in block) for k in range(32)]
        k = min(range(32), key=lambda each: len(codes[each]))
        bits += f"{k:05b}"[::-1] + codes[k]
    bits += "0" * (-len(bits) % 8)
    expected = bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))
    assert written(np.array(values, dtype=np.int64), at).tobytes() == expected


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=40), st.integers(1, 20))
def test_data_that_end_early_are_no_numbers(values: list[int], missing: int) -> None:
    data = written(np.array(values, dtype=np.int64))
    assert rice.read(data[: max(data.size - missing, 0)], 0, np.empty(len(values), dtype=np.int64)) == -1


@pytest.mark.parametrize(("spread", "bits"), [(0.0, 1.4), (1.0, 3.2), (30.0, 7.5), (1000.0, 12.5)])
def test_small_numbers_take_few_bits(spread: float, bits: float) -> None:
    values = np.rint(np.random.default_rng(1).normal(0.0, spread, 480)).astype(np.int64)
    assert 8 * written(values).size / values.size < bits
