"""`make bench`: records per second of each topology, the forecast step against a plain pass-through, and latency.

Costs are CPU time of the worker, which other work on the machine moves little; rates and latencies are by the clock.
Prints the figures and writes them as JSON to ``BENCH_OUT`` where that is set. Runs on the embedded broker, or on the
Kafka of ``VPP_TEST_KAFKA``.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Consumer, Producer

from console.local.broker import EmbeddedBroker
from console.local.processes import Processes
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from tests.plant_fixtures import make_place
from topologies.runtime.in_process import Chain
from topologies.runtime.reducers import make_reducer
from topologies.runtime.status import read_status
from topologies.sources.availability_order import Window, replay_messages
from topologies.sources.simulator import CHANNELS, Simulator
from vpp import messages as m
from vpp.domain import NET_LOAD
from vpp.files.zone_fitting import zone_for
from vpp.fleet.lookup import write_fleet
from vpp.fleet.schema import Zone
from vpp.settings import Settings
from vpp.streams.kafka import consumer_config, create_topics, producer_config
from vpp.streams.reducer import Origin
from vpp.streams.topics import INPUT_OF

pytestmark = pytest.mark.bench

START = datetime(2025, 6, 2, tzinfo=UTC)
ZONES = tuple(f"SIM_{n:02d}" for n in range(4))
LIVE_DAYS = 5
SETTLED_SLOTS = 12
PASSES = {"json": 15, "bytes": 40}
RATES_PER_S = (10, 50)
LATENCY_S = 10
MOST_STEP_US, LEAST_SHARE = 1500.0, 0.2
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
    parts, metadata = Trainer(zones[name]).train(simulator.frame(zones[name], START - timedelta(days=90), START), START)
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
    found = {}
    for topology in ("telemetry", "forecast", "actor", "trader", "plant", "storage"):
        run = own_run(settings, f"b-{topology}")
        create_topics(run)
        topic = INPUT_OF[topology].name if topology in INPUT_OF else "forecasts"
        produce(run, topic, carried[topic])
        found[topology] = cost(run, f"topologies.{topology}", topology, len(carried[topic]))
    RESULTS["records_per_s"] = {name: round(value.per_second) for name, value in found.items()}
    RESULTS["cpu_us_per_record"] = {name: round(value.cpu_us) for name, value in found.items()}
    RESULTS["records_in"] = {name: len(values) for name, values in carried.items()}


def test_forecast_step_against_a_pass_through(
    world: tuple[Settings, dict[str, Zone], list[m.Message]], carried: dict[str, list[m.Message]]
) -> None:
    """Aims: 1 ms a slot, and without features and inference no more than copying its output costs over 0.3.

    The copy reads and writes JSON as the step does; one that leaves records unread is measured beside it. What is
    reached stands in ``docs/benchmarks/speed.md``; this fails where a change makes it half as good.
    """
    settings, zones, _ = world
    told = carried["telemetry"]
    closed = [i for i, x in enumerate(told) if isinstance(x, m.SlotClosed) and not x.history]
    first = closed[SETTLED_SLOTS * len(ZONES)]
    before, after = told[:first], told[first:]
    live = [x for x in after if isinstance(x, m.SlotClosed)]
    compute_us = compute_per_slot_us(settings, zones, carried["telemetry"])
    made = [x for x in carried["forecasts"] if isinstance(x, m.Forecast)]
    passed = {}
    for form, passes in PASSES.items():
        passing = own_run(settings, f"b-pass-{form}")
        create_topics(passing)
        produce(passing, "forecasts", made * passes)
        passed[form] = cost(passing, "tests.bench.pass_through", "pass", passes * len(made), form).cpu_us
    forecasting = own_run(settings, "b-fc")
    create_topics(forecasting)
    produce(forecasting, "telemetry", before)
    found = cost(
        forecasting, "topologies.forecast", "forecast", len(told), start=len(before),
        then=lambda: produce(forecasting, "telemetry", after),
    )  # fmt: skip
    step_us = found.cpu_us * len(after) / len(live)
    share = {form: cpu_us / max(step_us - compute_us, 1e-9) for form, cpu_us in passed.items()}
    RESULTS["forecast_step_cpu_us"] = {
        "per_slot": round(step_us),
        "features_and_inference": round(compute_us),
        "pass_through": {form: round(cpu_us) for form, cpu_us in passed.items()},
        "share_of_pass_through_rate": {form: round(value, 2) for form, value in share.items()},
    }
    assert step_us <= MOST_STEP_US
    assert share["json"] >= LEAST_SHARE


def compute_per_slot_us(settings: Settings, zones: dict[str, Zone], telemetry: list[m.Message]) -> float:
    """Return the mean CPU time of the reducers alone per live slot, zones in turn: features, inference, scoring.

    Also notes what features and inference take for one row, all horizons and quantiles.
    """
    reducers: dict[str, Any] = {name: make_reducer("forecast", zone, settings) for name, zone in zones.items()}
    states = {name: reducer.initial(name) for name, reducer in reducers.items()}
    steps, rows, keeping, encoding = [], [], [], []
    for n, message in enumerate(telemetry):
        reducer, state = reducers[message.zone], states[message.zone]
        took, (_, outputs) = timed_us(reducer.step, state, message, Origin("telemetry", 0, n))
        kept = timed_us(reducer.changes, state)[0]
        if isinstance(message, m.SlotClosed) and not message.history and state.served is not None:
            steps.append(took)
            keeping.append(kept)
            encoding.append(timed_us(lambda made: [m.encode(x.message) for x in made], outputs)[0])
            rows.append(timed_us(one_row, state)[0])
    RESULTS["forecast_reducer_cpu_us"] = percentiles(steps)
    RESULTS["one_row_cpu_us"] = percentiles(rows)
    RESULTS["packing_state_cpu_us"], RESULTS["encoding_cpu_us"] = percentiles(keeping), percentiles(encoding)
    return statistics.fmean(steps)


def one_row(state: Any) -> None:
    """Compute features, net load and price of the newest slot, as the step does."""
    net_load_row(state)
    price_row(state)


def net_load_row(state: Any) -> None:
    """Compute features and net load of the newest slot."""
    index, groups = state.head.last, np.arange(48, dtype=np.int64)
    rows = state.features.rows(state.ring, index)
    state.served.net_load.forecast(rows, state.ring.get(NET_LOAD, index), state.residuals, groups)


def price_row(state: Any) -> None:
    """Compute features and price of the newest slot."""
    state.served.price.forecast(state.ring, state.head.last)


def timed_us(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    began = time.thread_time_ns()
    made = work(*arguments)
    return (time.thread_time_ns() - began) / 1000, made


def percentiles(values: Sequence[float], digits: int = 0) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(values, q)), digits) for q in (50, 90, 99)} | {
        "mean": round(statistics.fmean(values), digits)
    }


def test_a_decision_takes_at_most_50_ms(
    world: tuple[Settings, dict[str, Zone], list[m.Message]], carried: dict[str, list[m.Message]]
) -> None:
    """One battery by dynamic programming, and with renewables that can be cut by the LP; curve and prices included."""
    settings, zones, _ = world
    cut = zone_for(ZONES[0], step_min=30, channels=CHANNELS)[0]
    for engine, zone in (("dp", zones[ZONES[0]]), ("lp", cut)):
        plant = make_reducer("plant", zone, settings)
        state, took = plant.initial(zone.zone), []
        for n, bid in enumerate([x for x in carried["bids"] if x.zone == zone.zone][:200]):
            spent, (state, outputs) = timed_us(plant.step, state, bid, Origin("bids", 0, n))
            decided = [x.message.engine for x in outputs if isinstance(x.message, m.Decision)]
            took += [spent / 1000] if decided == [engine] else []
        RESULTS[f"decision_cpu_ms_{engine}"] = percentiles(took, 1)
        assert np.median(took) <= 50.0


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
            wait_until_idle(run, topologies, consumer)
            batch, timed = timed[: rate_per_s * LATENCY_S], timed[rate_per_s * LATENCY_S :]
            found[rate_per_s] = send_and_time(run, consumer, batch, rate_per_s)
            assert len(found[rate_per_s]) == len(batch)
        consumer.close()
    finally:
        processes.stop()
    RESULTS["telemetry_to_setpoint_ms"] = {
        "broker": "embedded" if run.kafka.embedded else "kafka",
        **{f"{rate_per_s} slots/s": percentiles(took, 1) for rate_per_s, took in found.items()},
    }


def wait_until_idle(settings: Settings, topologies: tuple[str, ...], consumer: Consumer) -> None:
    """Wait until no worker moves and ``consumer``, a member of its group by then, has read all there is."""
    deadline, quiet, before = time.monotonic() + 180, time.monotonic(), -1
    while time.monotonic() < deadline:
        status = read_status(settings)
        total = sum(found["processed"] for found in status.values())
        read = consumer.consume(1000, 0.1)
        if total != before or any(name not in status or not status[name]["processed"] for name in topologies):
            before, quiet = total, time.monotonic()
        if read or not consumer.assignment():
            quiet = time.monotonic()
        if time.monotonic() - quiet > 3.0:
            return
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
