"""Sparkplug B, reading only: decoding of the payload, and the births, deaths and sequence numbers of one node.

Names of metrics come with births; later messages carry the alias. Every message of a node has the next number (0 to
255, then 0 again): after a gap nothing is read until the node is reborn, which the gateway asks for. Encoding and
rules: Eclipse Sparkplug specification 3.0, sections 5 and 6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from vpp.errors import DataError

NAMESPACE = "spBv1.0"
REBIRTH = "Node Control/Rebirth"
BIRTH_DEATH = "bdSeq"

MessageKind = Literal["NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"]
KINDS: frozenset[str] = frozenset({"NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"})

MetricValue = int | float | bool | str | None

_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""Data types of signed integers, which travel in unsigned fields."""

_BOOLEAN = 11
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a payload; name or alias is there, ``datatype`` 0 where the message leaves it out."""

    name: str = ""
    alias: int | None = None
    datatype: int = 0
    is_historical: bool = False
    value: MetricValue = None


@dataclass(frozen=True, slots=True)
class SparkplugTopic:
    """A topic taken apart; ``device`` is empty for the node itself."""

    group: str
    kind: MessageKind
    node: str
    device: str = ""


@dataclass(frozen=True, slots=True)
class SparkplugNews:
    """Content of a message.

    Attributes:
        device: Whose metrics they are; empty: the node's own.
        values: New values by name of the metric, None for null.
        lost: Devices that went away with it, the node itself as an empty name.
        asks_rebirth: The node must be asked to be reborn.
    """

    device: str = ""
    values: dict[str, MetricValue] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    asks_rebirth: bool = False


def parsed_topic(topic: str) -> SparkplugTopic | None:
    """Return a Sparkplug topic of a node or device taken apart; None for any other."""
    parts = topic.split("/")
    if len(parts) not in (4, 5) or parts[0] != NAMESPACE or parts[2] not in KINDS:
        return None
    if (len(parts) == 5) != parts[2].startswith("D"):
        return None
    return SparkplugTopic(parts[1], parts[2], parts[3], *parts[4:])  # type: ignore[arg-type]


def topics_of(group: str, node: str) -> tuple[str, str]:
    """Return the subscriptions to all that a node and its devices say."""
    return f"{NAMESPACE}/{group}/+/{node}", f"{NAMESPACE}/{group}/+/{node}/+"


def rebirth_request(group: str, node: str) -> tuple[str, bytes]:
    """Return topic and payload that ask a node to be reborn."""
    metric = _text(1, REBIRTH) + bytes([4 << 3 | _VARINT, _BOOLEAN, 14 << 3 | _VARINT, 1])
    return f"{NAMESPACE}/{group}/NCMD/{node}", bytes([2 << 3 | _BYTES, len(metric)]) + metric


def _text(number: int, text: str) -> bytes:
    return bytes([number << 3 | _BYTES, len(text)]) + text.encode()


def decoded(payload: bytes) -> tuple[int | None, list[Metric]]:
    """Return sequence number (None: it has none) and metrics of a payload.

    Raises:
        DataError: It is no Sparkplug B payload.
    """
    sequence: int | None = None
    metrics = []
    for number, value in _fields(payload):
        if number == 3 and isinstance(value, int):
            sequence = value
        elif number == 2 and isinstance(value, bytes):
            metrics.append(_metric(value))
    return sequence, metrics


def _metric(body: bytes) -> Metric:
    fields = dict(_fields(body))
    name, alias, datatype = fields.get(1, b""), fields.get(2), fields.get(4, 0)
    if not isinstance(name, bytes) or not isinstance(alias, int | None) or not isinstance(datatype, int):
        raise DataError("a metric has a field of another type than documented")
    try:
        text = name.decode()
        value = None if fields.get(7) else _value(fields)
    except UnicodeDecodeError as error:
        raise DataError("a metric holds text that is not UTF-8") from error
    return Metric(text, alias, datatype, bool(fields.get(5)), value)


def _value(fields: dict[int, int | bytes]) -> MetricValue:
    for number in (10, 11):
        if isinstance(integer := fields.get(number), int):
            return integer
    for number, form in ((12, "<f"), (13, "<d")):
        if isinstance(packed := fields.get(number), bytes) and len(packed) == struct.calcsize(form):
            return float(struct.unpack(form, packed)[0])
    if 14 in fields:
        return bool(fields[14])
    return text.decode() if isinstance(text := fields.get(15), bytes) else None


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a protobuf message.

    Raises:
        DataError: The bytes are cut off, or of a wire type that protobuf no longer has.
    """
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            integer, at = _varint(body, at)
            yield number, integer
            continue
        if wire == _BYTES:
            length, at = _varint(body, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise DataError(f"a Sparkplug payload has a field of wire type {wire}")
        if at + length > len(body):
            raise DataError("a Sparkplug payload is cut off")
        yield number, body[at : at + length]
        at += length


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(body):
            raise DataError("a Sparkplug payload is cut off")
        value |= (body[at] & 0x7F) << shift
        at += 1
        if body[at - 1] < 0x80:
            return value, at
    raise DataError("a Sparkplug payload has a number of more than ten bytes")


@dataclass(slots=True)
class SparkplugNode:
    """What is remembered of one node: its births, its aliases and its last number."""

    _sequence: int | None = None
    _session: float | None = None
    _names: dict[int, str] = field(default_factory=dict)
    _types: dict[tuple[str, str], int] = field(default_factory=dict)
    _born: set[str] = field(default_factory=set)

    def take(self, kind: MessageKind, device: str, payload: bytes) -> SparkplugNews:
        """Process a message of the node and return its content.

        Args:
            kind: Kind of the message.
            device: Name of the device; empty for the node's own.
            payload: Its bytes.

        Raises:
            DataError: It is no Sparkplug B payload.
        """
        sequence, metrics = decoded(payload)
        if kind == "NDEATH":
            return self._died(metrics)
        if kind == "NBIRTH":
            lost = frozenset(self._born - {""})
            self._sequence, self._session = sequence, _session_of(metrics)
            self._names.clear()
            self._types.clear()
            self._born = set()
            return self._birth("", metrics, lost)
        if self._sequence is None or sequence != (self._sequence + 1) % 256:
            self._sequence = None
            return SparkplugNews(device, lost=frozenset(self._born), asks_rebirth=True)
        self._sequence = sequence
        if kind == "DBIRTH":
            return self._birth(device, metrics, frozenset())
        if kind == "DDEATH":
            self._born.discard(device)
            return SparkplugNews(device, lost=frozenset({device}))
        if device not in self._born:
            return SparkplugNews(device, asks_rebirth=True)
        return SparkplugNews(device, self._values(device, metrics))

    def _died(self, metrics: list[Metric]) -> SparkplugNews:
        """Process a death; one of an earlier session, which arrives after the next birth, is ignored."""
        if self._session is not None and _session_of(metrics) != self._session:
            return SparkplugNews()
        lost = frozenset(self._born)
        self._sequence, self._born = None, set()
        return SparkplugNews(lost=lost)

    def _birth(self, device: str, metrics: list[Metric], lost: frozenset[str]) -> SparkplugNews:
        self._born.add(device)
        for metric in metrics:
            if metric.alias is not None:
                self._names[metric.alias] = metric.name
            self._types[device, metric.name] = metric.datatype
        return SparkplugNews(device, self._values(device, metrics), lost)

    def _values(self, device: str, metrics: list[Metric]) -> dict[str, MetricValue]:
        values: dict[str, MetricValue] = {}
        for metric in metrics:
            name = metric.name or ("" if metric.alias is None else self._names.get(metric.alias, ""))
            if name and not metric.is_historical:
                values[name] = _signed(metric.value, metric.datatype or self._types.get((device, name), 0))
        return values


def _session_of(metrics: list[Metric]) -> float | None:
    value = next((metric.value for metric in metrics if metric.name == BIRTH_DEATH), None)
    return float(value) if isinstance(value, int | float) else None


def _signed(value: MetricValue, datatype: int) -> MetricValue:
    bits = _SIGNED_BITS.get(datatype)
    if bits is None or isinstance(value, bool) or not isinstance(value, int):
        return value
    integer = value % (1 << bits)
    return integer - (1 << bits) if integer >= 1 << (bits - 1) else integer
