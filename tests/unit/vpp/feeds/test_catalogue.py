"""Every service's documented answers are read with unit, step and time of publication; others are refused."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from tests.worlds.feeds import feed_answers as answers
from tests.worlds.feeds.elexon_world import ElexonWorld
from tests.worlds.feeds.feed_server import Query, encoded
from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.errors import ConfigError
from vpp.feeds.catalogue import SERVICES, service_named
from vpp.feeds.contract import AnswerError, Ask, Dataset, Issue
from vpp.settings import FeedSettings

NOW = datetime(2026, 3, 4, 12, 10, tzinfo=UTC)
SETTINGS = FeedSettings()
World = Callable[[str, Query], Any]


def worlds(now: datetime) -> dict[str, World]:
    """Return the services as they answer at a time."""
    return {
        "elexon": ElexonWorld(now=lambda: now),
        "aemo": lambda path, query: answers.aemo(path, query, now),
        "energy-charts": lambda path, query: answers.energy_charts(path, query, now),
        "octopus": lambda path, query: answers.octopus(path, query, now),
        "open-meteo": lambda path, query: answers.open_meteo(path, query, now),
        "entsoe": lambda path, query: answers.entsoe(path, {**query, "securityToken": "secret"}, now),
    }


WORLDS = worlds(NOW)
PAIRS = [
    pytest.param(name, dataset, id=f"{name}-{dataset.name}")
    for name, service in SERVICES.items()
    for dataset in service.datasets((service.zones or ("GB",))[0], SETTINGS)
]


def asks_of(dataset: Dataset, world: World, start: datetime, now: datetime = NOW) -> list[Ask]:
    asks = list(dataset.asks(start, now))
    if dataset.follow is None:
        return asks
    return [one for ask in asks for one in dataset.follow(world(ask.path, ask.params), after=start)]


def issues_of(name: str, dataset: Dataset, days: float = 2.0, now: datetime = NOW) -> list[Issue]:
    world = worlds(now)[name]
    return [
        issue
        for ask in asks_of(dataset, world, now - timedelta(days=days), now)
        for issue in dataset.issues(encoded(world(ask.path, ask.params)), ask=ask, received=now)
    ]


def dataset_of(name: str, dataset: str, zone: str = "") -> Dataset:
    service = SERVICES[name]
    wanted = zone or (service.zones or ("GB",))[0]
    return next(one for one in service.datasets(wanted, SETTINGS) if one.name == dataset)


def by_slot(issues: list[Issue], channel: str) -> dict[datetime, float | None]:
    return {
        issue.first_slot + n * timedelta(minutes=issue.step_min): value
        for issue in issues
        if issue.channel == channel
        for n, value in enumerate(issue.values)
    }


@pytest.mark.parametrize(("name", "dataset"), PAIRS)
def test_a_documented_answer_gives_the_channels_of_its_dataset(name: str, dataset: Dataset) -> None:
    issues = issues_of(name, dataset)
    assert {issue.channel for issue in issues} == set(dataset.channels)
    assert all(issue.available_at.tzinfo is not None and issue.first_slot.tzinfo is not None for issue in issues)
    assert all(issue.available_at <= NOW + timedelta(days=1) for issue in issues)
    assert dataset.page.startswith("https://")


@pytest.mark.parametrize("body", [b"<html>down", b'{"data": [', b"", b"{}", b"[1]", b"<x/>", b"PK\x03\x04cut"])
@pytest.mark.parametrize(("name", "dataset"), PAIRS)
def test_anything_else_is_refused_and_never_an_issue(name: str, dataset: Dataset, body: bytes) -> None:
    (ask, *_) = asks_of(dataset, WORLDS[name], NOW - timedelta(days=1))
    with pytest.raises(AnswerError) as refusal:
        dataset.read(body, ask=ask, received=NOW)
    assert refusal.value.hint


ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    True,
    -1,
    0,
    7,
    1e300,
    10**18,
    1772625600000,
    [],
    {},
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00+10:00",
)
ODD_TEXTS = ("", "x", "NaN", "inf", "-1", "0", "1e999", "99999999999", "\x00", '"', "2026-13-45T99:00Z")


def mutated(body: bytes, chance: Random) -> bytes:
    """Return an answer with one thing changed: a field gone, new or odd, a row gone or twice, a word of a text."""
    if body[:1] not in (b"{", b"["):
        if body[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(body)) as archive:
                packed = io.BytesIO()
                with zipfile.ZipFile(packed, "w") as other:
                    other.writestr("X.CSV", mutated(archive.read(archive.namelist()[0]), chance))
            return packed.getvalue()
        words = list(re.finditer(rb"[\w.:+/-]+", body))
        word = chance.choice(words)
        return body[: word.start()] + chance.choice(ODD_TEXTS).encode() + body[word.end() :]
    answer = json.loads(body)
    place: Any = answer
    holder: Any = None
    key: Any = None
    while isinstance(place, dict | list) and place:
        holder, key = place, chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        place = holder[key]
        if chance.random() < 0.2:
            break
    match chance.randrange(4):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, list):
            holder.append(holder[key])
        case 2 if isinstance(holder, dict):
            holder["newField"] = chance.choice(ODD)
        case _:
            holder[key] = chance.choice(ODD)
    return json.dumps(answer).encode()


@pytest.mark.parametrize(("name", "dataset"), PAIRS)
def test_whatever_changes_in_an_answer_it_is_read_or_refused_and_nothing_else(name: str, dataset: Dataset) -> None:
    asks = asks_of(dataset, WORLDS[name], NOW - timedelta(hours=5))
    body = encoded(WORLDS[name](asks[-1].path, asks[-1].params))
    if b"PRICE_AND_DEMAND" in asks[-1].path.encode():
        body = b"\n".join([*body.split(b"\n")[:20], b""])
    chance = Random(name + dataset.name)
    refused = 0
    for _ in range(60):
        try:
            issues = dataset.issues(mutated(body, chance), ask=asks[-1], received=NOW)
        except AnswerError:
            refused += 1
            continue
        values = [value for issue in issues for value in issue.values if value is not None]
        assert all(math.isfinite(value) for value in values)
    assert 0 < refused < 60


@pytest.mark.parametrize("day", [(2026, 3, 29), (2026, 10, 25), (2026, 4, 5), (2026, 10, 4)])
@pytest.mark.parametrize(("name", "dataset"), PAIRS)
def test_on_days_on_which_clocks_change_every_interval_comes_once(
    name: str, dataset: Dataset, day: tuple[int, int, int]
) -> None:
    """The days on which clocks change in Europe and in Australia."""
    now = datetime(*day, 12, 10, tzinfo=UTC) + timedelta(days=1)
    issues = issues_of(name, dataset, days=0.08 if dataset.follow else 2.0, now=now)
    for channel in dataset.channels:
        of_channel = [issue for issue in issues if issue.channel == channel]
        (step_min,) = {issue.step_min for issue in of_channel}
        slots = sorted(by_slot(of_channel, channel))
        assert {after - before for before, after in pairwise(slots)} == {timedelta(minutes=step_min)}


def test_an_unknown_service_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as refusal:
        service_named("elexxon")
    assert refusal.value.hint == "did you mean elexon?"


def test_aemo_takes_the_price_without_and_the_demand_with_intervention_from_the_intervals_start() -> None:
    issues = issues_of("aemo", dataset_of("aemo", "dispatch", "NSW1"), days=0.05)
    slot = datetime(2026, 3, 4, 12, 5, tzinfo=UTC)
    assert by_slot(issues, PRICE)[slot] == answers.nem_price(slot)
    assert by_slot(issues, LOAD)[slot] == answers.nem_load_mw(slot)
    assert {issue.available_at for issue in issues if issue.first_slot == slot} == {slot}
    month = issues_of("aemo", dataset_of("aemo", "price-and-demand", "NSW1"), days=6)
    assert by_slot(month, PRICE)[slot - timedelta(days=5)] == answers.nem_price(slot - timedelta(days=5))


def test_a_dispatch_file_without_its_last_line_is_incomplete() -> None:
    dataset = dataset_of("aemo", "dispatch", "NSW1")
    ask = Ask(host="aemo_nemweb", path="x.zip", until=NOW)
    with pytest.raises(AnswerError) as refusal:
        dataset.read(answers.dispatch_file(NOW.replace(minute=5), cut=1), ask=ask, received=NOW)
    assert refusal.value.fault == "incomplete"


def test_a_price_in_another_unit_is_refused() -> None:
    dataset = dataset_of("energy-charts", "price")
    (ask,) = dataset.asks(NOW - timedelta(days=1), NOW)
    answer = WORLDS["energy-charts"](ask.path, ask.params)
    with pytest.raises(AnswerError) as refusal:
        dataset.read(json.dumps({**answer, "unit": "EUR / kWh"}).encode(), ask=ask, received=NOW)
    assert refusal.value.fault == "unit"


def test_weather_in_another_unit_or_clock_is_refused() -> None:
    dataset = dataset_of("open-meteo", "previous-runs")
    (ask,) = dataset.asks(NOW - timedelta(days=1), NOW)
    first = WORLDS["open-meteo"](ask.path, ask.params)[0]
    for change in (
        {"hourly_units": {**first["hourly_units"], "wind_speed_100m_previous_day1": "km/h"}},
        {"utc_offset_seconds": 3600},
    ):
        with pytest.raises(AnswerError) as refusal:
            dataset.read(json.dumps({**first, **change}).encode(), ask=ask, received=NOW)
        assert refusal.value.fault == "unit"


def test_wind_is_on_and_offshore_and_live_values_count_from_their_receipt() -> None:
    issues = issues_of("energy-charts", dataset_of("energy-charts", "power"), days=3)
    fresh, old = NOW - timedelta(hours=2), NOW - timedelta(days=2)
    slots = by_slot(issues, WIND)
    slot = max(one for one in slots if one <= fresh)
    assert slots[slot] == pytest.approx(answers.wave(slot, 12000, 1000) + answers.wave(slot, 3000, 1000))
    reference = {
        issue.first_slot + n * timedelta(minutes=15): issue.available_at
        for issue in issues
        if issue.channel == SOLAR
        for n in range(len(issue.values))
    }
    assert reference[slot] == NOW
    assert reference[max(one for one in reference if one <= old)] <= old + timedelta(hours=1)


def test_rates_in_pence_become_pounds_per_megawatt_hour_and_one_without_an_end_holds_on() -> None:
    dataset = dataset_of("octopus", "unit-rates")
    prices = by_slot(issues_of("octopus", dataset), PRICE)
    slot = NOW.replace(minute=0)
    assert prices[slot] == pytest.approx(10 * answers.wave(slot, 20.0, 8.0))
    (ask,) = dataset.asks(NOW - timedelta(hours=4), NOW)
    flat = {"results": [{"value_inc_vat": 24.5, "valid_from": "2020-01-01T00:00:00Z", "valid_to": None}], "next": None}
    held = by_slot(dataset.read(json.dumps(flat).encode(), ask=ask, received=NOW), PRICE)
    assert set(held.values()) == {245.0}
    assert len(held) == 8 + 96


def entsoe_prices(*periods: tuple[str, str, str, tuple[float, ...]], currency: str = "EUR") -> bytes:
    """Return a document of one series: periods of start, end, resolution and values."""
    body = "".join(
        f"<Period><timeInterval><start>{start}</start><end>{end}</end></timeInterval><resolution>{resolution}</resolution>"
        + "".join(
            f"<Point><position>{n}</position><price.amount>{value}</price.amount></Point>"
            for n, value in enumerate(values, 1)
        )
        + "</Period>"
        for start, end, resolution, values in periods
    )
    return (
        '<Publication_MarketDocument xmlns="urn:x"><TimeSeries>'
        f"<currency_Unit.name>{currency}</currency_Unit.name><price_Measure_Unit.name>MWH</price_Measure_Unit.name>"
        f"{body}</TimeSeries></Publication_MarketDocument>"
    ).encode()


def test_a_resolution_that_changes_within_a_document_keeps_every_value_in_its_place() -> None:
    dataset = dataset_of("entsoe", "prices")
    ask = next(iter(dataset.asks(NOW - timedelta(days=1), NOW)))
    document = entsoe_prices(
        ("2025-09-30T20:00Z", "2025-09-30T22:00Z", "PT60M", (10.0, 20.0)),
        ("2025-09-30T22:00Z", "2025-09-30T23:00Z", "PT15M", (1.0, 2.0, 3.0, 4.0)),
    )
    prices = by_slot(dataset.read(document, ask=ask, received=NOW), PRICE)
    assert [prices[slot] for slot in sorted(prices)] == [10.0] * 4 + [20.0] * 4 + [1.0, 2.0, 3.0, 4.0]


def test_prices_in_another_currency_are_refused() -> None:
    dataset = dataset_of("entsoe", "prices")
    ask = next(iter(dataset.asks(NOW - timedelta(days=1), NOW)))
    document = entsoe_prices(("2025-09-30T20:00Z", "2025-09-30T21:00Z", "PT60M", (10.0,)), currency="PLN")
    with pytest.raises(AnswerError) as refusal:
        dataset.read(document, ask=ask, received=NOW)
    assert refusal.value.fault == "unit"


def test_equal_positions_that_are_left_out_are_filled_and_the_second_auction_is_not_read() -> None:
    dataset = dataset_of("entsoe", "prices")
    prices = by_slot(issues_of("entsoe", dataset, days=1), PRICE)
    first = min(prices)
    assert [prices[first + n * timedelta(hours=1)] for n in range(4)] == [100.0, 100.0, 101.0, 101.0]
    ask = next(iter(dataset.asks(NOW - timedelta(days=1), NOW)))
    nothing = answers.acknowledgement("No matching data found for Data item Energy Prices")
    assert dataset.read(nothing, ask=ask, received=NOW) == []
    with pytest.raises(AnswerError) as refusal:
        dataset.read(answers.acknowledgement("Delivered time interval is not valid"), ask=ask, received=NOW)
    assert refusal.value.fault == "refused"
