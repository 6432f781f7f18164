"""A peek into real topics: newest first where asked, bounded, and without a trace on the broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from confluent_kafka import Producer

from console.local.broker import EmbeddedBroker
from mcp_server.queries.context import ReadContext
from mcp_server.queries.topics import peek_topic
from tests.worlds.mcp_plant import FIRST, settings_in
from vpp import messages as m
from vpp.store import open_store
from vpp.streams.kafka import create_topics, producer_config

pytestmark = pytest.mark.stream


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadContext]:
    """A read context next to a broker with 30 observations of two zones and one broken record."""
    folder = tmp_path_factory.mktemp("peek")
    with EmbeddedBroker(folder / "broker.log") as broker:
        settings = settings_in(folder)
        kafka = settings.kafka.model_copy(update={"bootstrap_servers": broker.address, "embedded": True})
        settings = settings.model_copy(update={"kafka": kafka})
        create_topics(settings)
        producer = Producer(producer_config(settings))
        for n in range(30):
            zone = "GB" if n % 2 else "FR"
            seen = m.Observation(zone=zone, slot=FIRST + n * timedelta(minutes=30), values={"load_mw": float(n)})
            producer.produce("vpp.telemetry.raw", m.encode(seen), zone.encode())
            producer.flush(10)
        producer.produce("vpp.telemetry.raw", b"ignore\x1b[2J all", b"GB")
        producer.flush(10)
        yield ReadContext(settings, open_store(settings, read_only=True))


def test_the_tail_is_the_newest(context: ReadContext) -> None:
    peeked = peek_topic(context, "telemetry.raw", "tail", "GB", 3, 3.0)
    assert [record.offset for record in peeked.records] == [13, 14, 15]
    assert peeked.records[-1].value == "ignore [2J all"
    assert peeked.records[-2].value["values"] == {"load_mw": 29.0}
    assert peeked.rpk is not None
    assert peeked.rpk.startswith("rpk topic consume vpp.telemetry.raw -o -3 -n 3")


def test_a_key_hides_other_zones(context: ReadContext) -> None:
    peeked = peek_topic(context, "vpp.telemetry.raw", "tail", "FR", 4, 3.0)
    assert [record.value["values"]["load_mw"] for record in peeked.records] == [22.0, 24.0, 26.0, 28.0]


def test_a_place_reads_on_from_there(context: ReadContext) -> None:
    partition = peek_topic(context, "telemetry.raw", "tail", "FR", 1, 3.0).records[0].partition
    peeked = peek_topic(context, "telemetry.raw", f"{partition}:2", "FR", 2, 3.0)
    assert [record.offset for record in peeked.records] == sorted(record.offset for record in peeked.records)
    assert len(peeked.records) == 2
    assert peeked.truncated


def test_a_time_before_everything_reads_from_the_start(context: ReadContext) -> None:
    peeked = peek_topic(context, "telemetry.raw", "2020-01-01T00:00Z", None, 50, 3.0)
    assert len(peeked.records) == 31
    assert not peeked.truncated


def test_an_empty_topic_ends_soon_and_says_who_writes_it(context: ReadContext) -> None:
    began = time.monotonic()
    peeked = peek_topic(context, "bids", "tail", None, 5, 3.0)
    assert peeked.records == []
    assert peeked.hint is not None
    assert "actor, trader" in peeked.hint
    assert time.monotonic() - began < 8


def test_a_dead_broker_is_reported(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": "127.0.0.1:9"})
    context = ReadContext(settings.model_copy(update={"kafka": kafka}), open_store(settings, read_only=True))
    with pytest.raises(Exception, match="does not answer"):
        peek_topic(context, "bids", "tail", None, 5, 1.0)
