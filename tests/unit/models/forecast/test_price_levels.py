import numpy as np
import pytest

from models.forecast.price_levels import GAMMA, PriceLevels
from models.forecast.waiting_forecasts import WaitingForecasts
from vpp.domain import QUANTILE_LEVELS

STEPS = np.array([1, 2])
NOMINAL = np.array(QUANTILE_LEVELS)
Z = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])


def _waiting(*, by_model: bool = True, width: float = 1.0) -> WaitingForecasts:
    waiting = WaitingForecasts(STEPS)
    waiting.put(10, 0.0, np.tile(width * Z, (2, 1)), np.zeros(2), by_model=by_model)
    return waiting


def test_outer_levels_move_by_what_came():
    levels = PriceLevels(2, 48)
    levels.adapt(11, 5.0, STEPS, _waiting())
    outer = [0, 1, 5, 6]
    assert np.allclose(levels.levels[0, outer], NOMINAL[outer] * (1.0 + GAMMA))
    assert np.allclose(levels.levels[0, 2:5], NOMINAL[2:5], rtol=1e-7)
    assert np.allclose(levels.levels[1], NOMINAL, rtol=1e-7)
    levels.adapt(12, -5.0, STEPS, _waiting())
    assert np.allclose(levels.levels[1, outer], NOMINAL[outer] - GAMMA * (1.0 - NOMINAL[outer]))


@pytest.mark.parametrize("waiting", [_waiting(by_model=False), _waiting(width=0.0)])
def test_a_fallback_or_a_published_price_moves_nothing(waiting):
    levels = PriceLevels(2, 48)
    levels.adapt(11, 5.0, STEPS, waiting)
    assert np.array_equal(levels.levels[0], NOMINAL)
    assert levels.record() == b""


def test_intervals_that_are_too_narrow_come_to_cover():
    rng = np.random.default_rng(0)
    levels, sorted_errors = PriceLevels(2, 48), np.sort(rng.normal(size=4_000))
    inside = []
    for index in range(6_000):
        waiting = WaitingForecasts(STEPS)
        made = 0.6 * np.quantile(sorted_errors, levels.levels[0])
        waiting.put(index, 0.0, np.tile(made, (2, 1)), np.zeros(2), by_model=True)
        price = rng.normal()
        inside.append(made[0] <= price <= made[-1])
        levels.adapt(index + 1, price, STEPS, waiting)
    assert np.mean(inside[:200]) < 0.75
    assert np.mean(inside[3_000:]) == pytest.approx(0.9, abs=0.02)
    assert (np.diff(levels.levels, axis=1) >= 0).all()


def test_levels_survive_a_restart():
    levels, again = PriceLevels(2, 48), PriceLevels(2, 48)
    levels.adapt(11, 5.0, STEPS, _waiting())
    again.load(levels.record())
    assert np.array_equal(again.levels, levels.levels)
    assert again.record() == levels.record()
    other = PriceLevels(3, 48)
    other.load(levels.record())
    assert np.array_equal(other.levels[2], NOMINAL)


def test_a_restart_before_any_move_changes_no_bit():
    levels, again = PriceLevels(2, 48), PriceLevels(2, 48)
    levels.adapt(11, 5.0, STEPS, _waiting(by_model=False))
    again.load(levels.record())
    for one in (levels, again):
        one.adapt(11, 5.0, STEPS, _waiting())
    assert again.record() == levels.record()
    assert np.array_equal(again.levels, levels.levels)
