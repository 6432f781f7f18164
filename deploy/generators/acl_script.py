"""Writes the shell script that grants each process what it needs, from the table in ``vpp/streams/topics.py``."""

from __future__ import annotations

from dataclasses import dataclass

from vpp.streams.topics import ALERTS, DLQ, INPUT_OF, RAW, TOPICS, TOPOLOGIES, Topic

PREFIX = "$prefix"
# People's and assistants' tools may look into every topic; what they may write is in the table.
READERS = ("cli", "dashboard", "mcp", "console")

_HEAD = """\
#!/bin/sh
# Grants each process what it needs and no more, with rpk. Written by `python -m deploy.generate` from
# vpp/streams/topics.py: do not edit. Run it as a superuser, after create-topics.sh; users are named vpp-telemetry,
# vpp-forecast, ...
#
#   VPP_KAFKA__BOOTSTRAP_SERVERS   host:port of the broker
#   VPP_RUN                        name of the run, where it has one
#   RPK_USER, RPK_PASS, RPK_SASL_MECHANISM   the superuser, as rpk reads them
set -eu

brokers=${VPP_KAFKA__BOOTSTRAP_SERVERS:?set it to host:port of the broker}
prefix=vpp${VPP_RUN:+-$VPP_RUN}

allow() {
    user=$1
    operations=$2
    shift 2
    rpk security acl create --allow-principal "User:vpp-$user" --operation "$operations" "$@" -X "brokers=$brokers"
}
"""


@dataclass(frozen=True, slots=True)
class Right:
    """What one user may do with one resource.

    Attributes:
        user: Name without ``vpp-``: a topology, a source or a tool.
        operations: Kafka's operations in rpk's words.
        kind: ``topic``, ``group`` or ``transactional-id``.
        name: Name of the resource; begins with the prefix.
        prefixed: Whether it stands for all that begin with it.
    """

    user: str
    operations: str
    kind: str
    name: str
    prefixed: bool = False


def rights(prefix: str) -> list[Right]:
    """Return every right, in the order of users.

    A worker reads its input and writes its outputs and dead letters; a stateful one keeps its changelog. Reading and
    writing imply that a topic may be described, but not its configuration, which Quix asks for.

    Args:
        prefix: Topic prefix without its dot (``vpp``, or ``vpp-RUN``), which also begins the consumer groups' names.
    """
    found: list[Right] = []
    for name in TOPOLOGIES:
        inputs = [INPUT_OF[name]] if name in INPUT_OF else [topic for topic in TOPICS if topic is not RAW]
        found += [_topic(name, "read,describe_configs", topic, prefix) for topic in inputs]
        outputs = [topic for topic in TOPICS if name in topic.writers or topic is DLQ]
        found += [_topic(name, "write,describe_configs", topic, prefix) for topic in outputs]
        if name in INPUT_OF:
            state = f"changelog__{prefix}-{name}--"
            found.append(Right(name, "read,write,describe_configs", "topic", state, prefixed=True))
        found.append(Right(name, "read", "group", f"{prefix}-{name}"))
        found.append(Right(name, "write,describe", "transactional-id", f"{prefix}-{name}-", prefixed=True))
    # The alerts worker is no topology: it keeps no state, and its consumer is a plain one.
    found += [_topic("alerts", "read", ALERTS, prefix), Right("alerts", "read", "group", f"{prefix}-alerts")]
    for name in sorted({writer for topic in TOPICS for writer in topic.writers} - set(TOPOLOGIES)):
        found += [_topic(name, "write,describe_configs", topic, prefix) for topic in TOPICS if name in topic.writers]
    for name in READERS:
        found.append(Right(name, "read,describe_configs", "topic", f"{prefix}.", prefixed=True))
        found.append(Right(name, "describe", "group", f"{prefix}-", prefixed=True))
    return found


def create_acls_script() -> str:
    """Return the script: one line per right."""
    found = rights(PREFIX)
    lines = [_HEAD]
    for user in dict.fromkeys(right.user for right in found):
        lines += [_line(right) for right in found if right.user == user]
        lines.append("")
    return "\n".join(lines)


def _topic(user: str, operations: str, topic: Topic, prefix: str) -> Right:
    return Right(user, operations, "topic", f"{prefix}.{topic.name}")


def _line(right: Right) -> str:
    pattern = " --resource-pattern-type prefixed" if right.prefixed else ""
    return f'allow {right.user} {right.operations} --{right.kind} "{right.name}"{pattern}'
