"""`vpp loadtest` as a user runs it: it ends by itself, reports every worker, and leaves nothing behind."""

import json

import pytest

from tests.plant_fixtures import Place
from vpp.streams.topics import TOPOLOGIES

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_short_load_is_reported_and_removed(place: Place) -> None:
    done = place.vpp("loadtest", "--zones", "4", "--rate", "8", "--minutes", "0.2", "--json", timeout_s=500.0)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["slots_sent"] == 96
    assert report["slots_done"] > 0
    assert report["slots_done"] == 96 or not report["kept_up"]
    assert {worker["topology"] for worker in report["workers"]} == set(TOPOLOGIES)
    assert report["slot_cpu_ms_total"] > 0
    assert not list(place.data_dir.rglob("loadtest-*"))
    refused = place.vpp("loadtest", "--zones", "0")
    assert refused.returncode == 2
    assert "--zones" in refused.stderr
