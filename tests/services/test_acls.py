"""The workers on a real Kafka with TLS, logins and the rules of deploy/create-acls.sh: enough, and no more."""

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
)

from tests.contract.deploy.compose_file import ROOT
from tests.service_fixtures import InfluxService, KafkaLogin
from tests.services.broker_users import PASSWORD, create_users
from tests.services.compose_plant import Plant, create_topics, free_port, running, wait_for_the_end
from vpp.streams.topics import TOPOLOGIES

pytestmark = [pytest.mark.services, pytest.mark.slow]

RUN = f"acls-{os.getpid()}"
USER_OF = {"simulate": "simulate"} | {name: name for name in TOPOLOGIES}


@pytest.fixture(scope="module")
def plant(
    kafka_address: str, kafka_login: KafkaLogin, influx: InfluxService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    topics = create_topics(kafka_address, RUN, folder)
    create_users(kafka_address, RUN, folder)

    def login(service: str) -> dict[str, str]:
        return {
            "VPP_KAFKA__BOOTSTRAP_SERVERS": kafka_login.sasl_ssl_address,
            "VPP_KAFKA__SECURITY_PROTOCOL": "sasl_ssl",
            "VPP_KAFKA__SSL_CA_LOCATION": kafka_login.ca_file,
            "VPP_KAFKA__SASL_MECHANISM": "SCRAM-SHA-512",
            "VPP_KAFKA__USERNAME": f"vpp-{USER_OF[service]}",
            "VPP_KAFKA__PASSWORD": PASSWORD,
            "VPP_KAFKA__PROCESSING_GUARANTEE": "exactly-once",
        }

    ports = {name: free_port() for name in TOPOLOGIES}
    day = ("--zone", "SIM_SOUTH", "--from", "2025-06-02", "--to", "2025-06-03", "--warm-up-days", "8", "--speed", "max")
    with running(Plant(RUN, folder, kafka_address, influx, ports, topics, login), *day) as started:
        yield started


def client(login: KafkaLogin, user: str) -> dict[str, str]:
    return login.client_config(tls=True) | {"sasl.username": f"vpp-{user}", "sasl.password": PASSWORD}


def may_write(login: KafkaLogin, user: str, topic: str) -> bool:
    """Whether the broker takes a record of the user."""
    refused: list[KafkaError] = []
    producer = Producer(client(login, user) | {"message.timeout.ms": "10000"})
    producer.produce(topic, b"{}", b"X", on_delivery=lambda error, _: refused.append(error) if error else None)
    producer.flush(15)
    assert all(error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED for error in refused)
    return not refused


def test_every_worker_does_its_work_exactly_once_with_its_own_rights_alone(plant: Plant) -> None:
    wait_for_the_end(plant, timedelta(minutes=4).total_seconds())
    with plant.store() as store:
        assert store.count("telemetry", zone="SIM_SOUTH") == 48
        assert store.count("decisions", zone="SIM_SOUTH") == 48
        assert store.count("ledger", zone="SIM_SOUTH", filters={"asset_id": "zone"}) == 48
        assert store.count("dlq") == 0


@pytest.mark.parametrize("user", ["cli", "mcp", "actor", "simulate"])
def test_only_the_plant_writes_setpoints(plant: Plant, kafka_login: KafkaLogin, user: str) -> None:
    assert not may_write(kafka_login, user, f"vpp-{RUN}.setpoints")


def test_only_tools_write_orders(plant: Plant, kafka_login: KafkaLogin) -> None:
    assert may_write(kafka_login, "mcp", f"vpp-{RUN}.orders")
    assert not may_write(kafka_login, "trader", f"vpp-{RUN}.orders")


def test_a_reader_reads_and_writes_nothing(plant: Plant, kafka_login: KafkaLogin) -> None:
    consumer = Consumer(client(kafka_login, "console") | {"group.id": f"vpp-{RUN}-look"})
    try:
        assert f"vpp-{RUN}.decisions" in consumer.list_topics(timeout=10).topics
    finally:
        consumer.close()
    assert not may_write(kafka_login, "console", f"vpp-{RUN}.orders")


def test_nobody_creates_topics(plant: Plant, kafka_login: KafkaLogin) -> None:
    admin = AdminClient(client(kafka_login, "plant"))
    with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
        admin.create_topics([NewTopic(f"vpp-{RUN}.own", 1, 1)])[f"vpp-{RUN}.own"].result(15)


def test_the_script_stops_at_the_first_refusal(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("refusing")
    (folder / "rpk").write_text("#!/bin/sh\nexit 1\n")
    (folder / "rpk").chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "VPP_KAFKA__BOOTSTRAP_SERVERS": "nowhere:9092"}
    done = subprocess.run(["sh", ROOT / "deploy" / "create-acls.sh"], env=environment, check=False)
    assert done.returncode == 1
