"""Quix Streams applications and Kafka clients, made from settings. No other module connects to a broker."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from quixstreams import Application
from quixstreams.kafka.configuration import ConnectionConfig
from quixstreams.models import SerializationContext, Serializer
from quixstreams.models import Topic as QuixTopic
from quixstreams.models.topics import TopicConfig
from quixstreams.state import recovery
from quixstreams.state.rocksdb import RocksDBOptions

from vpp.errors import ConfigError, UnreachableError
from vpp.messages import encode
from vpp.settings import Settings
from vpp.streams.broker_stamps import broker_time
from vpp.streams.reducer import Output
from vpp.streams.signatures import Headers, Signer, Verifier
from vpp.streams.topics import BY_NAME, TOPICS, Topic

log = logging.getLogger(__name__)

_FINAL = {KafkaError._AUTHENTICATION, KafkaError._SSL}
_NO_LEADER_YET = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
}


def connection(settings: Settings) -> dict[str, Any]:
    """Return the librdkafka settings for address and credentials.

    Raises:
        ConfigError: No broker is configured.
    """
    kafka = settings.kafka
    if not kafka.bootstrap_servers:
        raise ConfigError(
            "no broker is configured",
            hint="set VPP_KAFKA__BOOTSTRAP_SERVERS=host:port, or run `vpp up`, which brings its own",
        )
    options: dict[str, Any] = {
        "bootstrap.servers": kafka.bootstrap_servers,
        "security.protocol": kafka.security_protocol,
        **kafka.extra,
    }
    if kafka.sasl_mechanism:
        options["sasl.mechanism"] = kafka.sasl_mechanism
    if kafka.username:
        options["sasl.username"] = kafka.username
    if kafka.password:
        options["sasl.password"] = kafka.password.get_secret_value()
    if kafka.ssl_ca_location:
        options["ssl.ca.location"] = str(kafka.ssl_ca_location)
    if kafka.aws_region:
        options |= {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": _iam_token(kafka.aws_region)}
    return options


def _iam_token(region: str) -> Callable[[str], tuple[str, float]]:
    """Return the token callback of librdkafka: IAM credentials of this process, signed for Amazon MSK in a region.

    The callback returns the token and when it expires (s since 1970).

    Raises:
        ConfigError: The signer is not installed.
    """
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider
    except ImportError as error:
        raise ConfigError("kafka.aws_region needs the extra `aws`", hint="pip install 'smartgrid-ai[aws]'") from error

    def token(_config: str) -> tuple[str, float]:
        text, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
        return text, expires_ms / 1000

    return token


def producer_config(settings: Settings) -> dict[str, Any]:
    """Return the configuration of a plain producer: keyed by zone with murmur2, as every producer of ours must be."""
    return {
        **connection(settings),
        "partitioner": "murmur2",
        "enable.idempotence": not settings.kafka.embedded,
        "acks": "all",
        "linger.ms": 5,
        "compression.type": "none" if settings.kafka.embedded else "lz4",
    }


def consumer_config(settings: Settings, group: str) -> dict[str, Any]:
    """Return the configuration of a plain consumer that never commits on its own and sees committed records only."""
    return {
        **connection(settings),
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 10,
    }


def admin(settings: Settings, *, timeout_s: float = 5.0) -> AdminClient:
    """Return an admin client that has reached the broker.

    Raises:
        UnreachableError: The broker does not answer within ``timeout_s``; the client's own words on why are included.
    """
    causes: list[KafkaError] = []
    client = AdminClient({**connection(settings), "error_cb": causes.append})
    until = monotonic() + timeout_s
    while True:
        try:
            client.list_topics(timeout=max(0.1, min(1.0, until - monotonic())))
        except KafkaException as error:
            client.poll(0)
            # A refused login or certificate stays refused: waiting for longer would only hide why.
            if monotonic() < until and not any(cause.code() in _FINAL for cause in causes):
                continue
            reason = "; ".join(dict.fromkeys(map(str, causes))) or str(error)
            raise UnreachableError(
                f"the broker at {settings.kafka.bootstrap_servers} does not answer: {reason}",
                hint="is it running, and do VPP_KAFKA__BOOTSTRAP_SERVERS and the security settings match it?",
            ) from error
        return client


def create_topics(settings: Settings, *, timeout_s: float = 30.0) -> list[str]:
    """Create every topic of the table that the broker lacks; return the wire names created.

    Raises:
        UnreachableError: The broker does not answer or refuses.
    """
    client = admin(settings)
    existing = set(client.list_topics(timeout=timeout_s).topics)
    missing = [topic for topic in TOPICS if topic.wire(settings.topic_prefix) not in existing]
    if not missing:
        return []
    new = [
        NewTopic(
            topic.wire(settings.topic_prefix),
            num_partitions=settings.kafka.partitions,
            replication_factor=settings.kafka.replication_factor,
            config=topic.broker_config(),
        )
        for topic in missing
    ]
    for name, future in client.create_topics(new, request_timeout=timeout_s).items():
        try:
            future.result(timeout_s)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise UnreachableError(f"cannot create topic {name}: {error}") from error
    wait_for_leaders(client, new, timeout_s)
    return [topic.wire(settings.topic_prefix) for topic in missing]


def wait_for_leaders(client: AdminClient, topics: Iterable[NewTopic], timeout_s: float) -> None:
    """Wait until each partition of new topics has a leader, at most ``timeout_s`` seconds.

    A broker knows a new topic before it leads the partitions. A consumer that starts in between fails.
    """
    deadline = monotonic() + timeout_s
    partitions = [TopicPartition(topic.topic, n) for topic in topics for n in range(topic.num_partitions)]
    while partitions and monotonic() < deadline:
        answers = client.list_offsets({place: OffsetSpec.latest() for place in partitions}, request_timeout=timeout_s)
        partitions = [place for place, answer in answers.items() if _has_no_leader(answer.exception(timeout_s))]
        if partitions:
            time.sleep(0.1)


def _has_no_leader(error: BaseException | None) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _NO_LEADER_YET


class WireRecord(msgspec.Struct, frozen=True):
    """An output in wire form: short name of its topic, key, value and headers."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


def appended_at(record: Message) -> datetime:
    """Return the broker's time of a record that a plain consumer read."""
    return broker_time(record.timestamp()[1])


def log_time_s(record: Message) -> float | None:
    """Return the time at which the broker appended a record (s since 1970), None if writers set the stamp."""
    kind, stamped_ms = record.timestamp()
    return stamped_ms / 1000 if kind == TIMESTAMP_LOG_APPEND_TIME else None


def check_consumed(verifier: Verifier, topic: Topic, prefix: str, record: Message) -> None:
    """Refuse a record that a plain consumer read, where it is not signed as its topic asks.

    Args:
        verifier: Checks signatures.
        topic: The topic.
        prefix: Prefix of the wire names of topics.
        record: What was read.

    Raises:
        MessageError: With reason ``unsigned`` or ``signature``.
    """
    key, value = record.key(), record.value()
    parts = (key.encode() if isinstance(key, str) else key, value.encode() if isinstance(value, str) else value)
    verifier.check(topic, topic.wire(prefix), parts, record.headers(), appended_at(record))


def wire_record(output: Output, signer: Signer, prefix: str, trace: Headers | None = None) -> WireRecord:
    """Return an output as JSON, keyed by its zone and signed by its producer.

    Args:
        output: The output.
        signer: Of the process that writes it.
        prefix: Prefix of the wire names of topics.
        trace: Headers of its trace.
    """
    key, value = output.message.zone.encode(), encode(output.message)
    headers = signer.headers(BY_NAME[output.topic].wire(prefix), key, value)
    return WireRecord(output.topic, key, value, headers + (trace or []))


class _ValueSerializer(Serializer):
    """Writes the value of a ``WireRecord``."""

    def __call__(self, value: WireRecord, ctx: SerializationContext) -> bytes:
        return value.value


class _KeySerializer(Serializer):
    """Writes the key, which is bytes already."""

    def __call__(self, value: bytes, ctx: SerializationContext) -> bytes:
        return value


def application(
    settings: Settings,
    topology: str,
    *,
    on_processed: Callable[[str, int, int], None] | None = None,
    on_stats: Callable[[str], None] | None = None,
    on_checkpoint: Callable[[float], None] | None = None,
    stateful: bool = True,
    commit_every: int = 0,
) -> Application:
    """Return the Quix application of one topology, set up for the broker in the settings.

    Args:
        settings: The settings.
        topology: Its name; gives the consumer group and the state directory.
        on_processed: Called after each message with topic, partition, offset.
        on_stats: Called every second with librdkafka's statistics as JSON.
        on_checkpoint: Called after each checkpoint with the seconds that it took.
        stateful: False for steps without state: no changelog topics.
        commit_every: Messages after which to commit even before the interval is over; 0: by the interval alone.

    Raises:
        ConfigError: Exactly-once was asked of the embedded broker, which does not isolate transactions.
    """
    kafka = settings.kafka
    if kafka.embedded:
        if kafka.processing_guarantee == "exactly-once":
            raise ConfigError(
                "the embedded broker cannot do exactly-once",
                hint="use a real broker, or at-least-once (the tables come out the same)",
            )
        _accept_low_watermarks()
    group = settings.group(topology)
    consumer: dict[str, Any] = {"fetch.wait.max.ms": 10, "heartbeat.interval.ms": 500, "session.timeout.ms": 6000}
    producer: dict[str, Any] = {"linger.ms": 0, "acks": "all"}
    if not kafka.embedded:
        consumer["heartbeat.interval.ms"] = 2000
        consumer["session.timeout.ms"] = 10000 if settings.environment == "development" else 45000
        producer["enable.idempotence"] = True
    if kafka.worker_id:
        consumer["group.instance.id"] = f"{group}-{kafka.worker_id}"
    if kafka.processing_guarantee == "exactly-once":
        producer["transactional.id"] = f"{group}-{kafka.worker_id or '0'}"
        producer["transaction.timeout.ms"] = int(max(10_000, 3000 * kafka.commit_interval_s))
    if on_stats is not None:
        consumer |= {"stats_cb": on_stats, "statistics.interval.ms": 1000}
    link = connection(settings)
    app = Application(
        ConnectionConfig.from_librdkafka_dict(link, ignore_extras=True),
        consumer_group=group,
        auto_offset_reset="earliest",
        commit_interval=kafka.commit_interval_s,
        commit_every=commit_every,
        consumer_poll_timeout=0.05,
        consumer_extra_config=consumer | kafka.extra,
        producer_extra_config=producer | kafka.extra,
        state_dir=state_dir(settings, topology),
        rocksdb_options=RocksDBOptions(write_buffer_size=8 << 20, block_cache_size=64 << 20),
        on_message_processed=on_processed,
        auto_create_topics=kafka.auto_create_topics,
        use_changelog_topics=stateful,
        auto_recover_from_source_offset_out_of_range=settings.environment == "development",
        processing_guarantee=kafka.processing_guarantee,
        loglevel=None,
        broker_availability_timeout=60.0,
    )
    if on_checkpoint is not None:
        _time_checkpoints(app, on_checkpoint)
    return app


def _time_checkpoints(app: Application, on_checkpoint: Callable[[float], None]) -> None:
    # Quix has no hook for its checkpoints. It asks for a commit on every turn of its loop; few of them are due.
    context = app._processing_context
    commit = context.commit_checkpoint

    def timed(force: bool = False, revoking: bool = False) -> None:
        checkpoint, start = context.checkpoint, time.perf_counter()
        is_written = not checkpoint.empty()
        commit(force=force, revoking=revoking)
        if is_written and context.checkpoint is not checkpoint:
            on_checkpoint(time.perf_counter() - start)

    context.commit_checkpoint = timed  # type: ignore[method-assign]


def state_dir(settings: Settings, topology: str) -> Path:
    """Return where a topology keeps its RocksDB files; one directory per replica, never shared."""
    return settings.data_dir / "state" / (settings.run or "default") / (topology + (settings.kafka.worker_id or ""))


def quix_topic(app: Application, topic: Topic, settings: Settings) -> QuixTopic:
    """Return ``topic`` for a Quix application: raw bytes in, ``WireRecord`` out, keys as bytes."""
    return app.topic(
        topic.wire(settings.topic_prefix),
        value_deserializer="bytes",
        key_deserializer="bytes",
        value_serializer=_ValueSerializer(),
        key_serializer=_KeySerializer(),
        config=TopicConfig(
            num_partitions=settings.kafka.partitions,
            replication_factor=settings.kafka.replication_factor,
            extra_config=topic.broker_config(),
        ),
    )


def _accept_low_watermarks() -> None:
    # The embedded broker (Tansu 0.6) answers ListOffsets(latest) with the base of the last batch plus one, so Quix
    # takes a healthy state store for one that is ahead of its changelog and gives up. Recovery itself ends on an empty
    # poll and is complete; only the check must go. The state directory is tied to the broker's life instead.
    recovery.RecoveryPartition.has_invalid_offset = property(lambda self: False)  # type: ignore[method-assign, assignment]
