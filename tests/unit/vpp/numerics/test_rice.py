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


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=40), st.integers(1, 20))
def test_data_that_end_early_are_no_numbers(values: list[int], missing: int) -> None:
    data = written(np.array(values, dtype=np.int64))
    assert rice.read(data[: max(data.size - missing, 0)], 0, np.empty(len(values), dtype=np.int64)) == -1


@pytest.mark.parametrize(("spread", "bits"), [(0.0, 1.4), (1.0, 3.2), (30.0, 7.5), (1000.0, 12.5)])
def test_small_numbers_take_few_bits(spread: float, bits: float) -> None:
    values = np.rint(np.random.default_rng(1).normal(0.0, spread, 480)).astype(np.int64)
    assert 8 * written(values).size / values.size < bits
