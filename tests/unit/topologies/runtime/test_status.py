"""What is said of a worker: true within seconds, from progress and restarts and not from its last good note."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.worlds.devices import free_port
from topologies.runtime.status import (
    FAULT_AFTER_S,
    RESTARTED_FOR_S,
    StatusFile,
    proofs_in,
    read_status,
    status_path,
    worker_fault,
)
from vpp.messages import KnownLags
from vpp.settings import Settings, load_settings

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
        self.lags: dict[str, dict[str, KnownLags]] = {}

    def proofs(self) -> dict[str, dict[str, KnownLags]]:
        return self.lags


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


@pytest.fixture
def worker(tmp_path: Path) -> tuple[StatusFile, Quiet, str, Settings]:
    port = free_port()
    settings = load_settings({"data_dir": tmp_path, "metrics": {"port": port}})
    quiet = Quiet()
    return StatusFile(settings, "forecast", quiet), quiet, f"http://127.0.0.1:{port}/readyz", settings


def lag(records: int) -> str:
    """Statistics of librdkafka with one assigned partition."""
    partition = {"fetch_state": "active", "consumer_lag": records}
    return json.dumps({"topics": {"vpp.telemetry": {"topic": "vpp.telemetry", "partitions": {"0": partition}}}})


def test_a_worker_is_ready_only_with_partitions_progress_and_a_past(
    worker: tuple[StatusFile, Quiet, str, Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, step, address, settings = worker
    assert httpx.get(address).status_code == 503
    status.on_stats(lag(0))
    assert httpx.get(address).text == "ready\n"

    step.lags = {"Z": {"net_load": KnownLags(asked=15, known=3, imputed=1, ready=False)}}
    status.on_stats(lag(0))
    answer = httpx.get(address)
    assert answer.status_code == 503
    assert "Z: net_load: 3 of 15 lags are known, 1 imputed" in answer.text
    assert proofs_in(read_status(settings)["forecast"]) == step.lags

    step.lags = {"Z": {"net_load": KnownLags(asked=15, known=15, restored=12)}}
    status.on_stats(lag(7))
    assert httpx.get(address).status_code == 200
    later = time.time() + FAULT_AFTER_S
    monkeypatch.setattr(time, "time", lambda: later)
    status.on_stats(lag(7))
    assert (httpx.get(address).status_code, httpx.get(address).text) == (503, "stalled\n")
