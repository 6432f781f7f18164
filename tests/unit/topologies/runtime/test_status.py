"""What is said of a worker: true within seconds, from progress and restarts and not from its last good note."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from topologies.runtime.status import FAULT_AFTER_S, RESTARTED_FOR_S, StatusFile, read_status, status_path, worker_fault
from vpp.settings import load_settings

NOW_S = 1_000_000.0
WELL: dict[str, Any] = {
    "updated_at_s": NOW_S - 1.0,
    "started_at_s": NOW_S - 900.0,
    "progress_at_s": NOW_S - 1.0,
    "lag": 5,
    "restarts": 0,
}


class Quiet:
    """A step that did nothing."""

    def __init__(self) -> None:
        self.last_slot: dict[str, Any] = {}
        self.dead_letters = 0


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        pytest.param({}, None, id="well"),
        pytest.param({"progress_at_s": NOW_S - 90.0, "lag": 0}, None, id="nothing to do"),
        pytest.param({"restarts": 3}, None, id="restarted long ago"),
        pytest.param({"updated_at_s": NOW_S - FAULT_AFTER_S}, "silent", id="wrote nothing"),
        pytest.param({"restarts": 1, "started_at_s": NOW_S - 5.0}, "restarting", id="restarted"),
        pytest.param({"restarts": 1, "started_at_s": NOW_S - RESTARTED_FOR_S}, None, id="restarted a minute ago"),
        pytest.param({"progress_at_s": NOW_S - FAULT_AFTER_S}, "stalled", id="records wait, none is processed"),
    ],
)
def test_a_fault_has_a_name_within_ten_seconds(given: dict[str, Any], fault: str | None) -> None:
    assert FAULT_AFTER_S < 10.0
    assert worker_fault({**WELL, **given}, NOW_S) == fault


def test_a_start_after_a_death_under_the_same_supervisor_is_a_restart(tmp_path: Path) -> None:
    settings = load_settings({"data_dir": tmp_path})
    StatusFile(settings, "storage", Quiet())
    path = status_path(settings, "storage")
    first = json.loads(path.read_text(encoding="utf-8"))
    assert first["restarts"] == 0
    path.write_text(json.dumps({**first, "pid": -1}), encoding="utf-8")
    StatusFile(settings, "storage", Quiet())
    assert read_status(settings)["storage"]["restarts"] == 1
    path.write_text(json.dumps({**first, "pid": -1, "supervisor_pid": -1}), encoding="utf-8")
    StatusFile(settings, "storage", Quiet())
    assert read_status(settings)["storage"]["restarts"] == 0
