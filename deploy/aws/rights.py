"""IAM statements of each process on MSK, from the rights in vpp/streams."""

from __future__ import annotations

from dataclasses import dataclass

from vpp.streams.rights import Right, rights

# Kafka's operations in IAM's words, by kind of resource.
_ACTIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("topic", "read"): ("DescribeTopic", "ReadData"),
    ("topic", "write"): ("DescribeTopic", "WriteData"),
    ("topic", "describe_configs"): ("DescribeTopicDynamicConfiguration",),
    ("group", "read"): ("AlterGroup", "DescribeGroup"),
    ("group", "describe"): ("DescribeGroup",),
    ("transactional-id", "write"): ("AlterTransactionalId", "DescribeTransactionalId"),
    ("transactional-id", "describe"): ("DescribeTransactionalId",),
}


@dataclass(frozen=True, slots=True)
class MskStatement:
    """One IAM statement about resources of a cluster.

    Attributes:
        actions: Names with the prefix ``kafka-cluster:``.
        kind: ``cluster``, ``topic``, ``group`` or ``transactional-id``.
        name: Name of the resource, with ``*`` at its end for all that begin with it; empty for the cluster.
    """

    actions: tuple[str, ...]
    kind: str
    name: str = ""


def statements(user: str, prefix: str = "vpp") -> list[MskStatement]:
    """Return the statements of one process: connecting, its topics, its group and its changelogs.

    A stateful worker may create its own changelog topics and nothing else; all other topics are made by the task
    ``topics``, which is the only one that may (``topic_maker``).

    Args:
        user: Name of the process as in deploy/create-acls.sh, without ``vpp-``.
        prefix: Topic prefix without its dot.

    Raises:
        ValueError: The process has no rights.
    """
    process_rights = [right for right in rights(prefix) if right.user == user]
    if not process_rights:
        raise ValueError(f"{user} has no rights in the table of topics")
    return [
        MskStatement(
            ("kafka-cluster:Connect", "kafka-cluster:DescribeCluster", "kafka-cluster:WriteDataIdempotently"), "cluster"
        ),
        *(_statement(right) for right in process_rights),
    ]


def topic_maker(prefix: str = "vpp") -> list[MskStatement]:
    """Return the statements of the task that creates the topics of the table before the workers start."""
    actions = ("CreateTopic", "DescribeTopic", "DescribeTopicDynamicConfiguration")
    return [
        MskStatement(("kafka-cluster:Connect", "kafka-cluster:DescribeCluster"), "cluster"),
        MskStatement(tuple(f"kafka-cluster:{operation}" for operation in actions), "topic", f"{prefix}.*"),
    ]


def _statement(right: Right) -> MskStatement:
    actions = {action for operation in right.operations.split(",") for action in _ACTIONS[right.kind, operation]}
    if right.kind == "topic" and right.name.startswith("changelog__"):
        actions |= {"CreateTopic"}
    name = right.name + ("*" if right.prefixed else "")
    return MskStatement(tuple(sorted(f"kafka-cluster:{action}" for action in actions)), right.kind, name)
