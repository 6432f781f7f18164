"""The distribution between quantiles: it rises, meets them, and a point forecast is a step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.quantile_distribution import cumulative, probability_beyond


@pytest.mark.parametrize(
    ("now", "limit", "expected"),
    [
        pytest.param(0.0, 1.0, 0.5, id="quartiles at the limits"),
        pytest.param(0.0, 3.0, 0.2, id="deciles at the limits"),
        pytest.param(-100.0, 3.0, 1.0, id="a rise for sure"),
    ],
)
def test_the_probability_beyond_a_limit_counts_both_ways(now: float, limit: float, expected: float) -> None:
    quantiles = [-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0]
    assert probability_beyond(quantiles, now, limit) == pytest.approx(expected)


@given(
    steps=st.lists(st.floats(0.001, 50.0), min_size=6, max_size=6),
    values=st.lists(st.floats(-500.0, 500.0), min_size=2, max_size=2),
)
def test_the_distribution_rises_from_0_to_1_and_meets_its_quantiles(steps: list[float], values: list[float]) -> None:
    quantiles = [0.0]
    for step in steps:
        quantiles.append(quantiles[-1] + step)
    low, high = sorted(values)
    assert 0.0 <= cumulative(quantiles, low) <= cumulative(quantiles, high) <= 1.0
    for level, quantile in zip(QUANTILE_LEVELS, quantiles, strict=True):
        assert cumulative(quantiles, quantile) == pytest.approx(level, abs=1e-6)


def test_a_point_forecast_is_a_step() -> None:
    assert cumulative([5.0] * 7, 4.9) == pytest.approx(0.0)
    assert cumulative([5.0] * 7, 5.1) == pytest.approx(1.0)
