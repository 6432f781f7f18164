"""A gateway whose clock is minutes off learns the time from a real Kafka, which stamps records itself."""

from __future__ import annotations

import time

import pytest

from topologies.gateways.clock import GatewayClock
from topologies.sources.outbox import KafkaOutbox
from vpp.messages import Observation
from vpp.settings import KafkaSettings, Settings
from vpp.streams.kafka import create_topics
from vpp.streams.topics import RAW

pytestmark = pytest.mark.services


@pytest.mark.parametrize("off_s", [-400.0, 400.0])
def test_a_record_of_its_own_sets_the_clock_right(kafka_address: str, unique_name: str, off_s: float) -> None:
    kafka = KafkaSettings(bootstrap_servers=kafka_address, partitions=1, replication_factor=1)
    settings = Settings(kafka=kafka, run=unique_name)
    create_topics(settings)
    clock = GatewayClock(asks_log=True, wall_s=lambda: time.time() + off_s)
    outbox = KafkaOutbox(settings, RAW, "gateway", stamped=clock.note_written)
    for _ in range(2):  # the first waits for the connection
        outbox.send(Observation(zone="Z", slot=clock.run_now(), values={}))
        outbox.flush()
    assert clock.is_checked
    assert abs(clock.off_s - off_s) < 1.0
    assert abs(clock.now().timestamp() - time.time()) < 1.0
