"""Rights of each process on the broker, from the table of topics; used by access rules, IAM statements and checks."""

from __future__ import annotations

from dataclasses import dataclass

from vpp.streams.topics import DLQ, INPUT_OF, STORED, TOPICS, TOPOLOGIES, Topic

# Tools of people and assistants may read every topic; the table lists the topics that they may write.
READERS = ("cli", "dashboard", "mcp")
WORKERS = (*TOPOLOGIES, "inference")


@dataclass(frozen=True, slots=True)
class Right:
    """What one user may do with one resource.

    Attributes:
        user: Name without ``vpp-``: a topology, a source or a tool.
        operations: Kafka's operations in rpk's words.
        kind: ``topic``, ``group`` or ``transactional-id``.
        name: Name of the resource; begins with the prefix.
        prefixed: Whether it covers all names that begin with it.
    """

    user: str
    operations: str
    kind: str
    name: str
    prefixed: bool = False

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.operations.replace(',', ' and ')} {self.kind} {self.name}{'*' if self.prefixed else ''}"


def rights(prefix: str) -> list[Right]:
    """Return every right, in the order of users.

    A worker reads its input and writes its outputs and dead letters; a stateful one keeps its changelog. Reading and
    writing imply that a topic may be described, but not its configuration, which Quix asks for, and the console.

    Args:
        prefix: Topic prefix without its dot (``vpp``, or ``vpp-RUN``), which also begins the consumer groups' names.
    """
    table: list[Right] = []
    for name in WORKERS:
        inputs = STORED if name == "storage" else [topic for topic in TOPICS if name in topic.readers]
        table += [_topic(name, "read,describe_configs", topic, prefix) for topic in inputs]
        outputs = [topic for topic in TOPICS if name in topic.writers or topic is DLQ]
        table += [_topic(name, "write,describe_configs", topic, prefix) for topic in outputs]
        if name in INPUT_OF:
            state = f"changelog__{prefix}-{name}--"
            table.append(Right(name, "read,write,describe_configs", "topic", state, prefixed=True))
        table.append(Right(name, "read", "group", f"{prefix}-{name}"))
        if name == "storage":
            table.append(Right(name, "read", "group", f"{prefix}-{name}-history"))
        table.append(Right(name, "write", "transactional-id", f"{prefix}-{name}-", prefixed=True))
    processes = {name for topic in TOPICS for name in (*topic.writers, *topic.readers)}
    for name in sorted(processes - set(WORKERS)):
        table += [_topic(name, "write", topic, prefix) for topic in TOPICS if name in topic.writers]
        table += [_topic(name, "read", topic, prefix) for topic in TOPICS if name in topic.readers]
        if name == "alerts":  # a gateway keeps its place itself, and joins no group
            table.append(Right(name, "read", "group", f"{prefix}-{name}"))
    for name in (*READERS, "console"):
        operations = "read,describe_configs" if name == "console" else "read"
        table.append(Right(name, operations, "topic", f"{prefix}.", prefixed=True))
        table.append(Right(name, "describe", "group", f"{prefix}-", prefixed=True))
    return table


def changelog_name(topology: str, source: Topic, prefix: str) -> str:
    """Return the name that Quix gives the changelog of a topology's state.

    Args:
        topology: The topology.
        source: Its input topic.
        prefix: Topic prefix without its dot (``vpp``, or ``vpp-RUN``), which also begins the consumer group's name.
    """
    return f"changelog__{prefix}-{topology}--{prefix}.{source.name}--default"


def _topic(user: str, operations: str, topic: Topic, prefix: str) -> Right:
    return Right(user, operations, "topic", f"{prefix}.{topic.name}")
