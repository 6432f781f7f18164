"""The storage topology: writes the rows of every topic to the store, in an app of its own.

It keeps no state and decides nothing, so a slow or lost database never pauses inference. Raw telemetry and feature rows
are not read: no table holds them, and the steps that take them answer for what is wrong with them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from quixstreams import Application
from quixstreams.sinks import BaseSink, SinkBackpressureError

from agents.orders.approval import was_admitted
from topologies.runtime.metrics import WorkerMetrics
from topologies.runtime.refused_records import CODES, dead_letter, refusal_alert
from topologies.runtime.status import StatusFile
from vpp.errors import MessageError, UnreachableError
from vpp.fleet.in_force import configured_zones
from vpp.fleet.schema import Zone
from vpp.messages import ActorBid, Decoder, KnownLags, Message, Order, SlotClosed, TraderBid
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.message_rows import rows_of
from vpp.store.query import unfit
from vpp.store.table import Row, Table
from vpp.store.tables import AUDIT, BY_NAME, ENDS, HOPS
from vpp.streams.broker_stamps import broker_time
from vpp.streams.kafka import application, quix_topic, wire_record
from vpp.streams.reducer import Origin, Output
from vpp.streams.signatures import Verifier, signer_of, verifier_of
from vpp.streams.topics import BY_NAME as TOPIC_OF
from vpp.streams.topics import DLQ, STORED, Topic
from vpp.streams.tracing import STEP_OF, Hop, now_ms, read_hop

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5.0
PRUNE_EVERY = timedelta(hours=1)
AHEAD = timedelta(days=1)
KEPT_FOR_EVER = (AUDIT, ENDS)


class StoreSink(BaseSink):
    """Turns records into table rows and writes those of a checkpoint in one go, before its offsets are committed.

    Writing rows again changes nothing, so a checkpoint that is repeated after a failure leaves the same tables.

    Invariants:
        - A record is neither changed nor lost: it gives rows, or nothing by design, or a dead letter.
        - A database that does not answer becomes backpressure of Quix: the app waits and reads the records again.

    Args:
        store: Where to write.
        topics: Wire name to topic.
        bury: Sends dead letters and returns when the broker has them.
        retention: Rows older than this, by the newest time in their own table, are pruned once an hour of that time.
            No time counts that is more than a day after the newest closed slot, or after the broker's clock: a row
            from far ahead prunes nothing. Before the first closed slot since the start nothing is pruned.
        verifier: Checks the signature of records; None accepts unsigned ones.
        zone_of: Finds a zone's configuration, for alerts of refused records.
        approval_key: With it a verdict on an order counts only if the admission step signed it.
        metrics: Counts writes, dead letters and the age of slots when they are stored; None: nobody asks.
    """

    def __init__(
        self,
        store: Store,
        topics: dict[str, Topic],
        bury: Callable[[list[Output]], None],
        retention: timedelta | None = None,
        verifier: Verifier | None = None,
        zone_of: Callable[[str], Zone | None] = lambda _: None,
        *,
        approval_key: bytes | None = None,
        metrics: WorkerMetrics | None = None,
    ) -> None:
        super().__init__(on_client_connect_success=lambda: None)
        self._store = store
        self._topics = topics
        self._decoders = {wire: Decoder(topic.carries) for wire, topic in topics.items()}
        self._bury = bury
        self._retention = retention
        self._verifier = verifier
        self._zone_of = zone_of
        self._approval_key = approval_key
        self._metrics = metrics or WorkerMetrics("storage")
        self._passages: list[tuple[Message, Hop]] = []
        self._waiting: dict[str, list[Row]] = {}  # by name: hashing a table for every row is slow
        self._letters: list[Output] = []
        self._broker_now = datetime.min.replace(tzinfo=UTC)
        self._newest: dict[Table, datetime] = {}
        self._pruned: dict[Table, datetime] = {}
        self.last_slot: dict[str, Any] = {}
        self.dead_letters = 0
        self.rows = 0

    def proofs(self) -> dict[str, Mapping[str, KnownLags]]:
        """Return nothing: no past is kept here."""
        return {}

    def setup(self) -> None:
        """Wait for nothing: a store that is not there yet shows at the first flush, as backpressure."""

    def add(  # noqa: PLR0917  # the signature is the base class's
        self, value: Any, key: Any, timestamp: int, headers: Any, topic: str, partition: int, offset: int
    ) -> None:
        """Take one record: raw bytes of value and key, the broker's time in ms, and its place.

        Args:
            value: Raw value.
            key: Raw key.
            timestamp: The broker's time, ms since 1970-01-01.
            headers: Its headers.
            topic: Name of the topic.
            partition: Number of the partition.
            offset: Offset in it.
        """
        short, at = self._topics[topic].name, broker_time(timestamp)
        self._broker_now = max(self._broker_now, at)
        try:
            if self._verifier is not None:
                self._verifier.check(self._topics[topic], topic, (key, value), headers, at)
            message = self._decoders[topic](value)
            rows = list(self._rows(message, short, at))
        except MessageError as error:
            origin = Origin(short, partition, offset, at)
            self._letters.append(dead_letter(error.reason, str(error), value, key, origin))
            if error.reason in CODES:
                self._letters += self._alert(error.reason, key, origin, at)
            return
        except Exception as error:  # a bug on one record must not stop the store
            log.exception("no rows of a record topic=%s partition=%s offset=%s", short, partition, offset)
            detail = f"{type(error).__name__}: {error}"
            self._letters.append(dead_letter("failed", detail, value, key, Origin(short, partition, offset)))
            return
        for table, row in rows:
            self._waiting.setdefault(table.name, []).append(row)
        if rows and isinstance(message, SlotClosed | ActorBid | TraderBid):
            self.last_slot[message.zone] = message.slot
        if rows and type(message) in STEP_OF and not getattr(message, "revision", 0):
            hop = read_hop(headers)
            if hop is not None:
                self._passages.append((message, hop))

    def flush(self) -> None:
        """Write the rows that wait and send the dead letters.

        Raises:
            SinkBackpressureError: The store does not answer now.
            VppError: It never will take the rows: wrong settings.
        """
        waiting = {BY_NAME[name]: rows for name, rows in self._waiting.items()}
        letters, passages = self._letters, self._passages
        self.on_paused()
        start = time.perf_counter()
        try:
            if waiting:
                self.rows += self._store.write_all(waiting)
                self._metrics.worked(time.perf_counter() - start)
                self._write_hops(passages)
                self._prune(waiting)
        except UnreachableError as error:
            retry_after_s = error.retry_after_s or RETRY_AFTER_S
            log.warning("store does not answer retry_after_s=%s: %s", retry_after_s, error)
            raise SinkBackpressureError(retry_after_s) from error
        if letters:
            self._bury(letters)
            self.dead_letters += sum(letter.topic == DLQ.name for letter in letters)
            for letter in letters:
                self._metrics.observe(letter.message)

    def on_paused(self) -> None:
        """Forget what waits: Quix reads the records again."""
        self._waiting, self._letters, self._passages = {}, [], []

    def _write_hops(self, passages: list[tuple[Message, Hop]]) -> None:
        """Write the hops of each slot whose record is in the store now, with the time at which it was stored."""
        stored_ms = now_ms()
        stored_at = datetime.fromtimestamp(stored_ms / 1000, UTC)
        rows: list[Row] = []
        for message, hop in passages:
            self._metrics.passed(message, hop, stored_ms)
            slot: datetime = message.slot  # type: ignore[union-attr]  # each of STEP_OF has one
            rows.append((message.zone, slot, STEP_OF[type(message)], hop.trace_id, *hop.times, stored_at))
        if rows:
            self._store.write(HOPS, rows)

    def _alert(self, reason: str, key: Any, origin: Origin, at: datetime) -> list[Output]:
        name = key.decode("utf-8", "replace") if isinstance(key, bytes) else ""
        zone = self._zone_of(name)
        now: datetime = self.last_slot.get(name) or at
        return [] if zone is None else [refusal_alert(name, reason, origin, zone.step, now)]

    def _rows(self, message: Any, topic: str, seen_at: datetime) -> list[tuple[Table, Row]]:
        # The plant also reads a forged verdict and reports it; here it must not replace the true one.
        if isinstance(message, Order) and self._is_forged(message):
            return []
        try:
            rows = list(rows_of(message, topic, seen_at))
        except (IndexError, ValueError) as error:
            raise MessageError("its lists are not of one length", reason="schema") from error
        for table, row in rows:
            fault = unfit(table, row)
            if fault is not None:
                raise MessageError(fault, reason="unfit")
        return rows

    def _is_forged(self, order: Order) -> bool:
        key = self._approval_key
        return key is not None and order.verdict is not None and not was_admitted(order, key)

    def _prune(self, written: dict[Table, list[Row]]) -> None:
        if self._retention is None or not self.last_slot:
            return
        latest = min(max(self.last_slot.values()) + AHEAD, self._broker_now)
        for table, rows in written.items():
            at = table.names.index(table.time)
            newest = max(min(row[at], latest) for row in rows)
            newest = max(self._newest.get(table, newest), newest)
            self._newest[table] = newest
            due = table not in self._pruned or newest - self._pruned[table] >= PRUNE_EVERY
            if due and table not in KEPT_FOR_EVER:
                removed = self._store.prune(table, newest - self._retention)
                self._pruned[table] = newest
                if removed:
                    log.info("pruned table=%s rows=%s before=%s", table.name, removed, newest - self._retention)


def build(settings: Settings, store: Store | None = None) -> Application:
    """Wire the storage topology: every topic but the raw one, one sink.

    Args:
        settings: The settings; the commit interval is at most that of the store.
        store: Where to write; None opens the store of the settings.
    """
    store = store or open_store(settings)
    interval_s = min(settings.kafka.commit_interval_s, store.wait_s)
    sink_settings = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"commit_interval_s": interval_s})}
    )
    topics = {topic.wire(settings.topic_prefix): topic for topic in STORED}
    keep_days = settings.store.retention_days

    signer = signer_of(settings, "storage")

    def bury(letters: list[Output]) -> None:
        with app.get_producer() as producer:
            for record in (wire_record(letter, signer, settings.topic_prefix) for letter in letters):
                wire = TOPIC_OF[record.topic].wire(settings.topic_prefix)
                producer.produce(wire, record.value, key=record.key, headers=record.headers)

    metrics = WorkerMetrics("storage")
    sink = StoreSink(
        store,
        topics,
        bury,
        None if keep_days is None else timedelta(days=keep_days),
        verifier_of(settings),
        configured_zones(settings),
        approval_key=settings.approval_secret,
        metrics=metrics,
    )
    status = StatusFile(settings, "storage", sink, metrics)
    app = application(
        sink_settings,
        "storage",
        on_processed=status.on_processed,
        on_stats=status.on_stats,
        on_checkpoint=metrics.checkpointed,
        stateful=False,
        commit_every=store.wait_records,
    )
    for topic in STORED:
        app.dataframe(quix_topic(app, topic, settings)).sink(sink)
    return app
