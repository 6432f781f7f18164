import numpy as np
import pytest

from models.price.realtime.inputs import InputShape, from_frame
from models.price.realtime.next_slot import FIRST, MIN_ROWS, NextModel, fit_next, next_table
from models.price.realtime.profile_features import LevelRows, level_rows, targets
from models.price.realtime.recent_features import trail_columns
from models.price.realtime.training import PROFILE
from models.price.realtime.trees import boost_table
from models.price.series import PriceSeries
from tests.worlds.realtime_prices import market, zone

FITTED = 4_500


class World:
    def __init__(self) -> None:
        frame = market(125, 30)
        chance = np.random.default_rng(8)
        shocks = chance.normal(0.0, 20.0, len(frame))
        echo = np.convolve(shocks, 0.5 ** np.arange(12))[: len(frame)]
        frame["price_per_mwh"] += echo
        self.shape = InputShape.of(zone(30), frame)
        self.data: PriceSeries = from_frame(frame, zone(30), self.shape)
        origins = np.arange(30 * 48, self.data.prices.size - 1, dtype=np.int64)
        self.rows: LevelRows = level_rows(self.data, origins, self.shape.steps, PROFILE)
        self.actual = targets(self.data, self.rows, self.shape.steps)

    def fit(self, rows: int) -> NextModel | None:
        use = self.rows.take(np.arange(self.rows.origins.size) < rows)
        return fit_next(self.data, use, use.base, self.actual[:rows], self.shape)


@pytest.fixture(scope="module")
def world() -> World:
    assert MIN_ROWS < FITTED
    return World()


def test_it_beats_the_profile_and_the_last_price_where_shocks_die_away(world):
    model = world.fit(FITTED)
    assert model is not None
    later = world.rows.take(np.arange(world.rows.origins.size) >= FITTED)
    actual = world.actual[FITTED:, 0]
    table = boost_table(world.data, later, later.base, world.shape.steps, FIRST)
    made = model.prices(next_table(table, trail_columns(world.data, later, world.shape)), later, later.base)
    error, profile = np.nanmean((made - actual) ** 2), np.nanmean((later.base[:, 0] - actual) ** 2)
    last = np.nanmean((world.data.prices[later.origins] - actual) ** 2)
    assert made.shape == actual.shape
    assert error < 0.9 * min(profile, last)


def test_too_few_rows_teach_nothing(world):
    assert world.fit(500) is None
