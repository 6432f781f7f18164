from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from models.price_dayahead import DayAheadPart
from models.price_dayahead_fit import fit_day_ahead
from models.price_part import part_from_arrays
from tests.unit.models.test_price_backtest import QUICK, market, zone

SETTINGS = replace(QUICK, history_days=60, lasso_windows=(84, 200))
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

    def window(self, channel: str, first_index: int, last_index_exclusive: int) -> np.ndarray:
        out = np.full(last_index_exclusive - first_index, np.nan)
        values = self._columns.get(channel)
        if values is None:
            return out
        low, high = max(first_index, self._first), min(last_index_exclusive, self._first + values.size)
        if low < high:
            out[low - first_index : high - first_index] = values[low - self._first : high - self._first]
        return out


@pytest.fixture(scope="module")
def frame():
    return market()


@pytest.fixture(scope="module")
def part(frame):
    return fit_day_ahead(frame.loc[frame.index < pd.Timestamp(UNTIL)], zone(), settings=SETTINGS)


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
    knows = fit_day_ahead(frame.loc[frame.index < pd.Timestamp(UNTIL)], early, settings=SETTINGS)
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
    again = DayAheadPart.from_arrays(arrays, _meta(arrays), SETTINGS).forecast(StreamRing(frame, now), slot)
    first = replace(part, _kept={}).forecast(StreamRing(frame, now), slot)
    assert np.array_equal(again.quantiles, first.quantiles)
    assert np.array_equal(again.experts["next_day"], first.experts["next_day"], equal_nan=True)
    assert isinstance(part_from_arrays(arrays), DayAheadPart)


def _meta(arrays):
    import json

    return json.loads(arrays["meta"])


def test_training_reads_nothing_after_its_end(frame, part):
    noisy = frame.copy()
    noisy.loc[noisy.index >= pd.Timestamp(UNTIL)] = 1e6
    again = fit_day_ahead(noisy.loc[noisy.index < pd.Timestamp(UNTIL)], zone(), settings=SETTINGS)
    for name, value in part.to_arrays().items():
        assert np.array_equal(value, again.to_arrays()[name], equal_nan=not isinstance(value, bytes)), name


def test_a_later_fit_keeps_what_was_walked_and_the_young_trees(frame, part):
    later = frame.loc[frame.index < pd.Timestamp(UNTIL + timedelta(days=3))]
    second = fit_day_ahead(later, zone(), before=part, settings=SETTINGS)
    assert second.history.days[-1] == part.history.days[-1] + 3
    shared = np.isin(second.history.days, part.history.days)
    assert np.array_equal(second.history.members[:, shared], part.history.members[:, 3:])
    assert second.fits.alone is part.fits.alone
    assert np.isfinite(second.history.blend[-3:]).all()


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
    assert fit_day_ahead(frame.iloc[: 24 * 40], zone(), settings=SETTINGS) is None


@pytest.mark.parametrize("local", ["2023-03-25 11:00", "2023-03-26 00:00", "2023-03-26 12:00"])
def test_the_day_of_23_hours_is_forecast_slot_by_slot(frame, part, local):
    slot, now = _at(local)
    forecast = part.forecast(StreamRing(frame, now), slot)
    assert forecast.mean.shape == (24,)
    assert np.isfinite(forecast.mean).all()
