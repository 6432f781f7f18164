"""The width model: one compiled form for training rows and for served horizons, against its formula in numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.net_load.interval_width import EXTRA, Width
from models.net_load.linear_stages import KNOWN, UNPUBLISHED

H, TABLE = 12, 5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_width_is_that_of_the_formula_bit_for_bit(seed: int) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.normal(scale=3.0, size=(TABLE + 3, H))
    volatility = chance.uniform(10.0, 900.0, size=(5, H))
    for values in (rows, volatility):
        values[chance.random(values.shape) < 0.1] = np.nan
    columns = np.sort(chance.choice(TABLE + 3, TABLE, replace=False))
    first, final, base = chance.normal(scale=500.0, size=(3, H))
    case = chance.integers(0, 3, H)
    scale = chance.uniform(50.0, 500.0, H)
    mean, sd = chance.normal(size=(2, H, TABLE + EXTRA))
    sd = np.where(chance.random(sd.shape) < 0.1, np.inf, np.abs(sd) + 0.1)
    coefficients = chance.normal(scale=0.3, size=(H, TABLE + EXTRA + 1))

    away = np.where(case == KNOWN, np.abs(final - base), 0.0)
    sizes = np.vstack([volatility, np.abs(final), np.abs(final - first), away])
    inputs = np.vstack([rows[columns], np.log(sizes / scale + 0.1), (case == UNPUBLISHED)[None, :]])
    z = np.clip(np.nan_to_num((inputs - mean.T) / sd.T, nan=0.0), -6.0, 6.0)
    exponent = (z * coefficients[:, :-1].T).sum(axis=0) + coefficients[:, -1]
    wanted = scale * np.exp(np.clip(exponent, -3.0, 2.0))

    served = Width.of(columns, scale, mean, sd, coefficients)
    np.testing.assert_array_equal(served.of_one(rows, first, final, base, case, volatility), wanted)
