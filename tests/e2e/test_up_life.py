"""The life of a run: it ends with its broker, follows the clock in live mode, and resumes where the store left off."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.plant_fixtures import Place, wait_for_slots
from vpp.fleet.in_force import fleet_path
from vpp.messages import read_decision
from vpp.run_in_use import run_label
from vpp.store import open_store
from vpp.store.tables import AUDIT, DECISIONS, FORECASTS, SETPOINTS, TABLES, TELEMETRY

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def exported(place: Place, table: str) -> list[dict[str, str]]:
    done = place.vpp("export", table, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def broker_pid(supervisor: int) -> int:
    listing = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    processes = [line.split(None, 2) for line in listing.splitlines()[1:]]
    (keeper,) = [p[0] for p in processes if int(p[1]) == supervisor and "console.local.keeper" in p[2]]
    (broker,) = [p[0] for p in processes if p[1] == keeper]
    return int(broker)


@pytest.mark.drill("broker_lost")
def test_a_dead_embedded_broker_ends_the_run_with_a_clear_message(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.environment.pop("VPP_KAFKA__BOOTSTRAP_SERVERS", None)
    process = place.start("up", "--no-train", "--pulse", "0.5")
    try:
        wait_for_slots(place, process)
        os.kill(broker_pid(process.pid), signal.SIGKILL)
        assert process.wait(60) == 3
        assert "the embedded broker died" in place.said()
    finally:
        if process.poll() is None:
            process.kill()


def test_live_mode_shifts_a_file_to_now_decides_by_deadlines_and_takes_a_new_model(
    data_dir: Path, place: Place
) -> None:
    file, begin = str(data_dir / "nem_5regions_30min_2025_2026.csv.gz"), "2025-09-01"
    process = place.start(
        "up", "--no-train", "--source", file, "--zone", "VIC1", "--from", begin, "--now", "--pulse", "1.0"
    )
    try:
        wait_for_slots(place, process)
        trained = place.vpp("train", "--data", file, "--zone", "VIC1", "--until", begin, "--force", "--json")
        assert trained.returncode == 0, trained.stderr
        assert "running workers are notified" in trained.stderr
        ((model_id, in_force),) = [(row["model_id"], row["in_force"]) for row in json.loads(trained.stdout)]
        assert in_force
        deadline = time.monotonic() + 120
        with open_store(place.settings, read_only=True) as store:
            while store.count(SETPOINTS) < 30 or not store.count(FORECASTS, filters={"model_id": model_id}):
                assert process.poll() is None, place.said()
                assert time.monotonic() < deadline, place.said()
                time.sleep(0.3)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0, place.said()
    slots = [datetime.fromisoformat(row["slot"]) for row in exported(place, "setpoints")]
    assert abs(min(slots) - datetime.now(UTC)) < timedelta(days=8)
    tail = json.loads(place.vpp("status", "--json").stdout)
    assert {worker["dead_letters"] for worker in tail["workers"]} == {0}
    made = [r for r in exported(place, "forecasts") if (r["target"], r["horizon_min"]) == ("net_load", "30")]
    by = [row["model_id"] for row in sorted(made, key=lambda row: row["issued_at"])]
    switched = by.index(model_id)
    assert set(by[:switched]) == {"seasonal"}
    assert set(by[switched:]) == {model_id}


@pytest.mark.drill("restart")
def test_a_run_started_again_continues_at_its_next_slot_with_the_setpoints_in_force(place: Place) -> None:
    place.environment.pop("VPP_KAFKA__BOOTSTRAP_SERVERS", None)
    span = ["--zone", "SIM_NORTH", "--no-train", "--speed", "max", "--until-done", "--json"]
    first = place.vpp("up", *span, "--to", "2025-06-02T12:00")
    assert first.returncode == 0, first.stderr[-2000:]
    before = [row for row in exported(place, "assets") if row["soc"]]
    planned = {(row["slot"], row["asset_id"]): row["power_mw"] for row in exported(place, "setpoints")}
    other = place.vpp("up", *span, "--seed", "1", "--to", "2025-06-02T15:00")
    assert other.returncode == 4, other.stderr[-2000:]
    assert "--run NAME" in other.stderr
    second = place.vpp("up", *span, "--to", "2025-06-02T15:00")
    assert second.returncode == 0, second.stderr[-2000:]
    rows = [row for row in exported(place, "assets") if row["soc"]]
    assert len(rows) == len(before) + 6
    assert rows[: len(before)] == before
    start = rows[len(before)]
    assert start["planned_mw"] == planned[start["slot"], start["asset_id"]]
    with open_store(place.settings, read_only=True) as store:
        decisions = [read_decision(row["body"]) for row in store.read(DECISIONS).dicts()]
    assert len(decisions) == len(rows)
    assert len({decision.versions["zone"] for decision in decisions}) == 1
    again = place.vpp("up", *span, "--to", "2025-06-02T15:00")
    assert again.returncode == 0, again.stderr[-2000:]
    assert "nothing after 2025-06-02T14:30:00Z" in again.stderr
    assert json.loads(again.stdout)["slots"] == 30


def test_a_file_of_an_unknown_zone_runs_on_a_default_fleet_and_says_so(place: Place) -> None:
    path = place.data_dir / "own.csv"
    begin = datetime(2024, 3, 1, tzinfo=UTC)
    with path.open("w") as out:
        out.write("timestamp,zone,load_mw,wind_mw,price\n")
        for n in range(48 * 20):
            stamp = (begin + n * timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
            out.write(f"{stamp},MYTOWN,{500 + 100 * (n % 48 > 16) + n % 7},{50 + n % 11},{40 + n % 48}\n")
    done = place.vpp("up", "--source", str(path), "--from", "2024-03-18", "--speed", "max", "--until-done", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "MYTOWN" in done.stderr
    assert "default fleet" in done.stderr
    summary = json.loads(done.stdout)
    assert summary["slots"] == summary["forecasts"] == 48 * 3
    _delete_run(place)


def _delete_run(place: Place) -> None:
    """Delete the run of a place that has ended: its rows go, its audit and the deletion stay."""
    settings = place.settings
    with open_store(settings, read_only=True) as store:
        rows = {table.name: store.count(table) for table in TABLES if table is not AUDIT}
        audited = store.count(AUDIT)
    assert min(rows[table.name] for table in (TELEMETRY, FORECASTS, SETPOINTS, DECISIONS)) > 0
    unknown = place.vpp("runs", "delete", "nothing")
    assert unknown.returncode == 2, unknown.stderr
    assert "there is no run nothing" in unknown.stderr
    done = place.vpp("runs", "delete", run_label(settings.run))
    assert done.returncode == 0, done.stderr
    assert f"{sum(rows.values()):,} rows of run {run_label(settings.run)} deleted" in done.stderr
    with open_store(settings, read_only=True) as store:
        assert {table.name for table in TABLES if table is not AUDIT and store.count(table)} == set()
        assert store.count(AUDIT) == audited + 1
        assert store.read(AUDIT, filters={"action": "delete_run"}).dicts()[0]["verdict"] == "done"
    if not settings.kafka.bootstrap_servers:
        assert not fleet_path(settings).parent.exists()
