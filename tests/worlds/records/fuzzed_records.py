"""Hostile records: valid messages of every type, with values that no producer of ours would write put at any place."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from tests.worlds.builders import ZONE, slot_at
from vpp import messages as m
from vpp.domain import iso
from vpp.streams.topics import TOPICS, Topic

_DEEP: Any = None
for _ in range(200):
    _DEEP = {"a": [_DEEP]}

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 1.5, 1e300, -1e300, 5e-324, -0.0),
    *(float("nan"), float("inf"), float("-inf")),
    *("", " ", "a", "NaN", "\x00", "\x1b[31m\r\n", "\u202e\u2066", "\U0001f50b" * 50, "x" * 20_000, "../../etc/passwd"),
    *("2024-01-01T00:00:00", "2024-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    *("2024-01-01T00:00:00.123456789Z", "2024-06-01T00:00:00+05:45", "2199-12-31T23:30:00Z", "1900-01-01T00:00:00Z"),
    *(
        [],
        {},
        [[]],
        [None],
        ["a"],
        [1e300] * 3,
        list(range(500)),
        {"": None},
        {"load_mw": "1"},
        {"a": {"b": []}},
        _DEEP,
    ),
)
RAW_HOSTILE: tuple[bytes | None, ...] = (
    *(None, b"", b"{", b"null", b"[]", b"1", b'"x"', b"\xff\xfe", b"{}" * 3, b"\x00" * 100),
    *(b'{"kind":"order","kind":"end"}', b'{"kind":"' + b"x" * 5000 + b'"}', b'{"zone":"\\ud800"}', b"[" * 100_000),
    b'{"kind":"alert","zone":1e999}',
)


def example(hint: Any) -> Any:
    """Return a plain value, as JSON holds it, that decodes as a type."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return example(parts[0])
    if origin is Literal:
        return parts[0]
    if origin in (Union, UnionType):
        return example(next(part for part in parts if part is not NoneType))
    if origin is list:
        return [example(parts[0])] * 2
    if origin is tuple:
        return [example(part) for part in parts if part is not Ellipsis]
    if origin is dict:
        return {"load_mw": example(parts[1]), "Z_BATTERY": example(parts[1])}
    if hint is Any:
        return {"a": [1]}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return example_of(hint)
    if isinstance(hint, type) and issubclass(hint, datetime):
        return iso(slot_at(3))
    plain: dict[Any, Any] = {str: "z", bytes: "AAAAAAAA8D8=", float: 1.0, int: 30, bool: True}
    return plain[hint] if hint in plain else next(iter(hint)).value


def example_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a message of a type with every field present, as JSON holds it."""
    hints = get_type_hints(kind, include_extras=True)
    body = {name: example(hints[name]) for name in kind.__struct_fields__}
    config = kind.__struct_config__
    if config.tag is not None:
        body = {str(config.tag_field): config.tag, **body}
    return {**body, "zone": ZONE} if issubclass(kind, m.Record) else body


@cache
def _example_text(kind: type[msgspec.Struct]) -> str:
    return json.dumps(example_of(kind))


def kinds_of(topic: Topic) -> tuple[type[msgspec.Struct], ...]:
    """Return the message types that a topic carries."""
    return get_args(topic.carries) or (topic.carries,)


def places_in(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield (*at, name)
        yield from places_in(part, (*at, name))


def put(body: dict[str, Any], at: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Set another value at a path of a JSON object, and return the object."""
    holder: Any = body
    for name in at[:-1]:
        holder = holder[name]
    holder[at[-1]] = value
    return body


def every_field_spoiled(topic: Topic) -> Iterator[bytes]:
    """Yield, for each message type of a topic, records with each hostile value at each place."""
    for kind in kinds_of(topic):
        text = _example_text(kind)
        for at in places_in(json.loads(text)):
            for value in HOSTILE:
                yield json.dumps(put(json.loads(text), at, value)).encode()


def random_record(random_: random.Random) -> tuple[Topic, bytes | None, bytes | None]:
    """Return a topic, and the value and key of a hostile record for it."""
    topic = random_.choice(TOPICS)
    key: bytes | None = (
        random_.choice((None, b"", b"\xff", b"NOBODY", b"../x")) if random_.random() < 0.05 else ZONE.encode()
    )
    if random_.random() < 0.1:
        return topic, random_.choice(RAW_HOSTILE), key
    text = _example_text(random_.choice(kinds_of(topic)))
    for _ in range(random_.choice((0, 1, 1, 1, 2, 3))):
        body = json.loads(text)
        at = random_.choice(list(places_in(body)) or [("zone",)])
        text = json.dumps(put(body, at, random_.choice(HOSTILE)))
    payload = text.encode()
    if random_.random() < 0.05:
        cut = random_.randrange(len(payload))
        payload = payload[:cut] + bytes([random_.randrange(256)]) + payload[cut + 1 :]
    return topic, payload, key


STAMPS_MS = (-1, 0, 1, -(2**63), 2**63 - 1, 253_402_300_800_000, 4_102_444_800_000)
"""Times of records that a producer may write where the broker leaves them to it."""
_TRACE_ID = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
HEADERS: tuple[list[tuple[str, Any]], ...] = (
    [("traceparent", _TRACE_ID), ("tracestate", b"vpp=999999999999999-999999999999999-999999999999999")],
    [("traceparent", _TRACE_ID), ("tracestate", b"vpp=9999999999999-0-9999999999999")],
    [("traceparent", _TRACE_ID), ("tracestate", b"vpp=1-2-" + b"9" * 400)],
    [("traceparent", _TRACE_ID), ("tracestate", None)],
    [("traceparent", None), ("tracestate", b"\xff\x00")],
    [("traceparent", b"\xff" * 55)],
    [("vpp-signature", b"v1.x.99999999999999999999.\xff")],
    [("", b""), ("\U0001f50b", b"x" * 10_000)],
    [("tracestate", b"vpp=1-2-3")] * 200,
)
"""Headers that no producer of ours would write."""


def random_envelope(random_: random.Random, plain_ms: int) -> tuple[int, list[tuple[str, Any]]]:
    """Return the stamp (ms since 1970) and the headers of a record, each hostile in one of ten; else ``plain_ms``."""
    stamp_ms = random_.choice(STAMPS_MS) if random_.random() < 0.1 else plain_ms
    return stamp_ms, random_.choice(HEADERS) if random_.random() < 0.1 else []
