"""The guide "connect a battery in 20 minutes", followed as it stands on the page as far as one machine allows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.plant_fixtures import Place
from tests.worlds.devices import free_port

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guide" / "devices.md"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture
def device_list(place: Place) -> Path:
    """The device list of the guide, at a free port."""
    block = re.search(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    text = block[1].replace("127.0.0.1:5020", f"127.0.0.1:{free_port()}")
    assert list(yaml.safe_load(text)["devices"]) == ["battery-1"]
    path = place.data_dir / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def simulator(place: Place, device_list: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Step 2: the simulator serves the list."""
    process = subprocess.Popen(
        [sys.executable, "-m", "console.cli.main", "devices", "simulate", "--devices", str(device_list)],
        cwd=place.data_dir,
        env=place.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    yield process
    process.terminate()
    process.wait(30)


def test_a_battery_is_listed_simulated_read_and_made_faulty(
    place: Place, device_list: Path, simulator: subprocess.Popen[bytes]
) -> None:
    options = ("--devices", str(device_list))
    end = time.monotonic() + 120
    read = place.vpp("devices", "test", "battery-1", *options)
    while read.returncode != 0:
        assert simulator.poll() is None
        assert time.monotonic() < end, read.stderr
        time.sleep(0.5)
        read = place.vpp("devices", "test", "battery-1", *options)
    shown = dict(line.split(None, 1) for line in read.stdout.splitlines())
    assert (shown["device"], float(shown["power_mw"]), float(shown["soc"])) == ("battery-1", 0.0, 0.5)
    fault = place.vpp("devices", "fault", "battery-1", "local_mode", *options)
    assert fault.returncode == 0, fault.stderr
    seen = json.loads(place.vpp("devices", "test", "battery-1", "--json", *options).stdout)
    assert seen["local_mode"] is True
    listed = json.loads(place.vpp("devices", "list", "--json", *options).stdout)
    assert [(row["device"], row["gateway"]) for row in listed] == [("battery-1", "modbus")]
