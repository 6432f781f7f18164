"""OpenADR events: what each payload asks for, in the plant's sign and units, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.orders.openadr_events import asks_of, duration_of, price_publications, read_events
from tests.worlds.field.vtn import event
from vpp.errors import DataError

START = datetime(2026, 3, 4, 17, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def read(*events: dict[str, Any]) -> list[Any]:
    return read_events(json.dumps(events).encode())


@pytest.mark.parametrize(
    ("kind", "value", "unit", "action", "fields"),
    [
        ("SIMPLE", 1, None, "band", {"min_mw": 0.0}),
        ("DISPATCH_SETPOINT", 250, "KW", "target", {"power_mw": -0.25}),
        ("DISPATCH_SETPOINT", -2, "MW", "target", {"power_mw": 2.0}),
        ("IMPORT_CAPACITY_LIMIT", 5, None, "band", {"min_mw": -0.005}),
        ("EXPORT_CAPACITY_LIMIT", 5000, "W", "band", {"max_mw": 0.005}),
        ("CHARGE_STATE_SETPOINT", 80, "PERCENT", "soc_target", {"soc": 0.8}),
    ],
)
def test_a_payload_is_an_order_of_its_interval(
    kind: str, value: float, unit: str | None, action: str, fields: dict[str, float]
) -> None:
    (one,) = read(event("e", START, (kind, value), units={} if unit is None else {kind: unit}))
    (order,) = asks_of(one).orders
    assert (order.action, order.starts_at, order.expires_at) == (action, START, START + HALF_HOUR)
    assert order.fields == pytest.approx(fields)


def test_intervals_follow_each_other_and_ids_follow_from_the_event() -> None:
    given_event = event("e", START, ("SIMPLE", 1), ("SIMPLE", 0), ("SIMPLE", 2))
    (one,) = read(given_event)
    assert [order.starts_at for order in asks_of(one).orders] == [START, START + 2 * HALF_HOUR]
    assert [o.order_id for o in asks_of(one).orders] == [o.order_id for o in asks_of(*read(given_event)).orders]
    (changed,) = read({**given_event, "modificationDateTime": "2026-01-02T00:00:00Z"})
    assert not {o.order_id for o in asks_of(one).orders} & {o.order_id for o in asks_of(changed).orders}


def test_an_interval_with_a_period_of_its_own_begins_there() -> None:
    body = event("e", START, ("SIMPLE", 1))
    body["intervals"][0]["intervalPeriod"] = {"start": "2026-03-05T08:00:00+01:00", "duration": "PT1H30M"}
    (order,) = asks_of(*read(body)).orders
    assert order.starts_at == datetime(2026, 3, 5, 7, tzinfo=UTC)
    assert order.expires_at - order.starts_at == timedelta(minutes=90)


def test_prices_are_per_megawatt_hour_and_published_in_runs() -> None:
    (one,) = read(event("e", START, ("PRICE", 0.17), ("PRICE", -0.02), units={"PRICE": "KWH"}))
    (later,) = read(event("f", START + timedelta(hours=3), ("PRICE", 90), units={"PRICE": "MWH"}))
    prices = [*asks_of(later).prices, *asks_of(one).prices]
    made = price_publications("HOME", prices, START - HALF_HOUR)
    assert [(p.first_slot, p.step_min, p.series["price_per_mwh"]) for p in made] == [
        (START, 30, pytest.approx([170.0, -20.0])),
        (START + timedelta(hours=3), 30, [90.0]),
    ]


def test_what_is_not_read_is_named() -> None:
    (one,) = read(event("e", START, ("GHG", 300), ("SIMPLE", 0)))
    assert (asks_of(one).orders, asks_of(one).passed_over) == ([], {"GHG"})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"intervalPeriod": None}, "without a begin"),
        ({"intervalPeriod": {"start": "0001-01-01T00:00:00Z", "duration": "PT1H"}}, "without a begin"),
        ({"intervalPeriod": {"start": "2026-03-04T17:00:00Z", "duration": "P9999Y"}}, "no duration"),
        ({"intervals": [{"id": 0, "payloads": [{"type": "SIMPLE", "values": []}]}]}, "no number"),
        ({"intervals": [{"id": 0, "payloads": [{"type": "PRICE", "values": ["high"]}]}]}, "no number"),
        ({"payloadDescriptors": [{"payloadType": "DISPATCH_SETPOINT", "units": "HP"}]}, "unit 'HP'"),
        ({"intervalPeriod": {"start": "0001-01-01T00:00:00+01:00", "duration": "PT1H"}}, "no time in UTC"),
        ({"intervalPeriod": {"start": "2026-03-04T17:00:00Z", "duration": "P9999999999D"}}, "too long"),
        ({"intervalPeriod": {"start": "2026-03-04T17:00:00Z", "duration": "P9999999D"}}, "after the year 9999"),
        ({"intervals": [{"id": 0, "payloads": [{"type": "PRICE", "values": [1e308]}]}]}, "too large"),
        (
            {
                "intervalPeriod": {"start": "2026-03-04T17:00:00Z", "duration": "PT90S"},
                "intervals": [{"id": 0, "payloads": [{"type": "PRICE", "values": [0.2]}]}],
            },
            "whole number of minutes",
        ),
    ],
)
def test_an_event_that_cannot_be_done_is_refused_with_its_place(changed: dict[str, Any], words: str) -> None:
    (one,) = read({**event("e", START, ("DISPATCH_SETPOINT", 1)), **changed})
    with pytest.raises(DataError, match=words):
        asks_of(one)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'[{"id": 1}]', b'[{"id": "e"', b"\xff"])
def test_another_answer_is_refused(body: bytes) -> None:
    with pytest.raises(DataError):
        read_events(body)


@given(st.integers(0, 9), st.integers(0, 30), st.integers(0, 59))
def test_durations_are_read(days: int, hours: int, minutes: int) -> None:
    length = timedelta(days=days, hours=hours, minutes=minutes)
    text = f"P{days}DT{hours}H{minutes}M"
    if length:
        assert duration_of(text) == length
    else:
        with pytest.raises(DataError):
            duration_of(text)
