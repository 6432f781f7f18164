"""A drill on a running plant: the source forges, the guard names attack and channel, a person releases it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import datetime
from typing import Any

import pytest

from tests.plant_fixtures import Place, keep_models, recall_models, wait_for_slots
from vpp.store import open_store
from vpp.store.tables import ALERTS, AUDIT, LEDGER

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ZONE = "SIM_NORTH"


def guard_alert(place: Place, process: subprocess.Popen[bytes], *, ended: bool) -> dict[str, Any]:
    """Wait for the guard's alert, or for its end."""
    deadline = time.monotonic() + 120.0
    with open_store(place.settings, read_only=True) as store:
        while True:
            rows = store.read(ALERTS, zone=ZONE, filters={"topic": "guard"}).dicts()
            if rows and (rows[0]["ended_at"] is not None) == ended:
                return rows[0]
            assert process.poll() is None, place.said()
            assert time.monotonic() < deadline, rows
            time.sleep(0.2)


def settled(place: Place, since: datetime) -> dict[datetime, list[bool]]:
    """Return whether each entry of the zone's ledger is provisional, by slot, first revision first."""
    with open_store(place.settings, read_only=True) as store:
        rows = store.read(LEDGER, zone=ZONE, start=since, filters={"asset_id": "zone"}).dicts()
    entries: dict[datetime, list[bool]] = {}
    for row in sorted(rows, key=lambda row: row["revision"]):
        entries.setdefault(row["slot"], []).append(bool(row["provisional"]))
    return entries


def test_a_forged_step_is_named_while_the_plant_runs(place: Place) -> None:
    recall_models(place)
    process = place.start("up", "--zone", ZONE, "--from", "2025-06-02", "--pulse", "0.4", "--no-page")
    try:
        wait_for_slots(place, process, 600.0)
        done = place.vpp("redteam", "--live", "step 20 %", "--json", timeout_s=600.0)
        assert done.returncode == 0, done.stderr
        alerts = json.loads(done.stdout)
        assert any(row["channel"] == "load_mw" and row["code"] == "attack_forged" for row in alerts), done.stdout
        assert all("they may be forged" in row["text"] for row in alerts if row["code"] == "attack_forged")
        assert all(row["ended_at"] is not None for row in alerts)
        listed = place.vpp("alerts")
        assert "attack_forged" in listed.stdout
    finally:
        process.terminate()
        process.wait(timeout=120)
    keep_models(place)


def test_a_quarantine_is_released_by_a_signed_order_and_settled_anew(place: Place) -> None:
    recall_models(place)
    place.environment["VPP_APPROVAL_KEY"] = "k" * 40
    process = place.start("up", "--zone", ZONE, "--from", "2025-06-02", "--pulse", "1", "--no-page")
    drill = None
    try:
        wait_for_slots(place, process, 600.0)
        drill = subprocess.Popen(
            [sys.executable, "-m", "console.cli.main", "redteam", "--live", "step 20 %", "--hours", "36"],
            cwd=place.data_dir,
            env=place.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        alert = guard_alert(place, process, ended=False)
        assert alert["channel"] == "load_mw"
        assert alert["code"] == "attack_forged"
        done = place.vpp("alerts", "release", alert["alert_id"], "--reason", "meter read on site", "--json")
        assert done.returncode == 0, done.stderr
        order = json.loads(done.stdout)
        end = guard_alert(place, process, ended=True)
        assert order["order_id"] in end["text"]
        with open_store(place.settings, read_only=True) as store:
            audit = store.read(AUDIT, zone=ZONE, filters={"audit_id": f"order-{order['order_id']}"}).dicts()
        assert [row["verdict"] for row in audit] == ["accepted"]
        deadline = time.monotonic() + 60.0
        while max(entries := settled(place, alert["slot"]), default=alert["slot"]) < end["ended_at"] or any(
            kinds[-1] for kinds in entries.values()
        ):
            assert time.monotonic() < deadline, entries
            time.sleep(0.5)
        assert any(kinds[0] for kinds in entries.values())
        assert not any(kinds[0] for slot, kinds in entries.items() if slot >= end["ended_at"])
        again = place.vpp("alerts", "release", alert["alert_id"], "--reason", "once more")
        assert again.returncode != 0
        assert "no open quarantine" in again.stderr
    finally:
        for started in filter(None, (drill, process)):
            started.terminate()
            started.wait(timeout=120)


def test_a_drill_without_a_plant_says_so(place: Place) -> None:
    done = place.vpp("redteam", "--live", "replay")
    assert done.returncode != 0
    assert "vpp up" in done.stderr
