"""Rounding to significant bits: close, once and for all, and whole through a float32."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.numerics.significant_bits import FLOAT32_BITS, round_significant

EXACT = [0.0, -0.0, float("inf"), float("-inf"), 1.0, -1.5, 2.0**-40]


def rounded(values: list[float], bits: int) -> np.ndarray:
    out = np.array(values)
    round_significant(out, bits)
    return out


@given(st.lists(st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30), min_size=1), st.integers(4, 30))
def test_a_value_stays_within_its_last_bit_and_is_rounded_once(values: list[float], bits: int) -> None:
    once = rounded(values, bits)
    assert (np.abs(once - values) <= 2.0**-bits * np.abs(values) * (1 + 1e-12)).all()
    assert rounded(once.tolist(), bits).tobytes() == once.tobytes()


@given(st.lists(st.floats(1e-30, 1e30), min_size=1))
def test_what_has_the_bits_of_a_float32_passes_through_one(values: list[float]) -> None:
    once = rounded(values, FLOAT32_BITS)
    assert once.astype(np.float32).astype(np.float64).tobytes() == once.tobytes()


@pytest.mark.parametrize("bits", [4, 24])
def test_what_is_exact_or_no_number_stays(bits: int) -> None:
    assert rounded(EXACT, bits).tobytes() == np.array(EXACT).tobytes()
    assert np.isnan(rounded([float("nan")], bits)).all()


def test_a_view_is_written_through() -> None:
    table = np.full((2, 3), 1.0 / 3.0)
    round_significant(table[1], 8)
    assert table[0, 0] == 1.0 / 3.0
    assert table[1].tolist() == [171.0 / 512.0] * 3
