from datetime import UTC, datetime, timedelta

import pytest

from topologies.sources.feed import open_simulator
from topologies.sources.refit import Retraining, known_model
from vpp.fleet.lookup import find_zone
from vpp.settings import Settings

START = datetime(2025, 6, 2, tzinfo=UTC)


class Shelf:
    """A registry's shelf: what it says of versions, without their content."""

    def __init__(self, in_force, *versions):
        self._in_force, self._versions = in_force, versions

    def in_force(self, zone):
        return self._in_force

    def versions(self, zone):
        return list(self._versions)


EARLY, LATE = (
    {"model_id": "early", "until": "2025-06-01T00:00:00Z"},
    {"model_id": "late", "until": "2025-07-01T00:00:00Z"},
)


@pytest.mark.parametrize(
    ("shelf", "expected"),
    [
        pytest.param(Shelf(EARLY, EARLY), EARLY, id="in force and old enough"),
        pytest.param(Shelf(LATE, EARLY, LATE), EARLY, id="the one in force has seen the replayed rows"),
        pytest.param(Shelf(LATE, LATE), None, id="all have"),
        pytest.param(Shelf(None), None, id="none"),
    ],
)
def test_no_model_that_was_trained_on_later_rows_is_promoted(shelf, expected):
    assert known_model(shelf, "A", START) == expected


def test_without_a_model_there_is_no_promotion_and_too_little_history_gives_none(tmp_path):
    settings = Settings(data_dir=tmp_path)
    feed = open_simulator(("SIM_NORTH",), start=START, history=timedelta(days=3))
    zone = find_zone("SIM_NORTH")
    assert zone is not None
    hook = Retraining(feed, settings, START)
    assert hook(zone, START) is None
    assert hook(feed.zones["SIM_NORTH"], datetime(2025, 6, 3, tzinfo=UTC)) is None
