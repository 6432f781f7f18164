from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from features.derived_series import MAX_DEPTH_DAYS, depth_days
from features.ring import SlotRing
from models.evaluation.dayahead_backtest import run_day_ahead
from models.explain.price_dayahead import day_ahead_parts
from models.price.dayahead import model
from models.price.dayahead.day_table import table_of
from models.price.dayahead.ensemble import AuctionView
from models.price.dayahead.model import DayAheadPart
from models.price.dayahead.training import DayAheadTrainer, known_rows
from models.price.dayahead.walk_forward import DayAheadLearner
from models.registry.price_trainer import part_from_arrays
from tests.worlds.dayahead_prices import SERVED, market, zone
from vpp.domain import Step

BERLIN = ZoneInfo("Europe/Berlin")
HOURS = {"price_per_mwh": 13, "load_forecast_da_mw": 10, "wind_forecast_da_mw": 18}
UNTIL = datetime(2023, 6, 30, 22, tzinfo=UTC)


class StreamRing:
    """The frame as a stream knows it: prices of D from 13:00 on D-1, load from 10:00, wind from 18:00."""

    def __init__(self, frame: pd.DataFrame, now: datetime) -> None:
        self._first = int(frame.index[0].timestamp()) // 3600
        self._columns = {name: frame[name].to_numpy().copy() for name in frame}
        local = now.astimezone(BERLIN)
        midnight = local.replace(hour=0, minute=0, second=0)
        for name, hour in HOURS.items():
            days = 2 if local.hour >= hour else 1
            end = (midnight.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=BERLIN).astimezone(UTC)
            self._columns[name][int(end.timestamp()) // 3600 - self._first :] = np.nan

    def stamp(self, channels) -> object:
        return object()

    def window(self, channel: str, first_index: int, last_index_exclusive: int) -> np.ndarray:
        out = np.full(last_index_exclusive - first_index, np.nan)
        values = self._columns.get(channel)
        if values is None:
            return out
        low, high = max(first_index, self._first), min(last_index_exclusive, self._first + values.size)
        if low < high:
            out[low - first_index : high - first_index] = values[low - self._first : high - self._first]
        return out

    def windows(self, channels: Sequence[str], first_index: int, last_index_exclusive: int) -> np.ndarray:
        return np.stack([self.window(channel, first_index, last_index_exclusive) for channel in channels])


@pytest.fixture(scope="module")
def frame():
    return market()


@pytest.fixture(scope="module")
def part(frame):
    return DayAheadTrainer(zone(), SERVED).refit(frame.loc[frame.index < pd.Timestamp(UNTIL)])


def _at(local: str) -> tuple[int, datetime]:
    """Return the slot that closed when it is ``local`` time in Berlin, and that time."""
    now = datetime.fromisoformat(local).replace(tzinfo=BERLIN).astimezone(UTC)
    return int(now.timestamp()) // 3600 - 1, now


def _actual(frame: pd.DataFrame, slot: int, minutes) -> np.ndarray:
    at = slot + np.array(minutes) // 60 - int(frame.index[0].timestamp()) // 3600
    return np.asarray(frame["price_per_mwh"].to_numpy()[at])


def test_before_the_auction_today_is_published_and_tomorrow_is_forecast(frame, part):
    slot, now = _at("2023-07-05 11:00")
    forecast = part.forecast(StreamRing(frame, now), slot)
    assert forecast.source == "model"
    assert np.isfinite(forecast.known).sum() == 13
    assert np.array_equal(forecast.mean[:13], _actual(frame, slot, range(60, 14 * 60, 60)))
    assert (np.diff(forecast.quantiles, axis=1) >= 0).all()
    assert forecast.quantiles[12].tolist() == [forecast.mean[12]] * 7
    assert forecast.quantiles[13, 0] < forecast.mean[13] < forecast.quantiles[13, 6]


def test_after_the_auction_all_of_the_day_ahead_is_published(frame, part):
    slot, now = _at("2023-07-05 13:00")
    forecast = part.forecast(StreamRing(frame, now), slot)
    assert forecast.source == "published"
    assert np.isfinite(forecast.known).sum() == 35


@pytest.mark.parametrize("local", ["2023-07-05 00:00", "2023-07-05 11:00", "2023-07-05 13:00", "2023-07-05 23:00"])
def test_the_outlook_ends_with_the_day_after_tomorrow_and_every_expert_covers_what_is_not_known(frame, part, local):
    slot, now = _at(local)
    forecast = part.forecast(StreamRing(frame, now), slot)
    assert forecast.outlook_min[-1] == 60 * (72 - now.astimezone(BERLIN).hour)
    for name in ("mix", "trees", "next_day"):
        assert np.isfinite(forecast.experts[name][~np.isfinite(forecast.known)]).all()


def test_with_wind_known_before_the_auction_the_next_day_beats_last_week_by_far(frame):
    early = zone().model_copy(update={"zone": "EPEX_DE"})
    knows = DayAheadTrainer(early, SERVED).refit(frame.loc[frame.index < pd.Timestamp(UNTIL)])
    assert knows is not None
    assert knows.shape.convention == "benchmark"
    own, week = [], []
    for day in range(1, 12):
        slot, now = _at(f"2023-07-{day:02} 11:00")
        ring = StreamRing(frame, now)
        ring._columns["wind_forecast_da_mw"] = frame["wind_forecast_da_mw"].to_numpy()
        forecast = knows.forecast(ring, slot)
        minutes = np.array(forecast.outlook_min[13:37])
        actual = _actual(frame, slot, minutes)
        own.append(np.abs(forecast.experts["next_day"][13:37] - actual))
        week.append(np.abs(forecast.experts["last_week"][13:37] - actual))
    assert np.mean(own) < 0.7 * np.mean(week)


def test_a_part_that_was_stored_gives_the_same_bits(frame, part):
    slot, now = _at("2023-07-05 11:00")
    arrays = part.to_arrays()
    again = DayAheadPart.from_arrays(arrays, _meta(arrays)).forecast(StreamRing(frame, now), slot)
    first = part.forecast(StreamRing(frame, now), slot)
    assert np.array_equal(again.quantiles, first.quantiles)
    assert np.array_equal(again.experts["next_day"], first.experts["next_day"], equal_nan=True)
    assert isinstance(part_from_arrays(arrays), DayAheadPart)


def test_the_ring_is_as_deep_as_the_models_look():
    assert depth_days("price_per_mwh") > model._WINDOW_DAYS
    assert depth_days("FR:load_forecast_da_mw") > model._WINDOW_DAYS


@pytest.mark.parametrize("first", ["2023-07-05 10:00", "2023-07-05 22:00"])
def test_a_cache_gives_the_forecasts_that_are_made_without_one(frame, part, first):
    slot, _ = _at(first)
    ring = SlotRing(Step(60), depth_days, max_days=MAX_DEPTH_DAYS)
    cache = part.new_cache()
    for index in range(slot, slot + 5):
        ring.advance(index)
        seen = StreamRing(frame, datetime.fromtimestamp(3600 * (index + 1), UTC))
        for name in HOURS:
            for at, value in enumerate(seen.window(name, index - 45 * 24, index + 60), index - 45 * 24):
                ring.put(name, at, value)
        mine, fresh = part.forecast(ring, index, cache=cache), part.forecast(ring, index)
        assert mine.outlook() == fresh.outlook()
        assert np.array_equal(mine.quantiles, fresh.quantiles)


def _meta(arrays):
    import json

    return json.loads(arrays["meta"])


def test_training_reads_nothing_after_its_end(frame, part):
    noisy = frame.copy()
    noisy.loc[noisy.index >= pd.Timestamp(UNTIL)] = 1e6
    again = DayAheadTrainer(zone(), SERVED).refit(noisy.loc[noisy.index < pd.Timestamp(UNTIL)])
    for name, value in part.to_arrays().items():
        assert np.array_equal(value, again.to_arrays()[name], equal_nan=not isinstance(value, bytes)), name


def test_the_stream_forecasts_what_the_backtest_does(frame):
    """A trainer led on day by day, served from a ring before each auction, against the backtest's walk."""
    days = 4
    backtest = run_day_ahead(
        frame,
        zone(),
        train_to=UNTIL,
        test_from=UNTIL,
        test_to=UNTIL + timedelta(days=days),
        convention="load_only",
        settings=SERVED,
    )
    trainer = DayAheadTrainer(zone(), SERVED)
    for day in range(days):
        midnight = UNTIL + timedelta(days=day - 1)
        part = trainer.refit(known_rows(frame, zone(), midnight))
        slot, now = _at(f"{midnight.astimezone(BERLIN):%Y-%m-%d} 11:00")
        forecast = part.forecast(StreamRing(frame, now), slot)
        assert forecast.source == "model"
        assert np.allclose(forecast.experts["next_day"][13:37], backtest.price[day], rtol=0, atol=1e-9)
        assert np.allclose(forecast.quantiles[13:], backtest.quantiles[day, :11], rtol=0, atol=1e-9)
        assert np.allclose(forecast.experts["next_day"][37:61], backtest.tail[day], rtol=0, atol=1e-9)


def test_what_trees_correct_is_walk_forward(frame):
    """Prices of a day and later ones must not move what was forecast of it, on which the trees then learn."""
    cut = 120
    changed = frame.copy()
    first = changed.index[0] + pd.Timedelta(days=cut)
    changed.loc[changed.index >= first, "price_per_mwh"] += 300.0
    made = []
    for given in (frame, changed):
        table = table_of(given, zone())
        view = AuctionView.of(table, "benchmark", 1.0)
        learner = DayAheadLearner(SERVED)
        learner.advance(view, AuctionView.two_days_ahead(table.longer(), "benchmark", 1.0), 170)
        made.append(learner.table)
    walked, other = made
    for name in ("mix", "blend", "alone", "stack"):
        a, b = getattr(walked, name), getattr(other, name)
        assert np.array_equal(a[: cut + 1], b[: cut + 1], equal_nan=True), name
    assert np.isfinite(walked.mix[cut]).all()
    assert not np.allclose(walked.mix[cut + 1], other.mix[cut + 1])


def test_a_later_fit_keeps_the_young_trees(frame):
    trainer = DayAheadTrainer(zone(), SERVED)
    first = trainer.refit(frame.loc[frame.index < pd.Timestamp(UNTIL)])
    second = trainer.refit(frame.loc[frame.index < pd.Timestamp(UNTIL + timedelta(days=3))])
    third = trainer.refit(frame.loc[frame.index < pd.Timestamp(UNTIL + timedelta(days=14))])
    assert second.fits.models.alone is first.fits.models.alone
    assert third.fits.models.alone is not first.fits.models.alone
    assert not np.array_equal(first.fits.models.ridge.coefficients, second.fits.models.ridge.coefficients)


def test_of_later_slots_only_what_is_published_is_known(frame):
    until = datetime(2023, 7, 5, 12, tzinfo=UTC)
    rows = known_rows(frame, zone(), until)
    midnight = datetime(2023, 7, 6, 22, tzinfo=UTC)
    assert rows["price_per_mwh"].last_valid_index() == pd.Timestamp(midnight) - pd.Timedelta(hours=1)
    assert rows["load_forecast_da_mw"].last_valid_index() == pd.Timestamp(midnight) - pd.Timedelta(hours=1)
    assert rows["wind_forecast_da_mw"].last_valid_index() == pd.Timestamp(midnight) - pd.Timedelta(hours=25)


def test_wind_that_comes_after_the_auction_is_not_counted_on(part):
    assert part.shape.convention == "load_only"


def test_a_month_without_prices_falls_back_by_name(frame, part):
    slot, now = _at("2023-07-05 11:00")
    holed = frame.copy()
    holed.loc["2023-06-05":"2023-07-03", "price_per_mwh"] = np.nan
    forecast = part.forecast(StreamRing(holed, now), slot)
    assert forecast.source == "fallback_last_price"
    assert np.isfinite(forecast.mean).all()


def test_too_little_history_gives_no_part(frame):
    assert DayAheadTrainer(zone(), SERVED).refit(frame.iloc[: 24 * 40]) is None


@pytest.mark.parametrize("local", ["2023-03-25 11:00", "2023-03-26 00:00", "2023-03-26 12:00"])
def test_the_day_of_23_hours_is_forecast_slot_by_slot(frame, part, local):
    slot, now = _at(local)
    forecast = part.forecast(StreamRing(frame, now), slot)
    assert forecast.mean.shape == (24,)
    assert np.isfinite(forecast.mean).all()


@pytest.mark.parametrize("horizon_min", [14 * 60, 20 * 60, 24 * 60])
def test_the_parts_of_a_price_sum_to_it(frame, part, horizon_min):
    slot, now = _at("2023-07-05 11:00")
    ring = StreamRing(frame, now)
    usual, parts = day_ahead_parts(part, ring, slot, horizon_min)
    forecast = part.forecast(ring, slot)
    h = forecast.outlook_min.index(horizon_min)
    assert usual + sum(parts.values()) == pytest.approx(forecast.experts["next_day"][h], abs=1e-3)
    assert {"price of the day before", "residual load against the usual days", "weekday or holiday"} <= set(parts)
