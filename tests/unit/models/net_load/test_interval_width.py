"""The width of a served forecast: one origin's kernel against the arrays that the model is fitted with."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.net_load.interval_width import EXTRA, Width, width_inputs, widths
from models.net_load.linear_stages import KNOWN

H, TABLE = 12, 5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_origin_gives_the_bits_of_the_fitted_form(seed: int) -> None:
    chance = np.random.default_rng(seed)
    rows = chance.normal(scale=3.0, size=(TABLE + 3, H))
    volatility = chance.uniform(10.0, 900.0, size=(5, H))
    for values in (rows, volatility):
        values[chance.random(values.shape) < 0.1] = np.nan
    columns = np.sort(chance.choice(TABLE + 3, TABLE, replace=False))
    first, final, base = chance.normal(scale=500.0, size=(3, H))
    case = chance.integers(0, 3, H)
    known = np.where(case == KNOWN, base, np.nan)
    scale = chance.uniform(50.0, 500.0, H)
    mean, sd = chance.normal(size=(2, H, TABLE + EXTRA))
    sd = np.where(chance.random(sd.shape) < 0.1, np.inf, np.abs(sd) + 0.1)
    coefficients = chance.normal(scale=0.3, size=(H, TABLE + EXTRA + 1))
    inputs = width_inputs(
        rows, columns, first=first, final=final, base=known, case=case, volatility=volatility, scale=scale
    )
    wanted = scale * widths(inputs, mean.T, sd.T, coefficients.T)
    served = Width.of(columns, scale, mean, sd, coefficients)
    np.testing.assert_array_equal(served.of_one(rows, first, final, base, case, volatility), wanted)
