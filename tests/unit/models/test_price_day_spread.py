import numpy as np

from models.price_day_spread import DaySpread, day_quantiles
from models.price_spread import GRID


def _entered(days: int, scale: float = 2.0, seed: int = 0) -> DaySpread:
    rng = np.random.default_rng(seed)
    spread = DaySpread()
    for _ in range(days):
        spread.enter(50.0 + scale * rng.normal(size=24), np.full(24, 50.0), scale)
    return spread


def test_the_table_holds_the_quantiles_of_the_hour_and_its_neighbours():
    rng = np.random.default_rng(1)
    errors = rng.normal(size=(40, 24))
    errors[3, 5] = np.nan
    spread = DaySpread()
    for day in errors:
        spread.enter(day, np.zeros(24), 1.0)
    near = errors[:, 3:8]
    assert np.allclose(spread.table[5], np.quantile(near[np.isfinite(near)], GRID))
    assert np.allclose(spread.table[0], np.quantile(errors[:, :3], GRID))


def test_quantiles_are_ascending_and_scale_with_the_market():
    spread = _entered(60)
    narrow, wide = spread.quantiles(np.full(24, 10.0), 1.0), spread.quantiles(np.full(24, 10.0), 4.0)
    assert (np.diff(narrow, axis=1) >= 0).all()
    assert np.allclose(wide - 10.0, 4.0 * (narrow - 10.0))


def test_too_few_days_give_no_quantiles():
    assert np.isnan(_entered(13).quantiles(np.full(24, 10.0), 1.0)).all()
    assert np.isfinite(_entered(14).quantiles(np.full(24, 10.0), 1.0)).all()


def test_a_day_without_a_forecast_or_price_is_no_error():
    spread = _entered(30)
    before, levels = spread.table.copy(), spread.levels.copy()
    spread.enter(np.full(24, 1e6), np.full(24, np.nan), 1.0)
    assert np.array_equal(spread.table, before)
    spread.enter(np.full(24, np.nan), np.full(24, 10.0), 1.0)
    assert np.array_equal(spread.levels, levels)


def test_quantiles_of_a_day_read_the_table_at_its_levels():
    table = np.tile(GRID, (24, 1))
    levels = np.tile(np.array([0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.8]), (24, 1))
    assert np.allclose(day_quantiles(np.zeros(24), 10.0, table, levels), 10.0 * levels)
