"""A Kafka of three nodes on loopback, each a broker and a controller, whose nodes can be lost and come back."""

from __future__ import annotations

import base64
import subprocess
import time
import uuid
from pathlib import Path

from tests.services.compose_plant import free_port

HERE = Path(__file__).parent
NODES = (1, 2, 3)
SETTINGS = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # Three nodes share the machine with the plant: a slow answer is not yet a lost node.
    "controller.quorum.request.timeout.ms": "10000",
    "controller.quorum.election.timeout.ms": "5000",
    "controller.quorum.fetch.timeout.ms": "10000",
    "broker.heartbeat.interval.ms": "1000",
    "broker.session.timeout.ms": "9000",
}


class KafkaCluster:
    """Three processes, with a copy of every record on each; use as a context manager.

    Args:
        folder: For data and logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libs = subprocess.run(
            [HERE / "services.sh", "kafka-libs"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self._ports = {node: free_port() for node in NODES}
        self._nodes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        """host:port of each node."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    def __enter__(self) -> KafkaCluster:
        identity = base64.urlsafe_b64encode(b"vpp" + uuid.uuid4().bytes[3:]).decode()[:22]
        controllers = {node: free_port() for node in NODES}
        voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in controllers.items())
        for node in NODES:
            folder = self._folder / str(node)
            folder.mkdir(parents=True)
            own = {
                "node.id": node,
                "controller.quorum.voters": voters,
                "listeners": f"PLAINTEXT://127.0.0.1:{self._ports[node]},CONTROLLER://127.0.0.1:{controllers[node]}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._ports[node]}",
                "log.dirs": folder / "data",
            }
            lines = [f"{name}={value}\n" for name, value in (SETTINGS | own).items()]
            (folder / "server.properties").write_text("".join(lines))
            self._java(node, "kafka.tools.StorageTool", "format", "-t", identity, "-c").wait(60)
        try:
            for node in NODES:
                self.start(node)
            for node in NODES:
                self._wait(node)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._nodes.values():
            process.kill()
            process.wait(30)

    def start(self, node: int) -> None:
        """Start a node, with the data that it has."""
        self._nodes[node] = self._java(node, "kafka.Kafka")

    def kill(self, node: int) -> None:
        """End a node at once, as a power cut would."""
        self._nodes[node].kill()
        self._nodes[node].wait(30)

    def _java(self, node: int, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = ["java", "-Xmx256m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"]
        settings = self._folder / str(node) / "server.properties"
        with (self._folder / str(node) / "log").open("ab") as log:
            return subprocess.Popen(
                [*command, "-cp", f"{self._libs}/*", program, *arguments, str(settings)], stdout=log, stderr=log
            )

    def _wait(self, node: int, until_s: float = 240.0) -> None:
        deadline = time.monotonic() + until_s
        log = self._folder / str(node) / "log"
        while "Kafka Server started" not in log.read_text(errors="replace"):
            assert self._nodes[node].poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < deadline, log.read_text()[-3000:]
            time.sleep(0.2)
