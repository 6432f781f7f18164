"""Trailing quantiles of residual load against numpy's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.price.dayahead.hourly_ridge import trailing_quantiles

LEVELS = np.array([0.1, 0.25, 0.5, 0.75, 0.9])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.floats(0.0, 1.0))
def test_trailing_quantiles_are_those_of_numpy_to_the_bit(seed: int, days: int, missing: float) -> None:
    chance = np.random.default_rng(seed)
    values = np.round(chance.normal(scale=5.0, size=(14, 24)), int(chance.integers(0, 3)))
    values[chance.random(values.shape) < missing] = np.nan
    result = trailing_quantiles(values, days, LEVELS)
    for row in range(len(values)):
        past = values[max(0, row - days) : row]
        wanted = np.nanquantile(past, LEVELS) if np.isfinite(past).any() else np.full(len(LEVELS), np.nan)
        np.testing.assert_array_equal(result[:, row], wanted)
