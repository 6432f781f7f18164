import numpy as np
import pytest

from models.learners.conformal import ALL_BUT_MEDIAN, HIGHEST_LEVEL, LEAST_LEVEL, NOMINAL, adapt_levels
from models.net_load.interval_width import distribution
from models.net_load.interval_width import quantiles as quantiles_of
from models.net_load.trailing_errors import (
    ABS_SHORT,
    COUNT,
    CROSS,
    FIRST_SQUARE,
    RAMP_SQUARE,
    SQUARE,
    Residuals,
    enter_error,
    near_one,
)

HORIZONS = (60, 120)


def entered(errors: list[tuple[float, float, float]]) -> np.ndarray:
    block, recent = np.zeros((7, 1)), np.zeros((4, 1))
    for error, ramp, first in errors:
        enter_error(block, recent, 0, error, ramp, first, np.full(9, 1e9))
    return block


def test_with_a_long_memory_the_means_are_plain_means() -> None:
    block = entered([(2.0, 1.0, 1.0), (-4.0, 3.0, -1.0)])
    assert block[:, 0] == pytest.approx([3.0, 3.0, 10.0, 5.0, 3.0, 1.0, 2.0])


def test_an_unknown_part_leaves_its_mean_alone() -> None:
    block = entered([(2.0, 1.0, 1.0), (4.0, np.nan, np.nan)])
    assert block[RAMP_SQUARE, 0] == 1.0
    assert block[CROSS, 0] == 2.0
    assert block[SQUARE, 0] == 10.0


def test_spreads_and_carry_come_from_the_targets_slot_and_its_neighbours() -> None:
    residuals = Residuals(HORIZONS, 24)
    residuals.slots[5, [SQUARE, RAMP_SQUARE, CROSS, FIRST_SQUARE, COUNT], 1] = (100.0, 25.0, 8.0, 16.0, 9)
    residuals.slots[6, [SQUARE, COUNT], 1] = (400.0, 9)
    ramp, level, carry = residuals.spreads(np.array([5, 5]))
    assert level[1] == pytest.approx(np.sqrt((100.0 + 0.5 * 400.0) / 1.5))
    assert ramp[1] == pytest.approx(np.sqrt(25.0 / 1.5))
    assert carry[0] == 1.0
    assert carry[1] == pytest.approx(0.5)


def test_a_slot_without_entries_takes_the_mean_over_all() -> None:
    slots = np.zeros((24, 7, 1))
    slots[3, [ABS_SHORT, COUNT], 0] = (7.0, 2)
    assert near_one(slots, ABS_SHORT, 0, 15) == 7.0
    assert np.isnan(near_one(np.zeros((24, 7, 1)), ABS_SHORT, 0, 15))


def test_a_saved_and_loaded_state_is_the_same() -> None:
    residuals = Residuals(HORIZONS, 24)
    enter_error(residuals.slots[4], residuals.recent, 1, 3.0, 2.0, 1.0, residuals.memory)
    residuals.levels[1, 2] += 0.01
    residuals.touch(4)
    store = residuals.changes()
    assert set(store) == {"errors:4"}
    again = Residuals(HORIZONS, 24)
    again.load(residuals.record(), store.get)
    np.testing.assert_array_equal(again.slots, residuals.slots)
    np.testing.assert_array_equal(again.levels, residuals.levels)
    np.testing.assert_array_equal(again.recent, residuals.recent)
    assert residuals.changes() == {}


@pytest.mark.parametrize("step_min", [60, 30, 15, 5, 1])
def test_rounded_means_follow_the_errors_at_every_step(step_min: int) -> None:
    per_day = 1440 // step_min
    chance, residuals = np.random.default_rng(4), Residuals(HORIZONS, per_day)
    plain, recent = np.zeros_like(residuals.slots[0]), np.zeros_like(residuals.recent)
    entries = 100 * max(per_day // 48, 1)
    for size in np.repeat([8.0, 3.0], entries):
        first = chance.normal(scale=size)
        error = 0.7 * first + chance.normal(scale=size)
        enter_error(residuals.slots[0], residuals.recent, 1, error, error, first, residuals.memory)
        enter_error(plain, recent, 1, error, error, first, residuals.memory)
        residuals.touch(0)
    fields = [SQUARE, RAMP_SQUARE, FIRST_SQUARE, CROSS, COUNT]
    np.testing.assert_allclose(residuals.slots[0][fields, 1], plain[fields, 1], rtol=0.06)


def test_errors_that_come_a_day_late_do_not_blow_the_interval_up() -> None:
    """Five-minute steps, a day ahead: one weather spell misses for days before the first miss is known."""
    day, days = 288, 40
    chance = np.random.default_rng(3)
    spells = np.repeat(chance.normal(size=days // 2), 2 * day)
    tables = distribution(chance.normal(size=5000))[None, :]
    levels, gamma = NOMINAL.copy(), Residuals((1440,), day).gamma[0]
    quantiles = np.empty((days * day, 7))
    for n in range(days * day):
        if n >= day:
            adapt_levels(levels, spells[n] < quantiles[n - day], gamma, ALL_BUT_MEDIAN, LEAST_LEVEL, HIGHEST_LEVEL)
        quantiles[n] = quantiles_of(np.zeros(1), np.ones(1), tables, levels[None, :])[0]
    width = quantiles[:, -1] - quantiles[:, 0]
    assert width.max() < 3 * 3.29
    assert width.mean() < 2 * 3.29


def test_beyond_its_ends_the_distribution_goes_on_with_the_slope_of_its_outer_tenth() -> None:
    table = distribution(np.random.default_rng(1).normal(size=100_000))
    levels = np.array([-0.1, 0.1, 0.25, 0.5, 0.75, 0.9, 1.1])
    low, *_, high = quantiles_of(np.zeros(1), np.ones(1), table[None, :], levels[None, :])[0]
    slope = (2.576 - 1.282) / 0.095
    assert high == pytest.approx(2.576 + slope * 0.105, abs=0.15)
    assert low == pytest.approx(-high, abs=0.15)
