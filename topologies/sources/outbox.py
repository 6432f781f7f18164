"""Sends a source's records to a topic, keyed by zone and signed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from vpp.errors import UnreachableError
from vpp.messages import Message, encode
from vpp.settings import Settings
from vpp.streams.broker_rights import refused_write
from vpp.streams.kafka import log_time_s, producer_config
from vpp.streams.signatures import signer_of
from vpp.streams.topics import Topic
from vpp.streams.tracing import source_headers

FLUSH_S = 30.0

Stamped = Callable[[float | None, float], None]
"""Gets the log's time of an acknowledged record (s since 1970; None: the log leaves it to writers), and the monotonic
time at which it was sent."""


class Outbox(Protocol):
    """Where records go."""

    def send(self, message: Message) -> None:
        """Hand a record over."""
        ...

    def flush(self) -> None:
        """Return when all records handed over are acknowledged."""
        ...


class KafkaOutbox:
    """Sends records to one topic, keyed by zone.

    Args:
        settings: Where the broker is, and the keys that records are signed with.
        topic: The topic.
        writer: Name of the process in the table of topics; it signs the records.
        stamped: Called for each record that is acknowledged.
    """

    def __init__(self, settings: Settings, topic: Topic, writer: str, *, stamped: Stamped | None = None) -> None:
        from confluent_kafka import Producer  # a test of the loop needs no client library

        self._producer = Producer(producer_config(settings))
        self._topic = topic.wire(settings.topic_prefix)
        self._signer = signer_of(settings, writer)
        self._settings = settings
        self._stamped = stamped
        self._failure: Any = None

    def send(self, message: Message) -> None:
        """Hand a record over; waits while the client's buffer is full.

        Raises:
            RefusedError: The broker lets this user not write to the topic.
            UnreachableError: An earlier record could not be delivered.
        """
        payload, key = encode(message), message.zone.encode()
        headers: Any = self._signer.headers(self._topic, key, payload) + source_headers(message)
        delivered = partial(self._delivered, sent_at_s=time.monotonic())
        while True:
            try:
                self._producer.produce(self._topic, payload, key, headers=headers, on_delivery=delivered)
                break
            except BufferError:
                self._producer.poll(0.2)
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Return when all records are acknowledged.

        Raises:
            RefusedError: The broker lets this user not write to the topic.
            UnreachableError: They are not, within half a minute.
        """
        unsent = self._producer.flush(FLUSH_S)
        self._check()
        if unsent:
            raise UnreachableError(
                f"the broker did not acknowledge {unsent} records in {FLUSH_S:g} s", hint="is the broker running?"
            )

    def _delivered(self, error: Any, message: Any, *, sent_at_s: float) -> None:
        self._failure = self._failure or error
        if self._stamped is not None and error is None:
            self._stamped(log_time_s(message), sent_at_s)

    def _check(self) -> None:
        if self._failure is not None:
            error = UnreachableError(f"the broker refused a record: {self._failure}", hint="is the broker running?")
            raise refused_write(self._failure, self._topic, self._settings) or error
