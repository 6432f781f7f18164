"""Fixtures for the real Kafka and InfluxDB that `tests/services/run.sh` starts, and for their outages."""

import os
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

_SCRIPT = Path(__file__).parent / "services" / "services.sh"

Service = Literal["kafka", "influx"]


@dataclass(frozen=True, slots=True)
class InfluxService:
    """Address and placeholder credentials of the test InfluxDB."""

    url: str
    token: str
    org: str
    bucket: str


@dataclass(frozen=True, slots=True)
class KafkaLogin:
    """A second way into the test Kafka: SCRAM-SHA-512 as a user that may do nothing until an ACL says so.

    The plain listener (`kafka_address`) is the administrator's: create ACLs and further users through it.
    """

    sasl_address: str
    sasl_ssl_address: str
    ca_file: str
    username: str
    password: str

    def client_config(self, *, tls: bool = False) -> dict[str, str]:
        """Return the librdkafka settings that log in, with or without TLS."""
        config = {
            "bootstrap.servers": self.sasl_ssl_address if tls else self.sasl_address,
            "security.protocol": "SASL_SSL" if tls else "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.username,
            "sasl.password": self.password,
        }
        return config | {"ssl.ca.location": self.ca_file} if tls else config


@dataclass(frozen=True, slots=True)
class ServiceControl:
    """Takes the services down and brings them back on the same port with their data kept."""

    directory: Path

    def kill(self, service: Service) -> None:
        """End a service at once (SIGKILL), as a power cut would."""
        self._run(f"kill-{service}")

    def stop(self, service: Service) -> None:
        """End a service in order and wait until it is gone."""
        self._run(f"stop-{service}")

    def start(self, service: Service) -> None:
        """Start a stopped or killed service and wait until it is ready; one that runs stays as it is."""
        if not self.runs(service):
            self._run(f"start-{service}")

    def runs(self, service: Service) -> bool:
        """Tell whether the service's process is there."""
        return f"{service} runs" in self._run("status")

    def environment(self) -> dict[str, str]:
        """Return what services.sh wrote for the tests, with the pids of now."""
        lines = (self.directory / "env").read_text().splitlines()
        pairs = (shlex.split(line)[0].partition("=")[::2] for line in lines)
        return dict(pairs)

    def _run(self, command: str) -> str:
        done = subprocess.run([_SCRIPT, command, self.directory], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"services.sh {command}: {done.stderr}"
        return done.stderr


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        pytest.skip(f"{name} is not set: real services run under 'make test-services'")
    return value


@pytest.fixture(scope="session")
def kafka_address() -> str:
    """host:port of the real Kafka's plain listener; skips where there is none."""
    return _from_environment("VPP_TEST_KAFKA")


@pytest.fixture(scope="session")
def kafka_login() -> KafkaLogin:
    """The real Kafka's listeners that ask for a password; skips where there is none."""
    return KafkaLogin(
        sasl_address=_from_environment("VPP_TEST_KAFKA_SASL"),
        sasl_ssl_address=_from_environment("VPP_TEST_KAFKA_SASL_SSL"),
        ca_file=_from_environment("VPP_TEST_KAFKA_CA"),
        username=_from_environment("VPP_TEST_KAFKA_USER"),
        password=_from_environment("VPP_TEST_KAFKA_PASSWORD"),
    )


@pytest.fixture(scope="session")
def influx() -> InfluxService:
    """The real InfluxDB; skips where there is none."""
    return InfluxService(
        url=_from_environment("VPP_TEST_INFLUX_URL"),
        token=_from_environment("VPP_TEST_INFLUX_TOKEN"),
        org=_from_environment("VPP_TEST_INFLUX_ORG"),
        bucket=_from_environment("VPP_TEST_INFLUX_BUCKET"),
    )


@pytest.fixture
def unique_name() -> str:
    """A name that no other test uses: for topics, groups and buckets on services that all tests share."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def service_control() -> Iterator[ServiceControl]:
    """Power over both services; whatever the test took down runs again afterwards."""
    control = ServiceControl(Path(_from_environment("VPP_TEST_SERVICES")))
    yield control
    control.start("kafka")
    control.start("influx")
