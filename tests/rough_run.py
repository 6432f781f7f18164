"""Runs of `vpp up` over the same history, calm and under faults, and the comparison of what they leave."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from tests.plant_fixtures import Place, keep_models, recall_models
from topologies.runtime.status import read_status
from vpp.streams.topics import TOPOLOGIES

TABLES = ("telemetry", "forecasts", "bids", "setpoints", "assets", "ledger", "trades", "decisions", "skill")
ZONES = ("NSW1", "VIC1")
WORKERS = ("source", *TOPOLOGIES)
SLOTS = 5 * 48


def arguments(data_dir: Path, pulse_s: float = 0.0) -> list[str]:
    """Return the arguments of `vpp up` for five days of two zones, a slot every ``pulse_s`` (0: as fast as it can).

    No model is retrained: its promotion takes its place in the log by the time that the training takes.
    """
    zones = [text for zone in ZONES for text in ("--zone", zone)]
    pace = ["--pulse", f"{pulse_s:g}"] if pulse_s else ["--speed", "max"]
    source = str(data_dir / "nem_5regions_30min_2025_2026.csv.gz")
    days = ["--from", "2025-07-05", "--to", "2025-07-10"]
    return ["up", "--source", source, *zones, *days, *pace, "--refit", "none", "--until-done", "--json"]


def run_calm(place: Place, data_dir: Path) -> None:
    """Run the history without faults."""
    recall_models(place)
    done = place.vpp(*arguments(data_dir), timeout_s=500)
    assert done.returncode == 0, done.stderr[-3000:]
    keep_models(place)


def worker_pid(name: str, parent: int) -> int | None:
    """Return the process of a worker by its command line, among the children of the supervisor."""
    module = "topologies.replay" if name == "source" else f"topologies.{name}"
    listing = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines()[1:]:
        pid, ppid, command = line.split(None, 2)
        if int(ppid) == parent and re.search(rf"-m {re.escape(module)}( |$)", command):
            return int(pid)
    return None


def recovery_s(place: Place, process: subprocess.Popen[bytes], until_s: float = 120.0) -> float:
    """Return after how many seconds from now the store has the next slot of every zone, or the run ends."""
    start = time.monotonic()
    before = last_slots(place)
    while process.poll() is None:
        now = last_slots(place)
        if all(now.get(zone, "") > slot for zone, slot in before.items()):
            break
        assert time.monotonic() - start < until_s, place.said()
        time.sleep(0.1)
    return round(time.monotonic() - start, 1)


def last_slots(place: Place) -> dict[str, str]:
    """Return the newest slot of each zone that storage took."""
    slots: dict[str, str] = read_status(place.settings).get("storage", {}).get("last_slot", {})
    return slots


def end(place: Place, process: subprocess.Popen[bytes], until_s: float) -> None:
    """Wait for the end of a run, which must be a good one; whatever happens, nothing runs afterwards."""
    try:
        process.wait(until_s)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    assert process.returncode == 0, place.said()
    assert '"dead_letters":0' in (place.data_dir / "stdout.txt").read_text()


def check_same_tables(calm: Place, rough: Place) -> None:
    """Fail on the first table whose export differs by a byte."""
    for table in TABLES:
        assert _export(rough, table) == _export(calm, table), table


def _export(place: Place, table: str) -> bytes:
    done = place.vpp("export", table, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return done.stdout.encode()
