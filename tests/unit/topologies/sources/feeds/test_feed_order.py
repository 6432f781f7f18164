"""What a feed sends: history first, each slot when it is known, revisions as corrections, forecasts at their hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from topologies.sources.feeds.feed_order import FeedOrder
from vpp.domain import LOAD, PRICE, WIND
from vpp.feeds.book import IssueBook
from vpp.feeds.contract import Issue
from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Zone
from vpp.messages import Observation, Publication, Raw

START = datetime(2026, 3, 4, tzinfo=UTC)
STEP = timedelta(minutes=30)
FORECAST = "load_forecast_da_mw"


def zone(name: str = "GB", step_min: int = 30) -> Zone:
    reference = find_zone(name)
    assert reference is not None
    return reference.model_copy(update={"channels": (LOAD, WIND, PRICE, FORECAST), "step_min": step_min})


def issue(channel: str, slot: datetime, value: float | None, known_at: datetime, step_min: int = 30) -> Issue:
    return Issue(channel=channel, available_at=known_at, first_slot=slot, step_min=step_min, values=(value,))


def order(book: IssueBook, of: Zone | None = None, sent_until: datetime | None = None) -> FeedOrder:
    return FeedOrder(
        zone=of or zone(),
        book=book,
        first=START - timedelta(days=1),
        start=START,
        closing=(LOAD, WIND),
        delay=timedelta(minutes=5),
        sent_until=sent_until,
    )


def measured(book: IssueBook, slot: datetime, lag_min: float = 0.0, load: float = 100.0) -> None:
    reference = slot + STEP + timedelta(minutes=lag_min)
    book.add(issue(LOAD, slot, load, reference))
    book.add(issue(WIND, slot, 10.0, reference))


def observed(records: list[Raw]) -> list[tuple[datetime, dict[str, float | None], datetime | None]]:
    slots = [record for record in records if isinstance(record, Observation)]
    return [(r.slot, {k: v for k, v in r.values.items() if v is not None}, r.sent_at) for r in slots]


def test_history_comes_first_without_a_run_clock_and_live_slots_when_they_are_known() -> None:
    book = IssueBook(zone().step)
    for n in range(-3, 2):
        measured(book, START + n * STEP, lag_min=2)
    book.add(issue(PRICE, START, 55.0, START + STEP + timedelta(minutes=20)))
    records = order(book).due(START + 3 * STEP)
    assert [(slot - START) // STEP for slot, _, _ in observed(records)] == [-3, -2, -1, 0, 0, 1]
    assert [r.history for r in records if isinstance(r, Observation)] == [True, True, True, False, False, False]
    assert [sent for _, _, sent in observed(records)][3:] == [
        START + STEP + timedelta(minutes=2),
        START + STEP + timedelta(minutes=20),
        START + 2 * STEP + timedelta(minutes=2),
    ]
    assert [sorted(values) for _, values, _ in observed(records)][3:5] == [[LOAD, WIND], [PRICE]]


def test_a_price_that_comes_later_and_a_revision_are_sent_again_with_what_changed() -> None:
    book = IssueBook(zone().step)
    measured(book, START)
    live = order(book)
    assert observed(live.due(START + STEP)) == [(START, {LOAD: 100.0, WIND: 10.0}, START + STEP)]
    priced = START + STEP + timedelta(minutes=20)
    book.add(issue(PRICE, START, 55.0, priced))
    assert observed(live.due(priced)) == [(START, {PRICE: 55.0}, priced)]
    assert observed(live.due(priced + STEP)) == []
    book.add(issue(LOAD, START, 103.0, priced + STEP))
    book.add(issue(WIND, START, None, priced + STEP))
    assert observed(live.due(priced + STEP)) == [(START, {LOAD: 103.0}, priced + STEP)]


def test_a_slot_with_a_part_missing_goes_out_after_the_usual_delay_and_an_empty_one_not_at_all() -> None:
    book = IssueBook(zone().step)
    book.add(issue(LOAD, START, 100.0, START + STEP))
    live = order(book)
    assert live.due(START + STEP + timedelta(minutes=4)) == []
    late = START + STEP + timedelta(minutes=5)
    assert observed(live.due(late)) == [(START, {LOAD: 100.0}, late)]
    assert live.due(START + 3 * STEP) == []
    measured(book, START + STEP, lag_min=45)
    assert observed(live.due(START + 4 * STEP)) == [
        (START + STEP, {LOAD: 100.0, WIND: 10.0}, START + 2 * STEP + timedelta(minutes=45))
    ]


def test_a_forecast_goes_out_at_the_hour_of_the_catalogue_with_the_newest_issue_of_that_time() -> None:
    book, target, noon = IssueBook(zone().step), START + timedelta(days=1, hours=9), START + timedelta(hours=12)
    for hours, value in ((-6, 1.0), (-1, 2.0), (3, 3.0)):
        book.add(issue(FORECAST, target, value, noon + timedelta(hours=hours)))
    live = order(book)
    assert [r for r in live.due(noon - STEP) if isinstance(r, Publication)] == []
    (sent,) = [r for r in live.due(noon) if isinstance(r, Publication)]
    assert (sent.series, sent.first_slot, sent.available_at, sent.sent_at) == (
        {FORECAST: [2.0]},
        target,
        noon - timedelta(hours=1),
        noon,
    )
    assert [r for r in live.due(noon + timedelta(hours=4)) if isinstance(r, Publication)] == []


def test_a_forecast_that_is_late_goes_out_when_it_is_published() -> None:
    book, target = IssueBook(zone().step), START + timedelta(days=1, hours=9)
    published = START + timedelta(hours=14)
    book.add(issue(FORECAST, target, 2.0, published))
    (sent,) = [r for r in order(book).due(START + timedelta(days=1)) if isinstance(r, Publication)]
    assert (sent.available_at, sent.sent_at) == (published, published)


def test_where_the_price_is_known_at_the_start_it_is_sent_before_the_slot_ahead_of_it_closes() -> None:
    of = zone("NSW1", 5)
    book, step = IssueBook(of.step), timedelta(minutes=5)
    for n in range(3):
        slot = START + n * step
        for channel, value in ((LOAD, 100.0), (WIND, 10.0), (PRICE, 50.0 + n)):
            book.add(issue(channel, slot, value, slot + timedelta(seconds=9), 5))
    records = order(book, of).due(START + 5 * step)
    prices = {r.first_slot: n for n, r in enumerate(records) if isinstance(r, Publication)}
    slots = {r.slot: n for n, r in enumerate(records) if isinstance(r, Observation)}
    assert prices[START + step] < slots[START]
    assert prices[START + 2 * step] < slots[START + step]
    publication = records[prices[START + step]]
    assert isinstance(publication, Publication)
    assert publication.available_at == START + step


@pytest.mark.parametrize("killed_after", [timedelta(minutes=31), timedelta(hours=3), timedelta(hours=13)])
def test_a_process_that_goes_on_leaves_nothing_out_and_repeats_no_slot(killed_after: timedelta) -> None:
    def world() -> IssueBook:
        book = IssueBook(zone().step)
        for n in range(-10, 40):
            measured(book, START + n * STEP, lag_min=1, load=100.0 + n)
            book.add(issue(PRICE, START + n * STEP, 50.0 + n, START + (n + 1) * STEP + timedelta(minutes=20)))
            book.add(issue(FORECAST, START + (n + 48) * STEP, 90.0 + n, START + timedelta(hours=11)))
        return book

    end = START + timedelta(days=1)
    whole = order(world()).due(end)
    first = order(world())
    before = first.due(START + killed_after)
    clock = max(r.sent_at for r in before if isinstance(r, Observation) and r.sent_at is not None)
    after = order(world(), sent_until=clock).due(end)
    final: dict[datetime, dict[str, float | None]] = {}
    for slot, values, _ in observed([*before, *after]):
        final.setdefault(slot, {}).update(values)
    wanted: dict[datetime, dict[str, float | None]] = {}
    for slot, values, _ in observed(whole):
        wanted.setdefault(slot, {}).update(values)
    assert final == wanted
    closings = [slot for slot, values, _ in observed([*before, *after]) if LOAD in values and slot >= START]
    assert len(closings) == len(set(closings))
    assert {(r.first_slot, r.available_at) for r in [*before, *after] if isinstance(r, Publication)} == {
        (r.first_slot, r.available_at) for r in whole if isinstance(r, Publication)
    }
