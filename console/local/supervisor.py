"""The supervisor of `vpp up`: starts and watches the broker, every topology as a worker process, and the source."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, TextIO

from console.local.broker import EmbeddedBroker
from console.local.processes import Processes
from topologies.control.run_mode import note_restarts
from topologies.control.running_broker import forget_broker, note_broker
from topologies.runtime.directory_lock import lock_directory
from topologies.runtime.status import expected_workers, read_status, worker_fault
from vpp.errors import UnreachableError, VppError
from vpp.settings import Settings
from vpp.store import Store, open_store
from vpp.store.named_queries import missing_ends
from vpp.store.tables import ENDS
from vpp.streams.kafka import create_topics
from vpp.streams.topics import TOPOLOGIES

log = logging.getLogger(__name__)

STALL_S = 60.0
# A worker compiles its kernels at its first records and decisions; on a busy machine that takes minutes.
FIRST_RECORDS = 10
FIRST_RECORDS_S = 300.0
DRAIN_S = 10.0
QUIET_S = 1.0
PULSE_S = 0.5


class StalledError(VppError):
    """Work is waiting and nothing moves."""


@dataclass
class Live:
    """What is known of a running plant at one moment; ``workers`` are those that it should have."""

    wall_s: float
    topologies: dict[str, dict[str, Any]]
    restarts: int
    rates: dict[str, float] = field(default_factory=dict)
    workers: tuple[str, ...] = TOPOLOGIES


class Supervisor:
    """One run; use as a context manager, then call ``watch``.

    Args:
        settings: The settings; without a broker in them the embedded one is started.
        zones: Zones whose ``end`` completes the run.
        source: Module and arguments of the source worker, None if data come from elsewhere.
        ticker: Write deadlines too (live mode).
        beside: Further processes, each as (name, module, arguments...): gateways, the device simulator.
        has_ended: The source has sent everything at an earlier start; ends that the store has seen count.

    Raises:
        RefusedError: Another run uses the data directory.
        UnreachableError: The broker does not start or answer.
    """

    def __init__(
        self,
        settings: Settings,
        zones: tuple[str, ...],
        source: tuple[str, ...] | None,
        *,
        ticker: bool = False,
        beside: tuple[tuple[str, ...], ...] = (),
        has_ended: bool = False,
    ) -> None:
        self._given = settings
        self._zones = zones
        self._source = source
        self._ticker = ticker
        self._beside = beside
        self._has_ended = has_ended
        self._broker: EmbeddedBroker | None = None
        self._lock: TextIO | None = None
        self._processes: Processes | None = None
        self._counts: dict[str, tuple[float, int]] = {}
        self.settings = settings

    def __enter__(self) -> Supervisor:
        try:
            self._lock = lock_directory(self._given.data_dir)
            self._start_broker()
            create_topics(self.settings)
            self._start_workers()
        except BaseException:  # Ctrl-C during the start too must leave no process behind
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_broker(self) -> None:
        directory = self._given.data_dir
        shutil.rmtree(directory / "status" / (self._given.run or "default"), ignore_errors=True)
        note_restarts(self._given, {})
        if self._given.kafka.bootstrap_servers and not self._given.kafka.embedded:
            return
        # State is worthless without the changelog that this broker's predecessor took with it.
        shutil.rmtree(directory / "state", ignore_errors=True)
        for path in (*directory.glob("source-*.json"), *directory.glob("clock-*.json")):
            path.unlink()
        self._broker = EmbeddedBroker(directory / "logs" / "broker.log").start()
        kafka = self._given.kafka.model_copy(
            update={"bootstrap_servers": self._broker.address, "embedded": True, "replication_factor": 1}
        )
        self.settings = self._given.model_copy(update={"kafka": kafka})
        note_broker(self.settings, self._broker.address)

    def _start_workers(self) -> None:
        log_dir = self.settings.data_dir / "logs"
        for path in log_dir.glob("*.log"):
            if path.name != "broker.log":
                path.unlink()
        if not self._has_ended:
            # An earlier run's ends would tell at once that this one is done.
            with open_store(self.settings) as store:
                store.prune(ENDS, datetime.now(UTC) + timedelta(days=1))
        self._processes = Processes(self.settings, log_dir)
        for worker in expected_workers(self.settings):
            self._processes.add(worker, f"topologies.{worker}")
        for name, module, *arguments in self._beside:
            self._processes.add(name, module, *arguments)
        if self._source is not None:
            module, *arguments = self._source
            self._processes.add("source", module, *arguments)
        if self._ticker:
            zones = [argument for zone in self._zones for argument in ("--zone", zone)]
            self._processes.add("ticker", "topologies.ticker", *zones)

    def watch(
        self, *, until_done: bool, on_pulse: Callable[[Live], None], should_stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Restart dead workers and report until the run is done or stopped.

        Args:
            until_done: Return when storage has seen every zone's end on every topic.
            on_pulse: Called twice a second with the live figures.
            should_stop: Asked each pulse; True ends the watch.

        Raises:
            UnreachableError: The embedded broker died.
            WorkerDiedError: A worker died too often.
            StalledError: Work is waiting and nothing moved for 60 s, or for 300 s where a step may still compile.
        """
        processes = self._processes
        if processes is None:
            raise RuntimeError("the supervisor has not started")
        started = moved = time.monotonic()
        last_total = -1
        with open_store(self.settings, read_only=True) as store:
            while not should_stop():
                if self._broker is not None and not self._broker.is_alive():
                    raise UnreachableError(
                        "the embedded broker died; everything on it is lost and the run ends",
                        hint="run `vpp up` again; for lasting topics use a real broker (VPP_KAFKA__BOOTSTRAP_SERVERS)",
                    )
                for name in processes.restart_the_dead():
                    log.warning("worker restarted topology=%s last=%s", name, processes.last_words(name))
                    note_restarts(
                        self.settings, {process.name: process.deaths for process in processes.workers.values()}
                    )
                live = self._look(time.monotonic() - started, processes)
                on_pulse(live)
                total = sum(status["processed"] for status in live.topologies.values())
                if total != last_total:
                    last_total, moved = total, time.monotonic()
                if until_done and self.is_done(store):
                    return
                limit_s = stall_limit_s(live)
                if time.monotonic() - moved > limit_s and self._work_waits(live, processes, until_done=until_done):
                    raise stalled(live, limit_s)
                time.sleep(PULSE_S)

    def is_done(self, store: Store) -> bool:
        """Return whether storage has seen every expected end of every zone."""
        return not missing_ends(store, self._zones)

    def _look(self, wall_s: float, processes: Processes) -> Live:
        topologies = read_status(self.settings)
        rates = {}
        for name, status in topologies.items():
            before = self._counts.get(name)
            now = (status["updated_at_s"], status["processed"])
            if before is None or now[0] - before[0] >= 1.0 or now[1] < before[1]:
                self._counts[name] = now
                span = now[0] - before[0] if before else 0.0
                status["rate"] = max(now[1] - before[1], 0) / span if before and span > 0 else 0.0
            rates[name] = status.get("rate", 0.0)
        return Live(wall_s, topologies, processes.restarts, rates, expected_workers(self.settings))

    def _work_waits(self, live: Live, processes: Processes, *, until_done: bool) -> bool:
        source = processes.workers.get("source")
        source_done = source is None or source.finished
        return (until_done and source_done) or any(status["lag"] > 0 for status in live.topologies.values())

    def stop(self) -> None:
        """End source, workers and broker, in this order; idempotent."""
        if self._processes is not None:
            self._drain(self._processes)
            self._processes.stop()
            self._processes = None
        if self._broker is not None:
            self._broker.stop()
            self._broker = None
            forget_broker(self._given.data_dir)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _drain(self, processes: Processes) -> None:
        """End the source and let the workers process all sent records, so all zones end at the same slot."""
        if self._broker is None or not self._broker.is_alive():
            return  # A persistent broker keeps unprocessed records; an ended embedded one has lost them.
        processes.stop_source()
        deadline = time.monotonic() + DRAIN_S
        last_total, moved = -1, time.monotonic()
        while time.monotonic() < deadline:
            statuses = read_status(self.settings).values()
            total = sum(status["processed"] for status in statuses)
            if total != last_total:
                last_total, moved = total, time.monotonic()
            elif time.monotonic() - moved > QUIET_S and not any(status["lag"] for status in statuses):
                return
            time.sleep(0.1)

    @property
    def restarts(self) -> int:
        """How often any worker was restarted."""
        return 0 if self._processes is None else self._processes.restarts


def stall_limit_s(live: Live) -> float:
    """Return the time (s) without progress after which a worker is stalled.

    It is longer where a step is at its first records, starts, or writes no status: on a busy machine it then compiles
    or computes one record for minutes, and what it last wrote holds no lag.
    """
    now = time.time()
    is_first = any(status["processed"] < FIRST_RECORDS and status["lag"] > 0 for status in live.topologies.values())
    is_silent = any(worker_fault(status, now) == "silent" for status in live.topologies.values())
    is_starting = any(name not in live.topologies for name in live.workers)
    return FIRST_RECORDS_S if is_first or is_silent or is_starting else STALL_S


def stalled(live: Live, limit_s: float) -> StalledError:
    """Return the error of a run in which nothing moved for ``limit_s``; it names the first worker that holds it up."""
    behind = [name for name in live.workers if live.topologies.get(name, {}).get("lag", 0) > 0]
    absent = [name for name in live.workers if name not in live.topologies]
    now = time.time()
    silent = [name for name, status in live.topologies.items() if worker_fault(status, now) == "silent"]
    culprit = (behind or absent or silent or ["storage"])[0]
    return StalledError(
        f"nothing moved for {limit_s:.0f} s while work waits; first at {culprit}",
        hint=f"see logs/{culprit}.log in the data directory",
    )
