import numpy as np

from models.price.realtime.median import around_median, fit_median

STEPS = np.array([1, 2, 3, 4])
ANCHORS = np.array([0, 3])


def test_the_median_of_a_two_sided_price_lies_at_the_likelier_side():
    """Seven times in ten the price is 1 above its profile, else 4 below: the mean is -0.5, the median 1."""
    rng = np.random.default_rng(0)
    goal = np.where(rng.random((4_000, 4)) < 0.7, 1.0, -4.0)
    columns = np.ones((4_000, 1))
    model = fit_median(columns, goal, STEPS, ANCHORS)
    assert np.allclose(model.predict(columns[:1]), 1.0, atol=0.05)


def test_the_median_follows_what_the_columns_tell():
    rng = np.random.default_rng(1)
    x = rng.normal(size=4_000)
    noise = np.where(rng.random(4_000) < 0.9, 0.0, 50.0)
    goal = np.stack([2.0 * x + noise] * 4, axis=1)
    model = fit_median(np.stack([np.ones(4_000), x], axis=1), goal, STEPS, ANCHORS)
    assert np.allclose(model.coefficients[1], 2.0, atol=0.05)


def test_between_anchors_coefficients_are_interpolated():
    goal = np.stack([np.full(200, value) for value in (0.0, np.nan, np.nan, 3.0)], axis=1)
    model = fit_median(np.ones((200, 1)), goal, STEPS, ANCHORS)
    assert np.allclose(model.coefficients[0], [0.0, 1.0, 2.0, 3.0], atol=0.1)


def test_missing_targets_are_skipped():
    goal = np.full((500, 4), 2.0)
    goal[::3] = np.nan
    model = fit_median(np.ones((500, 1)), goal, STEPS, ANCHORS)
    assert np.allclose(model.coefficients, 2.0, atol=0.1)


def test_quantiles_lie_around_the_median():
    mean, errors = np.array([4.0]), np.array([[-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]])

    def made(median: float, floor: float, cap: float) -> list[float]:
        return [float(price) for price in around_median(mean, errors, np.array([median]), floor, cap)[0]]

    assert made(2.5, -10.0, 10.0) == [1.0, 2.0, 2.5, 2.5, 5.0, 6.0, 7.0]
    assert made(9.0, -10.0, 10.0) == [1.0, 2.0, 3.0, 9.0, 9.0, 9.0, 9.0]
    assert made(9.0, 1.5, 8.0) == [1.5, 2.0, 3.0, 8.0, 8.0, 8.0, 8.0]
