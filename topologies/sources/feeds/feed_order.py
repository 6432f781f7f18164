"""Turns the book of a zone into raw records in order of availability: history first, then slot by slot.

- A slot is sent as a whole once its closing channels are there, and with what there is after the service's usual delay.
- A value that comes or changes later is sent again as an observation of that slot, which the intake makes a correction.
- A published channel (day-ahead forecast, auction price) is sent at the time that the catalogue names, with the newest
  issue of that time, or when it is first published if that is later. So a forecast means the same in training and live.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from vpp.domain import PRICE
from vpp.feeds.book import IssueBook
from vpp.feeds.contract import runs
from vpp.files.cells.availability import available_at, is_forecast, is_published
from vpp.fleet.schema import Zone
from vpp.messages import Observation, Publication, Raw, Values

CORRECTED_FOR = timedelta(days=7)
"""The intake remembers closed slots so long; later revisions are kept in the archive alone."""
PUBLISHED_AGAIN = timedelta(days=2)
"""What was published so long before a source was killed is sent again."""

_PUBLICATION, _OBSERVATION, _CORRECTION = 0, 1, 2
Event = tuple[datetime, int, str, Raw]


@dataclass(slots=True)
class FeedOrder:
    """Yields each due record once; a function of the book and the given times only.

    Attributes:
        zone: The zone, with the channels that the feed gives.
        book: What is known.
        first: First slot of the history that is sent.
        start: First slot that counts.
        closing: Channels that a slot needs before it is sent.
        delay: Time after the end of a slot at which it is sent with the values received.
        end: End of the range, exclusive; None: for ever.
        sent_until: All that was due until then was sent by an earlier process.
    """

    zone: Zone
    book: IssueBook
    first: datetime
    start: datetime
    closing: tuple[str, ...]
    delay: timedelta
    end: datetime | None = None
    sent_until: datetime | None = None
    _next: int = field(init=False)
    _sent: dict[int, Values] = field(default_factory=dict)
    _waiting: list[tuple[datetime, str, int]] = field(default_factory=list)
    _published: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._next = self.zone.step.index(self.first)

    @property
    def finished(self) -> bool:
        """Whether every slot of the range has been sent."""
        return self.end is not None and self._next >= self.zone.step.index(self.end)

    @property
    def last_slot(self) -> datetime | None:
        """The last slot that was sent or passed over; None before the first one."""
        return self.zone.step.start(self._next - 1) if self._next > self.zone.step.index(self.start) else None

    def due(self, now: datetime) -> list[Raw]:
        """Return the records whose time has come, in order of availability; history has no ``sent_at``.

        Args:
            now: The run clock.
        """
        touched = self.book.take_touched()
        self._await(touched)
        events = [*self._publications(now), *self._observations(now), *self._corrections(touched, now)]
        events.sort(key=lambda event: event[:3])
        return [record for due, rank, _, record in events if not self._was_sent(due, rank)]

    def _was_sent(self, due: datetime, rank: int) -> bool:
        """Return whether an earlier process sent this record; a possible repeat has no effect."""
        if self.sent_until is None or rank == _CORRECTION:
            return False
        return due <= self.sent_until - (PUBLISHED_AGAIN if rank == _PUBLICATION else timedelta(0))

    @property
    def _measured(self) -> list[str]:
        return [name for name in self.zone.channels or () if not is_forecast(name)]

    def _observations(self, now: datetime) -> Iterator[Event]:
        step, names = self.zone.step, self._measured
        while self.closing and not self.finished:  # a feed of prices or weather alone closes no slot
            slot = step.start(self._next)
            end = slot + step.delta
            if end > now:
                return
            history = slot < self.start
            due = end if history else self._complete_at(self._next, end)
            if due is None or due > now or due > end + self.delay:
                due = end + self.delay
                if due > now:
                    return
            values = self._values(self._next, names, now if history else due)
            self._sent[self._next] = dict(values)
            if any(value is not None for value in values.values()):
                sent_at = None if history else due
                run_from = self.start if history else None
                record = Observation(
                    zone=self.zone.zone, slot=slot, values=values, history=history, sent_at=sent_at, run_from=run_from
                )
                yield due, _OBSERVATION, "", record
            if not history:
                yield from self._correction(self._next, names, now)
            self._next += 1

    def _complete_at(self, index: int, end: datetime) -> datetime | None:
        """Return when all that the slot needs was known, not before its end; None if something is missing."""
        needed = [(name, index) for name in self.closing]
        if self.zone.market.rule.lead_slots:
            # Bids take the next slot's price as given, so it must be sent before this slot closes.
            needed.append((PRICE, index + self.zone.market.rule.lead_slots))
        times = [self.book.first_known(name, at) for name, at in needed]
        times_known = [instant for instant in times if instant is not None]
        return max(end, *times_known) if len(times_known) == len(times) else None

    def _values(self, index: int, names: list[str], instant: datetime) -> Values:
        revisions = {name: self.book.as_of(name, index, instant) for name in names}
        return {name: None if revision is None else revision[1] for name, revision in revisions.items()}

    def _corrections(self, touched: set[tuple[str, int]], now: datetime) -> Iterator[Event]:
        oldest = self.zone.step.index(now - CORRECTED_FOR)
        for index in [old for old in self._sent if old < oldest]:
            del self._sent[index]
        names = self._measured
        for index in sorted({index for _, index in touched} & self._sent.keys()):
            if self.zone.step.start(index) >= self.start:
                yield from self._correction(index, names, now)

    def _correction(self, index: int, names: list[str], now: datetime) -> Iterator[Event]:
        """Yield what of a sent slot came or changed until ``now``; a value that was taken back stays."""
        sent_values = self._sent[index]
        changed: Values = {}
        due = self.start
        for name in names:
            revision = self.book.as_of(name, index, now)
            if revision is not None and revision[1] is not None and revision[1] != sent_values.get(name):
                changed[name] = revision[1]
                due = max(due, revision[0])
        if changed:
            sent_values.update(changed)
            slot = self.zone.step.start(index)
            due = max(due, slot + self.zone.step.delta)
            record = Observation(zone=self.zone.zone, slot=slot, values=changed, sent_at=due)
            yield due, _CORRECTION, "", record

    def _await(self, touched: set[tuple[str, int]]) -> None:
        first = self.zone.step.index(self.first)
        for name, index in touched:
            key = (name, index)
            if index < first or key in self._published or not self._is_published(name):
                continue
            known_at = self.book.first_known(name, index)
            if known_at is not None:
                due = max(known_at, available_at(self.zone, name, self.zone.step.start(index)))
                heapq.heappush(self._waiting, (due, name, index))
                self._published.add(key)

    def _is_published(self, name: str) -> bool:
        return is_published(self.zone, name) and name in (self.zone.channels or ())

    def _publications(self, now: datetime) -> Iterator[Event]:
        groups: dict[tuple[datetime, str, datetime], dict[datetime, float | None]] = defaultdict(dict)
        while self._waiting and self._waiting[0][0] <= now:
            due, name, index = heapq.heappop(self._waiting)
            slot = self.zone.step.start(index)
            revision = self.book.as_of(name, index, due)
            if revision is None or revision[1] is None or (self.end is not None and due >= self.end):
                continue
            known_at = revision[0]
            if name == PRICE and known_at <= available_at(self.zone, name, slot) + self.delay:
                # The previous slot closes only after this, so the price is known to its decision.
                known_at = min(known_at, available_at(self.zone, name, slot))
            groups[due, name, known_at][slot] = revision[1]
        for (due, name, known_at), values in groups.items():
            for first_slot, series in runs(values, self.zone.step.delta):
                history = due <= self.start
                record = Publication(
                    zone=self.zone.zone,
                    available_at=known_at,
                    first_slot=first_slot,
                    step_min=self.zone.step_min,
                    series={name: list(series)},
                    history=history,
                    sent_at=None if history else due,
                )
                yield due, _PUBLICATION, name, record
