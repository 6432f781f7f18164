import numpy as np
import pytest

from models.learners.conformal import NOMINAL
from models.price.dayahead.intervals import GAMMA, DaySpread

NONE = np.zeros(24)
FORECAST = np.full(24, 50.0)


def entered(days: int, seed: int = 0, wild: float = 1.0) -> DaySpread:
    """Errors of two per MWh, ``wild`` times that in the evening hours."""
    rng = np.random.default_rng(seed)
    spread = DaySpread()
    size = np.where(np.arange(24) >= 17, 2.0 * wild, 2.0)
    for _ in range(days):
        spread.enter(FORECAST + size * rng.normal(size=24), FORECAST, 2.0, NONE)
    return spread


def test_nine_in_ten_prices_lie_inside():
    rng = np.random.default_rng(3)
    spread, inside = entered(120), []
    for _ in range(200):
        price = FORECAST + 2.0 * rng.normal(size=24)
        made = spread.fit.quantiles(FORECAST, 2.0, NONE)
        inside.append((price >= made[:, 0]) & (price <= made[:, 6]))
        spread.enter(price, FORECAST, 2.0, NONE)
    assert np.mean(inside) == pytest.approx(0.9, abs=0.015)
    assert np.abs(np.mean(inside, axis=0) - 0.9).max() < 0.04


def test_hours_that_err_more_are_wider():
    made = entered(120, wild=4.0).fit.quantiles(FORECAST, 2.0, NONE)
    width = made[:, 6] - made[:, 0]
    assert width[18:].mean() > 2.5 * width[:16].mean()
    assert (np.diff(made, axis=1) >= 0).all()


def test_members_that_lie_apart_widen_where_that_predicted_errors():
    rng = np.random.default_rng(4)
    spread = DaySpread()
    for _ in range(150):
        apart = np.full(24, rng.uniform(0.2, 6.0))
        spread.enter(FORECAST + apart * rng.normal(size=24), FORECAST, 2.0, apart)
    calm, torn = (spread.fit.quantiles(FORECAST, 2.0, np.full(24, x)) for x in (0.5, 5.0))
    assert (torn[:, 6] - torn[:, 0]).mean() > 2.0 * (calm[:, 6] - calm[:, 0]).mean()


def test_levels_move_by_what_came():
    spread = entered(60)
    before = spread.fit.levels
    spread.enter(FORECAST + 1e3, FORECAST, 2.0, NONE)
    assert np.allclose(spread.fit.levels - before, GAMMA * NOMINAL)
    spread.enter(FORECAST - 1e3, FORECAST, 2.0, NONE)
    assert np.allclose(spread.fit.levels - before, GAMMA * (2.0 * NOMINAL - 1.0))


def test_too_few_days_give_no_quantiles():
    assert np.isnan(entered(13).fit.quantiles(FORECAST, 2.0, NONE)).all()
    assert np.isfinite(entered(14).fit.quantiles(FORECAST, 2.0, NONE)).all()


def test_a_day_without_a_forecast_or_price_is_no_error():
    spread = entered(30)
    before = spread.fit
    spread.enter(np.full(24, 1e6), np.full(24, np.nan), 2.0, NONE)
    spread.enter(np.full(24, np.nan), FORECAST, 2.0, NONE)
    assert spread.fit is before


def test_a_missing_hour_moves_nothing_of_its_own():
    spread = entered(30)
    before = spread.fit.levels
    price = FORECAST + 1.0
    price[5] = np.nan
    spread.enter(price, FORECAST, 2.0, NONE)
    assert np.array_equal(spread.fit.levels[5], before[5])
    assert not np.array_equal(spread.fit.levels[6], before[6])
    assert np.isfinite(spread.fit.trailing).all()
