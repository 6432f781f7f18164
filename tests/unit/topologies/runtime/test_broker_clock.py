"""In real time no record on any topic can be dated after the broker's clock; a run at speed knows no such clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.builders import (
    ZONE,
    actor_bid_at,
    closed_slot,
    forecast_at,
    order_of,
    slot_at,
    trader_bid_at,
)
from tests.worlds.records.fuzzed_records import STAMPS_MS
from tests.worlds.records.signed_workers import SignedWorkers
from topologies.runtime.broker_clock import refuse_future
from vpp import messages as m
from vpp.domain import Step
from vpp.errors import MessageError
from vpp.settings import load_settings
from vpp.streams.broker_stamps import AHEAD, broker_time
from vpp.streams.kafka import WireRecord

HALF_HOUR = Step(30)
LAST = 3
TICK = timedelta(seconds=5)
NOW = slot_at(LAST + 1)
FORGED_VALUES: dict[str, float | None] = {"load_mw": 9000.0}


def at(index: int) -> list[tuple[str, m.Message]]:
    """Return a message of each kind that is dated by the slot ``index``."""
    when = slot_at(index + 1)
    return [
        ("telemetry.raw", m.Observation(zone=ZONE, slot=slot_at(index), values=FORGED_VALUES, sent_at=when)),
        (
            "telemetry.raw",
            m.Observation(zone=ZONE, slot=when - TICK, values=FORGED_VALUES, duration_s=5.0, sent_at=when),
        ),
        ("telemetry.raw", m.Deadline(zone=ZONE, slot=slot_at(index))),
        ("telemetry.raw", m.Promotion(zone=ZONE, available_at=when, model_id="a", sha256="b")),
        (
            "telemetry.raw",
            m.Publication(zone=ZONE, available_at=when, first_slot=when, step_min=30, series={"price_per_mwh": [1.0]}),
        ),
        ("telemetry", closed_slot(index, 900.0)),
        (
            "telemetry",
            m.Correction(zone=ZONE, slot=slot_at(index), step_min=30, values={}, net_load_mw=1.0, revision=1),
        ),
        ("forecasts", forecast_at(index)),
        ("bids", actor_bid_at(index)),
        ("bids", trader_bid_at(index)),
        ("bids", m.Deadline(zone=ZONE, slot=slot_at(index))),
        ("orders", order_of("hold", issued_at=when)),
        ("orders", order_of("hold", sent_at=when)),
    ]


KINDS = [pytest.param(n, id=f"{topic}: {type(message).__name__}") for n, (topic, message) in enumerate(at(0))]


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[SignedWorkers]:
    now_ms = int(NOW.timestamp() * 1000)
    workers = SignedWorkers(tmp_path, load_settings({"data_dir": tmp_path}), now_ms=now_ms, real_time=True)
    for slot in range(LAST):
        workers.bid(slot)
    yield workers
    workers.close()


def put(workers: SignedWorkers, topic: str, message: m.Message) -> None:
    workers.put(WireRecord(topic, ZONE.encode(), m.encode(message), []))


@pytest.mark.parametrize("number", KINDS)
def test_a_record_from_the_future_changes_nothing_and_is_reported(workers: SignedWorkers, number: int) -> None:
    for ahead in (1, 6 * 48, 400 * 48):
        topic, message = at(LAST + ahead)[number]
        put(workers, topic, message)
    assert {letter.reason for letter in workers.letters} == {"future"}
    told = [alert for alert in workers.alerts if alert.topic == "records"]
    assert {alert.code for alert in told} == {m.AlertCode.CLOCK_JUMP}
    assert all(alert.slot <= NOW for alert in told)
    before = workers.powers()
    workers.bid(LAST)
    assert len(workers.powers()) > len(before)
    assert len({row[0] for row in workers.powers()}) == LAST + 1


@pytest.mark.parametrize("number", KINDS)
def test_a_record_of_now_is_no_record_from_the_future(number: int) -> None:
    _, message = at(LAST)[number]
    refuse_future(message, HALF_HOUR, NOW)
    refuse_future(message, HALF_HOUR, NOW - AHEAD)
    with pytest.raises(MessageError) as refused:
        refuse_future(message, HALF_HOUR, NOW - AHEAD - timedelta(seconds=6))
    assert refused.value.reason == "future"


@pytest.mark.parametrize("message", [m.End(zone=ZONE, producer="source"), order_of("hold", starts_at=slot_at(400))])
def test_what_is_not_dated_is_never_from_the_future(message: Any) -> None:
    refuse_future(message, HALF_HOUR, slot_at(0))


def test_a_timestamp_from_the_future_is_not_the_brokers() -> None:
    now = datetime.now(UTC)
    assert broker_time(int((now + timedelta(days=400)).timestamp() * 1000)) <= now + AHEAD + timedelta(minutes=1)
    assert broker_time(1_700_000_000_000) == datetime.fromtimestamp(1_700_000_000, UTC)


@pytest.mark.parametrize("stamp_ms", STAMPS_MS)
def test_any_timestamp_is_a_time(stamp_ms: int) -> None:
    assert datetime.fromtimestamp(0, UTC) <= broker_time(stamp_ms) <= datetime.now(UTC) + AHEAD
