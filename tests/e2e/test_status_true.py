"""Status is true within ten seconds: of real processes that are stopped, killed and slow to say so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from console.dashboard.views.frame import verdict_of, worker_faults
from console.dashboard.views.health import Rates, chain
from console.dashboard.views.moment import Moment
from console.local.broker import EmbeddedBroker
from mcp_server.queries.context import ReadContext
from mcp_server.queries.health import get_pipeline_health
from tests.plant_fixtures import Place, wait_for_slots
from tests.worlds.devices import free_port
from topologies.runtime.status import read_status
from vpp.store import open_store

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

WITHIN_S = 10.0


def until(holds: Callable[[], bool], limit_s: float) -> float:
    """Wait until a condition holds; return how long it took (s)."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < limit_s
        time.sleep(0.2)
    return time.monotonic() - begun


def test_a_stopped_and_a_killed_worker_show_in_every_face(place: Place) -> None:
    process = place.start("up", "--no-train", "--pulse", "0.5", "--no-page")
    try:
        wait_for_slots(place, process, 180.0)
        with open_store(place.settings, read_only=True) as store:
            context = ReadContext(place.settings, store)

            def states() -> dict[str, str]:
                return {worker.topology: worker.state for worker in get_pipeline_health(context).workers}

            def on_page(topology: str) -> str:
                zone = get_pipeline_health(context).zones[0].zone
                return str(
                    next(link["state"] for link in chain(Moment(context, zone), Rates()) if link["name"] == topology)
                )

            def verdict() -> str:
                zone = get_pipeline_health(context).zones[0].zone
                moment = Moment(context, zone)
                return verdict_of(moment, [], [], worker_faults(moment)).cause

            until(lambda: set(states().values()) == {"running"}, 60.0)
            trader = read_status(place.settings)["trader"]["pid"]
            os.kill(trader, signal.SIGSTOP)
            try:
                assert until(lambda: verdict() == "worker trader is silent", 2 * WITHIN_S) <= WITHIN_S
                assert states()["trader"] == on_page("trader") == "silent"
                listed = place.vpp("status", "--json")
            finally:
                os.kill(trader, signal.SIGCONT)
            assert listed.returncode == 1
            rows = {row["topology"]: row["state"] for row in json.loads(listed.stdout)["workers"]}
            assert rows["trader"] == "silent"
            until(lambda: states()["trader"] == "running", 60.0)

            os.kill(read_status(place.settings)["forecast"]["pid"], signal.SIGKILL)
            assert until(lambda: states()["forecast"] in {"restarting", "silent"}, 2 * WITHIN_S) <= WITHIN_S
            until(lambda: states()["forecast"] == "restarting", 60.0)
            assert "worker forecast is restarting" in get_pipeline_health(context).warnings
            assert verdict() == "worker forecast is restarting"
            until(lambda: bool(read_status(place.settings)["forecast"]["lags"]), 60.0)
            features = [part for zone in get_pipeline_health(context).zones for part in zone.features.values()]
            assert features
            assert all(part["from_changelog"] > 0 for part in features)
    finally:
        process.terminate()
        process.wait(60)


def test_a_stopped_worker_is_not_ready(tmp_path: Path) -> None:
    port = free_port()
    ready = f"http://127.0.0.1:{port}/readyz"

    def code() -> int:
        with suppress(httpx.HTTPError):
            return httpx.get(ready, timeout=2.0).status_code
        return 0

    with EmbeddedBroker(tmp_path / "broker.log") as broker:
        given = {
            "VPP_DATA_DIR": str(tmp_path / "data"),
            "VPP_KAFKA__BOOTSTRAP_SERVERS": broker.address,
            "VPP_KAFKA__EMBEDDED": "true",
            "VPP_KAFKA__REPLICATION_FACTOR": "1",
            "VPP_METRICS__PORT": str(port),
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith("VPP_")}
        worker = subprocess.Popen(
            [sys.executable, "-m", "topologies.actor"],
            env={**others, **given},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: code() == 200, 90.0)
            worker.send_signal(signal.SIGSTOP)
            assert until(lambda: code() == 0, 2 * WITHIN_S) <= WITHIN_S
            worker.send_signal(signal.SIGCONT)
            until(lambda: code() == 200, 30.0)
        finally:
            worker.send_signal(signal.SIGCONT)
            worker.kill()
            worker.wait(10)
