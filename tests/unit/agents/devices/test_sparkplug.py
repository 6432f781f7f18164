"""Sparkplug B: payloads as other encoders write them, and the rules of births, deaths and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.devices.sparkplug import (
    REBIRTH,
    SparkplugNode,
    SparkplugTopic,
    decoded,
    parsed_topic,
    rebirth_request,
)
from tests.worlds.field.sparkplug import PAYLOAD, payload
from vpp.errors import DataError

INT8, INT64, FLOAT, BOOLEAN, TEXT, UINT64 = 1, 4, 9, 11, 12, 8
POWER = {"name": "Power", "alias": 7, "datatype": INT64, "long_value": 2**64 - 1500}


def born(session: int = 3) -> SparkplugNode:
    node = SparkplugNode()
    node.take("NBIRTH", "", payload(0, {"name": "bdSeq", "datatype": INT64, "long_value": session}))
    node.take("DBIRTH", "meter", payload(1, POWER))
    return node


def test_a_birth_names_metrics_and_later_messages_use_their_aliases() -> None:
    node = SparkplugNode()
    node.take("NBIRTH", "", payload(0))
    assert node.take("DBIRTH", "meter", payload(1, POWER)).values == {"Power": -1500.0}
    news = node.take("DDATA", "meter", payload(2, {"alias": 7, "long_value": 2500}))
    assert (news.device, news.values) == ("meter", {"Power": 2500.0})


def test_values_of_all_kinds_are_read_and_null_is_missing() -> None:
    metrics = [
        {"name": "a", "datatype": FLOAT, "float_value": 1.5},
        {"name": "b", "datatype": FLOAT, "is_null": True},
        {"name": "c", "datatype": BOOLEAN, "boolean_value": True},
        {"name": "d", "datatype": TEXT, "string_value": "grün"},
        {"name": "e", "datatype": INT8, "int_value": 0xFFFFFFFE},
        {"name": "f", "datatype": UINT64, "long_value": 2**63},
        {"name": "g", "datatype": FLOAT, "double_value": -2.25},
        {"name": "old", "datatype": FLOAT, "float_value": 9.0, "is_historical": True},
    ]
    values = SparkplugNode().take("NBIRTH", "", payload(0, *metrics)).values
    assert values == {"a": 1.5, "b": None, "c": True, "d": "grün", "e": -2.0, "f": 2.0**63, "g": -2.25}


def test_numbers_go_round_and_a_gap_asks_for_a_rebirth_until_it_comes() -> None:
    node = born()
    for seq in range(2, 256):
        assert node.take("DDATA", "meter", payload(seq)).asks_rebirth is False
    assert node.take("DDATA", "meter", payload(0)).asks_rebirth is False
    gap = node.take("DDATA", "meter", payload(2, {"alias": 7, "long_value": 1}))
    assert (gap.asks_rebirth, gap.values, "meter" in gap.lost) == (True, {}, True)
    assert node.take("DDATA", "meter", payload(3)).asks_rebirth
    node.take("NBIRTH", "", payload(0))
    assert node.take("DDATA", "meter", payload(1)).asks_rebirth, "the device itself is not born yet"
    node.take("DBIRTH", "meter", payload(2, POWER))
    assert node.take("DDATA", "meter", payload(3, {"alias": 7, "long_value": 4})).values == {"Power": 4.0}


def test_what_comes_before_any_birth_is_not_read() -> None:
    assert SparkplugNode().take("DDATA", "meter", payload(5, POWER)).asks_rebirth


def test_deaths_lose_devices_and_one_of_an_earlier_session_says_nothing() -> None:
    node = born(session=3)
    earlier = payload(None, {"name": "bdSeq", "datatype": INT64, "long_value": 2})
    assert node.take("NDEATH", "", earlier).lost == frozenset()
    assert node.take("DDEATH", "meter", payload(2)).lost == {"meter"}
    assert node.take("DDATA", "meter", payload(3)).asks_rebirth
    own = payload(None, {"name": "bdSeq", "datatype": INT64, "long_value": 3})
    assert "" in node.take("NDEATH", "", own).lost


def test_a_rebirth_request_is_what_a_node_reads() -> None:
    topic, body = rebirth_request("Plant", "edge-1")
    assert topic == "spBv1.0/Plant/NCMD/edge-1"
    read = PAYLOAD.FromString(body)
    assert [(one.name, one.datatype, one.boolean_value) for one in read.metrics] == [(REBIRTH, BOOLEAN, True)]


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        ("spBv1.0/G/DDATA/N/D", SparkplugTopic("G", "DDATA", "N", "D")),
        ("spBv1.0/G/NBIRTH/N", SparkplugTopic("G", "NBIRTH", "N")),
        ("spBv1.0/G/NBIRTH/N/D", None),
        ("spBv1.0/G/DDATA/N", None),
        ("spBv1.0/G/NCMD/N", None),
        ("spBv1.0/STATE/host", None),
        ("vpp/HOME/telemetry/bat", None),
    ],
)
def test_topics_are_taken_apart(topic: str, parts: SparkplugTopic | None) -> None:
    assert parsed_topic(topic) == parts


@given(st.binary(max_size=80), st.integers(0, 40))
def test_anything_else_is_refused_with_an_error_and_nothing_else(noise: bytes, cut: int) -> None:
    whole = payload(1, POWER, {"name": "d", "datatype": TEXT, "string_value": "text"})
    for body in (noise, whole[:cut], whole[:cut] + noise):
        try:
            decoded(body)
        except DataError:
            continue
