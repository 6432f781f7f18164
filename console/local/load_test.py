"""A bounded load test of a whole plant on this machine: simulated zones at a rate, and the load of each worker.

It runs on the embedded broker and SQLite in a folder of its own, which is removed at its end. It ends at the given time
whether or not the plant kept up.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from console.local.prepare import Say, prepare
from console.local.supervisor import Live, Supervisor
from topologies.sources.options import SIMULATION_START, SourceOptions
from topologies.sources.simulator import simulated_names
from vpp.errors import ConfigError, DataError
from vpp.settings import Settings
from vpp.settings.connections import KafkaSettings, StoreSettings
from vpp.streams.topics import TOPOLOGIES

DRAIN_S = 30.0
START_S = 300.0
"""Workers compile their kernels at their first records; on a busy machine that takes minutes."""
WARM_SHARE, WARM_RECORDS = 0.2, (10, 2000)
"""Measured is what follows after this share of the plant's records, at least and at most so many of them."""
MOST_SLOTS = 2_000_000
STEP_MIN = 30
TRAINED_DAYS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is asked of the plant.

    Attributes:
        zones: How many simulated zones.
        slots_per_s: Closed slots per second, all zones together.
        minutes: How long the source sends.
        train: Train a model for each zone and send its history first; else forecasts are the named fallbacks.
        seed: Seed of the simulator.
    """

    zones: int
    slots_per_s: float
    minutes: float
    train: bool = False
    seed: int = 0

    @property
    def steps(self) -> int:
        """Slots of each zone that are sent."""
        return max(int(self.slots_per_s * self.minutes * 60.0 / self.zones), 1)

    def check(self) -> None:
        """Refuse what cannot be run.

        Raises:
            ConfigError: A figure is not above 0, or the test would send too many slots.
        """
        for name, value in (("--zones", self.zones), ("--rate", self.slots_per_s), ("--minutes", self.minutes)):
            if not value > 0:
                raise ConfigError(f"{name} {value} is not above 0", hint="for example --zones 10 --rate 20 --minutes 1")
        if self.zones * self.steps > MOST_SLOTS:
            raise ConfigError(
                f"{self.zones * self.steps:,} slots are more than a load test sends ({MOST_SLOTS:,})",
                hint="lower --rate or --minutes",
            )

    def source(self) -> SourceOptions:
        """Return the simulator's options: every ``zones / rate`` seconds one slot of each zone."""
        return SourceOptions(
            kind="simulate",
            zones=tuple(simulated_names(self.zones)),
            start=SIMULATION_START,
            end=SIMULATION_START + self.steps * timedelta(minutes=STEP_MIN),
            pulse_s=self.zones / self.slots_per_s,
            warm_up_days=TRAINED_DAYS if self.train else 0.0,
            seed=self.seed,
            step_min=STEP_MIN,
        )


class WorkerLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker did: records read, CPU time per slot and record, memory, and how far behind it was.

    ``cpu_ms_per_record``: process CPU time of the measured span over the records read in it, None without records;
    ``cpu_ms_per_slot``: over the forecasts read by the actor. ``most_lag_records``: records waiting, at most.
    ``memory_mb``: resident memory, None if the system does not tell.
    """

    topology: str
    records: int
    records_per_s: float
    cpu_ms_per_record: float | None
    cpu_ms_per_slot: float
    most_lag_records: int
    memory_mb: float | None


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a load test.

    ``slots_sent``: slots of the source; ``slots_done``: those that the plant decided before the test ended.
    ``kept_up``: everything was decided and stored before the time was up. ``slot_cpu_ms_total``: CPU time of all
    workers per slot, the source not counted. ``stored_bytes_per_slot``: size of the embedded store's file by slots,
    None for a server.
    """

    zones: int
    slots_per_s: float
    minutes: float
    forecasts: str
    cores: int
    load_average: float
    slots_sent: int
    slots_done: int
    kept_up: bool
    measured_s: float
    slot_cpu_ms_total: float
    stored_bytes_per_slot: float | None
    workers: list[WorkerLoad]


@dataclass(slots=True)
class _Watch:
    """Snapshots of the workers: the first decision, where measuring began, the last one, and the longest queues.

    ``run_s``: how long the test may take from its first decision on. ``warm_records``: records of the plant before
    measuring begins.
    """

    run_s: float
    warm_records: int
    clock: Callable[[], float] = time.monotonic
    started_s: float = 0.0
    first_s: float | None = None
    began: tuple[float, dict[str, dict[str, Any]]] | None = None
    latest: tuple[float, dict[str, dict[str, Any]]] | None = None
    most_lag: dict[str, int] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)

    def look(self, live: Live) -> None:
        """Take one snapshot."""
        workers = {name: live.topologies[name] for name in TOPOLOGIES if name in live.topologies}
        now = (self.clock(), workers)
        for name, status in workers.items():
            self.most_lag[name] = max(self.most_lag.get(name, 0), int(status["lag"]))
            self.memory_mb[name] = resident_mb(int(status["pid"])) or self.memory_mb.get(name, 0.0)
        decided = workers.get("plant", {}).get("processed", 0)
        if self.first_s is None and decided:
            self.first_s = now[0]
        if self.began is None and decided >= self.warm_records:
            self.began = now
        self.latest = now

    def is_over(self) -> bool:
        """Return whether the time of the test is up."""
        if self.first_s is None:
            return self.clock() >= self.started_s + self.run_s + START_S
        return self.clock() >= self.first_s + self.run_s


def resident_mb(pid: int) -> float | None:
    """Return the resident memory of a process in MB, None if the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def run_load_test(load: Load, settings: Settings, *, say: Say, on_pulse: Callable[[Live], None]) -> LoadReport:
    """Run the test and return its report.

    Args:
        load: What is asked of the plant.
        settings: The settings; their broker and database are not used.
        say: Told what happens, a line at a time.
        on_pulse: Called twice a second with the live figures.

    Raises:
        ConfigError: The load is out of range.
        DataError: Nothing was decided in the time given.
        UnreachableError: The embedded broker died.
    """
    load.check()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="loadtest-", dir=settings.data_dir) as folder:
        load_settings = settings.model_copy(
            update={
                "data_dir": Path(folder),
                "run": "",
                "fleet": None,
                "kafka": KafkaSettings(),
                "store": StoreSettings(),
            }
        )
        prepared = prepare(load.source(), load_settings, train=load.train, say=say if load.train else _silent)
        least, most = WARM_RECORDS
        warm = int(min(max(2 * load.zones * load.steps * WARM_SHARE, least), most))
        watch = _Watch(60.0 * load.minutes + DRAIN_S, warm, started_s=time.monotonic())

        def pulse(live: Live) -> None:
            watch.look(live)
            on_pulse(live)

        with Supervisor(prepared.settings, prepared.zones, prepared.source) as supervisor:
            supervisor.watch(until_done=True, on_pulse=pulse, should_stop=watch.is_over)
            kept_up = not watch.is_over()
        stored = Path(folder) / "store.sqlite"
        size = stored.stat().st_size if stored.exists() else None
    return _report(load, watch, size, kept_up=kept_up)


def _silent(_line: str) -> None:
    """Say nothing: a line per zone without a model is no news."""


def _report(load: Load, watch: _Watch, stored_bytes: int | None, *, kept_up: bool) -> LoadReport:
    if watch.began is None or watch.latest is None:
        raise DataError(
            "no slot was decided in the time of the test",
            hint="give it more --minutes, or fewer zones: workers need some seconds to start",
        )
    (start_s, first), (end_s, last) = watch.began, watch.latest
    sent_count = load.zones * load.steps
    processed = {name: status["processed"] for name, status in last.items()}
    # The last snapshot is up to half a second old; a run that has ended has decided all of them.
    slots_done = sent_count if kept_up else min(processed.get("actor", 0), processed.get("plant", 0) // 2, sent_count)
    slots = max(last["actor"]["processed"] - first["actor"]["processed"], 1)
    span_s = max(end_s - start_s, 1e-9)
    workers = []
    for name, status in last.items():
        before = first.get(name, {"processed": 0, "cpu_s": 0.0})
        records = status["processed"] - before["processed"]
        cpu_ms = 1000.0 * (status["cpu_s"] - before["cpu_s"])
        workers.append(
            WorkerLoad(
                topology=name,
                records=records,
                records_per_s=round(records / span_s, 1),
                cpu_ms_per_record=round(cpu_ms / records, 3) if records else None,
                cpu_ms_per_slot=round(cpu_ms / slots, 3),
                most_lag_records=watch.most_lag.get(name, 0),
                memory_mb=round(watch.memory_mb[name], 1) if watch.memory_mb.get(name) else None,
            )
        )
    return LoadReport(
        zones=load.zones,
        slots_per_s=load.slots_per_s,
        minutes=load.minutes,
        forecasts="model" if load.train else "fallback",
        cores=os.cpu_count() or 1,
        load_average=round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else 0.0,
        slots_sent=sent_count,
        slots_done=slots_done,
        kept_up=kept_up,
        measured_s=round(span_s, 1),
        slot_cpu_ms_total=round(sum(worker.cpu_ms_per_slot for worker in workers), 2),
        stored_bytes_per_slot=None if stored_bytes is None else round(stored_bytes / max(slots_done, 1)),
        workers=workers,
    )
