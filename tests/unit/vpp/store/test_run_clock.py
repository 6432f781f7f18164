"""Now by a run's clock: the end of the newest closed slot."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.worlds.store_rows import slot, telemetry
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.run_clock import FIRST_STEP, run_clock, slot_length
from vpp.store.tables import TELEMETRY


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(Settings(data_dir=tmp_path)) as store:
        yield store


def test_before_the_first_slot_there_is_no_now(store: Store) -> None:
    assert run_clock(store, "GB") is None


def test_one_slot_is_as_long_as_the_zone_is_configured(store: Store) -> None:
    store.write(TELEMETRY, [telemetry(0, 50.0)])
    assert run_clock(store, "GB") == slot(0) + FIRST_STEP
    assert run_clock(store, "GB", timedelta(minutes=5)) == slot(0) + timedelta(minutes=5)


def test_two_slots_say_how_long_they_are(store: Store) -> None:
    store.write(TELEMETRY, [telemetry(0, 50.0), telemetry(1, 60.0)])
    length = slot(1) - slot(0)
    assert slot_length(store, "GB", timedelta(minutes=5)) == length
    assert run_clock(store, "GB") == slot(1) + length
    assert run_clock(store, "FR") is None
