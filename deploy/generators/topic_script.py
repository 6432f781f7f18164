"""Writes the shell script that creates every topic with ``rpk``, from the table in ``vpp/streams/topics.py``."""

from __future__ import annotations

from vpp.streams.rights import changelog_name
from vpp.streams.topics import INPUT_OF, TOPICS

PREFIX = "$prefix"

# Quix keeps the state of a topology in one compacted topic. Only closed segments are compacted, so they are small.
CHANGELOG_CONFIG = {
    "cleanup.policy": "compact",
    "message.timestamp.type": "LogAppendTime",
    "segment.bytes": str(16 << 20),
    "segment.ms": str(3_600_000),
}

_HEAD = """\
#!/bin/sh
# Creates every topic that is missing, with rpk. Written by `python -m deploy.generate` from
# vpp/streams/topics.py: do not edit.
#
# Settings, as for the workers:
#   VPP_KAFKA__BOOTSTRAP_SERVERS   host:port of the broker
#   VPP_KAFKA__PARTITIONS          partitions of every topic (all are partitioned by zone alike; default 4)
#   VPP_KAFKA__REPLICATION_FACTOR  copies of every topic (1, or 3 on a cluster; default 1)
#   VPP_RUN                        name of the run, where it has one: its topics have a prefix of their own
#   RPK_SECRETS_DIR                folder with the login: a file for each of RPK_USER, RPK_PASS, ... (default none)
set -eu

for file in "${RPK_SECRETS_DIR:-/nonexistent}"/RPK_*; do
    [ -f "$file" ] && export "$(basename "$file")=$(cat "$file")"
done

brokers=${VPP_KAFKA__BOOTSTRAP_SERVERS:?set it to host:port of the broker}
partitions=${VPP_KAFKA__PARTITIONS:-4}
replicas=${VPP_KAFKA__REPLICATION_FACTOR:-1}
prefix=vpp${VPP_RUN:+-$VPP_RUN}

create() {
    name=$1
    shift
    rpk topic create "$name" --if-not-exists -p "$partitions" -r "$replicas" "$@" -X "brokers=$brokers"
}
"""


def create_topics_script() -> str:
    """Return the script: one line per topic, then one per state changelog of a stateful topology."""
    lines = [_HEAD, "# What the topologies read and write."]
    lines += [_line(f"{PREFIX}.{topic.name}", topic.broker_config()) for topic in TOPICS]
    lines += ["", "# The state of each stateful topology, so workers need no right to create topics."]
    lines += [
        _line(changelog_name(topology, source, PREFIX), CHANGELOG_CONFIG) for topology, source in INPUT_OF.items()
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, config: dict[str, str]) -> str:
    return f'create "{name}" ' + " ".join(f"-c {key}={value}" for key, value in config.items())
