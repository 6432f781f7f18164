"""Reads the plant's setpoints for a gateway, from the newest of each asset on, without committing anything.

What was taken is known by the gateway's journal, so a restart may read as much again as it likes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from threading import Event, Thread

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from vpp.errors import MessageError, UnreachableError
from vpp.messages import Decoder, Setpoint
from vpp.settings import Settings
from vpp.streams.kafka import admin, appended_at, check_consumed, consumer_config
from vpp.streams.signatures import verifier_of
from vpp.streams.topics import SETPOINTS

log = logging.getLogger(__name__)

BACKLOG = 20_000
"""So many records per partition are read again at the start."""

NEWEST_WITHIN_S = 2.0
"""The newest record of each partition is waited for so long."""

Take = Callable[[list[Setpoint]], None]
Stamped = Callable[[float, float], None]
"""Gets the time stamp of a setpoint's record (s since 1970), and the monotonic time at which it was read."""


class SetpointFeed:
    """A thread that reads ``vpp.setpoints`` and passes them to the gateway's event loop in batches.

    Args:
        settings: Where the broker is.
        name: Name of the gateway.
        take: Called on the event loop.
        stamped: Called on the reading thread for every setpoint that holds, before it is handed over.
    """

    def __init__(self, settings: Settings, name: str, take: Take, stamped: Stamped) -> None:
        self._settings = settings
        self._name = name
        self._take = take
        self._stamped = stamped
        self._decode = Decoder(SETPOINTS.carries)
        self._verifier = verifier_of(settings)
        self._stop = Event()
        self._thread: Thread | None = None
        self._consumer: Consumer | None = None
        self._ends: dict[int, tuple[int, int]] = {}
        self.failure: Exception | None = None

    def open(self) -> None:
        """Connect, and note the time stamp of the newest setpoint, so a slow clock is seen before anything acts.

        Raises:
            UnreachableError: The broker does not answer.
        """
        topic = SETPOINTS.wire(self._settings.topic_prefix)
        partitions = list(admin(self._settings).list_topics(topic, timeout=10).topics[topic].partitions)
        consumer = Consumer(consumer_config(self._settings, self._settings.group(f"gateway-{self._name}")))
        self._consumer = consumer
        self._ends = {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10) for p in partitions}
        waiting = {p for p, (low, high) in self._ends.items() if high > low}
        consumer.assign([TopicPartition(topic, p, self._ends[p][1] - 1) for p in waiting])
        until_s = time.monotonic() + NEWEST_WITHIN_S
        while waiting and time.monotonic() < until_s:
            record = consumer.poll(0.1)
            if record is not None and not record.error():
                self._setpoint(record)
                waiting.discard(record.partition() or 0)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to read on a thread of its own."""
        consumer, ends = self._consumer, self._ends
        assert consumer is not None
        topic = SETPOINTS.wire(self._settings.topic_prefix)
        consumer.assign([TopicPartition(topic, p, max(low, high - BACKLOG)) for p, (low, high) in ends.items()])
        waiting = {p: high for p, (low, high) in ends.items() if high > low}
        self._thread = Thread(target=self._read, args=(consumer, loop, waiting), name="setpoints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
        elif self._consumer is not None:
            self._consumer.close()

    def _read(self, consumer: Consumer, loop: asyncio.AbstractEventLoop, backlog: dict[int, int]) -> None:
        newest: dict[tuple[str, str], Setpoint] = {}
        try:
            while not self._stop.is_set():
                batch = self._batch(consumer, backlog)
                if backlog or newest:
                    newest |= _newest(newest, batch)
                    if backlog:
                        continue
                    batch, newest = list(newest.values()), {}
                if batch:
                    loop.call_soon_threadsafe(self._take, batch)
        except (KafkaException, UnreachableError) as error:
            self.failure = error
        finally:
            consumer.close()

    def _batch(self, consumer: Consumer, backlog: dict[int, int]) -> list[Setpoint]:
        batch: list[Setpoint] = []
        record = consumer.poll(0.05)
        if record is None:
            backlog.clear()  # no further records: all existing ones have been read
        while record is not None and len(batch) < BACKLOG:
            if record.error():
                raise UnreachableError(f"reading setpoints failed: {record.error()}")
            setpoint = self._setpoint(record)
            if setpoint is not None:
                batch.append(setpoint)
            partition, offset = record.partition(), record.offset()
            if partition is not None and offset is not None and offset + 1 >= backlog.get(partition, 0):
                backlog.pop(partition, None)
            record = consumer.poll(0)
        return batch

    def _setpoint(self, record: Message) -> Setpoint | None:
        key = record.key()
        try:
            check_consumed(self._verifier, SETPOINTS, self._settings.topic_prefix, record)
            message = self._decode(record.value(), key=None if key is None else key.decode("utf-8", "replace"))
        except MessageError as error:
            log.warning("a setpoint is refused reason=%s offset=%s: %s", error.reason, record.offset(), error)
            return None
        if not isinstance(message, Setpoint):
            return None
        self._stamped(appended_at(record).timestamp(), time.monotonic())
        return message


def _newest(newest: dict[tuple[str, str], Setpoint], batch: list[Setpoint]) -> dict[tuple[str, str], Setpoint]:
    best = dict(newest)
    for setpoint in batch:
        key = (setpoint.zone, setpoint.asset_id)
        before = best.get(key)
        if before is None or (before.slot, before.revision) < (setpoint.slot, setpoint.revision):
            best[key] = setpoint
    return best
