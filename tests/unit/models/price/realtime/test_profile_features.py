from dataclasses import fields, replace

import numpy as np
import pytest

from models.price.profile import ProfileSettings
from models.price.realtime.inputs import InputShape, from_frame
from models.price.realtime.profile_features import DayProfiles, LevelRows, bank_rows, level_rows
from models.price.series import PriceSeries
from tests.worlds.realtime_prices import market, zone

BANK = (ProfileSettings(level_days=28), ProfileSettings(level_days=7, cap_per_mwh=60.0))


@pytest.fixture(scope="module")
def data() -> PriceSeries:
    frame = market(45, 60)
    frame.loc[frame.index[300:310], "price_per_mwh"] = np.nan
    return from_frame(frame, zone(60), InputShape.of(zone(60), frame))


def until(data: PriceSeries, n: int) -> PriceSeries:
    """Return the first ``n`` slots and the clock of the day after them."""
    clock = {name: getattr(data, name)[: n + 24] for name in ("minutes", "slots", "days")}
    return replace(data, prices=data.prices[:n], sides=np.ascontiguousarray(data.sides[:, :n]), **clock)


def assert_same(rows: LevelRows, wanted: LevelRows) -> None:
    for name in (field.name for field in fields(LevelRows)):
        assert np.array_equal(getattr(rows, name), getattr(wanted, name), equal_nan=True), name


def test_profiles_that_serve_on_give_the_rows_of_training(data: PriceSeries) -> None:
    steps = np.arange(1, 25)
    saved = DayProfiles(BANK, len(data.sides), 60)
    origins = np.arange(31 * 24 + 5, 35 * 24)
    wanted = [level_rows(data, origins, steps, settings) for settings in BANK]
    for n, t in enumerate(origins):
        for result, rows in zip(bank_rows(until(data, int(t) + 1), steps, saved), wanted, strict=True):
            assert_same(result, rows.take(np.arange(origins.size) == n))


def test_a_past_value_that_changes_later_in_the_day_makes_new_profiles(data: PriceSeries) -> None:
    steps, t = np.arange(1, 25), 31 * 24 + 5
    saved = DayProfiles(BANK, len(data.sides), 60)
    before = bank_rows(until(data, t + 1), steps, saved)
    for name in ("prices", "sides"):
        changed = getattr(data, name).copy()
        changed[..., 29 * 24 + 2] += 30.0
        other = replace(data, **{name: changed})
        result = bank_rows(until(other, t + 2), steps, saved)
        for k, settings in enumerate(BANK):
            assert_same(result[k], level_rows(until(other, t + 2), np.array([t + 1]), steps, settings))
        assert not np.array_equal(result[0].features, before[0].features)
