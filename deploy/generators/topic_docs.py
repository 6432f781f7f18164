"""The topic page and the JSON schemas of the topics, made from the topic table and the message types."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from deploy.generators.topic_script import CHANGELOG_CONFIG
from vpp.settings import KafkaSettings
from vpp.streams.rights import changelog_name
from vpp.streams.topics import DAY_MS, INPUT_OF, PREFIX, STORED, TOPICS, Topic

_HEAD = """\
# Topics

Written by `python -m deploy.generate` from `vpp/streams/topics.py` and the types in `vpp/messages`: do not edit.

- A topic's name on the broker is `vpp.` and the name below; a named run (`VPP_RUN=july`) has its own topics,
  `vpp-july.` and the name.
- The key is the zone, as UTF-8. Every topic has the same number of partitions (`VPP_KAFKA__PARTITIONS`, default
  {partitions}), so a zone has the same partition in each topic. Your own producers must partition by key
  with murmur2, as Java's does (librdkafka: `partitioner=murmur2`).
- The value is one JSON object; `kind` is the type of the message. Times are ISO 8601 UTC, a missing number is `null`,
  power is positive into the grid.
- Records carry the broker's time (`message.timestamp.type=LogAppendTime`): retention uses it, so a replay of old
  data is not deleted at once. Event time is in the value.
- `deploy/create-topics.sh` creates them with `rpk`; `vpp topics create` does the same through the Kafka protocol. Both
  leave existing topics unchanged.
- `schemas/` beside this page holds the JSON schema of each topic; `vpp topics schema NAME` prints it.
"""


def topics_page() -> str:
    """Return the page: one table of all topics, a section per topic, then every message with its fields."""
    parts = [_HEAD.format(partitions=KafkaSettings().partitions), _overview(), _state()]
    messages: dict[str, dict[str, Any]] = {}
    for topic in TOPICS:
        definitions = topic_schema(topic)["$defs"]
        parts.append(_section(topic, _kinds(topic)))
        messages |= {name: definition for name, definition in definitions.items() if name not in messages}
    parts.append("## Messages\n\nFields without a default are always there.\n")
    parts += [_message(name, definition) for name, definition in messages.items()]
    return "\n".join(parts)


def schemas() -> dict[str, str]:
    """Return the text of each topic's JSON schema by short topic name."""
    return {topic.name: json.dumps(topic_schema(topic), indent=2, ensure_ascii=False) + "\n" for topic in TOPICS}


def topic_schema(topic: Topic) -> dict[str, Any]:
    """Return the JSON schema of a topic's messages, always with its types under ``$defs``."""
    document: dict[str, Any] = msgspec.json.schema(topic.carries)
    for definition in document["$defs"].values():
        definition["description"] = _plain(definition.get("description", ""))
    title = f"{PREFIX}{topic.name}"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "description": topic.doc,
        **document,
    }


def _overview() -> str:
    rows = [
        f"| [`{PREFIX}{topic.name}`](#{_anchor(PREFIX + topic.name)}) | {topic.doc} | {_names(topic.writers)} "
        f"| {_names(_readers(topic))} | {topic.retention_ms // DAY_MS} days |"
        for topic in TOPICS
    ]
    return "\n".join(["| topic | carries | written by | read by | kept |", "|---|---|---|---|---|", *rows, ""])


def _state() -> str:
    rows = [f"- `{changelog_name(name, source, 'vpp')}`" for name, source in INPUT_OF.items()]
    config = ", ".join(f"`{key}={value}`" for key, value in CHANGELOG_CONFIG.items())
    text = "Each stateful topology keeps its state in RocksDB and in a compacted topic, from which it is rebuilt"
    return "\n".join(["## State", "", f"{text} ({config}):", "", *rows, ""])


def _section(topic: Topic, kinds: dict[str, str]) -> str:
    config = " ".join(f"{key}={value}" for key, value in topic.broker_config().items())
    lines = [
        f"## {PREFIX}{topic.name}",
        "",
        topic.doc,
        "",
        "- messages: " + ", ".join(f"[`{kind}`](#{_anchor(name)})" for kind, name in kinds.items()),
        f"- written by {_names(topic.writers)}; read by {_names(_readers(topic))}",
        f"- configuration: `{config}`",
        f"- schema: [`schemas/{topic.name}.json`](schemas/{topic.name}.json)",
    ]
    if topic.end_from:
        lines.append(f"- `end` comes once per zone from {_names(topic.end_from)}")
    return "\n".join([*lines, ""])


def _message(name: str, definition: dict[str, Any]) -> str:
    if "enum" in definition:
        values = ", ".join(f"`{value}`" for value in definition["enum"])
        return "\n".join([f"### {name}", "", _plain(definition["description"]), "", f"One of {values}.", ""])
    kind = definition["properties"].get("kind", {}).get("enum", [None])[0]
    required = set(definition.get("required", ()))
    lines = [f"### {name}", "", _plain(definition["description"]), ""]
    if kind:
        lines += [f"`kind` is `{kind}`.", ""]
    lines += ["| field | type | default |", "|---|---|---|"]
    for field, schema in definition["properties"].items():
        if field != "kind":
            default = "" if field in required else f"`{json.dumps(schema.get('default'))}`"
            lines.append(f"| `{field}` | {_type(schema)} | {default} |")
    return "\n".join([*lines, ""])


def _kinds(topic: Topic) -> dict[str, str]:
    schema = topic_schema(topic)
    mapping = schema.get("discriminator", {}).get("mapping")
    if mapping is None:
        name = schema["$ref"].rpartition("/")[2]
        mapping = {schema["$defs"][name]["properties"]["kind"]["enum"][0]: schema["$ref"]}
    return {kind: reference.rpartition("/")[2] for kind, reference in mapping.items()}


def _type(schema: dict[str, Any]) -> str:
    """Return a field's type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{_anchor(name)})"
    if "anyOf" in schema:
        return " or ".join(_type(variant) for variant in schema["anyOf"])
    if "prefixItems" in schema:
        return "(" + ", ".join(_type(variant) for variant in schema["prefixItems"]) + ")"
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema.get('items', {}))}"
        case "object":
            inner = schema.get("additionalProperties")
            return f"object of {_type(inner)}" if isinstance(inner, dict) and inner else "object"
        case None:
            return "any"
        case kind:
            return str(kind)


def _readers(topic: Topic) -> tuple[str, ...]:
    stores = ("storage",) if topic in STORED else ()
    return (*topic.readers, *stores)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(names) if names else "nobody"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _plain(text: str) -> str:
    lines = (line.strip() for line in text.replace("``", "`").splitlines())
    return re.sub(r"(?<!\n)\n(?!\n)", " ", "\n".join(lines)).strip()
