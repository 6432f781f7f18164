"""The running source: sends a feed's records to the broker at a pace, and goes on where it stopped.

A checkpoint says how many records the broker has acknowledged. After a kill the same records are made again and those
skipped; what was sent after the last checkpoint is sent twice, which ``telemetry`` drops.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import msgspec

from topologies.runtime.parent_watch import end_with_supervisor
from topologies.sources.availability_order import Drift, Refit, Refits, replay_messages
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
from topologies.sources.pace import Pace
from vpp.atomic_file import write_atomic
from vpp.errors import UnreachableError, exit_on_error
from vpp.fleet.schema import Zone
from vpp.logs import set_up_logging
from vpp.messages import Message, Promotion, Raw, encode
from vpp.private_files import keep_private
from vpp.settings import Settings, load_settings
from vpp.streams.kafka import create_topics, producer_config
from vpp.streams.topics import RAW

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S, FLUSH_S = 1.0, 30.0
CHECKPOINT_EVERY = 200  # well within the week of slots that the intake remembers, so a repeat is known as one


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


class Checkpoint(msgspec.Struct, kw_only=True):
    """How far a source is.

    Attributes:
        identity: Hash of the options; another one starts anew.
        began_at: Wall time of the run's start, which fixes the shift of ``--now``.
        sent: Records acknowledged by the broker, promotions not counted.
        run_at: Run clock of the last one, without the shift; None before the first slot that counts.
        first: First slot of the range, where one is set.
        end: End of the range, where one is set.
        finished: All was sent.
    """

    identity: str
    began_at: datetime
    sent: int = 0
    run_at: datetime | None = None
    first: datetime | None = None
    end: datetime | None = None
    finished: bool = False


class Outbox(Protocol):
    """Where records go."""

    def send(self, message: Message) -> None:
        """Hand a record over."""
        ...

    def flush(self) -> None:
        """Return when all records handed over are acknowledged."""
        ...


class KafkaOutbox:
    """Sends records to one topic, keyed by zone.

    Args:
        settings: Where the broker is.
        topic: Wire name of the topic.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        from confluent_kafka import Producer  # a test of the loop needs no client library

        self._producer = Producer(producer_config(settings))
        self._topic = topic
        self._failed: str | None = None

    def send(self, message: Message) -> None:
        """Hand a record over; waits while the client's buffer is full.

        Raises:
            UnreachableError: An earlier record could not be delivered.
        """
        payload = encode(message)
        while True:
            try:
                self._producer.produce(self._topic, payload, message.zone.encode(), on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(0.2)
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Return when all records are acknowledged.

        Raises:
            UnreachableError: They are not, within half a minute.
        """
        left = self._producer.flush(FLUSH_S)
        self._check()
        if left:
            raise UnreachableError(
                f"the broker did not acknowledge {left} records in {FLUSH_S:g} s", hint="is the broker running?"
            )

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None and self._failed is None:
            self._failed = str(error)

    def _check(self) -> None:
        if self._failed is not None:
            raise UnreachableError(f"the broker refused a record: {self._failed}", hint="is the broker running?")


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
        checkpoint = read_checkpoint(self.checkpoint_path)
        state = checkpoint if checkpoint and checkpoint.identity == self.options.identity else None
        if state is None:
            state = Checkpoint(identity=self.options.identity, began_at=now)
        if state.finished:
            return state
        window = window_of(self.options, self.feed, state.began_at)
        state.first, state.end = window.start, window.end
        self._ticks.shift = window.shift
        speed = pace_of(self.options, self.feed.step_min, self.pulse_s)
        pace = Pace(speed, self.stop, clock_path=self.clock_path, catch_up=self.options.catch_up)
        last_kept = time.monotonic()
        for message in skipping(self._messages(state), state.sent):
            last_kept = self._wait(pace, message, state, window.shift, last_kept)
            if self.stop.is_set():
                break
            self.outbox.send(message)
            _count(state, message, window.shift)
            if state.sent % CHECKPOINT_EVERY == 0:
                last_kept = self._keep(state)
        else:
            state.finished = True
        self._keep(state)
        if self.clock_path is not None:
            self.clock_path.unlink(missing_ok=True)
        return state

    def _messages(self, state: Checkpoint) -> Iterator[Raw]:
        window = window_of(self.options, self.feed, state.began_at)
        every = _every(self.options)
        messages: Iterator[Raw] = replay_messages(
            self.feed.chunks(window.first_row, window.read_until),
            self.feed.zones,
            window=window,
            neighbours=self.feed.neighbours,
            refits=self._refits(state, every),
        )
        faults = faults_of(self.options)
        faulty = with_faults(messages, faults) if faults.any else messages
        return self.forger.forged(faulty, state.sent) if self.forger else faulty

    def _refits(self, state: Checkpoint, every: timedelta | None) -> Refits | None:
        if self.refit is None:
            return None
        hook = self._refit_after_keeping(state, self.refit)
        return Refits(hook, every, state.run_at, self.options.refit_from, self.drift)

    def _refit_after_keeping(self, state: Checkpoint, refit: Refit) -> Refit:
        def hook(zone: Zone, now: datetime) -> Promotion | None:
            self._keep(state)  # training takes long: a kill in the middle must not send all again
            return refit(zone, now)

        return hook

    def _wait(self, pace: Pace, message: Raw, state: Checkpoint, shift: timedelta, last_kept: float) -> float:
        while not self.stop.is_set():
            left_s = pace.due_in_s(getattr(message, "sent_at", None))
            if left_s <= 0.0:
                break
            if pace.is_real_time:
                # Not counted: after a kill they are not made again, and the slot's own record holds all of it.
                for tick in self._ticks.due(time.time()):
                    self.outbox.send(tick)
            if time.monotonic() - last_kept > CHECKPOINT_EVERY_S:
                last_kept = self._keep(state)
            pace.wait(min(left_s, 0.5))
        return last_kept

    def _keep(self, state: Checkpoint) -> float:
        self.outbox.flush()
        write_checkpoint(self.checkpoint_path, state)
        if self.on_progress is not None:
            self.on_progress(state)
        return time.monotonic()


def skipping(messages: Iterable[Raw], count: int) -> Iterator[Raw]:
    """Yield the records after the first ``count``; promotions do not count, and those before the place are dropped."""
    left = count
    for message in messages:
        if left > 0:
            left -= not isinstance(message, Promotion)
            continue
        yield message


def checkpoint_path(settings: Settings) -> Path:
    """Return where a source keeps how far it is."""
    return settings.data_dir / f"source-{settings.run or 'default'}.json"


def clock_path(settings: Settings) -> Path:
    """Return where a source writes its run clock."""
    return settings.data_dir / f"clock-{settings.run or 'default'}.json"


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Return the checkpoint in a file, or None where there is no usable one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (OSError, msgspec.MsgspecError):
        return None


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all."""
    write_atomic(path, msgspec.json.encode(checkpoint))


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
    if settings.kafka.auto_create_topics:
        create_topics(settings)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    start = window_of(options, feed, now).start or feed.first
    retraining = refit(feed, settings, start, options) if refit else None
    run = SourceRun(
        options=options,
        feed=feed,
        outbox=KafkaOutbox(settings, RAW.wire(settings.topic_prefix)),
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
    stop = Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    with exit_on_error(kind):
        settings = load_settings()
        set_up_logging(settings)
        keep_private(settings.data_dir)
        end_with_supervisor()
        log.info("started source=%s pid=%s", kind, os.getpid())
        (run or run_source)(options, settings, stop, refit=_refit())


def _refit() -> MakeRefit:
    from topologies.sources.refit import retraining_of  # models load only where they are trained

    return retraining_of


def _every(options: SourceOptions) -> timedelta | None:
    return timedelta(days=options.refit_days) if options.refit_days else None


def _count(state: Checkpoint, message: Raw, shift: timedelta) -> None:
    if isinstance(message, Promotion):
        return
    state.sent += 1
    sent_at = getattr(message, "sent_at", None)
    if sent_at is not None:
        state.run_at = sent_at - shift
