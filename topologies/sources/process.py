"""The running source: sends a feed's records to the broker at a pace, and resumes where it stopped."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Protocol

from topologies.runtime.process import own_process, stop_on_signals
from topologies.sources.availability_order import Drift, Refit, Refits, replay_messages
from topologies.sources.checkpoint import Checkpoint, CheckpointKeeper, checkpoint_path, resumed
from topologies.sources.drill import Forger, drill_path
from topologies.sources.faults import with_faults
from topologies.sources.feed import Feed
from topologies.sources.live_ticks import LiveTicks
from topologies.sources.options import (
    SourceKind,
    SourceOptions,
    faults_of,
    open_feed,
    pace_of,
    parse_options,
    window_of,
)
from topologies.sources.outbox import KafkaOutbox, Outbox
from topologies.sources.pace import Pace, clock_path
from vpp.fleet.schema import Zone
from vpp.messages import Promotion, Raw
from vpp.settings import Settings
from vpp.streams.broker_rights import open_topics
from vpp.streams.topics import RAW

log = logging.getLogger(__name__)


class Retrains(Drift, Protocol):
    """Promotes models by the calendar and after drift."""

    def __call__(self, zone: Zone, now: datetime) -> Promotion | None:
        """Return the promotion of a refit, None to keep the model in force."""
        ...


MakeRefit = Callable[[Feed, Settings, datetime, SourceOptions], Retrains]
"""Makes what promotes the models of a run, from its rows, the settings, its first slot and the options."""


class RunSource(Protocol):
    """Opens a source and sends it until done or stopped."""

    def __call__(
        self, options: SourceOptions, settings: Settings, stop: Event, *, refit: MakeRefit | None = None
    ) -> Checkpoint:
        """Return how far it came."""
        ...


@dataclass(slots=True)
class SourceRun:
    """One run of a source: what it sends, where, how fast, and how far it is.

    Attributes:
        options: What was asked for.
        feed: The rows.
        outbox: Where records go.
        checkpoint_path: Where progress is kept.
        stop: Set to end the run: it flushes and keeps its place.
        pulse_s: Seconds per step of a live run where the options do not say.
        refit: Promotes models at refit slots.
        drift: Retrains models out of turn.
        clock_path: Where the run clock is written for ticker and gateways, None for nowhere.
        on_progress: Called about once a second.
        forger: For drills.
    """

    options: SourceOptions
    feed: Feed
    outbox: Outbox
    checkpoint_path: Path
    stop: Event
    pulse_s: float = 5.0
    refit: Refit | None = None
    drift: Drift | None = None
    clock_path: Path | None = None
    on_progress: Callable[[Checkpoint], None] | None = None
    forger: Forger | None = None
    _ticks: LiveTicks = field(init=False)

    def __post_init__(self) -> None:
        self._ticks = LiveTicks(self.feed, self.pulse_s)

    def run(self, now: datetime) -> Checkpoint:
        """Send all records from the last checkpoint on; return how far it came.

        Args:
            now: Wall time, for the shift of a live run that has no checkpoint yet.

        Raises:
            UnreachableError: The broker does not take the records.
            DataError: The file turned out to be broken further on.
        """
        state = resumed(self.checkpoint_path, self.options.identity, now)
        if state.finished:
            return state
        window = window_of(self.options, self.feed, state.began_at)
        state.first, state.end = window.start, window.end
        self._ticks.shift = window.shift
        speed = pace_of(self.options, self.feed.step_min, self.pulse_s)
        pace = Pace(speed, self.stop, clock_path=self.clock_path, catch_up=self.options.catch_up)
        keeper = CheckpointKeeper(self.checkpoint_path, state, self.outbox, self.on_progress)
        for message in skipping(self._messages(keeper), state.sent):
            self._wait(pace, message, keeper)
            if self.stop.is_set():
                keeper.keep()
                break
            self.outbox.send(message)
            keeper.count(message, window.shift)
        else:
            keeper.finish()
        if self.clock_path is not None:
            self.clock_path.unlink(missing_ok=True)
        return state

    def _messages(self, keeper: CheckpointKeeper) -> Iterator[Raw]:
        state = keeper.checkpoint
        window = window_of(self.options, self.feed, state.began_at)
        messages: Iterator[Raw] = replay_messages(
            self.feed.chunks(window.first_row, window.read_until),
            self.feed.zones,
            window=window,
            neighbours=self.feed.neighbours,
            refits=self._refits(keeper),
        )
        faults = faults_of(self.options)
        faulty = with_faults(messages, faults) if faults.any else messages
        return self.forger.forged(faulty, state.sent) if self.forger else faulty

    def _refits(self, keeper: CheckpointKeeper) -> Refits | None:
        if self.refit is None:
            return None
        refit, every = self.refit, _every(self.options)

        def kept_before(zone: Zone, now: datetime) -> Promotion | None:
            keeper.keep()  # training takes long: a kill in the middle must not send all again
            return refit(zone, now)

        return Refits(kept_before, every, keeper.checkpoint.run_at, self.options.refit_from, self.drift)

    def _wait(self, pace: Pace, message: Raw, keeper: CheckpointKeeper) -> None:
        while not self.stop.is_set():
            left_s = pace.due_in_s(getattr(message, "sent_at", None))
            if left_s <= 0.0:
                break
            if pace.is_real_time:
                # Not counted: after a kill they are not made again, and the slot's own record holds all of it.
                for tick in self._ticks.due(time.time()):
                    self.outbox.send(tick)
            keeper.keep_if_due()
            pace.wait(min(left_s, 0.5))


def skipping(messages: Iterable[Raw], count: int) -> Iterator[Raw]:
    """Yield the records after the first ``count``; promotions do not count, and those before the place are dropped."""
    to_skip = count
    for message in messages:
        if to_skip > 0:
            to_skip -= not isinstance(message, Promotion)
            continue
        yield message


def run_source(
    options: SourceOptions,
    settings: Settings,
    stop: Event,
    *,
    refit: MakeRefit | None = None,
    on_progress: Callable[[Checkpoint], None] | None = None,
) -> Checkpoint:
    """Open what the options ask for and send it to the broker of the settings until done or stopped.

    Args:
        options: What to send, and how fast.
        settings: The settings of this process.
        stop: Set to end early.
        refit: Makes the function that trains during a replay; None: no refits.
        on_progress: Called after each checkpoint.

    Raises:
        VppError: A file, setting or the broker is wrong.
    """
    feed = open_feed(options, settings)
    for note in feed.notes:
        log.info("%s", note)
    open_topics(settings, options.kind)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    start = window_of(options, feed, now).start or feed.first
    retraining = refit(feed, settings, start, options) if refit else None
    run = SourceRun(
        options=options,
        feed=feed,
        outbox=KafkaOutbox(settings, RAW, options.kind),
        checkpoint_path=checkpoint_path(settings),
        stop=stop,
        pulse_s=settings.live.pulse_s,
        refit=retraining,
        drift=retraining,
        clock_path=clock_path(settings) if options.live or options.catch_up or settings.devices else None,
        on_progress=on_progress,
        forger=Forger(drill_path(settings), tuple(feed.zones.values())),
    )
    state = run.run(now)
    log.info("source %s sent=%s run_at=%s", "finished" if state.finished else "stopped", state.sent, state.run_at)
    return state


def main(kind: SourceKind, argv: Sequence[str] | None = None, run: RunSource | None = None) -> None:
    """Run a source as a process of its own; SIGTERM and SIGINT flush and keep the place.

    Args:
        kind: What sends.
        argv: Command line; None: that of the process.
        run: Runs the source; None: ``run_source``.
    """
    options = parse_options(kind, argv)
    stop = stop_on_signals()
    with own_process(kind) as settings:
        log.info("started source=%s pid=%s", kind, os.getpid())
        (run or run_source)(options, settings, stop, refit=_refit())


def _refit() -> MakeRefit:
    from topologies.sources.refit import retraining_of  # models load only where they are trained

    return retraining_of


def _every(options: SourceOptions) -> timedelta | None:
    return timedelta(days=options.refit_days) if options.refit_days else None
