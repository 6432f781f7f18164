"""Reads the end of a topic without joining a group or committing anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from vpp.errors import UnreachableError
from vpp.kafka import admin, consumer_config
from vpp.settings import Settings
from vpp.topics import Topic


def tail(
    settings: Settings,
    topic: Topic,
    *,
    last: int = 10,
    key: str | None = None,
    follow: bool = False,
    timeout_s: float = 3.0,
    limit: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the last records of a topic, then new ones while ``follow``.

    Args:
        settings: Where the broker is.
        topic: The topic.
        last: How many records per partition to begin with.
        key: Only records of this zone.
        follow: Go on with new records until the reader stops.
        timeout_s: End when nothing came for so long (not while following).
        limit: End after so many records.

    Yields:
        Dicts with ``partition``, ``offset``, ``timestamp`` (broker time), ``key``, ``headers`` and ``value``: the
        decoded JSON, or the raw bytes as text where it is none.

    Raises:
        UnreachableError: The broker does not answer or does not have the topic.
    """
    name = topic.wire(settings.topic_prefix)
    there = admin(settings).list_topics(timeout=5).topics
    if name not in there:
        raise UnreachableError(f"the broker has no topic {name}", hint="create it: vpp topics create")
    consumer = Consumer(consumer_config(settings, "vpp-tail"))
    try:
        starts, ends = [], {}
        for partition in there[name].partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=5)
            starts.append(TopicPartition(name, partition, max(low, high - last)))
            ends[partition] = high
        consumer.assign(starts)
        yield from _read(consumer, ends, key=key, follow=follow, timeout_s=timeout_s, limit=limit)
    finally:
        consumer.close()


def _read(
    consumer: Consumer, ends: dict[int, int], *, key: str | None, follow: bool, timeout_s: float, limit: int | None
) -> Iterator[dict[str, Any]]:
    heard = time.monotonic()
    given = 0
    while follow or time.monotonic() - heard < timeout_s:
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
            given += 1
            if limit is not None and given >= limit:
                return


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
        "timestamp": datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC),
        "key": None if key is None else key.decode("utf-8", "replace"),
        "headers": {name: (value or b"").decode("utf-8", "replace") for name, value in message.headers() or []},
        "value": value,
    }
