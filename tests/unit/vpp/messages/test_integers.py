"""An integer beyond 64 bits is a schema fault at any place of any message: states and stores could not keep it."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.worlds.records.fuzzed_records import example_of, kinds_of, places_in, put
from vpp.errors import MessageError
from vpp.messages import Decoder
from vpp.messages.integers import LARGEST, SMALLEST
from vpp.streams.topics import RAW, TOPICS, Topic

INTEGERS = st.integers(min_value=-(10**60), max_value=10**60)
KINDS = [(topic, kind) for topic in TOPICS for kind in kinds_of(topic)]


def at_every_place(topic: Topic, kind: type[msgspec.Struct], number: int) -> list[bool]:
    """Put ``number`` at every place of a message; return, for each that decodes, whether its state can keep it."""
    decode, text = Decoder(topic.carries), json.dumps(example_of(kind))
    fits = []
    for place in places_in(json.loads(text)):
        for value in (number, [{"a": number}]):
            try:
                message = decode(json.dumps(put(json.loads(text), place, value)).encode())
            except MessageError:
                continue
            msgspec.msgpack.encode(message)
            fits.append(_longest(msgspec.to_builtins(message)) <= LARGEST)
    return fits


def _longest(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    sizes = [_longest(part) for part in parts]
    own = (value if value >= 0 else -1 - value) if isinstance(value, int) else 0
    return max([own, *sizes])


@pytest.mark.parametrize(("topic", "kind"), KINDS, ids=[f"{topic.name}-{kind.__name__}" for topic, kind in KINDS])
@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**64, 10**40])
def test_no_message_holds_more_than_64_bits(topic: Topic, kind: type[msgspec.Struct], number: int) -> None:
    assert all(at_every_place(topic, kind, number))


@given(number=INTEGERS, depth=st.integers(0, 6))
@example(number=SMALLEST, depth=0)
@example(number=LARGEST, depth=3)
@example(number=LARGEST + 1, depth=0)
@example(number=SMALLEST - 1, depth=3)
def test_a_free_value_decodes_if_its_integers_fit(number: int, depth: int) -> None:
    value: Any = number
    for level in range(depth):
        value = {"a": value} if level % 2 else [1.5, True, value]
    change = {"kind": "zone_change", "zone": "Z", "at": "2026-03-01T00:00:00Z", "principal": "p", "reason": "r"}
    body = json.dumps({**change, "config": {"limits": value}}).encode()
    decode = Decoder(RAW.carries)
    if SMALLEST <= number <= LARGEST:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(decode(body).config)) == {"limits": value}
    else:
        with pytest.raises(MessageError, match="64 bits") as refusal:
            decode(body)
        assert refusal.value.reason == "schema"


@given(INTEGERS)
@example(SMALLEST)
@example(LARGEST)
def test_a_declared_integer_decodes_if_it_fits(number: int) -> None:
    order = {"kind": "order", "zone": "Z", "order_id": "o", "action": "hold", "principal": "a", "reason": "r"}
    body = json.dumps({**order, "issued_at": "2026-03-01T00:00:00Z", "priority": number}).encode()
    decode = Decoder(RAW.carries)
    if SMALLEST <= number <= LARGEST:
        assert decode(body).priority == number
    else:
        with pytest.raises(MessageError) as refusal:
            decode(body)
        assert refusal.value.reason == "schema"
