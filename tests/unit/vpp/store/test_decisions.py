"""A decision by id, by zone and time, and as the newest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.worlds.store_rows import T0
from vpp.errors import ConfigError, DataError
from vpp.messages import DECISION_VERSION, Decision, Engine, encode
from vpp.settings import load_settings
from vpp.store import Store, open_store
from vpp.store.decisions import decision_at, find_decision
from vpp.store.table import Row
from vpp.store.tables import DECISIONS


def row(zone: str, index: int, revision: int = 0, *, step_min: int = 30) -> Row:
    slot = T0 + index * timedelta(minutes=step_min)
    for_slot, name = slot + timedelta(minutes=step_min), f"{zone}-{index}-{revision}"
    made = Decision(
        zone=zone,
        slot=slot,
        for_slot=for_slot,
        decision_id=name,
        revision=revision,
        engine=Engine.LP,
        objective=0.0,
        version=DECISION_VERSION,
        binding=None,
    )
    return (zone, slot, for_slot, name, revision, "lp", 0.0, None, encode(made).decode())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(load_settings({"data_dir": tmp_path})) as opened:
        opened.write(DECISIONS, [row("GB", i) for i in range(4)] + [row("GB", 3, 1), row("QLD1", 0, step_min=120)])
        yield opened


@pytest.mark.parametrize(
    ("which", "zone", "expected"),
    [
        ("GB-1-0", None, "GB-1-0"),
        ("GB-3-1", None, "GB-3-1"),
        ("GB", None, "GB-3-0"),
        ("GB@latest", None, "GB-3-0"),
        ("latest", "GB", "GB-3-0"),
        ("GB@2022-01-01T01:00", None, "GB-1-0"),
        ("GB@2022-01-01T01:29:59Z", None, "GB-1-0"),
        ("GB@2022-01-01T02:30:00+01:00", None, "GB-2-0"),
        ("QLD1@2022-01-01T03:59", None, "QLD1-0-0"),
    ],
)
def test_names_that_people_have_for_a_decision(store: Store, which: str, zone: str | None, expected: str) -> None:
    assert find_decision(store, which, zone=zone).decision.decision_id == expected


@pytest.mark.parametrize("which", ["GB@2022-01-01T00:10", "GB@2022-01-01T02:30", "XX@latest", "nope"])
def test_what_is_not_there_says_what_is(store: Store, which: str) -> None:
    with pytest.raises(DataError) as missing:
        find_decision(store, which)
    assert "GB from 2022-01-01T00:00:00Z to 2022-01-01T01:30:00Z" in str(missing.value.hint)


def test_of_several_zones_one_must_be_named_and_times_must_be_times(store: Store) -> None:
    with pytest.raises(ConfigError, match="which zone"):
        find_decision(store)
    with pytest.raises(ConfigError, match="not a time"):
        find_decision(store, "GB@noon")


def test_an_empty_store_says_how_to_begin(tmp_path: Path) -> None:
    with open_store(load_settings({"data_dir": tmp_path})) as store, pytest.raises(DataError) as missing:
        decision_at(store, "GB", T0)
    assert missing.value.hint == "start a plant first: vpp up"
