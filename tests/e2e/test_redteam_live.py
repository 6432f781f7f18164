"""A drill on a running plant: the source forges, the guard names attack and channel, the command lists its alerts."""

from __future__ import annotations

import json

import pytest

from tests.plant_fixtures import Place, recall_models, wait_for_slots

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_forged_step_is_named_while_the_plant_runs(place: Place) -> None:
    recall_models(place)
    process = place.start("up", "--zone", "SIM_NORTH", "--from", "2025-06-02", "--pulse", "0.4", "--no-page")
    try:
        wait_for_slots(place, process, 600.0)
        done = place.vpp("redteam", "--live", "step 20 %", "--json", timeout_s=600.0)
        assert done.returncode == 0, done.stderr
        alerts = json.loads(done.stdout)
        assert any(row["channel"] == "load_mw" and "attack_forged" in row["text"] for row in alerts), done.stdout
        assert all(row["ended_at"] is not None for row in alerts)
        listed = place.vpp("alerts")
        assert "attack_forged" in listed.stdout
    finally:
        process.terminate()
        process.wait(timeout=120)


def test_a_drill_without_a_plant_says_so(place: Place) -> None:
    done = place.vpp("redteam", "--live", "replay")
    assert done.returncode != 0
    assert "vpp up" in done.stderr
