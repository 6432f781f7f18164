"""Rounding of rows against Python's own."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from vpp.numerics.decimal_rounding import rounded

DECIMALS = st.integers(-3, 25)
TIES = st.builds(lambda whole, power: (whole + 0.5) / 10**power, st.integers(-(10**9), 10**9), st.integers(0, 9))
EIGHTHS = st.integers(-(10**7), 10**7).map(lambda n: n / 2**10)


def by_python(values: list[float], decimals: int) -> bytes:
    return np.array([round(value, decimals) for value in values], dtype=float).tobytes()


@given(st.lists(st.floats() | st.floats(-1e4, 1e4) | TIES | EIGHTHS, max_size=9), DECIMALS)
@example([0.5, 1.5, -0.5], 0)
@example([2.675, 1.005, -2.675], 2)
@example([-1e-9, -0.0, 0.0], 6)
@example([float("inf"), float("nan")], 3)
@example([1e300, 5e-324, 2.0**52 + 0.5], 4)
def test_a_row_is_rounded_as_python_rounds_each_value(values: list[float], decimals: int) -> None:
    assert rounded(np.array(values, dtype=float), decimals).tobytes() == by_python(values, decimals)


@given(st.lists(TIES | EIGHTHS, min_size=1, max_size=3), st.integers(0, 9))
def test_middles_are_rounded_as_python_rounds_them(values: list[float], decimals: int) -> None:
    assert rounded(np.array(values), decimals).tobytes() == by_python(values, decimals)
