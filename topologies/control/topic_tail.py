"""Reads the end of a topic without joining a group or committing anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from vpp.errors import TopicMissingError, UnreachableError
from vpp.settings import Settings
from vpp.streams.kafka import admin, appended_at, consumer_config
from vpp.streams.topics import Topic


def tail(  # noqa: PLR0913  # a read has as many conditions
    settings: Settings,
    topic: Topic,
    *,
    last: int = 10,
    key: str | None = None,
    follow: bool = False,
    timeout_s: float = 3.0,
    limit: int | None = None,
    start: datetime | tuple[int, int] | None = None,
    within_s: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the last records of a topic, then new ones while ``follow``.

    Args:
        settings: Where the broker is.
        topic: The topic.
        last: How many records per partition to begin with.
        key: Only records of this zone.
        follow: Go on with new records until the reader stops.
        timeout_s: End after this time without records (not while following).
        limit: Number of records after which it ends.
        start: Instead of the last records: a time (the first record that the broker took at or after it), or a
            partition and offset (that partition alone).
        within_s: End after this time in any case.

    Yields:
        Dicts with ``partition``, ``offset``, ``timestamp`` (broker time), ``key``, ``headers`` and ``value``: the
        decoded JSON, or the raw bytes as text if it is not JSON.

    Raises:
        TopicMissingError: The broker does not have the topic.
        UnreachableError: The broker does not answer.
    """
    name = topic.wire(settings.topic_prefix)
    topics = admin(settings).list_topics(timeout=5).topics
    if name not in topics:
        raise TopicMissingError(f"the broker has no topic {name}", hint="create it: vpp topics create")
    consumer = Consumer(consumer_config(settings, "vpp-tail"))
    try:
        starts, ends = _starts(consumer, name, list(topics[name].partitions), last, start)
        consumer.assign(starts)
        for count, record in enumerate(_read(consumer, ends, key, follow, timeout_s, within_s), start=1):
            yield record
            if limit is not None and count >= limit:
                return
    finally:
        consumer.close()


def _starts(
    consumer: Consumer,
    name: str,
    partitions: list[int],
    last: int,
    start: datetime | tuple[int, int] | None,
) -> tuple[list[TopicPartition], dict[int, int]]:
    starts, ends = [], {}
    for partition in partitions:
        if isinstance(start, tuple) and partition != start[0]:
            continue
        low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=5)
        ends[partition] = high
        begin = start[1] if isinstance(start, tuple) else high - last
        if isinstance(start, datetime):
            position = TopicPartition(name, partition, int(start.timestamp() * 1000))
            offset = consumer.offsets_for_times([position], timeout=5)[0].offset
            begin = high if offset < 0 else offset
        starts.append(TopicPartition(name, partition, max(low, begin)))
    return starts, ends


def _read(
    consumer: Consumer, ends: dict[int, int], key: str | None, follow: bool, timeout_s: float, within_s: float | None
) -> Iterator[dict[str, Any]]:
    began = heard = time.monotonic()
    while follow or time.monotonic() - heard < timeout_s:
        if within_s is not None and time.monotonic() - began > within_s:
            return
        message = consumer.poll(0.1)
        if message is None:
            if not follow and _at_end(consumer, ends):
                return
            continue
        if message.error():
            raise UnreachableError(f"reading failed: {message.error()}")
        heard = time.monotonic()
        record = _record(message)
        if key is None or record["key"] == key:
            yield record


def _at_end(consumer: Consumer, ends: dict[int, int]) -> bool:
    places = consumer.position(consumer.assignment())
    return all(ends[place.partition] == 0 or place.offset >= ends[place.partition] for place in places)


def _record(message: Message) -> dict[str, Any]:
    raw = message.value()
    try:
        value: Any = None if raw is None else msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        value = raw.decode("utf-8", "replace")[:1000] if raw else None
    key = message.key()
    return {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": appended_at(message),
        "key": None if key is None else key.decode("utf-8", "replace"),
        "headers": {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or []},
        "value": value,
    }
