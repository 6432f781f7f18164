"""Forecasts of power in messages: rounded to the zone's scale, whole numbers without a point, whatever their size."""

import msgspec
import numpy as np
import pytest

from models.forecast.messages import quantiles_message
from vpp.fleet.scale import PowerScale
from vpp.messages.forecast import Quantiles


def message(level_mw: float, reference_mw: float) -> Quantiles:
    quantiles = np.full((2, 7), level_mw) + level_mw * np.linspace(-0.1, 0.1, 7)
    return quantiles_message("model", "m1", quantiles, quantiles[:, 3], PowerScale.of(reference_mw).forecast_decimals)


@pytest.mark.parametrize("reference_mw", [0.001, 0.005, 1.0, 100.0, 40_000.0, 100_000.0, 3e6])
@pytest.mark.parametrize("part", [-1.0, 0.0, 0.01, 0.73, 2.0])
def test_a_forecast_keeps_a_ten_thousandth_of_the_scale(reference_mw: float, part: float) -> None:
    level = part * reference_mw
    assert message(level, reference_mw).q50 == pytest.approx([level, level], abs=0.51e-4 * reference_mw)


def test_whole_numbers_have_no_point() -> None:
    assert b'"q50":[31235,31235]' in msgspec.json.encode(message(31_234.6, 40_000.0))
    assert b'"q50":[-120,-120]' in msgspec.json.encode(message(-123.4, 100_000.0))


@pytest.mark.parametrize("level_mw", [1e19, -1e25])
def test_a_number_beyond_whole_ones_keeps_its_size(level_mw: float) -> None:
    assert message(level_mw, 40_000.0).q50 == pytest.approx([level_mw, level_mw])
