"""`make bench`: records per second of each topology, the forecast step against a plain pass-through, and latency.

Ratios are measured side by side in one run; absolute figures depend on the machine. Prints a table and writes it as
JSON to ``BENCH_OUT`` where that is set. Runs on the embedded broker, or on the Kafka of ``VPP_TEST_KAFKA``.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer

from console.local.broker import EmbeddedBroker
from console.local.processes import Processes
from models.registry import Registry
from models.training import Trainer
from tests.plant_fixtures import make_place
from topologies.chain import Chain, MemoryState
from topologies.runner import Runner
from topologies.sources.replay_rows import Window, replay_messages
from topologies.sources.simulator import CHANNELS, Simulator
from topologies.status import read_status
from topologies.steps import make_reducer
from vpp import messages as m
from vpp.fleet import Zone
from vpp.kafka import consumer_config, create_topics, producer_config
from vpp.reducer import Origin
from vpp.settings import Settings
from vpp.topics import INPUT_OF
from vpp.zones import write_fleet, zone_for

pytestmark = pytest.mark.bench

START = datetime(2025, 6, 2, tzinfo=UTC)
ZONES = tuple(f"SIM_{n:02d}" for n in range(4))
LIVE_DAYS = 8
PASSES = 12
RATES_PER_S = (10, 50)
LATENCY_S = 10
RESULTS: dict[str, Any] = {}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, dict[str, Zone], list[m.Message]]]:
    place = make_place(tmp_path_factory.mktemp("bench"))
    settings = place.settings
    zones = {name: without_renewables(zone_for(name, step_min=30, channels=CHANNELS)[0]) for name in ZONES}
    fleet = settings.data_dir / "fleet.yaml"
    write_fleet(fleet, zones.values())
    settings = settings.model_copy(update={"fleet": fleet})
    simulator = Simulator(tuple(zones.values()), 7)
    registry = Registry(settings.models_dir)
    name = ZONES[0]
    parts, metadata = Trainer(zones[name]).train(
        simulator.frame(zones[name], START - timedelta(days=120), START), START
    )
    served = registry.save(parts, metadata)
    window = Window(start=START, end=START + timedelta(days=LIVE_DAYS), warm_up=timedelta(days=45))
    chunks = simulator.chunks(START - timedelta(days=60), window.end)
    messages: list[m.Message] = []
    for message in replay_messages(chunks, zones, window=window):
        if isinstance(message, m.Observation) and not message.history and message.slot == START:
            messages.append(
                m.Promotion(zone=message.zone, available_at=START, model_id=served.model_id, sha256=served.sha256)
            )
        messages.append(message)
    if settings.kafka.bootstrap_servers:
        yield settings, zones, messages
    else:
        with EmbeddedBroker(settings.data_dir / "logs" / "broker.log") as broker:
            kafka = settings.kafka.model_copy(update={"bootstrap_servers": broker.address, "embedded": True})
            yield settings.model_copy(update={"kafka": kafka}), zones, messages
    text = json.dumps(RESULTS, indent=1)
    print("\n" + text)
    if out := os.environ.get("BENCH_OUT"):
        Path(out).write_text(text)


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


def rate(settings: Settings, module: str, name: str, count: int) -> float:
    """Return records per second of one worker between its 10 % and its 100 % mark."""
    processes = Processes(settings, settings.data_dir / "logs" / settings.run)
    processes.add(name, module)
    first: tuple[float, int] | None = None
    deadline = time.monotonic() + 240
    try:
        while time.monotonic() < deadline:
            status = read_status(settings).get(name)
            if status and status["processed"] >= 0.1 * count and first is None:
                first = (status["updated_at_s"], status["processed"])
            if status and status["processed"] >= count and first is not None:
                return float((status["processed"] - first[1]) / max(status["updated_at_s"] - first[0], 1e-9))
            time.sleep(0.05)
    finally:
        processes.stop()
    raise AssertionError(f"{name} did not finish: {processes.last_words(name)}")


def inputs(settings: Settings, zones: dict[str, Zone], messages: list[m.Message]) -> dict[str, list[m.Message]]:
    found: dict[str, list[m.Message]] = {}
    chain = Chain(settings, zones.get)
    for message in messages:
        for output in chain.feed(message):
            found.setdefault(output.topic, []).append(output.message)
    return found


@pytest.fixture(scope="module")
def carried(world: tuple[Settings, dict[str, Zone], list[m.Message]]) -> dict[str, list[m.Message]]:
    """What each topic carries in this world."""
    return inputs(*world)


def test_throughput_of_each_topology(
    world: tuple[Settings, dict[str, Zone], list[m.Message]], carried: dict[str, list[m.Message]]
) -> None:
    settings, _, _ = world
    assert len(carried["forecasts"]) == len(ZONES) * (LIVE_DAYS * 48 + 1)
    per_second = {}
    for topology in ("telemetry", "forecast", "actor", "trader", "plant", "storage"):
        run = own_run(settings, f"b-{topology}")
        create_topics(run)
        topic = INPUT_OF[topology].name if topology in INPUT_OF else "forecasts"
        produce(run, topic, carried[topic])
        per_second[topology] = rate(run, f"topologies.{topology}", topology, len(carried[topic]))
    RESULTS["records_per_s"] = {name: round(value) for name, value in per_second.items()}
    RESULTS["records_in"] = {name: len(values) for name, values in carried.items()}


def test_forecast_step_against_a_pass_through(
    world: tuple[Settings, dict[str, Zone], list[m.Message]], carried: dict[str, list[m.Message]]
) -> None:
    settings, zones, _ = world
    slots = [x for x in carried["telemetry"] if isinstance(x, m.SlotClosed)]
    live = [x for x in slots if not x.history]
    compute_us = compute_per_slot_us(settings, zones, carried["telemetry"])
    passing = own_run(settings, "b-pass")
    create_topics(passing)
    produce(passing, "forecasts", [x for x in carried["forecasts"] if isinstance(x, m.Forecast)] * PASSES)
    pass_rate = rate(passing, "tests.bench.pass_through", "pass", PASSES * len(live))
    forecasting = own_run(settings, "b-fc")
    create_topics(forecasting)
    produce(forecasting, "telemetry", [x for x in carried["telemetry"] if not isinstance(x, m.SlotClosed) or x.history])
    produce(forecasting, "telemetry", live)
    total = len(carried["telemetry"])
    forecast_rate = rate_of_tail(forecasting, total - len(live), total)
    step_us, pass_us = 1e6 / forecast_rate, 1e6 / pass_rate
    rest_us = max(step_us - compute_us, 1e-9)
    RESULTS["forecast_step"] = {
        "per_slot_us": round(step_us),
        "features_and_inference_us": round(compute_us),
        "pass_through_us": round(pass_us),
        "share_of_pass_through_rate": round(pass_us / rest_us, 2),
    }
    assert pass_us / rest_us >= 0.3


def rate_of_tail(settings: Settings, start: int, count: int) -> float:
    processes = Processes(settings, settings.data_dir / "logs" / settings.run)
    processes.add("forecast", "topologies.forecast")
    first: tuple[float, int] | None = None
    deadline = time.monotonic() + 240
    try:
        while time.monotonic() < deadline:
            status = read_status(settings).get("forecast")
            if status and status["processed"] > start + 0.1 * (count - start) and first is None:
                first = (status["updated_at_s"], status["processed"])
            if status and status["processed"] >= count and first is not None:
                return float((status["processed"] - first[1]) / max(status["updated_at_s"] - first[0], 1e-9))
            time.sleep(0.05)
    finally:
        processes.stop()
    raise AssertionError(processes.last_words("forecast"))


def compute_per_slot_us(settings: Settings, zones: dict[str, Zone], telemetry: list[m.Message]) -> float:
    """Return the mean CPU time of the reducer alone per live slot: features, inference, scoring."""
    one = [x for x in telemetry if x.zone == ZONES[0]]
    runner = Runner("forecast", zones.get, lambda zone: make_reducer("forecast", zone, settings))
    state = MemoryState()
    reducer = make_reducer("forecast", zones[ZONES[0]], settings)
    current = reducer.initial(ZONES[0])
    took = []
    for n, message in enumerate(one):
        began = time.process_time_ns()
        current, _ = reducer.step(current, message, Origin("telemetry", 0, n))
        if isinstance(message, m.SlotClosed) and not message.history:
            took.append((time.process_time_ns() - began) / 1000)
        reducer.changes(current)
    assert runner.dead_letters == 0
    assert state.get_bytes("x") is None
    RESULTS["forecast_reducer_us"] = {
        "p50": round(statistics.median(took)),
        "p99": round(float(np.quantile(took, 0.99))),
    }
    return statistics.fmean(took)


def test_latency_from_telemetry_to_setpoint(world: tuple[Settings, dict[str, Zone], list[m.Message]]) -> None:
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
        produce(run, "telemetry.raw", warm)
        consumer = Consumer(consumer_config(run, "bench"))
        consumer.subscribe([run.topic_prefix + "setpoints"])
        found = {}
        for rate_per_s in RATES_PER_S:
            wait_until_idle(run, topologies)
            batch, timed = timed[: rate_per_s * LATENCY_S], timed[rate_per_s * LATENCY_S :]
            found[rate_per_s] = send_and_time(run, consumer, batch, rate_per_s)
            assert len(found[rate_per_s]) == len(batch)
        consumer.close()
    finally:
        processes.stop()
    RESULTS["telemetry_to_setpoint_ms"] = {
        "broker": "embedded" if run.kafka.embedded else "kafka",
        **{
            f"{rate_per_s} slots/s": {f"p{q}": round(float(np.percentile(took, q)), 1) for q in (50, 90, 99)}
            for rate_per_s, took in found.items()
        },
    }


def wait_until_idle(settings: Settings, topologies: tuple[str, ...]) -> None:
    deadline, quiet, before = time.monotonic() + 180, time.monotonic(), -1
    while time.monotonic() < deadline:
        status = read_status(settings)
        total = sum(found["processed"] for found in status.values())
        if total != before or any(name not in status or not status[name]["processed"] for name in topologies):
            before, quiet = total, time.monotonic()
        if time.monotonic() - quiet > 3.0:
            return
        time.sleep(0.1)
    raise AssertionError("the chain did not come to rest")


def send_and_time(settings: Settings, consumer: Consumer, timed: Sequence[m.Message], rate_per_s: int) -> list[float]:
    producer = Producer(producer_config(settings) | {"linger.ms": 0})
    topic = settings.topic_prefix + "telemetry.raw"
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
            producer.produce(topic, m.encode(message), message.zone.encode())
            producer.poll(0)
        record = consumer.poll(0.001)
        if record is None or record.error():
            continue
        now = time.perf_counter()
        found = decode(record.value())
        key = (found.zone, found.slot) if isinstance(found, m.Setpoint) else None
        if key in sent and key not in took:
            took[key] = (now - sent[key]) * 1000
    producer.flush()
    return list(took.values())
