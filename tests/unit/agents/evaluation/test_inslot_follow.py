"""Inside the slot: the curve followed tick by tick."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.assets.state import AssetState
from agents.evaluation.inslot_follow import estimate_mean, follow_ticks
from tests.worlds.grid_cases import BATTERY

CURVE = [(40.0, -4.0), (60.0, 4.0)]


@pytest.mark.parametrize(
    ("seen", "mean"),
    [
        pytest.param([], 50.0, id="nothing-seen"),
        pytest.param([60.0], (60 + 61 + 62 + 63) / 4, id="one"),
        pytest.param([60.0, np.nan, 64.0], (60 + 62 + 64 + 65) / 4, id="a-gap-is-bridged"),
        pytest.param([np.nan, 60.0], (60 + 60 + 61 + 62) / 4, id="the-first-is-missing"),
    ],
)
def test_the_slot_s_mean_is_estimated_from_what_is_seen(seen: list[float], mean: float) -> None:
    assert estimate_mean(np.array(seen, dtype=float), 4, 50.0, 1.0) == pytest.approx(mean)


def test_ticks_known_at_once_lead_to_the_curve_s_answer() -> None:
    power, _ = follow_ticks(
        BATTERY, AssetState(soc=0.5), CURVE, np.full(6, 55.0), 0.5, expected_mw=50.0, slope_mw=0.0, late=0
    )
    assert power == pytest.approx(2.0)


def test_a_value_known_late_is_caught_up_within_the_slot() -> None:
    power, _ = follow_ticks(
        BATTERY, AssetState(soc=0.5), CURVE, np.full(6, 55.0), 0.5, expected_mw=50.0, slope_mw=0.0, late=1
    )
    assert power == pytest.approx(2.0)


@given(
    st.lists(st.one_of(st.just(np.nan), st.floats(0.0, 100.0)), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
)
def test_whatever_is_seen_the_battery_keeps_its_limits_and_its_balance(ticks: list[float], soc: float) -> None:
    start = AssetState(soc=soc)
    power, after = follow_ticks(BATTERY, start, CURVE, np.array(ticks), 0.5, expected_mw=50.0, slope_mw=1.0)
    assert -8.0 - 1e-9 <= power <= 8.0 + 1e-9
    assert 0.05 - 1e-9 <= after <= 0.95 + 1e-9
    moved = 16.0 * (soc - after)
    assert 0.5 * power * 0.9 - 1e-9 <= moved * (0.9 if power > 0 else 1.0) + 8.0 * 0.5 * 0.2
