import numpy as np
import pytest

from models.learners.conformal import ALL_BUT_MEDIAN, EVERY, NOMINAL, adapt_levels
from models.net_load.interval_width import distribution
from models.net_load.interval_width import quantiles as quantiles_of


def test_levels_stay_within_their_bounds() -> None:
    levels = NOMINAL.copy()
    for _ in range(400):
        adapt_levels(levels, np.zeros(7, dtype=bool), 0.05, EVERY, 0.0, 1.0)
    assert levels.tolist() == [1.0] * 7


def test_levels_move_towards_the_coverage_that_is_missing() -> None:
    levels = NOMINAL.copy()
    adapt_levels(levels, np.zeros(7, dtype=bool), 0.01, ALL_BUT_MEDIAN, -0.5, 1.5)
    assert levels == pytest.approx(np.where(NOMINAL == 0.5, 0.5, NOMINAL + 0.01 * NOMINAL))
    levels = NOMINAL.copy()
    adapt_levels(levels, np.ones(7, dtype=bool), 0.01, ALL_BUT_MEDIAN, -0.5, 1.5)
    assert levels == pytest.approx(np.where(NOMINAL == 0.5, 0.5, NOMINAL - 0.01 * (1 - NOMINAL)))


def test_adapted_levels_reach_their_coverage_when_errors_double() -> None:
    chance = np.random.default_rng(0)
    levels = NOMINAL.copy()
    hits = []
    tables = distribution(chance.normal(size=5000))[None, :]
    for _ in range(6_000):
        actual = 2 * chance.normal()
        quantiles = quantiles_of(np.zeros(1), np.ones(1), tables, levels[None, :])[0]
        hits.append(quantiles[0] <= actual <= quantiles[-1])
        adapt_levels(levels, actual < quantiles, 0.01, ALL_BUT_MEDIAN, -0.5, 1.5)
    assert np.mean(hits[2_000:]) == pytest.approx(0.9, abs=0.015)
