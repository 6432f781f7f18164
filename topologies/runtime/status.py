"""Status of a worker: a small file that `vpp status` and the supervisor read, and the metrics endpoint."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from topologies.runtime.directory_lock import is_plant_running
from topologies.runtime.health_server import HealthServer
from topologies.runtime.metrics import WorkerMetrics
from vpp.atomic_file import write_atomic
from vpp.domain import iso
from vpp.messages import KnownLags
from vpp.settings import Settings
from vpp.streams.topics import TOPOLOGIES

EVERY_S = 0.5
READY_LAG_RECORDS = 10_000
FAULT_AFTER_S = 8.0
RESTARTED_FOR_S = 60.0
FAULTS = frozenset({"silent", "restarting", "stalled", "absent"})
"""States of a worker that should run and does not."""


class Progress(Protocol):
    """What the status reports of a step."""

    last_slot: dict[str, Any]
    dead_letters: int

    def proofs(self) -> Mapping[str, Mapping[str, KnownLags]]:
        """Return the completeness of lags by zone and target; empty for a step without history."""
        ...


def expected_workers(settings: Settings) -> tuple[str, ...]:
    """Return the workers of a whole plant: one per topology, and ``inference`` where remote inference is set."""
    return (*TOPOLOGIES, "inference") if settings.inference == "remote" else TOPOLOGIES


def status_path(settings: Settings, topology: str) -> Path:
    """Return the status file of one worker."""
    replica = topology + (settings.kafka.worker_id or "")
    return settings.data_dir / "status" / (settings.run or "default") / f"{replica}.json"


def read_status(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the last status of every worker that wrote one, by topology; unreadable files are left out."""
    statuses = {}
    for path in sorted((settings.data_dir / "status" / (settings.run or "default")).glob("*.json")):
        try:
            statuses[path.stem] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
    return statuses


def worker_fault(status: dict[str, Any], now_s: float) -> str | None:
    """Return the fault of a worker that should run, None if there is none.

    ``silent``: it wrote nothing for ``FAULT_AFTER_S``. ``restarting``: it was started again under the same supervisor
    within the last minute. ``stalled``: records wait, and none was processed for ``FAULT_AFTER_S``.

    Args:
        status: What it last wrote.
        now_s: Wall time (s since 1970).
    """
    if now_s - status["updated_at_s"] >= FAULT_AFTER_S:
        return "silent"
    if status.get("restarts", 0) and now_s - status["started_at_s"] < RESTARTED_FOR_S:
        return "restarting"
    if status["lag"] and now_s - status.get("progress_at_s", now_s) >= FAULT_AFTER_S:
        return "stalled"
    return None


def worker_states(settings: Settings, statuses: Mapping[str, dict[str, Any]], now_s: float) -> dict[str, str]:
    """Return the state of every worker: ``ok``, one of ``FAULTS``, or ``ended`` where the plant does not run.

    A worker of a running plant that has written no status is ``absent``.

    Args:
        settings: Of the run.
        statuses: As ``read_status`` has them.
        now_s: Wall time (s since 1970).
    """
    running = is_plant_running(settings.data_dir)
    if running is False:
        return dict.fromkeys(statuses, "ended")
    states = {name: worker_fault(status, now_s) or "ok" for name, status in statuses.items()}
    if running:
        states |= {
            name: "absent"
            for name in expected_workers(settings)
            if not any(started.startswith(name) for started in statuses)
        }
    return states


def proofs_in(status: dict[str, Any]) -> dict[str, dict[str, KnownLags]]:
    """Return the completeness of lags by zone and target from one worker's status."""
    return msgspec.convert(status.get("lags", {}), dict[str, dict[str, KnownLags]])


def all_proofs(statuses: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, KnownLags]]:
    """Return the completeness of lags by zone and target from the statuses of all workers."""
    return {zone: lags for status in statuses.values() for zone, lags in proofs_in(status).items()}


class StatusFile:
    """Counts processed records of a worker and writes its status at most twice a second.

    Args:
        settings: The settings; a metrics port starts the HTTP endpoint.
        topology: The worker's topology.
        progress: Last slots and dead letters of the step.
        metrics: The worker's metrics, where the step counts in them too; None: those of the consumer alone.
    """

    def __init__(
        self, settings: Settings, topology: str, progress: Progress, metrics: WorkerMetrics | None = None
    ) -> None:
        self._path = status_path(settings, topology)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._topology = topology
        self._progress = progress
        self._processed = 0
        self._lag: dict[str, int] = {}
        self._started = self._progressed = time.time()
        self._restarts = _restarts(self._path)
        self._written = 0.0
        self._moved = time.monotonic()
        self._metrics = metrics or WorkerMetrics(topology)
        if settings.metrics.port is not None:
            HealthServer((settings.metrics.host, settings.metrics.port), self._answer).start()
        self._write()

    def on_processed(self, _topic: str, _partition: int, _offset: int) -> None:
        """Count one record."""
        self._processed += 1
        self._progressed = time.time()
        self._metrics.processed()
        now = time.monotonic()
        self._moved = now
        if now - self._written >= EVERY_S:
            self._written = now
            self._write()

    def on_stats(self, text: str) -> None:
        """Take the lag from librdkafka's statistics; also a sign that the poll loop moves."""
        self._lag = self._metrics.read_statistics(json.loads(text))
        if not sum(self._lag.values()):
            self._progressed = time.time()
        self._moved = time.monotonic()
        self._write()

    def _write(self) -> None:
        slots = {zone: iso(slot) for zone, slot in sorted(self._progress.last_slot.items())}
        self._status = {
            "topology": self._topology,
            "pid": os.getpid(),
            "supervisor_pid": os.getppid(),
            "restarts": self._restarts,
            "started_at_s": self._started,
            "progress_at_s": self._progressed,
            "updated_at_s": time.time(),
            "processed": self._processed,
            "cpu_s": round(time.process_time(), 3),
            "lag": sum(self._lag.values()),
            "dead_letters": self._progress.dead_letters,
            "last_slot": slots,
            "lags": msgspec.to_builtins(self._progress.proofs()),
        }
        write_atomic(self._path, json.dumps(self._status))

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path == "/metrics":
            return 200, self._metrics.text()
        idle_s = time.monotonic() - self._moved
        if path == "/healthz":
            return (200, b"ok\n") if idle_s < 60 else (503, b"the poll loop stands still\n")
        if path == "/readyz":
            reason = self._unready()
            return (200, b"ready\n") if reason is None else (503, f"{reason}\n".encode())
        return 404, b"try /healthz, /readyz, /metrics\n"

    def _unready(self) -> str | None:
        """Return why the worker is not ready, None if it is."""
        fault = worker_fault(self._status, time.time())
        if fault not in {None, "restarting"}:  # a worker that came back is ready once it has caught up
            return fault
        if not self._lag or self._status["lag"] >= READY_LAG_RECORDS:
            return "not assigned or far behind"
        return next(
            (
                f"{zone}: {target}: {lags}"
                for zone, by_target in proofs_in(self._status).items()
                for target, lags in by_target.items()
                if not lags.ready
            ),
            None,
        )


def _restarts(path: Path) -> int:
    """Return the number of earlier starts of the worker under this supervisor, from its predecessor's status."""
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        is_restart = before["supervisor_pid"] == os.getppid() and before["pid"] != os.getpid()
        return int(before["restarts"]) + 1 if is_restart else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0
