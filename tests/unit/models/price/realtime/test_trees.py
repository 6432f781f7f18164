from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from features.derived_series import MAX_DEPTH_DAYS, depth_days
from features.ring import SlotRing
from models.price.realtime.inputs import InputShape, from_frame
from models.price.realtime.profile_features import level_rows
from models.price.realtime.training import PROFILE, fit_real_time
from models.price.realtime.trees import BoostSettings, anchors_of, boost_table
from models.registry.price_trainer import PriceTrainer
from tests.worlds.realtime_prices import FrameRing, market, zone
from vpp.domain import horizons_min
from vpp.fleet.market import PriceKnown
from vpp.fleet.schema import Zone

UNTIL = datetime(2024, 5, 1, tzinfo=UTC)
QUICK = BoostSettings(rounds=20, max_rows=20_000, min_child=20.0)


def british() -> Zone:
    return zone(60).model_copy(update={"country": "GB"})


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Prices that follow a load of which only a day-ahead forecast tells."""
    made = market(150, 60)
    surprise = np.repeat(np.random.default_rng(5).normal(0, 3_000, 150), 24)
    made["load_mw"] += surprise
    made["national_demand_forecast_da_mw"] = made["load_mw"]
    made["transmission_wind_forecast_da_mw"] = 0.0
    made["price_per_mwh"] += surprise / 100.0
    return made


@pytest.fixture(scope="module")
def part(frame):
    return fit_real_time(frame.loc[frame.index < pd.Timestamp(UNTIL)], british(), boost=QUICK)


def _known(frame: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """Return the frame as it is known at noon: measured values before it, forecasts to the end of the next day."""
    out = frame.copy()
    later = out.index >= pd.Timestamp(now)
    for name in ("price_per_mwh", "load_mw"):
        out.loc[later, name] = np.nan
    end = pd.Timestamp(now).normalize() + pd.Timedelta(days=2) - pd.Timedelta(hours=1)
    for name in ("national_demand_forecast_da_mw", "transmission_wind_forecast_da_mw"):
        out.loc[out.index >= end, name] = np.nan
    return out


def test_anchors_hold_the_first_and_last_horizon():
    for step_min in (5, 30, 60):
        horizons = horizons_min(step_min)
        anchors = anchors_of(horizons)
        assert anchors[0] == 0
        assert anchors[-1] == len(horizons) - 1
        assert (np.diff(anchors) > 0).all()


def test_trees_use_what_is_published_of_tomorrow(frame, part):
    trees, level = [], []
    for day in range(2, 20):
        now = datetime(2024, 5, day, 12, tzinfo=UTC)
        slot = int(now.timestamp()) // 3600 - 1
        forecast = part.forecast(FrameRing(_known(frame, now), 60), slot)
        actual = frame["price_per_mwh"].loc[pd.Timestamp(now) :].to_numpy()[11:23]
        trees.append(np.abs(forecast.experts["trees"][11:23] - actual))
        level.append(np.abs(forecast.experts["level_profile"][11:23] - actual))
    assert np.mean(trees) < 0.8 * np.mean(level)
    assert part.boost.weight[-1] > 0.3
    assert ((part.boost.weight >= 0) & (part.boost.weight <= 1)).all()


def test_a_forecast_that_was_not_out_yet_changes_no_training_row(frame):
    """At 11:00 on D-1 nothing of D is out: rows of that hour must not move when all of D is noise."""
    shape = InputShape.of(british(), frame)
    assert shape.published[0] == ("national_demand_forecast_da_mw", 1.0)
    data = from_frame(frame, british(), shape)
    origin = int((pd.Timestamp("2024-02-10T10:00Z") - frame.index[0]) / pd.Timedelta(hours=1))
    noisy = frame.copy()
    noisy.loc[noisy.index >= pd.Timestamp("2024-02-11T00:00Z"), "national_demand_forecast_da_mw"] = 1e9
    noisy.loc[noisy.index > frame.index[origin], ["price_per_mwh", "load_mw"]] = 1e9
    other = from_frame(noisy, british(), shape)
    tables = []
    for given in (data, other):
        rows = level_rows(given, np.array([origin]), shape.steps, PROFILE)
        tables.append(boost_table(given, rows, rows.base, shape.steps, anchors_of(shape.horizon_min)))
    assert np.array_equal(tables[0], tables[1], equal_nan=True)
    assert np.isfinite(tables[0]).any()


def test_the_slot_ring_is_deep_enough(frame, part):
    now = datetime(2024, 5, 10, 12, tzinfo=UTC)
    reference = _known(frame, now)
    slot = int(now.timestamp()) // 3600 - 1
    ring = SlotRing(british().step, depth_days, max_days=MAX_DEPTH_DAYS)
    first = int(frame.index[0].timestamp()) // 3600
    for i in range(slot - first + 1):
        ring.advance(first + i)
        for name in ("price_per_mwh", "load_mw"):
            ring.put(name, first + i, reference[name].iloc[i])
    for name in ("national_demand_forecast_da_mw", "transmission_wind_forecast_da_mw"):
        for i in range(slot - first - 40 * 24, slot - first + 36):
            ring.put(name, first + i, reference[name].iloc[i])
    a, b = part.forecast(ring, slot), part.forecast(FrameRing(reference, 60), slot)
    assert np.array_equal(a.quantiles, b.quantiles)


class Shifted(FrameRing):
    """A frame of which the price of the next slot is known too."""

    def __init__(self, frame: pd.DataFrame, slot: int) -> None:
        cut = frame.copy()
        closed = pd.Timestamp(slot * 3600, unit="s", tz="UTC")
        cut.loc[closed + pd.Timedelta(hours=2) :, "price_per_mwh"] = np.nan
        cut.loc[closed + pd.Timedelta(hours=1) :, "load_mw"] = np.nan
        super().__init__(cut, 60)


def test_a_price_known_at_the_slots_start_is_the_origin():
    frame = market(150, 60)
    place = zone(60)
    early = place.model_copy(update={"market": place.market.model_copy(update={"price_known": PriceKnown.AT_START})})
    part = PriceTrainer(early).refit(frame, UNTIL)
    late = PriceTrainer(place).refit(frame, UNTIL)
    assert part is not None
    assert late is not None
    first = int(UNTIL.timestamp()) // 3600
    own, other = [], []
    for slot in range(first, first + 400, 7):
        actual = FrameRing(frame, 60).window("price_per_mwh", slot + 1, slot + 25)
        forecast = part.forecast(Shifted(frame, slot), slot)
        assert forecast.mean[0] == actual[0]
        own.append(np.abs(forecast.mean[1:4] - actual[1:4]))
        last = frame.index[0] + pd.Timedelta(hours=slot - int(frame.index[0].timestamp()) // 3600)
        other.append(np.abs(late.forecast(FrameRing(frame.loc[:last], 60), slot).mean[1:4] - actual[1:4]))
    assert np.mean(own) <= 1.02 * np.mean(other)


def test_a_trainer_keeps_young_trees_and_refits_the_rest(frame):
    trainer = PriceTrainer(zone(60))
    first = trainer.refit(frame, datetime(2024, 4, 20, tzinfo=UTC))
    second = trainer.refit(frame, datetime(2024, 4, 27, tzinfo=UTC))
    third = trainer.refit(frame, datetime(2024, 5, 25, tzinfo=UTC))
    assert first.boost is second.boost
    assert third.boost is not second.boost
    assert not np.array_equal(first.level.pooled, second.level.pooled)
