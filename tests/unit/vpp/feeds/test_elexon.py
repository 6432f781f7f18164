"""Elexon's answers are read into issues with the time of their publication, whatever the day's length."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.worlds.feeds.elexon_world import HALF_HOUR, ElexonWorld
from vpp.domain import LOAD, PRICE, WIND
from vpp.feeds.contract import AnswerError, Ask, Dataset, Issue
from vpp.feeds.elexon import LOAD_DA, PRICE_LAG, SERVICE, WIND_DA
from vpp.settings import FeedSettings

NOW = datetime(2026, 3, 4, 12, 10, tzinfo=UTC)
DATASETS = {dataset.name: dataset for dataset in SERVICE.datasets("GB", FeedSettings())}
WORLD = ElexonWorld(now=lambda: NOW)


def fetched(name: str, start: datetime, end: datetime, world: ElexonWorld = WORLD) -> list[Issue]:
    dataset = DATASETS[name]
    return [issue for ask in dataset.asks(start, end) for issue in read(dataset, ask, world(ask.path, ask.params))]


def read(dataset: Dataset, ask: Ask, answer: Any) -> list[Issue]:
    return dataset.read(json.dumps(answer).encode(), ask=ask, received=NOW)


def by_slot(issues: list[Issue], channel: str) -> dict[datetime, float | None]:
    return {
        issue.first_slot + n * timedelta(minutes=issue.step_min): value
        for issue in issues
        if issue.channel == channel
        for n, value in enumerate(issue.values)
    }


def test_load_is_the_sum_of_all_fuels_and_known_when_published() -> None:
    issues = fetched("generation", NOW - timedelta(hours=2), NOW)
    load = by_slot(issues, LOAD)
    slot = datetime(2026, 3, 4, 11, 30, tzinfo=UTC)
    assert load[slot] == WORLD.demand_mw(slot)
    assert by_slot(issues, WIND)[slot] == WORLD.wind_mw(slot)
    assert by_slot(issues, "interconnector_mw")[slot] == pytest.approx(
        sum(mw for fuel, mw in WORLD.generation_mw(slot).items() if fuel.startswith("INT"))
    )
    assert {issue.available_at for issue in issues if issue.first_slot == slot} == {slot + HALF_HOUR}
    assert max(load) == slot


def test_a_fuel_without_a_value_leaves_no_load_and_a_later_row_wins() -> None:
    rows = {
        "data": [
            {
                "publishTime": f"2026-03-04T12:{minute}:00Z",
                "startTime": "2026-03-04T11:30:00Z",
                "fuelType": fuel,
                "generation": generation,
            }
            for minute, fuel, generation in (("00", "WIND", 5000), ("00", "CCGT", None), ("05", "WIND", 5100))
        ]
    }
    dataset = DATASETS["generation"]
    issues = read(dataset, next(iter(dataset.asks(NOW - HALF_HOUR, NOW))), rows)
    (load,), (wind,) = by_slot(issues, LOAD).values(), by_slot(issues, WIND).values()
    assert (load, wind) == (None, 5100)
    assert {issue.available_at for issue in issues} == {datetime(2026, 3, 4, 12, 5, tzinfo=UTC)}


def test_a_half_hour_that_lacks_the_row_of_a_fuel_has_neither_that_fuel_nor_a_load() -> None:
    dataset = DATASETS["generation"]
    ask = next(iter(dataset.asks(NOW - 6 * HALF_HOUR, NOW)))
    answer = WORLD(ask.path, ask.params)
    slot = datetime(2026, 3, 4, 10, tzinfo=UTC)
    whole = by_slot(read(dataset, ask, answer), LOAD)
    rows = [row for row in answer["data"] if (row["startTime"], row["fuelType"]) != ("2026-03-04T10:00:00Z", "WIND")]
    issues = read(dataset, ask, {"data": rows})
    assert by_slot(issues, LOAD) == {**whole, slot: None}
    assert by_slot(issues, WIND)[slot] is None
    assert by_slot(issues, "gas_mw")[slot] is not None


@pytest.mark.parametrize(
    ("day", "periods"), [((2026, 3, 29), 46), ((2026, 3, 28), 48), ((2025, 10, 26), 50)], ids=["short", "plain", "long"]
)
def test_days_of_46_48_and_50_half_hours_have_each_slot_once(day: tuple[int, int, int], periods: int) -> None:
    noon = datetime(*day, 12, tzinfo=UTC)
    world = ElexonWorld(now=lambda: noon + timedelta(days=2))
    ask = next(iter(DATASETS["system-price"].asks(noon, noon + HALF_HOUR)))
    issues = read(DATASETS["system-price"], ask, world(ask.path, ask.params))
    prices = by_slot(issues, PRICE)
    assert len(prices) == periods
    assert max(prices) - min(prices) == (periods - 1) * HALF_HOUR


def test_a_price_is_known_when_its_run_was_made_and_a_late_run_counts_from_the_usual_time() -> None:
    slot = datetime(2026, 3, 3, 9, tzinfo=UTC)
    late = ElexonWorld(now=lambda: NOW + timedelta(days=30), revised={slot: (99.0, NOW - timedelta(hours=20))})
    revised = ElexonWorld(now=lambda: NOW, revised={slot: (98.0, NOW - timedelta(minutes=5))})
    for world, reference, price in (
        (WORLD, slot + HALF_HOUR + timedelta(minutes=20), WORLD.price(slot)),
        (late, slot + HALF_HOUR + PRICE_LAG, 99.0),
        (revised, NOW - timedelta(minutes=5), 98.0),
    ):
        issues = fetched("system-price", slot, slot + HALF_HOUR, world)
        result = [(i.available_at, i.values) for i in issues if i.first_slot == slot]
        assert result == [(reference, (price,))]


def test_forecasts_are_asked_for_as_known_at_local_noon_and_read_for_the_whole_country() -> None:
    summer = datetime(2026, 7, 2, tzinfo=UTC)
    world = ElexonWorld(now=lambda: summer + timedelta(days=2))
    asks = list(DATASETS["demand-forecast"].asks(summer, summer + timedelta(days=1)))
    assert [ask.params["publishTime"] for ask in asks] == ["2026-07-02T11:00Z"]
    issues = read(DATASETS["demand-forecast"], asks[0], world(asks[0].path, asks[0].params))
    assert {issue.available_at for issue in issues} == {datetime(2026, 7, 2, 10, 30, tzinfo=UTC)}
    forecast = by_slot(issues, LOAD_DA)
    assert max(forecast) == datetime(2026, 7, 3, 22, 30, tzinfo=UTC)
    assert abs(forecast[max(forecast)] - world.demand_mw(max(forecast))) <= 301  # type: ignore[operator]
    wind = fetched("wind-forecast", summer, summer + timedelta(days=1), world)
    assert {(issue.channel, issue.step_min) for issue in wind} == {(WIND_DA, 60)}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        pytest.param(b'{"data": [{"publishTi', "incomplete", id="half an answer"),
        pytest.param(b"", "incomplete", id="nothing"),
        pytest.param(b"<html>maintenance</html>", "not_json", id="page"),
        pytest.param(b'{"items": []}', "shape", id="another key"),
        pytest.param(b'{"data": [{"startTime": "2026-03-04T11:30:00Z"}]}', "shape", id="field missing"),
    ],
)
@pytest.mark.parametrize("name", DATASETS)
def test_a_broken_answer_is_refused_with_its_fault(name: str, body: bytes, fault: str) -> None:
    dataset = DATASETS[name]
    ask = next(iter(dataset.asks(NOW - timedelta(days=1), NOW)))
    with pytest.raises(AnswerError) as refusal:
        dataset.read(body, ask=ask, received=NOW)
    assert refusal.value.fault == fault


def test_a_week_and_a_day_are_the_longest_ranges_that_are_asked_for() -> None:
    start = NOW - timedelta(days=15)
    fuel = list(DATASETS["generation"].asks(start, NOW))
    assert [ask.until - before.until for before, ask in pairwise(fuel)] == [
        timedelta(days=7),
        timedelta(days=1),
    ]
    assert len(list(DATASETS["system-price"].asks(start, NOW))) == 16
    assert fuel[-1].until == NOW
