"""The power scale gives every site the same relative resolution."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp.fleet.scale import PowerScale, power_text


@given(st.integers(1, 10**6), st.integers(-4, 4))
def test_a_scaled_site_is_written_equally_finely(digits: int, places: int) -> None:
    scale, scaled = PowerScale.of(digits), PowerScale.of(float(f"{digits}e{places}"))
    assert scaled.decimals == scale.decimals - places


@given(st.floats(1e-6, 1e6), st.floats(0.01, 1.0))
def test_a_step_is_at_most_a_millionth_of_the_reference(reference_mw: float, share: float) -> None:
    power_mw = share * reference_mw
    assert abs(PowerScale.of(reference_mw).rounded(power_mw) - power_mw) <= 0.5000001e-6 * reference_mw


@given(st.floats(1e-6, 1e6))
def test_a_step_of_a_forecast_is_at_most_a_ten_thousandth_of_the_reference(reference_mw: float) -> None:
    assert 10.0 ** -PowerScale.of(reference_mw).forecast_decimals <= 1.0000001e-4 * reference_mw


@pytest.mark.parametrize(("reference_mw", "decimals"), [(43_748, 2), (10_000, 2), (100, 4), (0.0077, 9)])
def test_decimals(reference_mw: float, decimals: int) -> None:
    assert PowerScale.of(reference_mw).decimals == decimals


@pytest.mark.parametrize(
    ("power_mw", "text"),
    [
        (0.0, "0 MW"),
        (3.3e-3, "3.3 kW"),
        (-4.2e-4, "-420 W"),
        (12.5, "12.5 MW"),
        (1.0, "1 MW"),
        (43_748.0, "43.75 GW"),
        (123.456789, "123.5 MW"),
        (math.nan, "nan MW"),
        (-math.inf, "-inf MW"),
    ],
)
def test_power_text_uses_the_unit_that_fits(power_mw: float, text: str) -> None:
    assert power_text(power_mw) == text


def test_a_reference_chooses_the_unit_of_a_table() -> None:
    assert power_text(-1e-9, reference_mw=1.0) == "0 MW"
    assert power_text(0.25, reference_mw=100.0) == "0.25 MW"
    assert power_text(-0.723, reference_mw=100.0) == "-0.723 MW"


def test_a_power_that_would_vanish_in_the_unit_of_its_table_has_its_own() -> None:
    assert power_text(0.0003, reference_mw=100.0, signed=True) == "+300 W"
    assert power_text(1e-17, reference_mw=100.0) == "0 MW"
