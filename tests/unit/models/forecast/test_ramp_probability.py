"""Large ramps: sizes follow past changes, and the alarm's level follows what past probabilities were worth."""

import numpy as np
import pytest

from models.forecast.ramp_probability import FIRST_LEVEL, LargeRamps, beyond
from models.forecast.waiting_forecasts import WaitingForecasts
from tests.worlds.large_ramps import DAY, HORIZONS, STEPS, ZONE, expect, large_ramps, ring
from vpp.domain import NET_LOAD


def test_probabilities_are_those_of_the_distribution() -> None:
    quantiles = np.tile(1000.0 + np.array([-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 4.0]), (3, 1))
    rise, fall = beyond(quantiles, 1000.0, np.array([1.0, 3.0, np.nan]))
    assert rise[:2] == pytest.approx([0.25, 0.1])
    assert fall[:2] == pytest.approx([0.25, 0.1])
    assert np.isnan([rise[2], fall[2]]).all()


@pytest.mark.parametrize(("worth", "low", "high"), [(0.2, 0.55, 0.95), (0.8, 0.05, 0.5)])
def test_the_level_rises_above_probabilities_that_brought_false_alarms(worth: float, low: float, high: float) -> None:
    """Forecasts give ramps 50 % or 90 %: the former come true as often as ``worth``, the latter always."""
    ramps, index = large_ramps(30)
    size = float(ramps.sizes[ramps.columns[0]])
    saved = ring(30)
    rng, step = np.random.default_rng(3), int(STEPS[ramps.columns[0]])
    waiting = WaitingForecasts(STEPS)
    assert ramps.alarm_level == FIRST_LEVEL
    for n in range(600):
        is_sure = n % 3 == 0
        comes = is_sure or rng.random() < worth
        expect(waiting, index + n - step, size * (1.4 if is_sure else 1.0), size / 2)
        ramps.enter(saved, index + n, 1000.0 + (1.2 if comes else 0.1) * size, waiting)
    assert low <= ramps.alarm_level <= high


def test_sizes_and_counts_survive_being_kept() -> None:
    ramps, index = large_ramps(30)
    waiting = WaitingForecasts(STEPS)
    saved = ring(30)
    for n in range(50):
        expect(waiting, index + n, 300.0)
        ramps.enter(saved, index + n, 1000.0, waiting)
    other = LargeRamps(HORIZONS, ZONE.step)
    assert other.record() == b""
    other.load(ramps.record())
    assert np.array_equal(other.sizes, ramps.sizes)
    other.enter(saved, index + 50, 1300.0, waiting)
    ramps.enter(saved, index + 50, 1300.0, waiting)
    assert other.record() == ramps.record()


def test_a_correction_does_not_move_the_sizes_of_the_day() -> None:
    ramps, index = large_ramps(30)
    before = ramps.sizes.copy()
    changed = ring(30)
    for at in range(index - 5 * DAY, index, 3):
        changed.put(NET_LOAD, at, 5e4)
    ramps.renew(changed, index + 1)
    assert np.array_equal(ramps.sizes, before)
    ramps.renew(changed, index + DAY)
    assert not np.array_equal(ramps.sizes, before)
