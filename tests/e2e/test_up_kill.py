"""Neither killed workers nor remote inference change anything: the exported tables are byte-identical."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plant_fixtures import Place, make_place, recall_models, wait_for_slots
from tests.rough_run import (
    SLOTS,
    WORKERS,
    ZONES,
    arguments,
    check_same_tables,
    end,
    recovery_s,
    run_calm,
    worker_pid,
)
from topologies.runtime.status import read_status

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

KILLS = int(os.environ.get("VPP_TEST_KILLS", len(WORKERS)))
EVERY_S = 2.0


@pytest.mark.drill("kill_workers")
def test_tables_are_the_same_after_every_worker_was_killed(
    data_dir: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    calm, rough = make_place(tmp_path / "calm"), make_place(tmp_path / "rough")
    # Remote inference gives the same forecasts, so the calm run tests the plant with it too.
    calm.environment["VPP_INFERENCE"] = "remote"
    run_calm(calm, data_dir)
    assert set(read_status(calm.settings)["inference"]["last_slot"]) == set(ZONES)
    recall_models(rough)
    # Each worker once, then at random, for as long as the source sends.
    names = [*WORKERS, *random.Random(KILLS).choices(WORKERS, k=KILLS - len(WORKERS))]
    process = rough.start(*arguments(data_dir, pulse_s=max(0.12, KILLS * EVERY_S / SLOTS)))
    try:
        wait_for_slots(rough, process, 240.0, "plant")
        for name in names:
            kill_worker(name, process)
            time.sleep(EVERY_S)
        record_property("recovery_s", recovery_s(rough, process))
    finally:
        end(rough, process, 400.0)
    assert '"restarts":0' not in (rough.data_dir / "stdout.txt").read_text()
    check_same_tables(calm, rough)


def kill_worker(name: str, supervisor: subprocess.Popen[bytes]) -> None:
    """Kill a worker as soon as it runs; a source that has sent everything is gone."""
    deadline = time.monotonic() + 20.0
    while (pid := worker_pid(name, supervisor.pid)) is None:
        assert name != "source" or len(WORKERS) < KILLS, "the source ended before it was killed"
        if name == "source":
            return
        assert time.monotonic() < deadline, f"worker {name} does not run"
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)


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
