from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from models.registry.price_trainer import PriceTrainer, part_from_arrays
from tests.worlds.realtime_prices import FrameRing, market, zone
from vpp.domain import horizons_min


@pytest.fixture(scope="module", params=[30, 60])
def fitted(request):
    step_min = request.param
    frame = market(150, step_min)
    until = datetime(2024, 5, 1, tzinfo=UTC)
    return step_min, frame, until, PriceTrainer(zone(step_min)).refit(frame, until)


def _slot(until: datetime, step_min: int) -> int:
    return int(until.timestamp()) // (60 * step_min)


def test_the_forecast_beats_the_profile_and_covers(fitted):
    step_min, frame, until, part = fitted
    ring, first = FrameRing(frame, step_min), _slot(until, step_min)
    own, profile, inside = [], [], []
    for t in range(first, first + 20 * 1440 // step_min, 5):
        forecast = part.forecast(ring_until(frame, step_min, t), t)
        actual = ring.window("price_per_mwh", t + 1, t + 1 + 1440 // step_min)
        own.append(np.abs(forecast.mean - actual))
        profile.append(np.abs(forecast.experts["profile"] - actual))
        inside.append((actual >= forecast.quantiles[:, 0]) & (actual <= forecast.quantiles[:, 6]))
    assert forecast.source == "model"
    assert np.mean(own) < 0.9 * np.mean(profile)
    assert 0.80 < np.mean(inside) < 0.98


def ring_until(frame: pd.DataFrame, step_min: int, t: int) -> FrameRing:
    last = pd.Timestamp(t * step_min * 60, unit="s", tz="UTC")
    return FrameRing(frame.loc[:last], step_min)


def test_quantiles_are_sorted_and_have_the_right_shape(fitted):
    step_min, frame, until, part = fitted
    t = _slot(until, step_min)
    forecast = part.forecast(ring_until(frame, step_min, t), t)
    assert forecast.quantiles.shape == (len(horizons_min(step_min)), 7)
    assert (np.diff(forecast.quantiles, axis=1) >= 0).all()


def test_a_part_that_was_stored_gives_the_same_bits(fitted):
    step_min, frame, until, part = fitted
    t = _slot(until, step_min)
    ring = ring_until(frame, step_min, t)
    again = part_from_arrays(part.to_arrays()).forecast(ring, t)
    assert np.array_equal(again.quantiles, part.forecast(ring, t).quantiles)


def test_nothing_after_the_origin_is_used(fitted):
    step_min, frame, until, part = fitted
    t = _slot(until, step_min)
    noisy = frame.copy()
    noisy.loc[pd.Timestamp(t * step_min * 60, unit="s", tz="UTC") + pd.Timedelta(minutes=step_min) :, "load_mw"] = 1e9
    noisy.loc[
        pd.Timestamp(t * step_min * 60, unit="s", tz="UTC") + pd.Timedelta(minutes=step_min) :, "price_per_mwh"
    ] = np.nan
    a, b = part.forecast(ring_until(frame, step_min, t), t), part.forecast(FrameRing(noisy, step_min), t)
    assert np.array_equal(a.quantiles, b.quantiles)


def test_training_reads_nothing_after_until():
    frame = market(120, 60)
    until = datetime(2024, 4, 1, tzinfo=UTC)
    noisy = frame.copy()
    noisy.loc[pd.Timestamp(until) :] = 1e6
    first, second = PriceTrainer(zone(60)).refit(frame, until), PriceTrainer(zone(60)).refit(noisy, until)
    assert first is not None
    assert second is not None
    for name, value in first.to_arrays().items():
        assert np.array_equal(value, second.to_arrays()[name]), name


def test_published_prices_stand_as_they_are(fitted):
    step_min, frame, until, part = fitted
    t = _slot(until, step_min)
    forecast = part.forecast(FrameRing(frame, step_min), t)
    actual = FrameRing(frame, step_min).window("price_per_mwh", t + 1, t + 1 + 1440 // step_min)
    assert forecast.source == "published"
    assert np.array_equal(forecast.mean, actual)


def test_no_recent_price_gives_the_named_profile(fitted):
    step_min, frame, until, part = fitted
    t = _slot(until, step_min)
    gap = ring_until(frame, step_min, t - 2 * 1440 // step_min)
    forecast = part.forecast(gap, t)
    assert forecast.source == "fallback_profile"
    assert np.isfinite(forecast.quantiles).all()


def test_an_hour_of_history_gives_the_last_price(fitted):
    step_min, frame, until, part = fitted
    t = _slot(until, step_min)
    short = FrameRing(frame.loc[pd.Timestamp(until) - pd.Timedelta(hours=1) : pd.Timestamp(until)], step_min)
    forecast = part.forecast(short, t)
    assert forecast.source == "fallback_last_price"
    assert forecast.mean[0] == frame.loc[pd.Timestamp(until), "price_per_mwh"]
    assert forecast.quantiles[0, 0] < forecast.mean[0] < forecast.quantiles[0, 6]


def test_an_empty_ring_gives_nothing(fitted):
    step_min, frame, until, part = fitted
    forecast = part.forecast(FrameRing(frame.iloc[:1], step_min), _slot(until, step_min))
    assert forecast.source == "none"
    assert np.isnan(forecast.mean).all()


def test_a_frame_without_prices_fits_nothing():
    frame = market(60, 60).drop(columns="price_per_mwh")
    assert PriceTrainer(zone(60)).refit(frame, datetime(2024, 2, 20, tzinfo=UTC)) is None
