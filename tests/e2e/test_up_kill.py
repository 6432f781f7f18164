"""Killing every worker in turn changes nothing: the exported tables are byte-identical."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.plant_fixtures import Place, keep_models, make_place, recall_models, wait_for_slots
from vpp.streams.topics import TOPOLOGIES

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TABLES = ("telemetry", "forecasts", "bids", "setpoints", "assets", "ledger", "trades", "decisions", "skill")


def arguments(data_dir: Path) -> list[str]:
    return [
        "up",
        "--source",
        str(data_dir / "nem_5regions_30min_2025_2026.csv.gz"),
        "--zone",
        "NSW1",
        "--zone",
        "VIC1",
        "--from",
        "2025-07-05",
        "--to",
        "2025-07-10",
        "--pulse",
        "0.12",
        "--until-done",
        "--json",
    ]


def worker_pid(name: str, parent: int) -> int | None:
    """Return the process of a worker by its command line, among the children of the supervisor."""
    module = "topologies.replay" if name == "source" else f"topologies.{name}"
    listing = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines()[1:]:
        pid, ppid, command = line.split(None, 2)
        if int(ppid) == parent and re.search(rf"-m {re.escape(module)}( |$)", command):
            return int(pid)
    return None


def export(place: Place, table: str) -> bytes:
    done = place.vpp("export", table, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return done.stdout.encode()


@pytest.mark.drill("kill_workers")
def test_tables_are_the_same_after_every_worker_was_killed(data_dir: Path, tmp_path: Path) -> None:
    calm, rough = make_place(tmp_path / "calm"), make_place(tmp_path / "rough")
    recall_models(calm)
    done = calm.vpp(*arguments(data_dir), timeout_s=500)
    assert done.returncode == 0, done.stderr[-3000:]

    keep_models(calm)
    recall_models(rough)
    process = rough.start(*arguments(data_dir))
    try:
        wait_for_slots(rough, process, 240.0, "plant")
        killed = []
        for name in ("source", *TOPOLOGIES):
            pid = worker_pid(name, process.pid)
            assert pid is not None, f"worker {name} does not run"
            os.kill(pid, signal.SIGKILL)
            killed.append(name)
            time.sleep(2.0)
        process.wait(400)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    assert process.returncode == 0, rough.said()
    assert len(killed) == 8
    assert '"dead_letters":0' in (rough.data_dir / "stdout.txt").read_text()
    for table in TABLES:
        assert export(rough, table) == export(calm, table), table


def test_ctrl_c_leaves_no_process_behind(place: Place) -> None:
    process = place.start("up", "--no-train", "--pulse", "0.2")
    wait_for_slots(place, process, 120.0)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(children) >= 8
    process.send_signal(signal.SIGINT)
    assert process.wait(40) == 0
    for pid in map(int, children):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
