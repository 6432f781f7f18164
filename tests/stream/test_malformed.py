"""Ten thousand broken records among good ones: good ones go through, bad ones are kept with a reason."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Producer

from console.local.supervisor import Supervisor
from tests.plant_fixtures import Place
from vpp import messages as m
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import DLQ, FORECASTS, TELEMETRY
from vpp.streams.kafka import producer_config

pytestmark = [pytest.mark.stream, pytest.mark.slow]

T0 = datetime(2022, 3, 1, tzinfo=UTC)
ZONES = ("GB", "NSW1")
HISTORY, SLOTS, BAD = 200, 100, 10_000
KINDS = (
    "bytes",
    "types",
    "nan",
    "numbers",
    "payload",
    "tombstone",
    "no key",
    "other key",
    "unknown",
    "future",
    "kind",
    "empty",
)


def good(zone: str, n: int) -> m.Observation:
    values: m.Values = {
        "load_mw": 30_000.0 + 100 * (n % 48),
        "solar_mw": 500.0,
        "wind_mw": 5_000.0 + n,
        "price_per_mwh": 80.0 + n % 7,
    }
    return m.Observation(zone=zone, slot=T0 + n * timedelta(minutes=30), values=values, history=n < HISTORY)


def bad(kind: str, n: int, rng: random.Random) -> tuple[bytes | None, bytes | None]:
    zone = ZONES[n % 2]
    key = zone.encode()
    match kind:
        case "bytes":
            return key, rng.randbytes(rng.randint(1, 200))
        case "types":
            return (
                key,
                b'{"kind":"observation","zone":"%s","slot":"2022-03-01T00:00:00Z","values":{"load_mw":"many"}}' % key,
            )
        case "nan":
            return (
                key,
                b'{"kind":"observation","zone":"%s","slot":"2022-03-01T00:00:00Z","values":{"load_mw":NaN}}' % key,
            )
        case "numbers":
            return key, m.encode(m.Observation(zone=zone, slot=T0, values={"load_mw": 1e300}))
        case "payload":
            return key, b"[" * 50_000
        case "tombstone":
            return key, None
        case "no key":
            return None, m.encode(good(zone, HISTORY))
        case "other key":
            return b"DE_LU", m.encode(good(zone, HISTORY))
        case "unknown":
            return b"ATLANTIS", m.encode(m.Observation(zone="ATLANTIS", slot=T0, values={"load_mw": 1.0}))
        case "future":
            late = T0 + timedelta(days=400 + 30 * n)
            return key, m.encode(m.Observation(zone=zone, slot=late, values={"load_mw": 1.0}))
        case "kind":
            return key, b'{"kind":"telegram","zone":"%s"}' % key
        case _:
            return key, b""


def send(settings: Settings) -> None:
    rng = random.Random(7)
    producer = Producer(producer_config(settings))
    topic = settings.topic_prefix + "telemetry.raw"
    sent = 0
    for n in range(HISTORY + SLOTS):
        for zone in ZONES:
            producer.produce(topic, key=zone, value=m.encode(good(zone, n)))
        for _ in range(BAD // (HISTORY + SLOTS) + 1):
            if sent < BAD:
                key, value = bad(KINDS[sent % len(KINDS)], sent, rng)
                producer.produce(topic, key=key, value=value)
                sent += 1
        producer.poll(0)
    for zone in ZONES:
        producer.produce(topic, key=zone, value=m.encode(m.End(zone=zone, producer="source")))
    producer.flush()


def test_bad_records_are_kept_with_a_reason_and_good_ones_are_all_processed(place: Place) -> None:
    with Supervisor(place.settings, ZONES, None) as supervisor:
        send(supervisor.settings)
        supervisor.watch(until_done=True, on_pulse=lambda _: None)
        assert supervisor.restarts == 0
    with open_store(place.settings, read_only=True) as store:
        letters = store.read(DLQ, columns=("topic", "partition", "offset", "reason"))
        assert len(letters) == sum(KINDS[n % len(KINDS)] != "numbers" for n in range(BAD)), "a bad value is missing"
        assert set(letters.column("reason")) >= {
            "not_json",
            "schema",
            "empty",
            "key",
            "unknown_zone",
            "future",
        }
        for zone in ZONES:
            slots = store.read(TELEMETRY, zone=zone, columns=("slot",)).column("slot")
            assert slots == [T0 + (HISTORY + n) * timedelta(minutes=30) for n in range(SLOTS)]
            issued = store.read(FORECASTS, zone=zone, filters={"horizon_min": 30, "target": "net_load"}).column(
                "issued_at"
            )
            assert issued == slots
