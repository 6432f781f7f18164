"""`vpp up --devices simulated`: the whole loop over Modbus, SunSpec and MQTT on one machine, with a gateway killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from agents.devices.simulation import DeviceFault
from tests.plant_fixtures import Place
from topologies.gateways.simulation.simulator import SimulatorFiles
from vpp.errors import VppError
from vpp.store import open_store
from vpp.store.tables import ASSETS, COMMANDS

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

ZONE = "SIM_NORTH"
KINDS = ("sunspec", "mqtt", "registers")
"""The order in which stores of a fleet take turns."""

FLEET = """
zones:
  SIM_NORTH:
    time_zone: Europe/Berlin
    country: DE
    step_min: 30
    synthetic: true
    market: {price_known: day_ahead, currency: EUR, price_floor_per_mwh: -500, price_cap_per_mwh: 4000}
    share: {region_mw: 10000, served_mw: 100}
    limits: {ramp_limit_mw: 4.0, ramp_penalty_per_mwh: 250, import_cap_mw: 86, cap_penalty_per_mwh: 500}
    assets:
""" + "".join(
    f"      - {{kind: battery, asset_id: {kind}, energy_mwh: 8, charge_mw: 4, discharge_mw: 4}}\n" for kind in KINDS
)


def pid_of(module: str, kind: str, data_dir: Path) -> int:
    """Return the process of this plant that runs a module with an argument."""
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            place = (folder / "environ").read_bytes() if module.encode() in words and kind.encode() in words else b""
        except OSError:
            continue
        if str(data_dir).encode() in place:
            return int(folder.name)
    raise AssertionError(f"no process runs {module} {kind}")


def test_a_plant_runs_simulated_devices_through_a_fault_and_a_killed_gateway(place: Place) -> None:
    fleet = place.data_dir / "fleet.yaml"
    fleet.write_text(FLEET, encoding="utf-8")
    source = ("--zone", ZONE, "--from", "2024-03-01", "--pulse", "5", "--no-train", "--no-page")
    process = place.start("up", "--devices", "simulated", "--fleet", str(fleet), *source)
    settings = place.settings
    files = SimulatorFiles.of(settings)

    def commands() -> list[dict[str, Any]]:
        try:
            with open_store(settings, read_only=True) as store:
                return store.read(COMMANDS, zone=ZONE).dicts()
        except VppError:
            return []  # nothing is stored yet

    def shown(asset_id: str) -> set[str | None]:
        with open_store(settings, read_only=True) as store:
            return {row["outcome"] for row in store.read(ASSETS, zone=ZONE).dicts() if row["asset_id"] == asset_id}

    def until_named(device: str, outcome: str, after: int = 0) -> None:
        """Wait until a command of a device with a number greater than ``after`` has an outcome."""
        end = time.monotonic() + 150
        while not any(
            row["device"] == device and row["sequence"] > after and row["outcome"] == outcome for row in commands()
        ):
            assert process.poll() is None, place.said()
            assert time.monotonic() < end, (device, outcome, place.said())
            time.sleep(0.5)

    try:
        for kind in KINDS:
            until_named(kind, "followed")
        files.set_fault("sunspec", DeviceFault.LOCAL_MODE)
        until_named("sunspec", "local_mode")
        end = time.monotonic() + 60
        while "local_mode" not in shown("sunspec"):  # the plant learns of it when its slot closes
            assert time.monotonic() < end, place.said()
            time.sleep(0.5)
        files.set_fault("sunspec", None)
        os.kill(pid_of("topologies.gateway", "modbus", settings.data_dir), signal.SIGKILL)
        killed_at = max(row["sequence"] for row in commands() if row["device"] == "registers")
        until_named("registers", "followed", after=killed_at)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, place.said()
    numbers = {(row["device"], row["sequence"]) for row in commands()}
    for kind in KINDS:
        taken = map(json.loads, files.taken.read_text(encoding="utf-8").splitlines())
        own = [one["sequence"] for one in taken if one["device"] == kind and one["sequence"] is not None]
        assert own == sorted(set(own)), "no number was taken twice, and none after a newer one"
        assert {(kind, number) for number in own} <= numbers, "all that was taken is in the ledger"
