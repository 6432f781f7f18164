"""Workers under measurement: what one takes for its records, and how records reach it.

Costs are CPU time of the worker, which other work on the machine moves little; rates and latencies are by the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import Producer

from console.local.processes import Processes
from topologies.runtime.status import read_status
from vpp import messages as m
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.streams.kafka import producer_config

World = tuple[Settings, dict[str, Zone], list[m.Message]]

START = datetime(2025, 6, 2, tzinfo=UTC)
ZONES = tuple(f"SIM_{n:02d}" for n in range(4))
LIVE_DAYS = 5
RESULTS: dict[str, Any] = {}
"""Figures by name, printed when the benchmarks end."""


def without_renewables(zone: Zone) -> Zone:
    """Return the zone with battery, peaker and load only, as the default fleet has them."""
    return zone.model_copy(update={"assets": tuple(a for a in zone.assets if a.kind != "renewable")})


def own_run(settings: Settings, name: str) -> Settings:
    return settings.model_copy(update={"run": (settings.run + "-" + name).strip("-")})


def produce(settings: Settings, topic: str, messages: Sequence[m.Message]) -> None:
    producer = Producer(producer_config(settings) | {"linger.ms": 20})
    for message in messages:
        while True:
            try:
                producer.produce(settings.topic_prefix + topic, m.encode(message), message.zone.encode())
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


@dataclass(frozen=True)
class Cost:
    """What a worker took between two marks: records per second by the clock, and CPU microseconds per record."""

    per_second: float
    cpu_us: float


def cost(
    settings: Settings,
    module: str,
    name: str,
    count: int,
    *arguments: str,
    start: int = 0,
    then: Callable[[], None] = lambda: None,
) -> Cost:
    """Run one worker over ``count`` records; measured is the last nine tenths of those after the first ``start``.

    A worker that is through between two looks is measured whole, its start included.

    ``then`` sends what comes after the first ``start`` records, once these are done and every zone has its model.
    """
    processes = Processes(settings, settings.data_dir / "logs" / settings.run)
    processes.add(name, module, *arguments)
    sent, first, began = False, None, time.time()
    deadline = time.monotonic() + 240
    try:
        while time.monotonic() < deadline:
            status = read_status(settings).get(name)
            if status and not sent and status["processed"] >= start:
                then()
                sent = True
            if status and first is None and start + 0.1 * (count - start) <= status["processed"] < count:
                first = status
            if status and status["processed"] >= count:
                first = first or {"processed": 0, "updated_at_s": began, "cpu_s": 0.0}
                done = status["processed"] - first["processed"]
                seconds = max(status["updated_at_s"] - first["updated_at_s"], 1e-9)
                return Cost(done / seconds, 1e6 * (status["cpu_s"] - first["cpu_s"]) / max(done, 1))
            time.sleep(0.02)
    finally:
        processes.stop()
    raise AssertionError(f"{name} did not finish: {processes.last_words(name)}")
