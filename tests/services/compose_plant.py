"""The workers of deploy/compose.yaml as processes here, with the environment that compose gives them."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from confluent_kafka.admin import AdminClient, NewTopic
from pydantic import SecretStr

from tests.contract.deploy.compose_file import ROOT, filled, read_compose, read_example
from tests.contract.deploy.rpk_script import calls_of, topics_of
from tests.service_fixtures import InfluxService
from vpp.settings import InfluxSettings
from vpp.store.influx import InfluxStore
from vpp.store.influx_client import write_tokens
from vpp.streams.kafka import wait_for_leaders
from vpp.streams.topics import TOPOLOGIES, expected_ends

SECRETS = ("VPP_INFLUX__TOKEN", "INFLUX_ADMIN_PASSWORD", "GRAFANA_ADMIN_PASSWORD")
APPROVAL_KEY = "an-approval-key-of-the-tests-alone-0123456789"
SIGNING_KEY = "a-signing-key-of-the-tests-alone-0123456789"
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
    topics: set[str]
    login: Callable[[str], dict[str, str]] = lambda _service: {}
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def environment(self, service: str) -> dict[str, str]:
        """What compose gives the service, with the addresses of the test's services and a folder of its own."""
        own = {
            "VPP_DATA_DIR": str(self.folder),
            "VPP_INFLUX__TOKEN_FILE": str(self.folder / "tokens" / "storage" / "token"),
        }
        outside = {
            name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "NUMBA_CACHE_DIR") if name in os.environ
        }
        composed = self.composed_environment(service)
        composed |= {name: value for name, value in own.items() if name in composed}
        return outside | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | composed

    def composed_environment(self, service: str) -> dict[str, str]:
        """What compose gives the service, with the addresses of the test's services."""
        secrets = dict.fromkeys(SECRETS, self.influx.token) | {
            "VPP_APPROVAL_KEY": APPROVAL_KEY,
            "VPP_SIGNING__KEY": SIGNING_KEY,
        }
        given = read_example() | secrets | {"VPP_RUN": self.run}
        result: dict[str, str] = filled(SERVICES[service]["environment"], given)
        moved = {
            "VPP_KAFKA__BOOTSTRAP_SERVERS": self.kafka,
            "VPP_INFLUX__URL": self.influx.url,
            "VPP_INFLUX__ORG": self.influx.org,
            "VPP_INFLUX__BUCKET": self.influx.bucket,
            "VPP_METRICS__HOST": "127.0.0.1",
            "VPP_METRICS__PORT": str(self.ports.get(service, 0)),
        }
        return result | {name: value for name, value in moved.items() if name in result} | self.login(service)

    def make_tokens(self) -> None:
        """Make the token of each service that reads or writes the database."""
        write_tokens(self.influx_settings(), self.folder / "tokens")

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

    def end(self, service: str, process: subprocess.Popen[bytes]) -> None:
        """Leave nothing of the service running."""
        if process.poll() is None:
            process.kill()
            process.wait(30)

    def logs(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def influx_settings(self) -> InfluxSettings:
        """Settings of the administrator of the database."""
        one = self.influx
        return InfluxSettings(url=one.url, org=one.org, bucket=one.bucket, token=SecretStr(one.token), timeout_s=30)

    def store(self) -> InfluxStore:
        return InfluxStore(self.influx_settings(), self.run, read_only=True)

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
    wait_for_leaders(admin, wanted, 60.0)
    return {topic.topic for topic in wanted}


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


@contextmanager
def running(
    plant: Plant, *source_arguments: str, wait_s: float = 120, meanwhile: Callable[[], None] = lambda: None
) -> Iterator[Plant]:
    """Start every worker, let the simulator send what the arguments say, and leave nothing running.

    Args:
        plant: The workers.
        source_arguments: What the simulator shall send.
        wait_s: Within how many seconds it must end.
        meanwhile: Called while it sends.
    """
    source = None
    try:
        plant.make_tokens()
        for name in TOPOLOGIES:
            plant.workers[name] = plant.start(name)
        source = plant.start("simulate", *source_arguments)
        meanwhile()
        assert source.wait(wait_s) == 0, plant.logs("simulate")
        yield plant
    finally:
        for name, process in [("simulate", source), *plant.workers.items()]:
            if process is not None:
                plant.end(name, process)
