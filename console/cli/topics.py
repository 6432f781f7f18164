"""`vpp topics`: list, create, read and describe topics; each command names its `rpk` twin."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from console.cli.options import NO_OPTIONS, Common, Json, answer, say, table, to_json
from topologies.control.running_broker import with_broker
from vpp.errors import ConfigError
from vpp.settings import Settings
from vpp.streams.kafka import admin, create_topics
from vpp.streams.topics import BY_NAME, TOPICS, Topic

app = App(name="topics", help="Topics: list, create, tail, schema. Each names the equivalent rpk line.")


KEY_LOOK_BACK = 20


@app.command(name="list")
def list_(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the topics of the plant with their partitions and records on the broker."""
    settings = with_broker(common.settings())
    existing = admin(settings).list_topics(timeout=10).topics
    rows = [
        {
            "topic": topic.wire(settings.topic_prefix),
            "partitions": _partitions(existing, topic, settings),
            "writers": ", ".join(topic.writers),
            "readers": ", ".join((*topic.readers, "storage")),
            "doc": topic.doc,
        }
        for topic in TOPICS
    ]
    _rpk(settings, "topic list")
    answer(rows, as_json=json, render=lambda lines: table(None, rows[0], [row.values() for row in lines]))


@app.command
def create(*, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Create every topic that does not exist yet."""
    settings = with_broker(common.settings())
    created = create_topics(settings)
    for topic in TOPICS:
        options = " ".join(f"-c {key}={value}" for key, value in topic.broker_config().items())
        _rpk(
            settings,
            f"topic create {topic.wire(settings.topic_prefix)} -p {settings.kafka.partitions} "
            f"-r {settings.kafka.replication_factor} {options}",
        )
    answer(
        {"created": created},
        as_json=json,
        render=lambda _: say("created: " + (", ".join(created) or "nothing, all there")),
    )


@app.command
def tail(
    topic: str,
    *,
    n: Annotated[int, Parameter(name=["--n", "-n"], help="number of last records, over all partitions")] = 10,
    key: Annotated[str | None, Parameter(help="only this zone")] = None,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="", help="wait for new records")] = False,
    timeout_s: Annotated[float, Parameter(help="stop after this time without a record")] = 3.0,
    common: Common = NO_OPTIONS,
) -> None:
    """Print the last records of a topic as JSON lines: partition, offset, key, value.

    Args:
        topic: Short name (`bids`) or name on the broker (`vpp.bids`).
    """
    from topologies.control.topic_tail import tail as read

    settings = with_broker(common.settings())
    chosen = _find(topic, settings)
    _rpk(settings, f"topic consume {chosen.wire(settings.topic_prefix)} -o -{n} " + ("" if follow else f"-n {n}"))
    # A key hides other zones' records, so more of the end is looked through for it.
    last = n if key is None else KEY_LOOK_BACK * n
    backlog = in_broker_order(read(settings, chosen, last=last, key=key, timeout_s=timeout_s))
    for record in backlog[-n:] if n > 0 else []:
        _print(record)
    if follow:
        printed = {(record["partition"], record["offset"]) for record in backlog}
        start = backlog[-1]["timestamp"] if backlog else None
        for record in read(settings, chosen, last=0, key=key, follow=True, start=start):
            if (record["partition"], record["offset"]) not in printed:
                _print(record)


def in_broker_order(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return records of all partitions in the order in which the broker took them."""
    return sorted(records, key=lambda record: (record["timestamp"], record["partition"], record["offset"]))


def _print(record: dict[str, Any]) -> None:
    sys.stdout.write(to_json(record) + "\n")
    sys.stdout.flush()


@app.command
def schema(topic: str, *, common: Common = NO_OPTIONS) -> None:
    """Print the JSON schema of a topic's messages.

    Args:
        topic: Short name or name on the broker.
    """
    chosen = _find(topic, common.settings())
    document: dict[str, Any] = msgspec.json.schema(chosen.carries)
    sys.stdout.write(to_json(document) + "\n")


def _find(name: str, settings: Settings) -> Topic:
    short = name.removeprefix(settings.topic_prefix)
    if short not in BY_NAME:
        raise ConfigError(f"there is no topic {name!r}", hint="one of " + ", ".join(BY_NAME))
    return BY_NAME[short]


def _partitions(existing: dict[str, Any], topic: Topic, settings: Settings) -> int | None:
    metadata = existing.get(topic.wire(settings.topic_prefix))
    return None if metadata is None else len(metadata.partitions)


def _rpk(settings: Settings, line: str) -> None:
    say(f"rpk {line} -X brokers={settings.kafka.bootstrap_servers}".replace("  ", " "))
