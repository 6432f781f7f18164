"""The alerts worker: reads ``vpp.alerts`` with a consumer of its own and notifies contacts, at least once.

It keeps no files: notices are records of the topic. After a start it reads the topic from its beginning, and notifies
nobody before it has read what was there.
"""

from __future__ import annotations

import logging
import os
import time
from collections import ChainMap
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from topologies.alerting.contacts import ContactService, Sent, open_services
from topologies.control.publisher import Post
from topologies.runtime.process import stop_on_signals
from topologies.runtime.status import StatusFile
from vpp.alerting.act_book import act_of_row
from vpp.alerting.notifier import AlertMessage, Notifier
from vpp.alerting.rules import AlertRules, load_rules
from vpp.alerting.words import message_text, subject_line
from vpp.errors import ConfigError, MessageError, UnreachableError
from vpp.messages import Alert, AlertAct, Decoder, KnownLags, Notice, NoticeOutcome
from vpp.settings import Settings
from vpp.settings.faces import page_address
from vpp.settings.secret_files import texts_of
from vpp.store import open_store
from vpp.store.tables import ALERT_ACTS, NOTICES
from vpp.streams.broker_rights import open_topics
from vpp.streams.kafka import appended_at, check_consumed, consumer_config
from vpp.streams.signatures import verifier_of
from vpp.streams.topics import ALERTS

log = logging.getLogger(__name__)

TOPOLOGY = "alerts"
POLL_S = 0.2
QUIET_S = 5.0
"""Nothing came for so long: what there was has been read, whatever the broker says of its ends."""
DRAIN_S = 10.0


class AlertWorker:
    """Reads records, sends due notices on threads, and records deliveries.

    Args:
        settings: The settings.
        rules: Contacts, owners and rules.
        services: The service of each contact.
        post: Writes a message to a topic.
        now: The wall clock.
    """

    def __init__(
        self,
        settings: Settings,
        rules: AlertRules,
        services: dict[str, ContactService],
        post: Callable[[str, Notice], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._rules, self._services = settings, rules, services
        self._post, self._now = post, now
        self._decode = Decoder(ALERTS.carries)
        self._verifier = verifier_of(settings)
        self._notifier = self._new_notifier()
        self._sending: dict[Future[Sent], AlertMessage] = {}
        self._unwritten: list[Notice] = []
        self._threads = ThreadPoolExecutor(max(len(services), 1), thread_name_prefix="contact")
        self._backlog: dict[int, int] = {}
        self._heard_s = time.monotonic()
        self.last_slot: dict[str, Any] = {}
        self.dead_letters = 0

    def proofs(self) -> dict[str, Mapping[str, KnownLags]]:
        """Return nothing: no past is kept here."""
        return {}

    def _new_notifier(self) -> Notifier:
        notifier = Notifier(self._rules)
        if self._settings.kafka.embedded:
            # The embedded broker loses its topics when it ends; the store has the earlier acts.
            with open_store(self._settings, read_only=True) as store:
                for row in store.read(ALERT_ACTS).dicts():
                    notifier.take(act_of_row(row), row["at"])
                for row in store.read(NOTICES).dicts():
                    notifier.take(Notice(**{**row, "outcome": NoticeOutcome(row["outcome"])}), row["at"])
        return notifier

    def run(self, consumer: Consumer, stop: Callable[[], bool], on_processed: Callable[[str, int, int], None]) -> None:
        """Read records and send notices until ``stop`` is set; then wait a limited time for pending notices.

        Args:
            consumer: Not yet subscribed.
            stop: Asked several times a second.
            on_processed: Called after each record with topic, partition and offset.

        Raises:
            UnreachableError: The broker is lost.
        """
        topic = ALERTS.wire(self._settings.topic_prefix)
        consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke)
        try:
            while not stop():
                record = consumer.poll(POLL_S)
                while record is not None:
                    self._take(record)
                    on_processed(topic, record.partition() or 0, record.offset() or 0)
                    record = consumer.poll(0)
                self._tell()
            self._finish()
        except KafkaException as error:
            raise UnreachableError(f"reading {topic} failed: {error}") from error
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._finish()
        self._notifier = self._new_notifier()
        self._backlog = {}
        for partition in partitions:
            low, high = consumer.get_watermark_offsets(partition, timeout=10)
            if high > low:
                self._backlog[partition.partition] = high
            partition.offset = OFFSET_BEGINNING
        self._heard_s = time.monotonic()
        consumer.assign(partitions)

    def _on_revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._finish()

    def _take(self, record: Message) -> None:
        error = record.error()
        if error is not None:
            if error.retriable():
                log.warning("reading alerts: %s", error)
                return
            raise UnreachableError(f"reading alerts failed: {error}")
        self._heard_s = time.monotonic()
        partition, offset, key = record.partition(), record.offset(), record.key()
        if partition is not None and offset is not None and offset + 1 >= self._backlog.get(partition, 0):
            self._backlog.pop(partition, None)
        try:
            check_consumed(self._verifier, ALERTS, self._settings.topic_prefix, record)
            message = self._decode(record.value(), key=None if key is None else key.decode("utf-8", "replace"))
        except MessageError as broken:
            # Storage reads the same topic and writes the dead letter.
            log.warning("a record of alerts cannot be read offset=%s: %s", offset, broken)
            self.dead_letters += 1
            return
        if isinstance(message, Alert | AlertAct | Notice):
            self._notifier.take(message, appended_at(record))
        if isinstance(message, Alert):
            self.last_slot[message.zone] = message.slot

    def _tell(self) -> None:
        self._collect()
        if self._backlog and time.monotonic() - self._heard_s < QUIET_S:
            return
        self._backlog.clear()
        page = page_address(self._settings.page)
        for delivery in self._notifier.due(self._now()):
            service = self._services[delivery.contact]
            title, text = subject_line(delivery), message_text(delivery, page)
            self._sending[self._threads.submit(service.send, title, text, delivery.severity)] = delivery

    def _collect(self) -> None:
        for sending in [task for task in self._sending if task.done()]:
            delivery = self._sending.pop(sending)
            result = _result(sending)
            if result.is_delivered:
                log.info("delivered contact=%s alerts=%s", delivery.contact, len(delivery.notices))
                self._unwritten += self._notifier.delivered(delivery, self._now())
            else:
                log.warning(
                    "not delivered contact=%s alerts=%s: %s", delivery.contact, len(delivery.notices), result.reason
                )
                self._unwritten += self._notifier.failed(delivery, self._now())
        while self._unwritten:
            try:
                self._post(ALERTS.name, self._unwritten[0])
            except UnreachableError as error:
                log.warning("notices wait for the broker notices=%s: %s", len(self._unwritten), error)
                return
            del self._unwritten[0]

    def _finish(self) -> None:
        """Wait a limited time for pending notices, and record them."""
        deadline = time.monotonic() + DRAIN_S
        while self._sending and time.monotonic() < deadline:
            self._collect()
            time.sleep(0.05)
        self._collect()


def _result(sending: Future[Sent]) -> Sent:
    error = sending.exception()
    # A service of Apprise that fails in its own way is a message not delivered, not the end of the worker.
    return sending.result() if error is None else Sent(is_delivered=False, reason=type(error).__name__)


def run_alerts(settings: Settings) -> None:
    """Run the alerts worker until it is stopped.

    Raises:
        ConfigError: The rules are wrong or name no contact.
        UnreachableError: The broker does not answer.
    """
    rules = load_rules(settings.alert_rules)
    if not rules.contacts:
        raise ConfigError(
            "no contact to tell alerts to", hint="set VPP_ALERT_RULES to a file with contacts (docs/guide/alerts.md)"
        )
    services = open_services(rules, ChainMap(texts_of(settings.contact_secrets_dir), os.environ))
    open_topics(settings, TOPOLOGY)
    worker = AlertWorker(settings, rules, services, Post(settings, "alerts"))
    status = StatusFile(settings, TOPOLOGY, worker)
    consumer = Consumer(
        {
            **consumer_config(settings, settings.group(TOPOLOGY)),
            "session.timeout.ms": 10_000,
            "stats_cb": status.on_stats,
            "statistics.interval.ms": 1000,
        }
    )
    stopping = stop_on_signals()
    log.info("started topology=%s contacts=%s pid=%s", TOPOLOGY, ",".join(sorted(services)), os.getpid())
    try:
        worker.run(consumer, stopping.is_set, status.on_processed)
    finally:
        consumer.close()
    log.info("stopped topology=%s", TOPOLOGY)
