"""The way of a slot, as rows of the store tell it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.worlds.builders import T0, ZONE, slot_at
from topologies.control.slot_trace import find_trace
from vpp.errors import ConfigError, DataError
from vpp.store.sqlite import SqliteStore
from vpp.store.table import Row
from vpp.store.tables import DECISIONS, HOPS

WALL = datetime(2026, 1, 1, tzinfo=UTC)
TIMES_MS = {"telemetry": (10, 12), "forecast": (15, 25), "actor": (30, 31), "trader": (28, 40), "plant": (45, 60)}


def at(ms: int) -> datetime:
    return WALL + timedelta(milliseconds=ms)


def hops(slot: datetime, *steps: str) -> list[Row]:
    return [(ZONE, slot, step, "abc", at(0), *map(at, TIMES_MS[step]), at(500)) for step in steps]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "store.sqlite") as store:
        store.write(HOPS, [*hops(T0, *TIMES_MS), *hops(slot_at(1), "telemetry", "forecast")])
        store.write(DECISIONS, [(ZONE, T0, slot_at(1), "d0", 0, "lp", 0.0, None, "{}")])
        yield store


def test_each_step_waits_for_the_last_record_that_it_needs(store: SqliteStore) -> None:
    way = find_trace(store, f"{ZONE}@{T0:%Y-%m-%dT%H:%M}")
    assert [(step.step, step.waited_s, step.worked_s) for step in way.steps] == [
        ("telemetry", 0.01, 0.002),
        ("forecast", 0.003, 0.01),
        ("actor", 0.005, 0.001),
        ("trader", 0.003, 0.012),
        ("plant", 0.005, 0.015),
    ]
    assert (way.decided_s, way.total_s, way.missing, way.trace_id) == (0.06, 0.5, (), "abc")


def test_a_time_inside_a_slot_and_the_newest_decided_one_name_it(store: SqliteStore) -> None:
    inside = find_trace(store, f"{ZONE}@{T0 + timedelta(minutes=17):%Y-%m-%dT%H:%M}")
    assert inside.slot == T0
    assert find_trace(store, f"{ZONE}@latest") == inside


def test_steps_that_are_missing_are_named(store: SqliteStore) -> None:
    way = find_trace(store, f"{ZONE}@{slot_at(1):%Y-%m-%dT%H:%M}")
    assert way.missing == ("actor", "trader", "plant")
    assert way.decided_s is None


@pytest.mark.parametrize("which", [ZONE, "", "@latest", f"{ZONE}@", f"{ZONE}@noon"])
def test_a_name_without_zone_or_time_is_refused(store: SqliteStore, which: str) -> None:
    with pytest.raises(ConfigError):
        find_trace(store, which)


def test_a_slot_that_was_never_there_is_answered_with_what_is(store: SqliteStore) -> None:
    with pytest.raises(DataError) as caught:
        find_trace(store, f"{ZONE}@2019-01-01T00:00")
    assert "2022-01-03T00:00:00Z" in str(caught.value.hint)
