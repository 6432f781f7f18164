"""Checks at the start of a process which of its rights the broker does not grant.

Without this, Kafka answers a missing right late and in other words: a topic "not found", a failed commit, a failed
assignment of partitions.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

from vpp.errors import RefusedError
from vpp.settings import Settings
from vpp.streams.kafka import admin, connection, create_topics
from vpp.streams.rights import Right, changelog_name, rights
from vpp.streams.topics import INPUT_OF, TOPICS

WITHIN_S = 15.0
# librdkafka prints a refused transaction as fatal; the error of the check explains it.
_QUIET = logging.getLogger("vpp.streams.broker_rights.client")
_QUIET.addHandler(logging.NullHandler())
_QUIET.propagate = False
_REFUSED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
}


def open_topics(settings: Settings, process: str) -> None:
    """Create the missing topics where the settings allow it, and check the rights of a process that logs in by name.

    Args:
        settings: Address of the broker and credentials.
        process: Name of the process in the table of rights, such as ``plant``.

    Raises:
        RefusedError: The broker does not grant what the process needs.
        UnreachableError: The broker does not answer.
    """
    if settings.kafka.auto_create_topics:
        create_topics(settings)
    if settings.kafka.username is None:
        return
    missing = missing_rights(admin(settings), settings, process)
    if missing:
        raise RefusedError(
            f"the broker user {settings.kafka.username} may not {'; '.join(map(str, missing))}",
            hint=f"grant what {process} needs with deploy/create-acls.sh",
        )


def missing_rights(client: AdminClient, settings: Settings, process: str) -> list[Right]:
    """Return the missing rights of a process; a right that the broker does not report counts as granted.

    Args:
        client: A client that is logged in as the user.
        settings: The settings of the process.
        process: Name of the process in the table of rights.
    """
    needs = needed(process, settings.topic_prefix.rstrip("."))
    missing: list[Right] = []
    topics = sorted(name for kind, name in needs if kind == "topic")
    if topics:
        request = TopicCollection(topics)
        described = client.describe_topics(request, include_authorized_operations=True, request_timeout=WITHIN_S)
        missing += _missing(process, "topic", needs, described)
    groups = sorted(name for kind, name in needs if kind == "group")
    if groups:
        described = client.describe_consumer_groups(
            groups, include_authorized_operations=True, request_timeout=WITHIN_S
        )
        missing += _missing(process, "group", needs, described)
    if settings.kafka.processing_guarantee == "exactly-once":
        for kind, name in needs:
            if kind == "transactional-id" and not _may_begin(settings, name):
                missing.append(Right(process, "write", kind, name, prefixed=True))
    return missing


def needed(process: str, prefix: str) -> dict[tuple[str, str], set[str]]:
    """Return the operations that a process needs, by kind and name; a right by prefix covers all existing names.

    Args:
        process: Name of the process.
        prefix: Topic prefix without its dot.
    """
    names_by_prefix = {
        f"{prefix}.": [topic.wire(f"{prefix}.") for topic in TOPICS],
        f"{prefix}-": [f"{prefix}-{name}" for name in INPUT_OF],
    }
    names_by_prefix |= {
        f"changelog__{prefix}-{name}--": [changelog_name(name, topic, prefix)] for name, topic in INPUT_OF.items()
    }
    needs: dict[tuple[str, str], set[str]] = {}
    for right in rights(prefix):
        if right.user == process:
            for name in names_by_prefix.get(right.name, [right.name]) if right.prefixed else [right.name]:
                needs.setdefault((right.kind, name), set()).update(right.operations.split(","))
    return needs


def _missing(
    process: str, kind: str, needs: Mapping[tuple[str, str], set[str]], described: Mapping[str, Future[Any]]
) -> Iterator[Right]:
    for name, answer in described.items():
        operations = needs[kind, name]
        try:
            granted = answer.result(WITHIN_S).authorized_operations
        except KafkaException as error:
            if error.args[0].code() in _REFUSED:
                yield Right(process, ",".join(sorted(operations, reverse=True)), kind, name)
            continue  # a topic or coordinator that does not exist yet gives no information about rights
        lacking = [
            operation
            for operation in sorted(operations, reverse=True)
            if granted and AclOperation[operation.upper()] not in granted
        ]
        if lacking:
            yield Right(process, ",".join(lacking), kind, name)


def _may_begin(settings: Settings, prefix: str) -> bool:
    """Return whether transactions may be begun under the id that the worker is about to use."""
    config = {**connection(settings), "transactional.id": prefix + (settings.kafka.worker_id or "0")}
    try:
        Producer(config, logger=_QUIET).init_transactions(WITHIN_S)
    except KafkaException as error:
        return error.args[0].code() not in _REFUSED
    return True


def refused_write(error: KafkaError | None, topic: str, settings: Settings) -> RefusedError | None:
    """Return the error of a record that the user may not write, None if the broker had another reason.

    Args:
        error: The broker's error.
        topic: Wire name of the topic.
        settings: Who we are.
    """
    if error is None or error.code() not in _REFUSED:
        return None
    principal = settings.kafka.username or "this process"
    return RefusedError(
        f"the broker lets {principal} not write to {topic}",
        hint="grant it with deploy/create-acls.sh, or log in as another",
    )
