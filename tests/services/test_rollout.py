"""A rolling upgrade, a scale-out from 2 to 4 workers and a restore from topics, with plain processes on a real Kafka.

`make drills-kafka ARGS="-k scale_out"` runs it; its report has the longest pause of a zone.
"""

import io
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep

import pytest
from confluent_kafka.admin import AdminClient

from console.local.prepare import Prepared, prepare
from console.local.processes import environment, python_command
from tests.rough_run import TABLES
from tests.worlds.documents import ROOT
from topologies.runtime.in_process import Chain, run_into_store
from topologies.runtime.status import read_status
from topologies.sources.availability_order import replay_messages
from topologies.sources.options import SIMULATION_START, SourceOptions, open_feed, window_of
from vpp.fleet.in_force import configured_zones
from vpp.settings import KafkaSettings, Settings
from vpp.store import Store, open_store
from vpp.store.export import export
from vpp.store.named_queries import missing_ends
from vpp.streams.kafka import create_topics
from vpp.streams.topics import TOPOLOGIES

pytestmark = [pytest.mark.services, pytest.mark.long_drill]

ZONES = ("SIM_001", "SIM_002", "SIM_003", "SIM_006", "SIM_007", "SIM_009", "SIM_018", "SIM_019")
"""Two on each of four partitions, so every worker has something to decide."""
SLOTS, PULSE_S = 150, 1.0
BEFORE, AFTER = 2, 4
"""Workers of the plant before and after the scale-out."""


class Workers:
    """One worker of each step and several of the plant, each with a folder and a name of its own."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, step: str, ordinal: int = 0) -> None:
        """Start a worker, without the status that an earlier one of its name left."""
        settings = self.prepared.settings
        kafka = settings.kafka.model_copy(update={"worker_id": str(ordinal)})
        own = settings.model_copy(update={"data_dir": settings.data_dir / f"{step}-{ordinal}", "kafka": kafka})
        store = settings.store.model_copy(update={"path": settings.store_path})
        shutil.rmtree(own.data_dir / "status", ignore_errors=True)
        self._run(f"{step}-{ordinal}", own.model_copy(update={"store": store}), f"topologies.{step}")

    def send(self) -> None:
        self._run("source", self.prepared.settings, *self.prepared.source)

    def has_decided(self, ordinal: int) -> bool:
        """Return whether a worker of the plant has decided a slot since it started."""
        folder = self.prepared.settings.data_dir / f"plant-{ordinal}"
        statuses = read_status(self.prepared.settings.model_copy(update={"data_dir": folder}))
        return any(status.get("last_slot") for status in statuses.values())

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, name

    def _run(self, name: str, settings: Settings, *command: str) -> None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with (settings.data_dir / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                python_command(*command), cwd=ROOT, env=environment(settings), stdout=log, stderr=log
            )


@pytest.fixture
def settings(kafka_address: str, unique_name: str, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, run=unique_name, kafka=KafkaSettings(bootstrap_servers=kafka_address, partitions=AFTER)
    )


@pytest.fixture
def options() -> SourceOptions:
    end = SIMULATION_START + SLOTS * timedelta(minutes=30)
    return SourceOptions(kind="simulate", zones=ZONES, start=SIMULATION_START, end=end, pulse_s=PULSE_S)


@pytest.fixture
def workers(settings: Settings, options: SourceOptions) -> Iterator[Workers]:
    create_topics(settings)
    workers = Workers(prepare(options, settings, train=False, say=lambda _: None))
    yield workers
    for process in workers.processes.values():
        process.kill()
        process.wait(30)


def content(store: Store, table: str) -> bytes:
    buffer = io.BytesIO()
    export(store, table, "csv", buffer)
    return buffer.getvalue()


def wait_for(condition: Callable[[], bool], within_s: float) -> None:
    deadline = monotonic() + within_s
    while not condition():
        assert monotonic() < deadline, f"the condition does not hold after {within_s} s"
        sleep(0.5)


def longest_pause_s(store: Store, since: datetime, until: datetime) -> float:
    """Return the longest time between two decisions of a zone in a span of wall time, less the pulse of the source."""
    times: dict[str, list[datetime]] = {}
    for zone, sent_at in store.read("hops", filters={"step": "plant"}, columns=("zone", "sent_at")):
        if since <= sent_at <= until:
            times.setdefault(zone, []).append(sent_at)
    gaps = [after - before for sent in times.values() for before, after in pairwise(sorted(sent))]
    return max(max(gaps).total_seconds() - PULSE_S, 0.0)


@pytest.mark.drill("rolling_upgrade", "scale_out", "restore")
def test_no_slot_is_lost_or_done_twice(
    settings: Settings, options: SourceOptions, workers: Workers, record_property: Callable[[str, object], None]
) -> None:
    expected = Settings(data_dir=settings.data_dir / "chain")
    with open_store(settings, read_only=True) as store, open_store(expected) as chain:
        for step in TOPOLOGIES:
            for ordinal in range(BEFORE if step == "plant" else 1):
                workers.start(step, ordinal)
        workers.send()
        moments = [_decided_by(workers, range(BEFORE))]
        for step in TOPOLOGIES:
            for ordinal in range(BEFORE if step == "plant" else 1):
                workers.stop(f"{step}-{ordinal}")
                workers.start(step, ordinal)
        moments.append(_decided_by(workers, range(BEFORE)))
        for ordinal in range(BEFORE, AFTER):
            workers.start("plant", ordinal)
        moments.append(_decided_by(workers, range(BEFORE, AFTER)))
        assert workers.processes["source"].poll() is None
        wait_for(lambda: missing_ends(store, ZONES) == [], 300.0)
        pauses = [longest_pause_s(store, *span) for span in pairwise(moments)]
        record_property("recovery_s", f"{pauses[0]:.1f} (upgrade), {pauses[1]:.1f} (scale-out)")

        feed = open_feed(options, settings)
        window = window_of(options, feed, SIMULATION_START)
        messages = replay_messages(feed.chunks(window.first_row, window.read_until), feed.zones, window=window)
        run_into_store(Chain(expected, configured_zones(workers.prepared.settings)), messages, chain)
        assert chain.count("decisions") == len(ZONES) * SLOTS
        for table in TABLES:
            assert content(store, table) == content(chain, table), table
        assert store.count("dlq") == 0

        _restore_from_topics(settings, workers)
        wait_for(lambda: missing_ends(store, ZONES) == [], 300.0)
        for table in TABLES:
            assert content(store, table) == content(chain, table), table


def _decided_by(workers: Workers, ordinals: Iterable[int]) -> datetime:
    """Wait until these workers have decided a slot; return when."""
    wait_for(lambda: all(map(workers.has_decided, ordinals)), 240.0)
    return datetime.now(UTC)


def _restore_from_topics(settings: Settings, workers: Workers) -> None:
    """Lose the store, and fill a new one from the topics."""
    workers.stop("storage-0")
    for file in settings.data_dir.glob("store.sqlite*"):
        file.unlink()
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    group = settings.group("storage")

    def deleted() -> bool:
        # A static member that stopped stays in its group until its session ends.
        return admin.delete_consumer_groups([group])[group].exception(30) is None

    wait_for(deleted, 120.0)
    workers.start("storage")
