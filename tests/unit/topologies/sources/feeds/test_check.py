"""The check of a live service, whatever the time of day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.worlds.feeds.elexon_world import ElexonWorld
from tests.worlds.feeds.feed_server import serving
from topologies.sources.feeds.check import check_service
from vpp.feeds.elexon import SERVICE
from vpp.settings import FeedSettings


@pytest.mark.parametrize(
    "midnight",
    [
        pytest.param(datetime(2026, 12, 1, tzinfo=UTC), id="new month"),
        pytest.param(datetime(2026, 7, 9, 23, tzinfo=UTC), id="summer time"),
        pytest.param(datetime(2026, 3, 29, tzinfo=UTC), id="day of 46 half hours"),
        pytest.param(datetime(2026, 10, 24, 23, tzinfo=UTC), id="day of 50 half hours"),
    ],
)
def test_a_service_answers_as_documented_at_every_time_of_day(midnight: datetime) -> None:
    for minute in (0, 1, 29, 30, 49, 50, 51, 60, 12 * 60, 24 * 60 - 1):
        now = midnight + timedelta(minutes=minute)
        with serving(ElexonWorld(now=lambda now=now: now)) as server:  # type: ignore[misc]
            settings = FeedSettings(elexon_url=server.address, requests_per_s=1000)
            checks = check_service(SERVICE, "GB", settings, now)
        assert {check.dataset: check.outcome for check in checks} == dict.fromkeys(
            ("generation", "system-price", "demand-forecast", "wind-forecast"), "ok"
        ), now
        price = next(check for check in checks if check.dataset == "system-price")
        assert price.newest is not None
        assert now - timedelta(hours=2) < price.newest < now
