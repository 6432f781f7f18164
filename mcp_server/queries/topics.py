"""Queries for topics: records and message schemas."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from mcp_server.answers.reading import Peeked, TopicPeek
from mcp_server.answers.sanitize import small
from mcp_server.queries.context import QuestionError, ReadContext, UnknownNameError, utc
from vpp.errors import nearest_hint
from vpp.streams.topics import BY_NAME, Topic

_PLACE = re.compile(r"(\d{1,4}):(\d{1,18})")
MAX_ITEMS_CHARS = 40_000
ONE_VALUE_CHARS = 4_000


def find_topic(name: str, prefix: str) -> Topic:
    """Return a topic by its short name (``bids``) or its name on the broker (``vpp.bids``).

    Raises:
        QuestionError: The topic is unknown.
    """
    topic = BY_NAME.get(name) or BY_NAME.get(name.removeprefix(prefix))
    if topic is None:
        raise UnknownNameError(f"there is no topic {name!r}", hint=nearest_hint(name, BY_NAME))
    return topic


def topic_schema(context: ReadContext, name: str) -> dict[str, Any]:
    """Return the description of a topic: purpose, key, writers, readers and JSON schema of its messages."""
    topic = find_topic(name, context.settings.topic_prefix)
    return {
        "topic": topic.wire(context.settings.topic_prefix),
        "doc": topic.doc,
        "key": "zone",
        "writers": list(topic.writers),
        "readers": [*topic.readers, "storage"],
        "schema": msgspec.json.schema(topic.carries),
    }


def peek_topic(context: ReadContext, name: str, start: str, key: str | None, limit: int, timeout_s: float) -> TopicPeek:
    """Return up to ``limit`` records of a topic without joining a group or committing anything.

    Args:
        context: Settings of the run, with the broker.
        name: Short topic name or name on the broker.
        start: ``tail`` (the newest ones), an ISO time, or ``partition:offset``.
        key: Only records of this zone.
        limit: Maximum number of records.
        timeout_s: Time limit of reading in seconds.

    Raises:
        QuestionError: The topic is unknown, or ``start`` is not valid.
        UnreachableError: No broker is configured, or it does not answer.
    """
    from topologies.control.running_broker import (
        with_broker,  # these two load a Kafka client, which no other query needs
    )
    from topologies.control.topic_tail import tail

    topic = find_topic(name, context.settings.topic_prefix)
    begin = parse_start(start)
    settings = with_broker(context.settings)
    is_tail = begin is None
    # With a key, records of other zones are skipped, so a longer tail is read.
    last = limit if key is None else 20 * limit
    records = list(
        tail(
            settings,
            topic,
            start=begin,
            last=last,
            key=key,
            timeout_s=min(timeout_s, 1.0),
            within_s=timeout_s,
            limit=None if is_tail else limit + 1,
        )
    )
    records.sort(key=lambda record: (record["timestamp"], record["partition"], record["offset"]))
    more = len(records) > limit
    records = records[-limit:] if is_tail else records[:limit]
    listed, left_out = _fit(records)
    wire = topic.wire(context.settings.topic_prefix)
    return TopicPeek(
        as_of=records[-1]["timestamp"] if records else None,
        topic=wire,
        records=listed,
        rpk=f"rpk topic consume {wire} -o -{limit} -n {limit} -X brokers={settings.kafka.bootstrap_servers}",
        truncated=left_out > 0 or (more and not is_tail),
        hint=None if records else f"nothing found: {topic.doc} Written by {', '.join(topic.writers)}.",
        warnings=[f"{left_out} records left out: the answer was too long; use a smaller limit"] if left_out else [],
    )


def parse_start(start: str) -> datetime | tuple[int, int] | None:
    """Return the start of reading: None for the tail, a UTC time, or partition and offset.

    Raises:
        QuestionError: The text is none of these.
    """
    text = start.strip()
    if text in ("", "tail"):
        return None
    place = _PLACE.fullmatch(text)
    if place:
        return int(place[1]), int(place[2])
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError as error:
        raise QuestionError(
            f"start {start!r} is not understood", hint="give tail, an ISO time such as 2026-01-31T12:00Z, or 0:1234"
        ) from error


def _fit(records: list[dict[str, Any]]) -> tuple[list[Peeked], int]:
    """Return the newest records that fit into one answer, and the number of the others."""
    listed: list[Peeked] = []
    room = MAX_ITEMS_CHARS
    for record in reversed(records):
        value = small(record["value"])
        if len(msgspec.json.encode(value)) > ONE_VALUE_CHARS:
            value = small(record["value"], items=2, depth=3)
        room -= len(msgspec.json.encode(value))
        if room < 0 and listed:
            break
        listed.append(
            Peeked(
                partition=record["partition"],
                offset=record["offset"],
                time=record["timestamp"].astimezone(UTC),
                key=record["key"],
                value=value,
            )
        )
    return listed[::-1], len(records) - len(listed)
