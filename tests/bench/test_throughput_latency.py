"""`make bench`: time from a measured slot on ``telemetry.raw`` to its setpoints, through five workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from console.local.processes import Processes
from tests.bench.timing import percentiles
from tests.bench.workers import RESULTS, ZONES, World, own_run, produce
from topologies.runtime.status import read_status
from vpp import messages as m
from vpp.settings import Settings
from vpp.streams.kafka import consumer_config, create_topics, producer_config

pytestmark = pytest.mark.bench

RATES_PER_S = (10, 50)
LATENCY_S = 10
SILENCE_S = 60
AFTER_SILENCE_PER_S = 10


def test_budget_of_the_time_from_telemetry_to_setpoint(world: World) -> None:
    settings, _, messages = world
    run = own_run(settings, "b-lat")
    create_topics(run)
    processes = Processes(run, run.data_dir / "logs" / run.run)
    topologies = ("telemetry", "forecast", "actor", "trader", "plant")
    try:
        for topology in topologies:
            processes.add(topology, f"topologies.{topology}")
        live = [x for x in messages if isinstance(x, m.Observation) and not x.history]
        produce(
            run, "telemetry.raw", [x for x in messages if getattr(x, "history", False) or isinstance(x, m.Promotion)]
        )
        warm, timed = live[: 10 * len(ZONES)], live[10 * len(ZONES) :]
        # The producer that is timed sends the warm slots too: its first record waits for the topic's metadata.
        producer = Producer(producer_config(run) | {"linger.ms": 0})
        send(run, producer, warm)
        producer.flush()
        consumer = Consumer(consumer_config(run, "bench"))
        consumer.subscribe([run.topic_prefix + "setpoints"])
        result = {}
        phases = [(f"{rate} slots/s", rate, 0) for rate in RATES_PER_S]
        phases.append((f"{AFTER_SILENCE_PER_S} slots/s after {SILENCE_S} s", AFTER_SILENCE_PER_S, SILENCE_S))
        for name, rate_per_s, silence_s in phases:
            wait_until_idle(run, topologies, consumer)
            wait_silently(consumer, silence_s)
            batch, timed = timed[: rate_per_s * LATENCY_S], timed[rate_per_s * LATENCY_S :]
            result[name] = send_and_time(run, producer, consumer, batch, rate_per_s)
            assert len(result[name]) == len(batch)
        consumer.close()
    finally:
        processes.stop()
    RESULTS["telemetry_to_setpoint_ms"] = {
        "broker": "embedded" if run.kafka.embedded else "kafka",
        **{name: percentiles(took, 1) for name, took in result.items()},
    }


def send(settings: Settings, producer: Producer, messages: Sequence[m.Message]) -> None:
    """Send observations with a producer."""
    for message in messages:
        producer.produce(settings.topic_prefix + "telemetry.raw", m.encode(message), message.zone.encode())
        producer.poll(0)


def wait_silently(consumer: Consumer, seconds: float) -> None:
    """Let nothing happen for so long; the consumer stays in its group."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        consumer.poll(0.5)


def wait_until_idle(settings: Settings, topologies: tuple[str, ...], consumer: Consumer) -> None:
    """Wait until no worker moves and ``consumer``, a member of its group by then, has read all there is."""
    deadline, quiet, before = time.monotonic() + 180, time.monotonic(), -1
    while time.monotonic() < deadline:
        status = read_status(settings)
        total = sum(result["processed"] for result in status.values())
        read = consumer.consume(1000, 0.1)
        if total != before or any(name not in status or not status[name]["processed"] for name in topologies):
            before, quiet = total, time.monotonic()
        if read or not consumer.assignment():
            quiet = time.monotonic()
        if time.monotonic() - quiet > 3.0:
            return
    raise AssertionError("the chain did not come to rest")


def send_and_time(
    settings: Settings, producer: Producer, consumer: Consumer, timed: Sequence[m.Message], rate_per_s: int
) -> list[float]:
    step = timedelta(minutes=30)
    sent: dict[tuple[str, datetime], float] = {}
    took: dict[tuple[str, datetime], float] = {}
    decode = m.Decoder(m.Setpoint | m.End)
    began = time.perf_counter()
    waiting = list(timed)
    deadline = began + len(timed) / rate_per_s + 60
    while len(took) < len(timed) and time.perf_counter() < deadline:
        while waiting and time.perf_counter() >= began + len(sent) / rate_per_s:
            message: Any = waiting.pop(0)
            sent[message.zone, message.slot + step] = time.perf_counter()
            send(settings, producer, [message])
        record = consumer.poll(0.001)
        if record is None or record.error():
            continue
        now = time.perf_counter()
        result = decode(record.value())
        key = (result.zone, result.slot) if isinstance(result, m.Setpoint) else None
        if key in sent and key not in took:
            took[key] = (now - sent[key]) * 1000
    producer.flush()
    return list(took.values())
