"""deploy/create-acls.sh on a real Kafka with authorization: enough for every worker, and no more."""

import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from deploy.generators.acl_script import rights
from tests.contract.deploy.compose_file import ROOT
from tests.contract.deploy.rpk_script import calls_of
from tests.service_fixtures import InfluxService, KafkaLogin
from tests.services.compose_plant import Plant, create_topics, free_port, running, wait_for_the_end
from vpp.streams.topics import TOPOLOGIES

pytestmark = [pytest.mark.services, pytest.mark.slow]

PASSWORD = "test-only-placeholder"
RUN = f"acls-{os.getpid()}"
USER_OF = {"simulate": "simulate"} | {name: name for name in TOPOLOGIES}
KINDS = {
    "--topic": ResourceType.TOPIC,
    "--group": ResourceType.GROUP,
    "--transactional-id": ResourceType.TRANSACTIONAL_ID,
}


def acls_of(calls: list[list[str]]) -> list[AclBinding]:
    """The access rules that the script's rpk calls create."""
    found = []
    for call in calls:
        assert call[:3] == ["security", "acl", "create"]
        options = dict(zip(call[3::2], call[4::2], strict=True))
        kind, name = next((kind, options[kind]) for kind in KINDS if kind in options)
        prefixed = options.get("--resource-pattern-type") == "prefixed"
        pattern = ResourcePatternType.PREFIXED if prefixed else ResourcePatternType.LITERAL
        found += [
            AclBinding(
                KINDS[kind],
                name,
                pattern,
                options["--allow-principal"],
                "*",
                AclOperation[one.upper()],
                AclPermissionType.ALLOW,
            )
            for one in options["--operation"].split(",")
        ]
    return found


@pytest.fixture(scope="module")
def plant(
    kafka_address: str, kafka_login: KafkaLogin, influx: InfluxService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    topics = create_topics(kafka_address, RUN, folder)
    (folder / "acls").mkdir()
    given = {"VPP_KAFKA__BOOTSTRAP_SERVERS": kafka_address, "VPP_RUN": RUN}
    # What a worker both reads and writes is described twice.
    acls = list(dict.fromkeys(acls_of(calls_of(ROOT / "deploy" / "create-acls.sh", folder / "acls", given))))
    admin = AdminClient({"bootstrap.servers": kafka_address})
    users = sorted({right.user for right in rights("vpp")})
    scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    upsertions = [UserScramCredentialUpsertion(f"vpp-{user}", scram, PASSWORD.encode()) for user in users]
    for done in (admin.alter_user_scram_credentials(upsertions), admin.create_acls(acls)):
        for future in done.values():
            future.result(30)

    def login(service: str) -> dict[str, str]:
        return {
            "VPP_KAFKA__BOOTSTRAP_SERVERS": kafka_login.sasl_address,
            "VPP_KAFKA__SECURITY_PROTOCOL": "sasl_plaintext",
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
    return login.client_config() | {"sasl.username": f"vpp-{user}", "sasl.password": PASSWORD}


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
