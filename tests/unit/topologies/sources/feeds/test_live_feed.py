"""Services as a feed: zones, channels and frames of what was known, from a local server in their shapes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.feeds.feed_answers import addresses, everything, wave
from tests.worlds.feeds.feed_server import serving
from topologies.sources.feeds.live_feed import LiveFeed, open_live
from topologies.sources.options import SourceOptions
from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.errors import ConfigError
from vpp.files.cells.availability import available_at
from vpp.settings import FeedSettings, Settings

NOW = datetime(2026, 3, 4, 12, 10, tzinfo=UTC)
TEMPERATURE = "temperature_forecast_d1_c"


def opened(tmp_path: Path, services: str, zone: str, **changed: Any) -> LiveFeed:
    with serving(everything(lambda: NOW)) as server:
        given = {"history_days": 8, "requests_per_s": 1e6, **addresses(server.address), **changed}
        settings = FeedSettings.model_validate(given)
        options = SourceOptions(kind="feed", services=tuple(services.split("+")), zones=(zone,), catch_up=True)
        return open_live(options, Settings(data_dir=tmp_path, feeds=settings), now=NOW)


@pytest.mark.parametrize(
    ("services", "zone", "step_min", "channels"),
    [
        pytest.param("elexon", "GB", 30, {LOAD, WIND, PRICE, "load_forecast_da_mw"}, id="elexon"),
        pytest.param("aemo", "NSW1", 5, {LOAD, PRICE}, id="aemo"),
        pytest.param(
            "energy-charts",
            "DE_LU",
            60,
            {LOAD, SOLAR, WIND, PRICE, "wind_forecast_da_mw", "solar_forecast_da_mw"},
            id="energy-charts",
        ),
        pytest.param("elexon+open-meteo", "GB", 30, {LOAD, PRICE, TEMPERATURE}, id="weather"),
    ],
)
def test_a_service_gives_a_zone_with_its_channels_and_a_frame_that_trains(
    tmp_path: Path, services: str, zone: str, step_min: int, channels: set[str]
) -> None:
    feed = opened(tmp_path, services, zone)
    assert channels <= set(feed.zones[zone].channels or ())
    assert (feed.step_min, feed.zones[zone].step_min) == (step_min, step_min)
    frame = feed.frame(zone, NOW)
    assert frame.index[0] == feed.first
    assert set(frame.index.diff()[1:]) == {timedelta(minutes=step_min)}
    shares = frame[sorted(channels)].loc[NOW - timedelta(days=5) : NOW - timedelta(days=1)].notna().mean()
    assert shares.min() > 0.95, shares


def test_a_frame_holds_the_forecast_that_was_known_at_the_hour_of_the_catalogue(tmp_path: Path) -> None:
    feed = opened(tmp_path, "elexon+open-meteo", "GB")
    zone, book = feed.zones["GB"], feed.collectors["GB"].book
    frame = feed.frame("GB", NOW + timedelta(days=3))
    for name in ("load_forecast_da_mw", "wind_forecast_da_mw", TEMPERATURE):
        for slot, value in frame[name].dropna().iloc[::97].items():
            revision = book.as_of(name, zone.step.index(slot), available_at(zone, name, slot))  # type: ignore[arg-type]
            assert revision is not None
            assert revision[1] == value


def test_a_second_service_with_the_same_channel_takes_its_place(tmp_path: Path) -> None:
    feed = opened(tmp_path, "elexon+octopus", "GB")
    slot = NOW.replace(minute=0) - timedelta(days=3)
    assert feed.frame("GB", NOW)[PRICE][slot] == pytest.approx(10 * wave(slot, 20.0, 8.0))


@pytest.mark.parametrize(
    ("services", "zone", "words"),
    [
        pytest.param("elexon", "FR", "elexon has no zone FR", id="zone"),
        pytest.param("open-meteo", "GB", "no measured values", id="weather alone"),
        pytest.param("entsoe", "FR", "only with a key", id="key"),
        pytest.param("elexon+nothing", "GB", "no live feed", id="service"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_next_step(
    tmp_path: Path, services: str, zone: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        opened(tmp_path, services, zone)
    assert refusal.value.hint


def test_a_key_from_the_settings_opens_a_service_that_needs_one(tmp_path: Path) -> None:
    feed = opened(tmp_path, "entsoe", "FR", entsoe_key="secret")
    assert {LOAD, SOLAR, WIND, PRICE} <= set(feed.zones["FR"].channels or ())
