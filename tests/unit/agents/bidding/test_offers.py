"""Offers of the next slot: what is done at a price, and the curve that says so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.bidding.offers import BLOCKS, Offer, Offers, cleared_share, from_slopes, scaled
from vpp.numerics.storage_dp import LEVELS, UnitBattery

BATTERY = UnitBattery(energy_mwh=1.8, charge_efficiency=0.9, discharge_efficiency=0.9, wear_per_mwh=5.0)
SLOPES = np.array([160.0, 120.0, 100.0, 80.0, 20.0])


def offers(slopes: np.ndarray = SLOPES, expected: float = 90.0, trust: float = 1.0, fixed: float = 0.0) -> Offers:
    cell = BATTERY.cell()
    value = from_slopes(slopes, LEVELS, cell[0])
    parts = ((1.0 - fixed, Offer(value, expected, trust, False)), (fixed, Offer(value, expected, 1.0, True)))
    return Offers(parts, cell)


def test_a_price_far_from_the_worth_of_stored_energy_moves_all_that_the_power_allows() -> None:
    assert offers().move(0.0, 0.5, 0.9) == pytest.approx(0.9 + 0.45)
    assert offers().move(500.0, 0.5, 0.9) == pytest.approx(0.9 - 0.5 / 0.9)
    assert offers().move(98.0, 0.5, 0.9) == 0.9


def test_little_trust_in_a_seen_price_holds_to_the_expected_one() -> None:
    assert offers(trust=1.0).move(150.0, 0.5, 0.9) < 0.9
    assert offers(trust=0.1).move(150.0, 0.5, 0.9) == 0.9


@settings(max_examples=80, deadline=None)
@given(
    slopes=st.lists(st.floats(-300.0, 900.0), min_size=2, max_size=7),
    stored=st.floats(0.0, 1.8),
    price=st.floats(-1000.0, 5000.0),
    trust=st.floats(0.5, 1.5),
    hours=st.sampled_from([1 / 12, 0.25, 0.5, 1.0]),
    fixed=st.floats(0.0, 1.0),
)
def test_a_curve_rises_has_few_bands_and_keeps_the_store_in_its_bounds(
    slopes: list[float], stored: float, price: float, trust: float, hours: float, fixed: float
) -> None:
    curve = offers(np.array(slopes), trust=trust, fixed=fixed).curve(hours, stored)
    assert len(curve) <= 2 * BLOCKS + 1
    prices, shares = zip(*curve, strict=True)
    assert list(prices) == sorted(prices)
    assert list(shares) == sorted(shares)
    energy = cleared_share(curve, price) * hours
    after = stored - energy / 0.9 if energy > 0 else stored - energy * 0.9
    assert -1e-9 <= after <= 1.8 + 1e-9
    assert abs(energy) <= hours + 1e-9


def test_the_curve_does_what_the_seen_price_would_have_done_up_to_its_bands() -> None:
    made = offers(fixed=0.3)
    for stored in (0.2, 0.9, 1.6):
        curve = made.curve(0.5, stored)
        for price in (-50.0, 40.0, 95.0, 130.0, 400.0):
            energy = cleared_share(curve, price) * 0.5
            after = stored - energy / 0.9 if energy > 0 else stored - energy * 0.9
            assert after == pytest.approx(made.move(price, 0.5, stored), abs=1.5 * 0.5 / 0.9 / BLOCKS)


def test_a_narrower_spread_keeps_the_ends_and_the_mean_slope() -> None:
    value = from_slopes(SLOPES, LEVELS, 0.04)
    near = scaled(value, 0.5)
    assert near[0] == value[0]
    assert near[-1] == pytest.approx(value[-1])
    mean = (value[-1] - value[0]) / (LEVELS - 1)
    assert np.diff(near) - mean == pytest.approx(0.5 * (np.diff(value) - mean))
