from dataclasses import replace

import numpy as np
import pytest

from models.price.realtime.inputs import InputShape, from_frame
from models.price.realtime.profile_features import LevelRows, level_rows
from models.price.realtime.recent_features import trail_columns
from models.price.realtime.storage_value import ValueModel, ValueSettings, fit_value, value_table
from models.price.realtime.training import PROFILE
from models.price.realtime.trees import anchors_of, boost_table, shared_columns
from models.price.series import PriceSeries
from tests.worlds.realtime_prices import market, zone
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery

BATTERY = UnitBattery(energy_mwh=1.8, charge_efficiency=0.9381, discharge_efficiency=0.9381, wear_per_mwh=5.0)
QUICK = ValueSettings(soc_points=3, rounds=12, eta=0.3, depth=3, min_rows=500)


class World:
    def __init__(self) -> None:
        frame = market(90, 60)
        self.shape = InputShape.of(zone(60), frame)
        self.data: PriceSeries = from_frame(frame, zone(60), self.shape)
        self.steps = self.shape.steps
        origins = np.arange(35 * 24, self.data.prices.size - 1, dtype=np.int64)
        self.rows: LevelRows = level_rows(self.data, origins, self.steps, PROFILE)

    def fit(self, data: PriceSeries | None = None, settings: ValueSettings = QUICK) -> ValueModel | None:
        anchors = anchors_of(self.shape.horizon_min)
        return fit_value(data or self.data, self.rows, self.rows.base, self.shape, anchors, BATTERY, settings=settings)

    def slopes(self, model: ValueModel, rows: LevelRows) -> Floats:
        anchors = anchors_of(self.shape.horizon_min)
        table = boost_table(self.data, rows, rows.base, self.steps, anchors)
        trail = trail_columns(self.data, rows, self.shape)
        return model.slopes(value_table(table, anchors.size, shared_columns(self.data, rows), trail), rows)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def model(world: World) -> ValueModel:
    made = world.fit()
    assert made is not None
    return made


def test_stored_energy_is_worth_less_the_more_there_is_and_about_what_prices_are(world, model):
    slopes = world.slopes(model, world.rows)
    assert slopes.shape == (world.rows.origins.size, 3)
    assert (np.diff(slopes, axis=1) <= 0.0).all()
    assert np.nanmin(world.data.prices) < slopes.mean() < np.nanmax(world.data.prices)


def test_energy_is_worth_more_before_the_dear_hours_than_after_them(world, model):
    slopes = world.slopes(model, world.rows)[:, 1]
    hour = world.data.minutes[world.rows.origins] % 1440 // 60
    usual = world.rows.base.mean(axis=1)
    worth = np.array([np.mean((slopes - usual)[hour == h]) for h in range(24)])
    of_day = world.data.minutes[: world.data.prices.size] % 1440 // 60
    dearest = int(np.argmax([world.data.prices[of_day == h].mean() for h in range(24)]))
    assert worth[(dearest - 2) % 24] > worth[(dearest + 3) % 24]


def test_the_last_days_of_which_the_worth_is_not_yet_known_teach_nothing(world, model):
    prices = world.data.prices.copy()
    noise = np.random.default_rng(3).normal(0.0, 1.0, 12)
    prices[-12:] += noise
    again = world.fit(replace(world.data, prices=prices))
    assert again is not None
    early = world.rows.take(world.rows.origins < prices.size - 24 * 6)
    before = world.slopes(model, early)
    after = world.slopes(again, early)
    assert after == pytest.approx(before, abs=2.0)


def test_too_little_history_gives_no_values(world):
    assert world.fit(settings=replace(QUICK, min_rows=5_000)) is None


def test_a_margin_tells_whether_the_next_slot_is_dearer_than_what_stored_energy_is_worth(world, model):
    margin = world.fit(settings=replace(QUICK, margin=True))
    assert margin is not None
    assert margin.margin
    assert not model.margin
    made = world.slopes(margin, world.rows)
    assert (np.diff(made, axis=1) <= 0.0).all()
    actual = world.data.prices[world.rows.origins + 1]
    reference = np.isfinite(actual)
    worth = world.slopes(model, world.rows)[:, 1]
    assert np.corrcoef(made[reference, 1], (worth - actual)[reference])[0, 1] > 0.8
    assert abs(float(np.mean(made[reference, 1] - (worth - actual)[reference]))) < 0.2 * float(
        np.std(actual[reference])
    )
