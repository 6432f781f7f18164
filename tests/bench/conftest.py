"""The world that the benchmarks share: simulated zones with a model, a broker, and what each topic carries.

Figures are printed at the end and written as JSON to ``BENCH_OUT`` where that is set. Embedded broker, or the Kafka of
``VPP_TEST_KAFKA``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from console.local.broker import EmbeddedBroker
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from tests.bench.workers import LIVE_DAYS, RESULTS, START, ZONES, World, without_renewables
from tests.plant_fixtures import make_place
from topologies.runtime.in_process import Chain
from topologies.sources.availability_order import Window, replay_messages
from topologies.sources.simulator import CHANNELS, Simulator
from vpp import messages as m
from vpp.files.zone_fitting import zone_for
from vpp.fleet.lookup import write_fleet


@pytest.fixture(scope="session", autouse=True)
def figures() -> Iterator[None]:
    """Print and write what the benchmarks measured."""
    yield
    text = json.dumps(RESULTS, indent=1)
    print("\n" + text)
    if out := os.environ.get("BENCH_OUT"):
        Path(out).write_text(text)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
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
    served = {each: registry.save(parts, {**metadata, "zone": each}) for each in ZONES}
    window = Window(start=START, end=START + timedelta(days=LIVE_DAYS), warm_up=timedelta(days=45))
    chunks = simulator.chunks(START - timedelta(days=60), window.end)
    messages: list[m.Message] = []
    for message in replay_messages(chunks, zones, window=window):
        if isinstance(message, m.Observation) and not message.history and message.slot == START:
            model = served[message.zone]
            messages.append(
                m.Promotion(zone=message.zone, available_at=START, model_id=model.model_id, sha256=model.sha256)
            )
        messages.append(message)
    if settings.kafka.bootstrap_servers:
        yield settings, zones, messages
    else:
        with EmbeddedBroker(settings.data_dir / "logs" / "broker.log") as broker:
            kafka = settings.kafka.model_copy(update={"bootstrap_servers": broker.address, "embedded": True})
            yield settings.model_copy(update={"kafka": kafka}), zones, messages


@pytest.fixture(scope="session")
def carried(world: World) -> dict[str, list[m.Message]]:
    """What each topic carries in this world."""
    settings, zones, messages = world
    topics: dict[str, list[m.Message]] = {}
    chain = Chain(settings, zones.get)
    for message in messages:
        for output in chain.feed(message):
            topics.setdefault(output.topic, []).append(output.message)
    by_step = chain.state_bytes(ZONES[0])
    RESULTS["state_bytes_per_zone"] = by_step
    RESULTS["state_bytes_per_zone_total"] = sum(by_step.values())
    return topics
