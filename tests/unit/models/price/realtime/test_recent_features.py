from dataclasses import replace

import numpy as np
import pytest

from models.price.realtime.inputs import NET, InputShape, from_frame
from models.price.realtime.profile_features import LevelRows, level_rows
from models.price.realtime.recent_features import trail_columns
from models.price.realtime.training import PROFILE
from models.price.series import PriceSeries
from tests.worlds.realtime_prices import market, zone

PRICES, EXTREMES, SIDE, FLOW, ERROR = 9, 3, 5, 6, 7


def world(lead: int = 0) -> tuple[InputShape, PriceSeries, LevelRows]:
    frame = market(50, 30)
    chance = np.random.default_rng(5)
    frame["interconnector_mw"] = chance.normal(500.0, 200.0, len(frame))
    frame["wind_mw"] = chance.normal(5000.0, 1000.0, len(frame))
    frame["wind_forecast_da_mw"] = frame["wind_mw"] + chance.normal(0.0, 300.0, len(frame))
    frame["load_forecast_da_mw"] = frame["load_mw"] + chance.normal(0.0, 100.0, len(frame))
    shape = replace(InputShape.of(zone(30), frame), lead=lead)
    data = from_frame(frame, zone(30), shape)
    origins = np.arange(35 * 48, data.prices.size - 1, 7, dtype=np.int64)
    return shape, data, level_rows(data, origins, shape.steps, PROFILE)


def test_columns_are_means_extremes_changes_and_errors_of_the_days_before():
    shape, data, rows = world()
    assert shape.flows == ("interconnector_mw",)
    assert shape.published
    assert NET in shape.sides
    made = trail_columns(data, rows, shape)
    assert made.shape == (rows.origins.size, PRICES + EXTREMES + SIDE * len(shape.sides) + FLOW + ERROR)
    i = 11
    t, middle, scale = int(rows.origins[i]), rows.base[i].mean(), rows.scale[i]
    day = (data.prices[t - 47 : t + 1] - middle) / scale
    assert made[i, 5] == pytest.approx(day.mean(), rel=1e-4)
    assert made[i, PRICES : PRICES + EXTREMES] == pytest.approx([day.min(), day.max(), day.std()], rel=1e-4)
    of_flow = made[i, -FLOW - ERROR : -ERROR]
    assert of_flow[:2] == pytest.approx([data.flows[0, t], data.flows[0, t] - data.flows[0, t - 1]], rel=1e-4)
    net = data.sides[shape.sides.index(NET)]
    assert made[i, -ERROR] == pytest.approx(net[t] - data.published[0, t], rel=1e-3)


@pytest.mark.parametrize("lead", [0, 1])
def test_nothing_after_the_origin_is_read(lead):
    shape, data, rows = world(lead)
    cut = int(rows.origins[20])
    upset = replace(data, prices=data.prices.copy(), sides=data.sides.copy(), flows=data.flows.copy())
    upset.prices[cut + 1 :] += 1000.0
    upset.sides[:, cut + 1 :] += 1000.0
    upset.flows[:, cut + 1 :] += 1000.0
    before, after = trail_columns(data, rows, shape), trail_columns(upset, rows, shape)
    assert np.array_equal(before[:21], after[:21])
    assert not np.array_equal(before[21], after[21])


def test_the_error_of_a_slot_is_known_one_slot_later_where_its_price_is_published_ahead():
    _, now, rows = world()
    shape, ahead, _ = world(1)
    first, second = trail_columns(now, rows, replace(shape, lead=0)), trail_columns(ahead, rows, shape)
    assert second[:, -ERROR + 1] == pytest.approx(first[:, -ERROR + 2], rel=1e-4)
    assert second[:, -ERROR] == pytest.approx(first[:, -ERROR + 1], rel=1e-4)


def test_missing_values_are_skipped_not_zero():
    shape, data, rows = world()
    empty = replace(data, prices=np.full_like(data.prices, np.nan), flows=np.full_like(data.flows, np.nan))
    made = trail_columns(empty, rows, shape)
    assert np.isnan(made[:, : PRICES + EXTREMES]).all()
    assert np.isnan(made[:, -FLOW - ERROR : -ERROR]).all()
