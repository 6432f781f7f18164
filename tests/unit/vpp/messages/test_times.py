"""Times in messages: with a time zone, within the calendar, in UTC."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.worlds.builders import order_of, slot_at
from tests.worlds.records.fuzzed_records import example_of, kinds_of, places_in, put
from vpp import messages as m
from vpp.domain import iso
from vpp.errors import MessageError
from vpp.streams.topics import TOPICS

KINDS = [
    pytest.param(topic.carries, kind, id=f"{topic.name}-{kind.__name__}")
    for topic in TOPICS
    for kind in kinds_of(topic)
]


def times_of(kind: type[msgspec.Struct]) -> list[tuple[Any, ...]]:
    """Return the places of all times in a message of a type."""

    def value(at: tuple[Any, ...]) -> Any:
        part: Any = example_of(kind)
        for name in at:
            part = part[name]
        return part

    return [at for at in places_in(example_of(kind)) if value(at) == iso(slot_at(3))]


@pytest.mark.parametrize(("union", "kind"), KINDS)
def test_no_time_of_any_message_is_taken_without_a_zone_or_outside_the_calendar(
    union: Any, kind: type[msgspec.Struct]
) -> None:
    decode = m.Decoder(union)
    for at in times_of(kind):
        for text, reason in (
            ("2024-01-01T00:00:00", "schema"),
            ("1899-12-31T23:59:59Z", "time"),
            ("2200-01-01T00:00:00Z", "time"),
            ("9999-12-31T23:59:59-14:00", "time"),
            ("0001-01-01T00:00:00+14:00", "time"),
        ):
            with pytest.raises(MessageError) as caught:
                decode(json.dumps(put(example_of(kind), at, text)).encode())
            assert caught.value.reason == reason, (at, text)


@pytest.mark.parametrize(("union", "kind"), KINDS)
def test_every_time_of_any_message_becomes_utc(union: Any, kind: type[msgspec.Struct]) -> None:
    decode = m.Decoder(union)
    plain = decode(json.dumps(example_of(kind)).encode())
    local = slot_at(3).isoformat().replace("T01:30:00+00:00", "T07:15:00+05:45")
    for at in times_of(kind):
        assert m.encode(decode(json.dumps(put(example_of(kind), at, local)).encode())) == m.encode(plain)


def test_a_time_in_utc_is_left_as_it_is() -> None:
    order = m.Decoder(m.Order)(m.encode(order_of("hold", starts_at=datetime(2024, 1, 1, tzinfo=UTC))))
    assert (order.starts_at, order.starts_at.tzinfo) == (datetime(2024, 1, 1, tzinfo=UTC), UTC)
