"""A whole plant on Kafka while a broker node is lost, and while workers join and leave: the tables of a calm run."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from console.local.processes import environment
from tests.plant_fixtures import ROOT, Place, make_place, recall_models, wait_for_slots
from tests.rough_run import SLOTS, arguments, check_same_tables, end, recovery_s, run_calm
from tests.services.kafka_cluster import KafkaCluster
from topologies.runtime.status import read_status
from vpp.fleet.in_force import start_fleet_path
from vpp.streams.topics import TOPOLOGIES

pytestmark = [pytest.mark.services, pytest.mark.long_drill]

Note = Callable[[str, object], None]
LOAD_S = 90.0


def place_on(folder: Path, broker: str, replicas: int) -> Place:
    """Return a place with its own store on a Kafka."""
    place = make_place(folder)
    own = {name: value for name, value in place.environment.items() if not name.startswith(("VPP_STORE", "VPP_INFLUX"))}
    own |= {"VPP_KAFKA__BOOTSTRAP_SERVERS": broker, "VPP_KAFKA__REPLICATION_FACTOR": str(replicas)}
    return replace(place, environment=own)


@pytest.fixture(scope="module")
def calm(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run without faults, on the embedded broker and SQLite."""
    place = make_place(tmp_path_factory.mktemp("calm"))
    own = {n: v for n, v in place.environment.items() if not n.startswith(("VPP_STORE", "VPP_INFLUX", "VPP_KAFKA"))}
    place = replace(place, environment=own)
    run_calm(place, data_dir)
    return place


@pytest.mark.drill("kafka_node_lost")
def test_a_lost_node_of_three_loses_nothing(calm: Place, data_dir: Path, tmp_path: Path, record_property: Note) -> None:
    with KafkaCluster(tmp_path / "kafka") as cluster:
        rough = place_on(tmp_path / "rough", cluster.address, replicas=3)
        recall_models(rough)
        process = rough.start(*arguments(data_dir, pulse_s=LOAD_S / SLOTS))
        try:
            wait_for_slots(rough, process, 300.0)
            cluster.kill(2)
            record_property("recovery_s", recovery_s(rough, process))
            time.sleep(10.0)
            cluster.start(2)
        finally:
            end(rough, process, 400.0)
    check_same_tables(calm, rough)


@pytest.mark.drill("rebalance")
def test_workers_that_join_and_leave_change_nothing(
    calm: Place, kafka_address: str, data_dir: Path, tmp_path: Path, record_property: Note
) -> None:
    rough = place_on(tmp_path / "rough", kafka_address, replicas=1)
    recall_models(rough)
    process = rough.start(*arguments(data_dir, pulse_s=LOAD_S / SLOTS))
    second_workers: list[subprocess.Popen[bytes]] = []
    try:
        wait_for_slots(rough, process, 300.0)
        for name in TOPOLOGIES:
            second_workers.append(start_second(rough, name, tmp_path))
        wait_until_all_share(rough, process)
        for worker in second_workers:
            worker.kill()
        record_property("recovery_s", recovery_s(rough, process))
    finally:
        for worker in second_workers:
            worker.kill()
            worker.wait(30)
        end(rough, process, 400.0)
    check_same_tables(calm, rough)


def start_second(place: Place, topology: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a second worker of a topology, in the group of the first and with the same fleet."""
    settings = place.settings.model_copy(update={"fleet": start_fleet_path(place.settings)})
    own = environment(settings) | {"VPP_KAFKA__WORKER_ID": "second", "PYTHONPATH": str(ROOT)}
    with (folder / f"second-{topology}.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", f"topologies.{topology}"], env=own, stdout=log, stderr=log)


def wait_until_all_share(place: Place, process: subprocess.Popen[bytes], until_s: float = 120.0) -> None:
    """Wait until the second plant has decided a slot: the zones are shared then."""
    deadline = time.monotonic() + until_s
    while not read_status(place.settings).get("plantsecond", {}).get("last_slot"):
        assert process.poll() is None, place.said()
        assert time.monotonic() < deadline, place.said()
        time.sleep(0.2)
