"""A live service as a feed: its history is fetched on opening, and training reads it like the rows of a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event

import numpy as np
import pandas as pd

from topologies.sources.feed import Feed
from topologies.sources.feeds.archive import FeedArchive
from topologies.sources.feeds.collector import Collector
from topologies.sources.feeds.http_client import FeedClient
from topologies.sources.options import SourceOptions, first_slot, open_feed
from vpp.domain import Step
from vpp.errors import ConfigError
from vpp.feeds.book import IssueBook
from vpp.feeds.catalogue import service_named
from vpp.feeds.contract import Dataset, Service
from vpp.files.cells.availability import available_at, is_forecast
from vpp.files.zone_fitting import Overrides, zone_for
from vpp.fleet.schema import Zone, load_fleet
from vpp.settings import FeedSettings, Settings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LiveFeed:
    """What live services have given of some zones.

    Attributes:
        services: The services, the one with the measured values first.
        zones: The zones, fitted to the channels of the services.
        collectors: What fills each zone's book.
        first: First slot of the history.
        notes: What was assumed, for people.
    """

    services: tuple[Service, ...]
    zones: dict[str, Zone]
    collectors: dict[str, Collector]
    first: datetime
    notes: tuple[str, ...]
    neighbours: dict[str, Zone] = field(default_factory=dict)

    @property
    def step_min(self) -> int:
        """Slot length in minutes."""
        return self.services[0].step_min

    @property
    def closing(self) -> tuple[str, ...]:
        """Channels that a slot needs before it is sent."""
        return self.services[0].closing

    @property
    def delay(self) -> timedelta:
        """Usual time from the end of a slot until it is complete."""
        return self.services[0].delay

    def chunks(self, start: datetime | None, end: datetime | None) -> Iterator[pd.DataFrame]:
        """Yield the rows of all zones over ``[start, end)``; without ``end``, those that are there."""
        frames = []
        for name in sorted(self.zones):
            last = end or self._end(name)
            rows = self.frame(name, last, start).reset_index()
            rows["slot"] = rows["slot"].dt.tz_localize(None)
            rows.insert(1, "zone", name)
            frames.append(rows)
        yield pd.concat(frames).sort_values(["slot", "zone"], kind="stable", ignore_index=True)

    def frame(self, zone: str, end: datetime, start: datetime | None = None) -> pd.DataFrame:
        """Return one zone's channels on a regular index of UTC slot starts before ``end``.

        A measured value is its newest revision. A forecast is the newest issue of the time that the catalogue names;
        one that was published only later is missing, as it was then.
        """
        fitted = self.zones[zone]
        step, book = fitted.step, self.collectors[zone].book
        first = step.index(max(start or self.first, self.first))
        last = max(step.index(min(end, self._end(zone))), first)
        far = step.start(last) + timedelta(days=3660)
        columns = {}
        for name in fitted.channels or ():
            column = np.full(last - first, np.nan)
            for i in range(last - first):
                known_at = available_at(fitted, name, step.start(first + i)) if is_forecast(name) else far
                revision = book.as_of(name, first + i, known_at)
                if revision is not None and revision[1] is not None:
                    column[i] = revision[1]
            columns[name] = column
        index = pd.date_range(step.start(first), periods=last - first, freq=f"{step.minutes}min", name="slot")
        return pd.DataFrame(columns, index=index)

    def swings(self, at_s: float, every_s: float) -> dict[str, float]:
        """Return nothing: a service gives slots, no ticks."""
        return {}

    def _end(self, zone: str) -> datetime:
        """Return the end of the last slot of which anything is known."""
        fitted = self.zones[zone]
        span = self.collectors[zone].book.span(fitted.channels or ())
        return self.first if span is None else fitted.step.start(span[1] + 1)


def open_source(
    options: SourceOptions,
    settings: Settings,
    *,
    now: datetime,
    say: Say = lambda _text: None,
    stop: Event | None = None,
) -> Feed:
    """Open the source of the options: a live service, a file or the simulator.

    Args:
        options: Options of the source.
        settings: The settings.
        now: Wall time.
        say: Called with a line about the fetching of a history.
        stop: Ends a wait for a busy service.

    Raises:
        VppError: As ``open_live`` and ``open_feed``.
    """
    if options.kind == "feed":
        return open_live(options, settings, now=now, say=say, stop=stop)
    return open_feed(options, settings)


def open_live(
    options: SourceOptions,
    settings: Settings,
    *,
    now: datetime,
    say: Say = lambda _text: None,
    stop: Event | None = None,
) -> LiveFeed:
    """Fetch what is missing of the history of each zone, and return the services as a feed.

    Args:
        options: Names the services and zones.
        settings: Addresses and keys, days of history, and the folder that keeps what was fetched.
        now: Wall time.
        say: Called with a line about the fetching.
        stop: Ends a wait for a busy service.

    Raises:
        ConfigError: There is no such service or zone, a key is missing, or the start lies in the future.
        UnreachableError: A service does not answer, and nothing of it is there yet.
        AnswerError: It answers in another shape than documented, and nothing of it is there yet.
    """
    services = tuple(service_named(name) for name in options.services)
    main = services[0]
    if not main.closing:
        raise ConfigError(
            f"{main.name} gives no measured values of a zone", hint=f"name it second, such as live:elexon+{main.name}"
        )
    start = first_slot(options, now) or now
    if start > now:
        raise ConfigError(f"a live feed cannot start at {start}, which is still to come", hint="leave --from out")
    own_fleet = load_fleet(settings.fleet) if settings.fleet else None
    sleep = time.sleep if stop is None else stop.wait
    zones, collectors, notes = {}, {}, [f"{service.title}: {service.terms}" for service in services]
    history_start = (start - timedelta(days=settings.feeds.history_days)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    for name in options.zones or main.zones[:1]:
        for service in services:
            if service.zones and name not in service.zones:
                raise ConfigError(
                    f"{service.name} has no zone {name}", hint=f"its zones are {', '.join(service.zones)}"
                )
        datasets = _datasets(services, name, settings.feeds)
        clients = {service.name: FeedClient(service, settings.feeds, sleep=sleep) for service in services}
        sums = {total: parts for service in services for total, parts in service.sums(name).items()}
        path = settings.data_dir / "feeds" / f"{'+'.join(service.name for service in services)}-{name}.jsonl"
        collector = collectors[name] = Collector(
            [(clients[service.name], dataset) for service, dataset in datasets],
            FeedArchive(path),
            IssueBook(Step(main.step_min), sums),
            history_start,
            settings.feeds.poll_s,
        )
        collector.open()
        failures = collector.fill(now, _progress(name, say))
        notes += [f"{name}: continuing with what is there: {failure}" for failure in failures]
        channels = [*(channel for _, dataset in datasets for channel in dataset.channels), *sums]
        have = collector.book.channels
        zones[name], zone_notes = zone_for(
            name,
            step_min=main.step_min,
            channels=[channel for channel in dict.fromkeys(channels) if channel in have],
            own_fleet=own_fleet,
            overrides=Overrides(options.time_zone, options.market),
        )
        notes += zone_notes
    return LiveFeed(services, zones, collectors, history_start, tuple(notes))


def _datasets(services: tuple[Service, ...], zone: str, settings: FeedSettings) -> list[tuple[Service, Dataset]]:
    """Return the datasets of all services; one whose channels a later service gives too is left out."""
    chosen: list[tuple[Service, Dataset]] = []
    channels: set[str] = set()
    for service in reversed(services):
        datasets = [
            (service, dataset)
            for dataset in service.datasets(zone, settings)
            if not channels.issuperset(dataset.channels)
        ]
        channels.update(channel for _, dataset in datasets for channel in dataset.channels)
        chosen = datasets + chosen
    return chosen


def _progress(zone: str, say: Say) -> Callable[[str, float], None]:
    last_shown: dict[str, float] = {}

    def progress(dataset: str, share: float) -> None:
        before = last_shown.setdefault(dataset, 0.0)
        if share - before >= 0.25 or (share >= 1.0 > before):
            last_shown[dataset] = share
            say(f"{zone}: fetching {dataset}, {share:.0%}")

    return progress
