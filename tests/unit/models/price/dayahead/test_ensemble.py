"""The last days' rows alone against those of all days."""

import numpy as np
import pytest

from models.price.dayahead.day_table import DayTable, day_table
from models.price.dayahead.ensemble import AuctionView
from models.price.dayahead.features import MIN_DAYS

STEP_MIN = 30
DAYS = 44


@pytest.fixture(scope="module")
def table() -> DayTable:
    """Prices, forecasts with gaps and a neighbour; the last day's prices are not out; the clock changes within."""
    chance = np.random.default_rng(3)
    first = int(np.datetime64("2025-02-20T23:00", "m").astype(int)) // STEP_MIN
    slots = DAYS * 1440 // STEP_MIN - 2
    names = ["price_per_mwh", "load_forecast_da_mw", "wind_forecast_da_mw", "FR:load_forecast_da_mw"]
    columns = {name: 50.0 + np.cumsum(chance.normal(size=slots)) for name in names}
    for values in columns.values():
        values[chance.random(slots) < 0.01] = np.nan
    columns["price_per_mwh"][-1440 // STEP_MIN :] = np.nan
    return day_table(columns, first_index=first, step_min=STEP_MIN, time_zone="Europe/Berlin", holidays={20190})


@pytest.mark.parametrize("make", [AuctionView.of, AuctionView.two_days_ahead])
@pytest.mark.parametrize("convention", ["benchmark", "load_only"])
@pytest.mark.parametrize("last", [1, 2, DAYS - MIN_DAYS + 2])
def test_the_last_days_alone_are_those_of_the_whole_table_to_the_bit(table, make, convention, last):
    first = table.days.size - last
    whole, part = make(table, convention, 0.8), make(table, convention, 0.8, first)
    assert part.features.names == whole.features.names
    assert part.features.values.shape[0] == last
    for a, b in (
        (whole.price, part.price),
        (whole.slots, part.slots),
        (whole.within, part.within),
        (whole.ridge, part.ridge),
        (whole.lasso, part.lasso),
        (whole.features.values, part.features.values),
        (whole.features.ref, part.features.ref),
        (whole.features.scale, part.features.scale),
    ):
        np.testing.assert_array_equal(b, a[first:])


@pytest.mark.parametrize("name", ["price_newest_mean", "load_day_min", "load_+2h", "FR_residual_vs_ref", "price_mean7"])
def test_a_feature_says_what_its_name_does(table, name):
    features = AuctionView.of(table, "benchmark", 1.0).features
    row = table.days.size - 1
    price, load, other = table.price, table.load, table.neighbours["FR"]
    ref, scale = features.ref[row], features.scale[row]
    reference = np.mean([other[row - lag] for lag in (1, 2, 3, 7)], axis=0)
    wanted = {
        "price_newest_mean": np.full(24, (price[row - 1].mean() - ref.mean()) / scale),
        "price_mean7": (price[row - 7 : row].mean(axis=0) - ref) / scale,
        "load_day_min": np.full(24, load[row].min()),
        "load_+2h": load[row, np.minimum(np.arange(24) + 2, 23)] - load[row],
        "FR_residual_vs_ref": other[row] - reference,
    }[name]
    result = features.values[row][:, features.names.index(name)]
    assert np.isfinite(wanted).all()
    np.testing.assert_allclose(result, wanted, rtol=1e-12, atol=1e-9)
