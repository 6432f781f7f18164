"""The workers of deploy/compose.yaml, with its very environment, on a real Kafka and a real InfluxDB.

Topics are made by deploy/create-topics.sh, and the workers may not make any.
"""

import json
import os
import signal
from collections.abc import Iterator
from time import monotonic, sleep

import pytest
from confluent_kafka.admin import AdminClient

from tests.service_fixtures import InfluxService
from tests.services.compose_plant import Plant, create_topics, free_port, running, wait_for_the_end
from topologies.control.slot_trace import find_trace
from vpp.streams.topics import TOPOLOGIES
from vpp.streams.tracing import trace_id_of

pytestmark = [pytest.mark.services, pytest.mark.slow]

ZONE = "SIM_NORTH"
SLOTS = 48
A_DAY = ("--zone", ZONE, "--from", "2025-06-02", "--to", "2025-06-03", "--warm-up-days", "8", "--speed", "max")


@pytest.fixture(scope="module")
def plant(kafka_address: str, influx: InfluxService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    run = f"compose-{os.getpid()}"
    topics = create_topics(kafka_address, run, folder)
    ports = {name: free_port() for name in TOPOLOGIES}
    with running(Plant(run, folder, kafka_address, influx, ports, topics), *A_DAY) as plant:
        yield plant


def test_a_day_goes_through_every_worker_into_the_database(plant: Plant) -> None:
    wait_for_the_end(plant)
    with plant.store() as store:
        assert store.count("telemetry", zone=ZONE) == SLOTS
        assert store.count("bids", zone=ZONE, filters={"policy": "actor"}) == SLOTS
        assert store.count("bids", zone=ZONE, filters={"policy": "trader"}) == SLOTS
        assert store.count("decisions", zone=ZONE) == SLOTS
        assert store.count("ledger", zone=ZONE, filters={"asset_id": "zone"}) == SLOTS
        assert store.count("dlq") == 0


def test_every_worker_is_healthy_and_tells_its_metrics(plant: Plant) -> None:
    for name in TOPOLOGIES:
        assert plant.ask(name, "/healthz") == (200, "ok\n"), name
        status, metrics = plant.ask(name, "/metrics")
        assert status == 200
        assert f'vpp_messages_total{{topology="{name}"}}' in metrics
        assert f'vpp_checkpoint_seconds_count{{topology="{name}"}}' in metrics
        assert 'vpp_consumer_committed_offset{partition="' in metrics
    assert f'vpp_slots_decided_total{{outcome="planned",zone="{ZONE}"}}' in plant.ask("plant", "/metrics")[1]
    assert 'vpp_forecasts_total{source="' in plant.ask("forecast", "/metrics")[1]
    assert 'vpp_age_seconds_count{mode="replay",topology="storage"}' in plant.ask("storage", "/metrics")[1]


def test_a_slot_is_followed_through_every_worker(plant: Plant) -> None:
    with plant.store() as store:
        way = find_trace(store, f"{ZONE}@2025-06-02T12:00")
        assert store.count("hops", zone=ZONE, filters={"step": "plant"}) == SLOTS
    assert [step.step for step in way.steps] == ["telemetry", "forecast", "actor", "trader", "plant"]
    assert way.missing == ()
    assert way.trace_id == trace_id_of(ZONE, way.slot)
    assert way.decided_s is not None
    assert 0.0 < way.decided_s <= way.total_s
    assert all(step.stored_at >= step.sent_at >= step.taken_at >= way.arrived_at for step in way.steps)


def test_workers_created_no_topic(plant: Plant) -> None:
    there = AdminClient({"bootstrap.servers": plant.kafka}).list_topics(timeout=10).topics
    assert {name for name in there if plant.run in name} == plant.topics


def test_logs_are_json_lines(plant: Plant) -> None:
    lines = [line for line in plant.logs("plant").splitlines() if line.strip()]
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_killed_worker_comes_back_at_once_under_its_name(plant: Plant) -> None:
    plant.workers["telemetry"].kill()
    plant.workers["telemetry"].wait(10)
    plant.workers["telemetry"] = plant.start("telemetry")
    deadline = monotonic() + 40
    while True:
        try:
            if plant.ask("telemetry", "/readyz")[0] == 200:
                break
        except OSError:
            pass
        assert monotonic() < deadline, plant.logs("telemetry")[-2000:]
        sleep(0.5)


def test_sigterm_drains_within_the_grace_period(plant: Plant) -> None:
    for process in plant.workers.values():
        process.send_signal(signal.SIGTERM)
    for name, process in plant.workers.items():
        assert process.wait(30) == 0, (name, plant.logs(name)[-2000:])
