"""The workers of deploy/compose.yaml, with its very environment, on a real Kafka and a real InfluxDB.

Topics are made by deploy/create-topics.sh, and the workers may not make any.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import SecretStr

from tests.contract.compose_file import ROOT, filled, read_compose, read_example
from tests.contract.rpk_script import calls_of, topics_of
from tests.service_fixtures import InfluxService
from vpp.settings import InfluxSettings
from vpp.store.influx import InfluxStore
from vpp.topics import TOPOLOGIES, expected_ends

pytestmark = [pytest.mark.services, pytest.mark.slow]

ZONE = "SIM_NORTH"
SLOTS = 48
SECRETS = ("VPP_INFLUX__TOKEN", "INFLUX_ADMIN_PASSWORD", "GRAFANA_ADMIN_PASSWORD")
SERVICES = read_compose()["services"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Plant:
    """The workers of one run."""

    run: str
    folder: Path
    kafka: str
    influx: InfluxService
    ports: dict[str, int]
    workers: dict[str, subprocess.Popen[bytes]]
    topics: set[str]

    def environment(self, service: str) -> dict[str, str]:
        """What compose gives the service, with the addresses of the test's services and a folder of its own."""
        given = read_example() | dict.fromkeys(SECRETS, self.influx.token) | {"VPP_RUN": self.run}
        found: dict[str, str] = filled(SERVICES[service]["environment"], given)
        moved = {
            "VPP_DATA_DIR": str(self.folder),
            "VPP_KAFKA__BOOTSTRAP_SERVERS": self.kafka,
            "VPP_INFLUX__URL": self.influx.url,
            "VPP_INFLUX__ORG": self.influx.org,
            "VPP_INFLUX__BUCKET": self.influx.bucket,
            "VPP_METRICS__HOST": "127.0.0.1",
            "VPP_METRICS__PORT": str(self.ports.get(service, 0)),
        }
        found |= {name: value for name, value in moved.items() if name in found}
        outside = {
            name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "NUMBA_CACHE_DIR") if name in os.environ
        }
        return outside | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | found

    def start(self, service: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start the command of a compose service in an empty folder."""
        command = filled(SERVICES[service]["command"], read_example())
        with (self.folder / f"{service}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *command[1:], *arguments],
                cwd=self.folder,
                env=self.environment(service),
                stdout=log,
                stderr=log,
            )

    def logs(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def store(self) -> InfluxStore:
        one = self.influx
        settings = InfluxSettings(url=one.url, org=one.org, bucket=one.bucket, token=SecretStr(one.token), timeout_s=30)
        return InfluxStore(settings, self.run, read_only=True)

    def ask(self, service: str, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[service]}{path}", timeout=4) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def create_topics(kafka: str, run: str, folder: Path) -> set[str]:
    """Do what the one-shot service does, with its lines read by a stand-in for rpk."""
    calls = calls_of(
        ROOT / "deploy" / "create-topics.sh", folder, {"VPP_KAFKA__BOOTSTRAP_SERVERS": kafka, "VPP_RUN": run}
    )
    wanted = [NewTopic(t.name, t.partitions, t.replicas, config=t.config) for t in topics_of(calls)]
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics(wanted).values():
        future.result(30)
    return {topic.topic for topic in wanted}


@pytest.fixture(scope="module")
def plant(kafka_address: str, influx: InfluxService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    run = f"compose-{os.getpid()}"
    topics = create_topics(kafka_address, run, folder)
    ports = {name: free_port() for name in TOPOLOGIES}
    plant = Plant(run, folder, kafka_address, influx, ports, {}, topics)
    for name in TOPOLOGIES:
        plant.workers[name] = plant.start(name)
    source = plant.start(
        "simulate",
        *("--zone", ZONE, "--from", "2025-06-02", "--to", "2025-06-03", "--warm-up-days", "8", "--speed", "max"),
    )
    try:
        assert source.wait(120) == 0, plant.logs("simulate")
        yield plant
    finally:
        for process in (source, *plant.workers.values()):
            if process.poll() is None:
                process.kill()
            process.wait(30)


def wait_for_the_end(plant: Plant, seconds: float = 180) -> None:
    deadline = monotonic() + seconds
    with plant.store() as store:
        while True:
            seen = {(topic, producer) for topic, producer in store.read("ends", columns=("topic", "producer"))}
            if expected_ends() <= seen:
                return
            dead = {name: plant.logs(name)[-2000:] for name, w in plant.workers.items() if w.poll() is not None}
            assert not dead, dead
            assert monotonic() < deadline, f"no end of {sorted(expected_ends() - seen)} within {seconds} s"
            sleep(1)


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
