"""Real gateways in a drill: cables pulled, gateways killed with kill -9, devices restarted and faulty, all proven.

It brings its own broker: what it proves lies between the setpoint topic and the devices.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.local, pytest.mark.timeout(300)]


def test_the_command_ledger_proves_a_drill(tmp_path: Path) -> None:
    arguments = ["--slots", "5", "--slot-s", "6", "--slack-s", "5", "--folder", str(tmp_path / "drill"), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "console.cli.main", "devices", "drill", *arguments],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    proof = json.loads(done.stdout)
    assert proof["proven"] is True
    assert proof["twice"] == proof["stale"] == proof["unrecorded"] == []
    assert {trouble["device"] for trouble in proof["troubles"]} == {"registers", "sunspec", "mqtt", "http", "inverter"}
    assert all(trouble["in_time"] or trouble["unseen"] for trouble in proof["troubles"])
    assert sum(trouble["in_time"] for trouble in proof["troubles"]) >= 3
    assert proof["followed"] > 3
    assert [clock["gateway"] for clock in proof["slow_clocks"]] == ["modbus"]
