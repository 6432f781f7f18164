"""Writes single messages to a topic and waits until the broker has them: orders and audit records."""

from __future__ import annotations

from threading import Lock
from typing import Any

from confluent_kafka import KafkaException, Producer

from topologies.control.running_broker import with_broker
from vpp.errors import UnreachableError
from vpp.messages import Message, encode
from vpp.settings import Settings
from vpp.streams.broker_rights import refused_write
from vpp.streams.kafka import producer_config
from vpp.streams.signatures import signer_of
from vpp.streams.topics import BY_NAME

WITHIN_S = 10.0


class Post:
    """A producer that is opened by the first message.

    Args:
        settings: Where the broker is; without one in them, that of a running `vpp up`.
        writer: Name of the process in the table of topics; it signs the messages.

    Raises:
        ConfigError: Messages are signed, and there is no key of this writer.
    """

    def __init__(self, settings: Settings, writer: str) -> None:
        self._settings = settings
        self._signer = signer_of(settings, writer)
        self._lock = Lock()
        self._opened: tuple[str, Producer] | None = None

    def __call__(self, topic: str, message: Message) -> None:
        """Write ``message`` to a topic (short name), keyed by its zone, and wait for the broker's receipt.

        Raises:
            RefusedError: The broker lets this user not write to the topic.
            UnreachableError: The broker did not take it in time; it may or may not have it.
        """
        settings = with_broker(self._settings)
        wire = BY_NAME[topic].wire(settings.topic_prefix)
        failures: list[Any] = []

        def delivered(error: Any, _record: Any) -> None:
            if error is not None:
                failures.append(error)

        producer = self._producer(settings)
        key, value = message.zone.encode(), encode(message)
        headers: Any = self._signer.headers(wire, key, value)
        try:
            producer.produce(wire, value, key, headers=headers, on_delivery=delivered)
            waiting = producer.flush(WITHIN_S)
        except (KafkaException, BufferError) as error:
            raise UnreachableError(f"cannot write to {wire}: {error}") from error
        refusal = refused_write(failures[0] if failures else None, wire, settings)
        if refusal is not None:
            raise refusal
        if failures or waiting:
            reason = failures[0] if failures else f"no answer within {WITHIN_S:g} s"
            raise UnreachableError(f"cannot write to {wire}: {reason}", hint="is the broker running? see `vpp doctor`")

    def _producer(self, settings: Settings) -> Producer:
        address = settings.kafka.bootstrap_servers
        with self._lock:
            if self._opened is None or self._opened[0] != address:
                limits = {"message.timeout.ms": int(WITHIN_S * 1000)}
                self._opened = address, Producer({**producer_config(settings), **limits})
            return self._opened[1]
