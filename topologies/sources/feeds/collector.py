"""Requests missing data from services: the history first, then new data, one dataset after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from topologies.sources.feeds.archive import Coverage, FeedArchive
from topologies.sources.feeds.http_client import FeedClient
from vpp.errors import VppError
from vpp.feeds.book import IssueBook
from vpp.feeds.contract import Ask, Dataset

log = logging.getLogger(__name__)

MAX_BACK_OFF = timedelta(minutes=15)
MAX_GAP = timedelta(days=2)
Progress = Callable[[str, float], None]
"""Called with the dataset and the share of its history that is there."""


@dataclass(slots=True)
class Collector:
    """Fills the book of one zone from its datasets, and archives their answers.

    Attributes:
        datasets: Each with the client that asks for it.
        archive: Where answers are kept.
        book: What is known.
        history_start: The history that is wanted begins here.
        poll_s: Shortest interval between queries of a dataset; None: the interval of the dataset.
    """

    datasets: Sequence[tuple[FeedClient, Dataset]]
    archive: FeedArchive
    book: IssueBook
    history_start: datetime
    poll_s: float | None = None
    _next_at: dict[str, datetime] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)

    def open(self) -> None:
        """Load the archive."""
        for issue in self.archive.read():
            self.book.add(issue)

    def fill(self, now: datetime, on_progress: Progress = lambda _name, _share: None) -> list[VppError]:
        """Fetch all that is missing up to ``now``.

        Args:
            now: Wall time.
            on_progress: Called with each dataset and its share done.

        Returns:
            Failures of datasets whose history is there but for the last days; a run can continue without.

        Raises:
            UnreachableError: A service does not answer, and its history is not there.
            AnswerError: It answers in another shape, and its history is not there.
        """
        failures: list[VppError] = []
        for client, dataset in self.datasets:
            try:
                self._fetch(client, dataset, now, on_progress)
            except VppError as error:
                coverage = self.archive.coverage.get(dataset.name)
                if coverage is None or coverage.until < now - MAX_GAP:
                    raise
                failures.append(error)
            self._next_at[dataset.name] = now + self._every(dataset)
        return failures

    def poll(self, now: datetime) -> None:
        """Query every due dataset; a failed query is logged and repeated with back-off."""
        for client, dataset in self.datasets:
            if now < self._next_at.get(dataset.name, now):
                continue
            pause = self._every(dataset)
            try:
                self._fetch(client, dataset, now, lambda _name, _share: None)
                self._failures.pop(dataset.name, None)
            except VppError as error:
                failed = self._failures[dataset.name] = self._failures.get(dataset.name, 0) + 1
                pause = min(pause * 2 ** min(failed, 8), max(MAX_BACK_OFF, pause))
                log.warning("feed dataset=%s failed=%s next_in=%s: %s", dataset.name, failed, pause, error)
            self._next_at[dataset.name] = now + pause

    def _every(self, dataset: Dataset) -> timedelta:
        return dataset.every if self.poll_s is None else timedelta(seconds=self.poll_s)

    def _fetch(self, client: FeedClient, dataset: Dataset, now: datetime, on_progress: Progress) -> None:
        for start, end in self._missing(dataset, now):
            at = start
            for ask in self._asks(client, dataset, start, end):
                issues = client.get(ask, partial(dataset.issues, ask=ask, received=now))
                dated = (part for issue in issues for part in self.book.dated(issue, now))
                fresh = [part for part in dated if self.book.add(part)]
                self.archive.append(fresh, Coverage(dataset=dataset.name, start=at, until=max(ask.until, at)))
                at = max(ask.until, at)
                on_progress(dataset.name, (at - start) / (end - start))

    def _asks(self, client: FeedClient, dataset: Dataset, start: datetime, end: datetime) -> Iterator[Ask]:
        for ask in dataset.asks(start, end):
            if dataset.follow is None:
                yield ask
            else:
                yield from client.get(ask, partial(dataset.follow, after=start))

    def _missing(self, dataset: Dataset, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        coverage = self.archive.coverage.get(dataset.name)
        if coverage is None:
            yield self.history_start, now
            return
        if self.history_start < coverage.start:
            yield self.history_start, coverage.start
        yield max(self.history_start, min(coverage.until, now) - dataset.look_back), now
