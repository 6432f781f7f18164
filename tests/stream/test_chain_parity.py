"""The workers on a broker and the chain in one process leave the same tables, byte for byte."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from tests.plant_fixtures import Place
from topologies.runtime.in_process import Chain, run_into_store
from topologies.sources.availability_order import replay_messages
from topologies.sources.faults import with_faults
from topologies.sources.options import SIMULATION_START, SourceOptions, faults_of, open_feed, window_of
from vpp.domain import iso
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.export import export

pytestmark = [pytest.mark.stream, pytest.mark.slow]

TABLES = (
    "telemetry",
    "forecasts",
    "bids",
    "setpoints",
    "assets",
    "ledger",
    "trades",
    "decisions",
    "alerts",
    "skill",
)


def content(store: Store, table: str) -> bytes:
    buffer = io.BytesIO()
    export(store, table, "csv", buffer)
    return buffer.getvalue()


def test_workers_and_chain_leave_the_same_tables(place: Place) -> None:
    end = SIMULATION_START + timedelta(days=2)
    done = place.vpp(
        "up", "--no-train", "--to", iso(end), "--faults", "0.02", "--speed", "max", "--until-done", "--json"
    )
    assert done.returncode == 0, done.stderr[-3000:]

    options = SourceOptions(kind="simulate", end=end, faults=0.02)
    settings = Settings(data_dir=place.data_dir / "chain")
    feed = open_feed(options, settings)
    window = window_of(options, feed, SIMULATION_START)
    messages = with_faults(
        replay_messages(feed.chunks(window.first_row, window.read_until), feed.zones, window=window), faults_of(options)
    )
    with open_store(settings) as mine, open_store(place.settings, read_only=True) as theirs:
        run_into_store(Chain(settings, dict(feed.zones).get), messages, mine)
        for table in TABLES:
            assert content(theirs, table) == content(mine, table), table
        assert mine.count("decisions") == 2 * 96
        assert mine.count("dlq") == theirs.count("dlq")
