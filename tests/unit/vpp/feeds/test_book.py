"""The book gives what was known of a slot at any time, whatever the order in which issues came in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from vpp.domain import Step
from vpp.feeds.book import IssueBook
from vpp.feeds.contract import Issue

STEP = Step(30)
SLOT = datetime(2026, 3, 4, 9, tzinfo=UTC)
INDEX = STEP.index(SLOT)


def issue(minutes: int, *values: float | None, step_min: int = 30, first: datetime = SLOT) -> Issue:
    when = SLOT + timedelta(minutes=minutes)
    return Issue(channel="load_mw", available_at=when, first_slot=first, step_min=step_min, values=values)


def test_the_newest_revision_until_a_time_is_what_was_known_then() -> None:
    book = IssueBook(STEP)
    assert book.add(issue(30, 100.0))
    assert not book.add(issue(30, 100.0))
    assert book.add(issue(90, 110.0))
    at = [book.as_of("load_mw", INDEX, SLOT + timedelta(minutes=m)) for m in (29, 30, 89, 90)]
    assert [None if revision is None else revision[1] for revision in at] == [None, 100.0, 100.0, 110.0]
    assert book.first_known("load_mw", INDEX) == SLOT + timedelta(minutes=30)
    assert book.take_touched() == {("load_mw", INDEX)}
    assert book.take_touched() == set()


def test_longer_intervals_hold_for_each_slot_and_shorter_ones_are_averaged_once_whole() -> None:
    book = IssueBook(STEP)
    book.add(issue(0, 50.0, step_min=60))
    assert [book.as_of("load_mw", INDEX + n, SLOT)[1] for n in (0, 1)] == [50.0, 50.0]  # type: ignore[index]
    fine = IssueBook(STEP)
    fine.add(issue(10, 1.0, 2.0, 3.0, 4.0, 5.0, step_min=5))
    assert fine.first_known("load_mw", INDEX) is None
    fine.add(issue(35, 6.0, step_min=5, first=SLOT + timedelta(minutes=25)))
    assert fine.as_of("load_mw", INDEX, SLOT + timedelta(minutes=35)) == (SLOT + timedelta(minutes=35), 3.5)


@pytest.mark.parametrize(
    ("step_min", "values"), [(30, (100.0,)), (15, (100.0, 100.0))], ids=["slots", "parts of slots"]
)
def test_a_revision_that_its_service_does_not_date_is_known_from_its_receipt(
    step_min: int, values: tuple[float, ...]
) -> None:
    """First received at 09:40; at 18:00 it is another value, whose usual time would be 09:35."""
    book, evening = IssueBook(STEP), SLOT + timedelta(hours=9)
    undated = replace(issue(40, *values, step_min=step_min), first_sight=True)
    assert [*map(book.add, book.dated(undated, SLOT + timedelta(minutes=40)))] == [True]
    usual = SLOT + timedelta(minutes=35)
    assert not any(map(book.add, book.dated(replace(undated, available_at=usual), evening)))
    revised = replace(undated, available_at=usual, values=(*values[:-1], 120.0))
    assert any([*map(book.add, book.dated(revised, evening))])
    mean = (sum(values[:-1]) + 120.0) / len(values)
    assert book.as_of("load_mw", INDEX, evening - timedelta(minutes=1)) == (undated.available_at, 100.0)
    assert book.as_of("load_mw", INDEX, evening) == (evening, mean)


@given(st.permutations([(10, 1.0), (20, 2.0), (30, None), (40, 2.0)]))
def test_the_order_in_which_issues_come_in_does_not_matter(order: list[tuple[int, float | None]]) -> None:
    book = IssueBook(STEP)
    for minutes, value in order:
        book.add(issue(minutes, value))
    reference = [book.as_of("load_mw", INDEX, SLOT + timedelta(minutes=m)) for m in (9, 10, 20, 30, 40)]
    assert [None if revision is None else revision[1] for revision in reference] == [None, 1.0, 2.0, None, 2.0]
