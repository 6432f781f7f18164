"""With a signing key, no forged record on any topic moves a MW: each is refused with a dead letter and an alert."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.worlds.builders import ZONE, actor_bid_at, closed_slot, slot_at, trader_bid_at
from tests.worlds.records.fuzzed_records import example_of, kinds_of
from tests.worlds.records.signed_workers import NOW_MS, SignedWorkers
from vpp import messages as m
from vpp.settings import Settings, load_settings
from vpp.streams.kafka import WireRecord
from vpp.streams.signatures import FOREIGN, FRESH, HEADER, UNSIGNED, Headers, Signer, producer_key, producers
from vpp.streams.topics import BY_NAME, TOPICS, Topic

SECRET = "s" * 32
Forge = Callable[[Topic, bytes], WireRecord]


def record(topic: Topic, value: bytes, headers: Headers) -> WireRecord:
    return WireRecord(topic.name, ZONE.encode(), value, headers)


def signature(topic: Topic, value: bytes, writer: str = "", secret: str = SECRET, at_ms: int = NOW_MS) -> Headers:
    name = writer or topic.writers[0]
    return Signer(name, producer_key(secret.encode(), name)).headers(topic.wire(), ZONE.encode(), value, at_ms)


def stranger(topic: Topic) -> str:
    return next(name for name in producers() if name not in topic.writers)


def elsewhere(topic: Topic) -> Topic:
    return next(one for one in TOPICS if one is not topic)


FORGERIES: dict[str, Forge] = {
    "unsigned": lambda topic, value: record(topic, value, []),
    "empty signature": lambda topic, value: record(topic, value, [(HEADER, b"")]),
    "another secret": lambda topic, value: record(topic, value, signature(topic, value, secret="t" * 32)),
    "not a writer of the topic": lambda topic, value: record(topic, value, signature(topic, value, stranger(topic))),
    "signed for another topic": lambda topic, value: record(
        topic, value, signature(elsewhere(topic), value, topic.writers[0])
    ),
    "changed after it was signed": lambda topic, value: record(topic, value, signature(topic, value[:-1] + b" }")),
    "put again later": lambda topic, value: record(
        topic, value, signature(topic, value, at_ms=NOW_MS - int(FRESH.total_seconds() * 1000) - 1)
    ),
    "two signatures": lambda topic, value: record(topic, value, signature(topic, value) * 2),
}
MOVING: list[tuple[str, m.Message]] = [
    ("bids", actor_bid_at(3, [90.0] * 32, observation=closed_slot(3, 900.0), observed_net_mw=90.0)),
    ("bids", trader_bid_at(3, [900.0] * 32, observation=closed_slot(3, 900.0))),
    ("bids", m.Deadline(zone=ZONE, slot=slot_at(40))),
    ("telemetry", closed_slot(3, 900.0)),
    ("telemetry", closed_slot(2000, 900.0)),
    ("telemetry.raw", m.Observation(zone=ZONE, slot=slot_at(40), values={"load_mw": 9000.0})),
    ("telemetry.raw", m.Promotion(zone=ZONE, available_at=slot_at(2), model_id="forged", sha256="0" * 64)),
]


def settings_of(folder: Path, key: str | None) -> Settings:
    return load_settings({"data_dir": folder, "signing": {"key": key} if key else {}})


def workers_in(folder: Path, key: str | None = SECRET) -> SignedWorkers:
    folder.mkdir(exist_ok=True)
    workers = SignedWorkers(folder, settings_of(folder, key))
    for slot in range(3):
        workers.bid(slot)
    return workers


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Setpoints of a plant that nobody attacks."""
    workers = workers_in(tmp_path_factory.mktemp("calm"))
    workers.bid(3)
    workers.bid(4)
    powers = workers.powers()
    workers.close()
    return powers


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[SignedWorkers]:
    workers = workers_in(tmp_path)
    yield workers
    workers.close()


@pytest.mark.parametrize("topic", [pytest.param(topic, id=topic.name) for topic in TOPICS])
def test_no_forged_record_moves_a_mw(topic: Topic, workers: SignedWorkers, calm: list[Any]) -> None:
    tables = {name: workers.store.count(name) for name in ("setpoints", "ledger", "assets", "orders", "decisions")}
    values = [json.dumps(example_of(kind)).encode() for kind in kinds_of(topic)]
    values += [m.encode(message) for name, message in MOVING if name == topic.name]
    sent = 0
    for value in values:
        for name, forge in FORGERIES.items():
            before = len(workers.letters)
            workers.put(forge(topic, value))
            fresh = {letter.reason for letter in workers.letters[before:]}
            assert fresh == {UNSIGNED if name == "unsigned" else FOREIGN}, (name, value[:80])
            sent += 1
    assert sent >= len(FORGERIES)
    assert {name: workers.store.count(name) for name in tables} == tables
    assert {alert.code for alert in workers.alerts if alert.topic == "records"} == {m.AlertCode.RECORD_UNSIGNED}
    workers.bid(3)
    workers.bid(4)
    assert workers.powers() == calm


@pytest.mark.parametrize("index", range(3))
def test_without_a_key_the_same_records_do_move_power(index: int, tmp_path: Path, calm: list[Any]) -> None:
    workers = workers_in(tmp_path / "open", None)
    topic, message = MOVING[index]
    workers.put(record(BY_NAME[topic], m.encode(message), []))
    workers.bid(3)
    workers.bid(4)
    assert workers.powers() != calm
    workers.close()


def test_what_the_workers_write_themselves_is_believed(workers: SignedWorkers, calm: list[Any]) -> None:
    for slot in (3, 4):
        values: dict[str, float | None] = {"load_mw": 500.0, "price_per_mwh": 100.0}
        workers.send("telemetry.raw", m.Observation(zone=ZONE, slot=slot_at(slot), values=values), "simulate")
        workers.bid(slot)
    assert workers.letters == []
    assert workers.powers() == calm
    assert workers.store.count("telemetry") == 2
    assert workers.store.count("forecasts") > 0


def test_a_flood_of_forged_records_is_one_alert_a_slot(workers: SignedWorkers) -> None:
    forged = record(BY_NAME["bids"], m.encode(MOVING[0][1]), [])
    for _ in range(50):
        workers.put(forged)
    assert workers.store.count("alerts", filters={"topic": "records"}) == 1
    assert len({msgspec.json.encode(letter) for letter in workers.letters}) >= 50
