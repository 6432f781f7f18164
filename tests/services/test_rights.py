"""The access rules of deploy/create-acls.sh on a real Kafka: none can be left out, and none allows a forgery."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep

import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AclBinding, AclBindingFilter, AclOperation, AdminClient, ResourceType
from pydantic import SecretStr

from tests.contract.deploy.compose_file import ROOT
from tests.service_fixtures import KafkaLogin
from tests.services.broker_users import PASSWORD, create_users
from tests.services.compose_plant import create_topics
from topologies.control.publisher import Post
from topologies.sources.outbox import KafkaOutbox
from vpp import messages as m
from vpp.errors import RefusedError, UnreachableError
from vpp.settings import KafkaSettings, Settings
from vpp.streams.broker_rights import missing_rights, open_topics
from vpp.streams.kafka import admin
from vpp.streams.rights import WORKERS, rights
from vpp.streams.topics import AUDIT, ORDERS, TOPICS

pytestmark = [pytest.mark.services, pytest.mark.slow]

RUN = f"rights-{os.getpid()}"
PREFIX = f"vpp-{RUN}"
USERS = sorted({right.user for right in rights(PREFIX)})
AT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def granted(kafka_address: str, tmp_path_factory: pytest.TempPathFactory) -> list[AclBinding]:
    """Every topic and access rule of a run in which nothing runs."""
    folder = tmp_path_factory.mktemp("rights")
    create_topics(kafka_address, RUN, folder)
    return create_users(kafka_address, RUN, folder)


@pytest.fixture
def settings_of(kafka_login: KafkaLogin, tmp_path: Path) -> Callable[..., Settings]:
    def settings(user: str, **given: object) -> Settings:
        kafka = {
            "bootstrap_servers": kafka_login.sasl_ssl_address,
            "security_protocol": "sasl_ssl",
            "sasl_mechanism": "SCRAM-SHA-512",
            "username": f"vpp-{user}",
            "password": SecretStr(PASSWORD),
            "ssl_ca_location": Path(kafka_login.ca_file),
            "auto_create_topics": False,
        }
        return Settings(data_dir=tmp_path, run=RUN, kafka=KafkaSettings(**kafka | given))

    return settings


@contextmanager
def without(root: AdminClient, acl: AclBinding) -> Iterator[None]:
    """Take one access rule away for a while."""
    pattern = AclBindingFilter(
        acl.restype,
        acl.name,
        acl.resource_pattern_type,
        acl.principal,
        acl.host,
        acl.operation,
        acl.permission_type,
    )
    assert len(root.delete_acls([pattern])[pattern].result(30)) == 1
    try:
        yield
    finally:
        root.create_acls([acl])[acl].result(30)


def lacks(client: AdminClient, settings: Settings, user: str, acl: AclBinding) -> bool:
    """Whether the process says that this operation is missing; rules take a moment to act."""
    deadline = monotonic() + 10
    while monotonic() < deadline:
        for right in missing_rights(client, settings, user):
            kind = ResourceType[right.kind.upper().replace("-", "_")]
            operations = {AclOperation[one.upper()] for one in right.operations.split(",")}
            if kind == acl.restype and right.name.startswith(acl.name) and acl.operation in operations:
                return True
        sleep(0.02)
    return False


def has_all(client: AdminClient, settings: Settings, user: str) -> bool:
    """Whether the process says that no right is missing; rules take a moment to act."""
    deadline = monotonic() + 10
    while missing_rights(client, settings, user):
        if monotonic() > deadline:
            return False
        sleep(0.02)
    return True


@pytest.mark.parametrize("user", USERS)
def test_each_right_that_is_taken_away_is_missed_by_name(
    granted: list[AclBinding], kafka_address: str, settings_of: Callable[..., Settings], user: str
) -> None:
    root = AdminClient({"bootstrap.servers": kafka_address})
    own = [acl for acl in granted if acl.principal == f"User:vpp-{user}"]
    assert own
    plain = settings_of(user)
    exactly_once = settings_of(user, processing_guarantee="exactly-once")
    client = admin(plain)
    assert has_all(client, exactly_once, user)
    for acl in own:
        settings = exactly_once if acl.restype == ResourceType.TRANSACTIONAL_ID else plain
        with without(root, acl):
            assert lacks(client, settings, user, acl), acl


def test_a_worker_without_a_right_ends_and_says_which(
    granted: list[AclBinding], kafka_address: str, settings_of: Callable[..., Settings], tmp_path: Path
) -> None:
    kafka = settings_of("plant").kafka
    environment = {
        "VPP_DATA_DIR": str(tmp_path),
        "VPP_RUN": RUN,
        "VPP_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "VPP_KAFKA__SECURITY_PROTOCOL": kafka.security_protocol,
        "VPP_KAFKA__SASL_MECHANISM": str(kafka.sasl_mechanism),
        "VPP_KAFKA__USERNAME": str(kafka.username),
        "VPP_KAFKA__PASSWORD": PASSWORD,
        "VPP_KAFKA__SSL_CA_LOCATION": str(kafka.ssl_ca_location),
        "VPP_KAFKA__AUTO_CREATE_TOPICS": "false",
    }
    setpoints = next(a for a in granted if a.principal == "User:vpp-plant" and a.name == f"{PREFIX}.setpoints")
    with without(AdminClient({"bootstrap.servers": kafka_address}), setpoints):
        done = subprocess.run(
            [sys.executable, "-m", "topologies.plant"],
            cwd=ROOT,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == RefusedError.exit_code, done.stderr
    assert f"plant: the broker user vpp-plant may not {setpoints.operation.name.lower()}" in done.stderr
    assert f"topic {PREFIX}.setpoints" in done.stderr
    assert "next: grant what plant needs with deploy/create-acls.sh" in done.stderr


@pytest.mark.parametrize("user", USERS)
def test_a_user_writes_the_topics_of_the_table_and_no_other(
    granted: list[AclBinding], kafka_login: KafkaLogin, user: str
) -> None:
    login = {"sasl.username": f"vpp-{user}", "sasl.password": PASSWORD, "message.timeout.ms": "15000"}
    producer = Producer(kafka_login.client_config(tls=True) | login)
    answers: dict[str, KafkaError | None] = {}

    def note(error: KafkaError | None, record: Message) -> None:
        answers[str(record.topic())] = error

    for topic in TOPICS:
        producer.produce(topic.wire(f"{PREFIX}."), b"{}", b"X", on_delivery=note)
    assert producer.flush(30) == 0
    assert {error.code() for error in answers.values() if error} <= {KafkaError.TOPIC_AUTHORIZATION_FAILED}
    letters = {"dlq"} if user in WORKERS else set()
    assert {name.removeprefix(f"{PREFIX}.") for name, error in answers.items() if error is None} == letters | {
        topic.name for topic in TOPICS if user in topic.writers
    }


def test_assistants_write_orders_and_audit_alone() -> None:
    assert {topic.name for topic in TOPICS if "mcp" in topic.writers} == {ORDERS.name, AUDIT.name}
    assert {topic.name for topic in TOPICS if "agent" in topic.writers} == {AUDIT.name}


def test_a_user_without_the_right_is_refused(granted: list[AclBinding], settings_of: Callable[..., Settings]) -> None:
    settings = settings_of("trader")
    order = m.Order(zone="X", order_id="o", issued_at=AT, action="hold", principal="me", reason="test")
    with pytest.raises(RefusedError, match=rf"lets vpp-trader not write to {PREFIX}\.orders"):
        Post(settings, "mcp")("orders", order)
    outbox = KafkaOutbox(settings, ORDERS, "mcp")
    outbox.send(order)
    with pytest.raises(RefusedError, match=rf"lets vpp-trader not write to {PREFIX}\.orders"):
        outbox.flush()


def test_a_wrong_password_and_an_unknown_authority_are_named(
    granted: list[AclBinding], settings_of: Callable[..., Settings]
) -> None:
    with pytest.raises(UnreachableError, match=r"[Aa]uthentication"):
        open_topics(settings_of("plant", password=SecretStr("wrong")), "plant")
    with pytest.raises(UnreachableError, match="certificate"):
        open_topics(settings_of("plant", ssl_ca_location=None), "plant")
