"""What the tests on real services rely on: the services themselves behave as the design says."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from time import monotonic, sleep

import pytest
from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS

from tests.service_fixtures import InfluxService, KafkaLogin, ServiceControl

pytestmark = pytest.mark.services

EVENT_TIME = datetime(2019, 1, 1, tzinfo=UTC)
WEEK_MS = "604800000"


@pytest.fixture
def admin(kafka_address: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka_address})


def create_topic(admin: AdminClient, name: str, partitions: int = 1, config: dict[str, str] | None = None) -> None:
    admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])[name].result(30)


def send(address: str, topic: str, key: str, value: bytes, event_time: datetime = EVENT_TIME) -> None:
    producer = Producer({"bootstrap.servers": address, "partitioner": "murmur2"})
    producer.produce(topic, key=key, value=value, timestamp=int(event_time.timestamp() * 1000))
    assert producer.flush(30) == 0


def read_one(address: str, topic: str, partition: int = 0) -> Message:
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": topic, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    message = consumer.poll(30)
    consumer.close()
    assert message is not None
    assert message.error() is None
    return message


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"not so within {seconds} s"
        sleep(0.2)


class TestKafka:
    @pytest.mark.parametrize(("zone", "partition"), [("NSW1", 0), ("GB", 1), ("TAS1", 2), ("QLD1", 3)])
    def test_a_zone_goes_to_its_murmur2_partition(
        self, kafka_address: str, admin: AdminClient, unique_name: str, zone: str, partition: int
    ) -> None:
        create_topic(admin, unique_name, partitions=4)
        send(kafka_address, unique_name, zone, b'{"load_mw": 31000.5}')
        message = read_one(kafka_address, unique_name, partition)
        assert (message.key(), message.value()) == (zone.encode(), b'{"load_mw": 31000.5}')

    def test_log_append_time_keeps_a_2019_event_that_create_time_loses(
        self, kafka_address: str, admin: AdminClient, unique_name: str
    ) -> None:
        saved, lost = f"{unique_name}-append", f"{unique_name}-create"
        for topic, stamp in ((saved, "LogAppendTime"), (lost, "CreateTime")):
            create_topic(admin, topic, config={"retention.ms": WEEK_MS, "message.timestamp.type": stamp})
            send(kafka_address, topic, "GB", b"2019")
        consumer = Consumer({"bootstrap.servers": kafka_address, "group.id": unique_name})

        def first_offset(topic: str) -> int:
            low, _high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)
            return int(low)

        wait_until(lambda: first_offset(lost) == 1)
        assert first_offset(saved) == 0
        consumer.close()
        kind, stamp_ms = read_one(kafka_address, saved).timestamp()
        assert kind == TIMESTAMP_LOG_APPEND_TIME
        assert stamp_ms > datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000

    def test_create_time_is_the_default(self, kafka_address: str, admin: AdminClient, unique_name: str) -> None:
        create_topic(admin, unique_name, config={"retention.ms": "-1"})
        send(kafka_address, unique_name, "GB", b"2019")
        assert read_one(kafka_address, unique_name).timestamp() == (TIMESTAMP_CREATE_TIME, 1_546_300_800_000)

    def test_an_unknown_topic_is_not_created(self, kafka_address: str, admin: AdminClient, unique_name: str) -> None:
        errors: list[KafkaError | None] = []
        producer = Producer({"bootstrap.servers": kafka_address, "topic.metadata.propagation.max.ms": 0})
        producer.produce(unique_name, b"lost", on_delivery=lambda error, _message: errors.append(error))
        producer.flush(30)
        assert [error and error.code() for error in errors] == [KafkaError.UNKNOWN_TOPIC_OR_PART]
        assert unique_name not in admin.list_topics(timeout=10).topics


class TestKafkaLogin:
    @pytest.mark.parametrize("tls", [False, True], ids=["sasl_plaintext", "sasl_ssl"])
    def test_a_user_sees_a_topic_once_an_acl_allows_it(
        self, kafka_login: KafkaLogin, admin: AdminClient, unique_name: str, tls: bool
    ) -> None:
        create_topic(admin, unique_name)
        user = AdminClient(kafka_login.client_config(tls=tls))
        denied = user.list_topics(unique_name, timeout=20).topics[unique_name].error
        assert denied.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        acl = AclBinding(
            ResourceType.TOPIC,
            unique_name,
            ResourcePatternType.LITERAL,
            f"User:{kafka_login.username}",
            "*",
            AclOperation.DESCRIBE,
            AclPermissionType.ALLOW,
        )
        admin.create_acls([acl])[acl].result(30)
        wait_until(lambda: user.list_topics(unique_name, timeout=20).topics[unique_name].error is None)

    def test_a_wrong_password_is_reported_to_the_error_callback(self, kafka_login: KafkaLogin) -> None:
        codes: list[int] = []
        config = kafka_login.client_config() | {"sasl.password": "wrong"}
        client = AdminClient({**config, "error_cb": lambda error: codes.append(error.code())})
        with pytest.raises(KafkaException):
            client.list_topics(timeout=2)
        client.poll(1)
        assert KafkaError._AUTHENTICATION in codes


class TestInflux:
    @pytest.fixture
    def client(self, influx: InfluxService) -> Iterator[InfluxDBClient]:
        with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
            yield client

    def test_a_point_is_read_back(self, client: InfluxDBClient, influx: InfluxService, unique_name: str) -> None:
        write_point(client, influx, unique_name)
        assert read_points(client, influx, unique_name) == [("GB", EVENT_TIME, 31000.5)]

    def test_the_same_point_written_twice_is_one(
        self, client: InfluxDBClient, influx: InfluxService, unique_name: str
    ) -> None:
        write_point(client, influx, unique_name)
        write_point(client, influx, unique_name)
        assert read_points(client, influx, unique_name) == [("GB", EVENT_TIME, 31000.5)]


@pytest.mark.outage
class TestOutage:
    @pytest.mark.drill("broker_restart")
    def test_kafka_keeps_its_records_through_a_kill(
        self, kafka_address: str, admin: AdminClient, unique_name: str, service_control: ServiceControl
    ) -> None:
        create_topic(admin, unique_name, config={"message.timestamp.type": "LogAppendTime"})
        send(kafka_address, unique_name, "GB", b"before the kill")
        before = service_control.environment()["VPP_TEST_KAFKA_PID"]
        service_control.kill("kafka")
        assert not service_control.runs("kafka")
        service_control.start("kafka")
        assert service_control.environment()["VPP_TEST_KAFKA_PID"] != before
        assert read_one(kafka_address, unique_name).value() == b"before the kill"

    @pytest.mark.drill("influx_down")
    def test_influx_keeps_its_points_through_a_kill(
        self, influx: InfluxService, unique_name: str, service_control: ServiceControl
    ) -> None:
        with InfluxDBClient(influx.url, influx.token, org=influx.org) as client:
            write_point(client, influx, unique_name)
            service_control.kill("influx")
            assert client.ping() is False
            service_control.start("influx")
            assert read_points(client, influx, unique_name) == [("GB", EVENT_TIME, 31000.5)]


def write_point(client: InfluxDBClient, influx: InfluxService, measurement: str) -> None:
    point = f"{measurement},zone=GB load_mw=31000.5 {int(EVENT_TIME.timestamp()) * 1_000_000_000}"
    client.write_api(write_options=SYNCHRONOUS).write(influx.bucket, record=point)


def read_points(client: InfluxDBClient, influx: InfluxService, measurement: str) -> list[tuple[str, datetime, float]]:
    query = (
        f'from(bucket: "{influx.bucket}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "{measurement}")'
    )
    tables = client.query_api().query(query)
    return [(record["zone"], record["_time"], record["_value"]) for table in tables for record in table.records]
