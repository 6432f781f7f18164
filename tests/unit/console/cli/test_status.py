"""`vpp status` says what a run did once its plant has ended."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.cli.main import main
from topologies.runtime.directory_lock import directory_locked
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import TELEMETRY

T0 = datetime(2026, 3, 4, tzinfo=UTC)


def test_after_the_end_the_run_is_summed_up_and_no_worker_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data_dir = tmp_path / ".vpp"
    note = {
        "topology": "storage",
        "processed": 9,
        "lag": 0,
        "dead_letters": 0,
        "last_slot": {},
        "pid": 1,
        "updated_at_s": time.time() - 60,
    }
    folder = data_dir / "status" / "default"
    folder.mkdir(parents=True)
    (folder / "storage.json").write_text(json.dumps(note))
    slots = [("A", T0 + timedelta(hours=n), 1.0, 0.0, 0.0, 1.0, None, None, None, None, 0) for n in range(3)]
    with open_store(Settings(data_dir=data_dir)) as store:
        store.write(TELEMETRY, slots)
    with directory_locked(data_dir):
        assert main(["status", "--json"]) == 1
        running = json.loads(capsys.readouterr().out)
    assert (running["workers"][0]["state"], running["ended_run"]) == ("silent", None)
    assert main(["status", "--json"]) == 0
    ended = json.loads(capsys.readouterr().out)
    assert ended["workers"][0]["state"] == "ended"
    assert ended["ended_run"] == {
        "zones": ["A"],
        "first": "2026-03-04T00:00:00Z",
        "last": "2026-03-04T02:00:00Z",
        "slots": 3,
        "dead_letters": 0,
        "alerts": 0,
        "ledger": [],
    }
    assert main(["status"]) == 0
    assert "the run closed 3 slots of A" in capsys.readouterr().out


def test_with_remote_inference_its_worker_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data_dir = tmp_path / ".vpp"
    data_dir.mkdir()
    absent = []
    for inference in ("local", "remote"):
        monkeypatch.setenv("VPP_INFERENCE", inference)
        with directory_locked(data_dir):
            assert main(["status", "--json"]) == 1
        workers = json.loads(capsys.readouterr().out)["workers"]
        absent.append({worker["topology"] for worker in workers if worker["state"] == "absent"})
    assert absent[1] - absent[0] == {"inference"}
