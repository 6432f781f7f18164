"""The book of one zone: all published values by channel and slot, each with its publication time.

Values of longer intervals hold for each slot within; shorter ones are averaged once all parts of a slot are there.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby

from msgspec.structs import replace

from vpp.domain import Step
from vpp.feeds.contract import Issue

Revision = tuple[datetime, float | None]
"""Time of publication, value."""


class IssueBook:
    """Keeps revisions by channel and slot.

    Args:
        step: Slot length of the zone.
        sums: Channels that are the sum of others which a service gives apart, such as wind on- and offshore.
    """

    def __init__(self, step: Step, sums: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.step = step
        self._totals = {part: (total, parts) for total, parts in (sums or {}).items() for part in parts}
        self._revisions: dict[str, dict[int, list[Revision]]] = {}
        self._parts: dict[tuple[str, int], dict[datetime, Revision]] = {}
        self._touched: set[tuple[str, int]] = set()

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels with at least one value, sorted."""
        return tuple(sorted(self._revisions))

    def add(self, issue: Issue) -> bool:
        """Add an issue; return whether it changes a value."""
        length = timedelta(minutes=issue.step_min)
        is_new = False
        for i, value in enumerate(issue.values):
            start = issue.first_slot + i * length
            if issue.step_min < self.step.minutes:
                is_new |= self._add_part(issue, start, length, value)
                continue
            first = self.step.index(start)
            for index in range(first, first + issue.step_min // self.step.minutes):
                if not (issue.first_sight and self._holds(issue, index, value)):
                    is_new |= self._put(issue.channel, index, issue.available_at, value)
        return is_new

    def dated(self, issue: Issue, received: datetime) -> Iterator[Issue]:
        """Yield the parts of an issue with the time from which each is known.

        A service that does not date its values gives usual times. Where such a value differs from one that is held, it
        is a revision, and known from its receipt: before it, the other one was.

        Args:
            issue: As it was read.
            received: Time of the receipt.
        """
        length = timedelta(minutes=issue.step_min)
        places = [(issue.first_slot + n * length, value) for n, value in enumerate(issue.values)]
        for revises, run in groupby(places, key=lambda place: self._revises(issue, *place)):
            first, values = zip(*run, strict=True)
            available_at = max(received, issue.available_at) if revises else issue.available_at
            yield replace(issue, available_at=available_at, first_slot=first[0], values=values)

    def _revises(self, issue: Issue, start: datetime, value: float | None) -> bool:
        if not issue.first_sight or value is None:
            return False
        index = self.step.index(start)
        if issue.step_min < self.step.minutes:
            earlier = self._parts.get((issue.channel, index), {}).get(start)
        else:
            earlier = next(reversed(self._revisions.get(issue.channel, {}).get(index, [])), None)
        return earlier is not None and earlier[1] is not None and earlier[1] != value

    def _holds(self, issue: Issue, index: int, value: float | None) -> bool:
        revisions = self._revisions.get(issue.channel, {}).get(index)
        return revisions is not None and revisions[-1][1] == value

    def _add_part(self, issue: Issue, start: datetime, length: timedelta, value: float | None) -> bool:
        index = self.step.index(start)
        parts = self._parts.setdefault((issue.channel, index), {})
        before = parts.get(start)
        if before is not None and (before[0] > issue.available_at or before[1] == value):
            return False
        parts[start] = (issue.available_at, value)
        if len(parts) * length >= self.step.delta:
            values = [part for _, part in parts.values()]
            present = [part for part in values if part is not None]
            mean = sum(present) / len(present) if len(present) == len(values) else None
            self._put(issue.channel, index, max(published_at for published_at, _ in parts.values()), mean)
        return True

    def _put(self, channel: str, index: int, published_at: datetime, value: float | None) -> bool:
        revisions = self._revisions.setdefault(channel, {}).setdefault(index, [])
        place = bisect_right(revisions, published_at, key=lambda revision: revision[0])
        if place and revisions[place - 1] == (published_at, value):
            return False
        if place and revisions[place - 1][0] == published_at:
            revisions[place - 1] = (published_at, value)
        else:
            insort(revisions, (published_at, value), key=lambda revision: revision[0])
        self._touched.add((channel, index))
        self._add_up(channel, index)
        return True

    def _add_up(self, channel: str, index: int) -> None:
        """Write the sum that a channel is part of, once all parts of the slot are known."""
        if channel not in self._totals:
            return
        total, parts = self._totals[channel]
        newest = [revisions[-1] for part in parts if (revisions := self._revisions.get(part, {}).get(index))]
        values = [value for _, value in newest if value is not None]
        if len(values) == len(parts):
            self._put(total, index, max(published_at for published_at, _ in newest), sum(values))

    def take_touched(self) -> set[tuple[str, int]]:
        """Return the (channel, slot index) pairs with something new since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def as_of(self, channel: str, index: int, instant: datetime) -> Revision | None:
        """Return the value of a slot as known at ``instant``: its newest revision until then, None without one."""
        revisions = self._revisions.get(channel, {}).get(index, ())
        place = bisect_right(revisions, instant, key=lambda revision: revision[0])
        return revisions[place - 1] if place else None

    def first_known(self, channel: str, index: int) -> datetime | None:
        """Return the time at which a value of a slot was first known, None if there is no value."""
        for published_at, value in self._revisions.get(channel, {}).get(index, ()):
            if value is not None:
                return published_at
        return None

    def indices(self, channel: str) -> Iterator[int]:
        """Yield the slots that have anything of a channel, in no order."""
        yield from self._revisions.get(channel, {})

    def span(self, channels: Iterable[str]) -> tuple[int, int] | None:
        """Return the first and the last slot that has anything of these channels; None if none has."""
        ends = [(min(slots), max(slots)) for name in channels if (slots := self._revisions.get(name))]
        return (min(first for first, _ in ends), max(last for _, last in ends)) if ends else None
