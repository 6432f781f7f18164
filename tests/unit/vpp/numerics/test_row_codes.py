"""Codes of floats are in their order, and steps between neighbours add up to the numbers."""

import numpy as np
import pytest

from vpp.numerics.row_codes import neighbour_steps, ordered_codes

SPECIAL = np.array([-np.inf, -3.4e38, -1.5, -1e-45, -0.0, 0.0, 1e-45, 1.5, 3.4e38, np.inf], dtype=np.float32)


def test_codes_are_in_the_order_of_the_floats() -> None:
    assert (np.diff(ordered_codes(SPECIAL, 0)) > 0).all()


@pytest.mark.parametrize("dropped", [1, 8, 15])
def test_without_its_lowest_bits_a_float_has_the_code_of_a_near_one(dropped: int) -> None:
    values = np.random.default_rng(2).normal(0.0, 1e3, 500).astype(np.float32)
    assert np.array_equal(ordered_codes(values, dropped), ordered_codes(values, 0) >> dropped)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 7), (4, 5), (0, 3)])
def test_steps_add_up_to_the_numbers(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(3).integers(-(2**60), 2**60, shape)
    steps = neighbour_steps(rows).reshape(shape)
    steps[:, 0] = np.cumsum(steps[:, 0])
    assert np.array_equal(np.cumsum(steps, axis=1), rows)
