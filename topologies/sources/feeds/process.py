"""The running live feed: requests data, sends due records, keeps its position, and resumes after a kill.

Its place is the run clock of the last acknowledged record. What services said is in the archive, so after a kill the
same order is made again and what was sent is left out; while history is sent, by the number of its records.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

from topologies.sources.availability_order import PRODUCER, Drift, Refit, after_drift, sent
from topologies.sources.checkpoint import Checkpoint, CheckpointKeeper, checkpoint_path, resumed
from topologies.sources.feeds.feed_order import FeedOrder
from topologies.sources.feeds.live_feed import LiveFeed, open_live
from topologies.sources.options import SourceOptions, first_slot
from topologies.sources.outbox import KafkaOutbox, Outbox
from topologies.sources.pace import RunClock, clock_path
from topologies.sources.process import MakeRefit
from vpp.fleet.schema import Zone
from vpp.messages import End, Promotion, Raw
from vpp.settings import Settings
from vpp.streams.broker_rights import open_topics
from vpp.streams.topics import RAW

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0


@dataclass(slots=True)
class FeedRun:
    """One run of a live feed.

    Attributes:
        feed: The services and zones.
        orders: What is sent of each zone, by name.
        outbox: Where records go.
        state: How far it is.
        checkpoint_path: Where progress is kept.
        clock_path: Where the run clock is written for the ticker, once the run has reached now.
        stop: Ends the run.
        refit: Promotes models; None: never.
        refit_every: Time between refits; None: only the model known at the start.
        drift: Retrains models out of turn; None: never.
        now: Wall time.
    """

    feed: LiveFeed
    orders: dict[str, FeedOrder]
    outbox: Outbox
    state: Checkpoint
    checkpoint_path: Path
    clock_path: Path
    stop: Event
    refit: Refit | None = None
    refit_every: timedelta | None = None
    drift: Drift | None = None
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _next_refit: datetime | None = None
    _keeper: CheckpointKeeper = field(init=False)

    def __post_init__(self) -> None:
        self._keeper = CheckpointKeeper(self.checkpoint_path, self.state, self.outbox)

    def run(self) -> Checkpoint:
        """Send until stopped, or to the end of the range; return how far it came.

        Raises:
            UnreachableError: The broker does not take the records.
        """
        if self.state.finished:
            return self.state
        self._next_refit = next(iter(self.orders.values())).start
        skip = self.state.sent if self.state.run_at is None else 0
        while not self.stop.is_set():
            now = self.now()
            for record in self._with_promotions(self._due(now), now):
                if skip > 0 and not isinstance(record, Promotion):
                    skip -= 1
                    continue
                self._send(record)
                if self.stop.is_set():
                    break
            else:
                self._keeper.keep()
                if all(order.finished for order in self.orders.values()):
                    return self._finish()
                RunClock.wall().write(self.clock_path)
                self.stop.wait(LOOK_EVERY_S)
                for name, collector in sorted(self.feed.collectors.items()):
                    if not self.orders[name].finished:
                        collector.poll(self.now())
        self._keeper.keep()
        return self.state

    def _due(self, now: datetime) -> list[Raw]:
        records = [record for _, order in sorted(self.orders.items()) for record in order.due(now)]
        return sorted(records, key=_clock_of)

    def _with_promotions(self, records: list[Raw], now: datetime) -> Iterator[Raw]:
        for record in records:
            if (clock := getattr(record, "sent_at", None)) is not None:
                yield from self._promotions(clock)
            yield record
        if records or self._next_refit is not None:
            yield from self._promotions(now)
        if self.drift is not None:
            yield from after_drift(self.drift, self.feed.zones, now)

    def _promotions(self, until: datetime) -> Iterator[Promotion]:
        """Yield the promotions that are due before a record of the run clock ``until``."""
        while self.refit is not None and self._next_refit is not None and until > self._next_refit:
            due = self._next_refit
            self._next_refit = None if self.refit_every is None else due + self.refit_every
            if self.state.run_at is not None and due < self.state.run_at and self.refit_every is not None:
                continue
            for name in sorted(self.orders):
                yield from sent(self.refit(self.orders[name].zone, due), due)

    def _send(self, record: Raw) -> None:
        self.outbox.send(record)
        self._keeper.count(record)

    def _finish(self) -> Checkpoint:
        for name, order in sorted(self.orders.items()):
            self.outbox.send(End(zone=name, producer=PRODUCER, last_slot=order.last_slot))
        self._keeper.finish()
        self.clock_path.unlink(missing_ok=True)
        return self.state


def _clock_of(record: Raw) -> tuple[bool, datetime]:
    """History is sent first and in order; the rest follows the run clock."""
    sent_at: datetime | None = getattr(record, "sent_at", None)
    return (False, datetime.min.replace(tzinfo=UTC)) if sent_at is None else (True, sent_at)


def run_feed(options: SourceOptions, settings: Settings, stop: Event, *, refit: MakeRefit | None = None) -> Checkpoint:
    """Open live services and send what they publish to the broker of the settings until stopped.

    Args:
        options: Names services, zones and range.
        settings: The settings.
        stop: Ends the run.
        refit: Makes the hook that promotes models.

    Raises:
        VppError: A service, setting or the broker is wrong.
    """
    now = datetime.now(UTC)
    open_topics(settings, "feed")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    feed = open_live(options, settings, now=now, say=log.info, stop=stop)
    for note in feed.notes:
        log.info("%s", note)
    state = resumed(checkpoint_path(settings), options.identity, now)
    start = first_slot(options, state.began_at) or now
    every = timedelta(days=options.refit_days) if options.refit_days else None
    state.first, state.end = start, options.end
    retraining = refit(feed, settings, start, options) if refit else None
    run = FeedRun(
        feed=feed,
        orders={name: _order(feed, zone, start, options, state) for name, zone in feed.zones.items()},
        outbox=KafkaOutbox(settings, RAW, "feed"),
        state=state,
        checkpoint_path=checkpoint_path(settings),
        clock_path=clock_path(settings),
        stop=stop,
        refit=retraining,
        refit_every=every,
        drift=retraining,
    )
    result = run.run()
    log.info("feed %s sent=%s run_at=%s", "finished" if result.finished else "stopped", result.sent, result.run_at)
    return result


def _order(feed: LiveFeed, zone: Zone, start: datetime, options: SourceOptions, state: Checkpoint) -> FeedOrder:
    return FeedOrder(
        zone=zone,
        book=feed.collectors[zone.zone].book,
        first=start - timedelta(days=options.warm_up_days),
        start=start,
        closing=tuple(name for name in feed.closing if name in (zone.channels or ())),
        delay=feed.delay,
        end=options.end,
        sent_until=state.run_at,
    )
