"""Order statistics agree with numpy bit for bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vpp.numerics.order_statistics import median, quantiles

VALUES = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=80)


@given(VALUES)
def test_the_median_is_that_of_numpy(values: list[float]) -> None:
    assert median(np.array(values)) == float(np.median(np.array(values)))


@given(VALUES, st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5))
def test_quantiles_are_those_of_numpy(values: list[float], levels: list[float]) -> None:
    assert quantiles(np.array(values), levels) == np.quantile(np.array(values), levels).tolist()
