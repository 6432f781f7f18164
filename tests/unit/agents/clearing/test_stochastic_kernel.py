"""Kernels of the stochastic programme against their plain formulas."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.clearing.stochastic_kernel import slopes_of, window_minima
from vpp.numerics.arrays import Floats

COSTS = arrays(float, st.tuples(st.integers(1, 9), st.integers(1, 3)), elements=st.floats(-50, 50) | st.just(np.inf))


@given(work=COSTS, narrow=st.integers(0, 12))
def test_window_minima_are_the_least_of_each_window(work: Floats, narrow: int) -> None:
    rows = work.shape[0] + narrow + 1
    out = np.full((2, rows, work.shape[1]), np.nan)
    window_minima(work, narrow, out)
    for x in range(rows):
        for wider in (0, 1):
            window = work[max(x - narrow, 0) : x + wider]
            assert np.array_equal(out[wider, x], window.min(axis=0, initial=np.inf))


@given(work=COSTS, slope=st.floats(0, 5))
def test_slopes_are_the_least_cost_of_all_points_on_one_side(work: Floats, slope: float) -> None:
    points = work.shape[0]
    rising, falling = np.full((2, points + 1, work.shape[1]), np.nan)
    slopes_of(work, slope, rising, falling)
    at = np.arange(points)[:, None]
    for m in range(points):
        away = work + slope * np.abs(at - m)
        np.testing.assert_allclose(rising[m], away[m:].min(axis=0), atol=1e-9)
        np.testing.assert_allclose(falling[m], away[: m + 1].min(axis=0), atol=1e-9)
    assert np.isinf([rising[points], falling[points]]).all()
