import numpy as np
import pytest

from models.learners.ridge import Ridge, RidgeSettings, Scaling


def made(rows: int = 400, features: int = 5, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    design = np.hstack([chance.normal(size=(rows, features)), np.ones((rows, 1))])
    return design, design @ np.array([3.0, -1.0, 0.5, 0.0, 2.0, 7.0]) + chance.normal(0, 0.1, rows)


def pooled(penalty: float, half_life_days: float = 1e9) -> Ridge:
    return Ridge(RidgeSettings(half_life_days, penalty), 6)


def test_without_outliers_it_is_the_closed_form() -> None:
    design, target = made()
    target = design @ np.array([3.0, -1.0, 0.5, 0.0, 2.0, 7.0])
    ridge = pooled(10.0)
    ridge.add(design, target + 1e-9, np.zeros(400, dtype=np.int64), np.zeros(400))
    ridge.solve()
    assert ridge.coefficients is not None
    plain = pooled(1e-9)
    plain.add(design, target, np.zeros(400, dtype=np.int64), np.zeros(400))
    plain.solve()
    assert plain.coefficients is not None
    np.testing.assert_allclose(plain.coefficients[0], [3.0, -1.0, 0.5, 0.0, 2.0, 7.0], atol=1e-6)
    assert np.abs(ridge.coefficients[0][:-1]).sum() < np.abs(plain.coefficients[0][:-1]).sum()


def test_an_outlier_is_held_down() -> None:
    design, target = made()
    target[7] += 1e6
    ridge = pooled(1e-6)
    ridge.add(design, target, np.zeros(400, dtype=np.int64), np.zeros(400))
    ridge.solve()
    assert ridge.coefficients is not None
    np.testing.assert_allclose(ridge.coefficients[0], [3.0, -1.0, 0.5, 0.0, 2.0, 7.0], atol=0.2)


def test_older_rows_fade_with_the_half_life() -> None:
    ones = np.ones((100, 1))
    ridge = Ridge(RidgeSettings(10.0, 1e-9), 1)
    zero = np.zeros(100, dtype=np.int64)
    ridge.add(ones, np.full(100, 1.0), zero, np.full(100, 0.0))
    ridge.solve()
    ridge._scale = 1e9
    ridge.add(ones, np.full(100, 4.0), zero, np.full(100, 10.0))
    ridge.solve()
    assert ridge.coefficients is not None
    assert ridge.coefficients[0, 0] == pytest.approx((0.5 * 1 + 1.0 * 4) / 1.5)


def test_a_slot_borrows_from_its_neighbours_in_a_circle() -> None:
    ridge = Ridge(RidgeSettings(1e9, 1e-9, groups=4, kernel=(1.0, 0.5)), 1)
    groups = np.repeat(np.arange(4), 50)
    target = np.repeat([0.0, 4.0, 8.0, 40.0], 50)
    ridge._scale = 1e9
    ridge.coefficients = np.zeros((4, 1))
    ridge.add(np.ones((200, 1)), target, groups, np.zeros(200))
    ridge.solve()
    np.testing.assert_allclose(ridge.coefficients[:, 0], [11.0, 4.0, 15.0, 22.0])


def test_the_same_rows_give_the_same_bits() -> None:
    design, target = made()
    results = []
    for _ in range(2):
        ridge = pooled(3.0)
        ridge.add(design, target, np.zeros(400, dtype=np.int64), np.arange(400.0))
        ridge.solve()
        results.append(ridge.coefficients)
    np.testing.assert_array_equal(results[0], results[1])


def test_missing_is_zero_outliers_are_clipped_and_constants_say_nothing() -> None:
    rows = np.vstack([np.linspace(-1, 1, 50), np.full(50, 3.0), np.full(50, np.nan)])
    scaling = Scaling.of(rows, np.arange(3))
    design = scaling.design(np.array([[np.nan, 1e9], [5.0, 3.0], [1.0, 2.0]]))
    np.testing.assert_array_equal(design, [[0.0, 0.0, 0.0, 1.0], [6.0, 0.0, 0.0, 1.0]])
