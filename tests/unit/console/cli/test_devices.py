"""`vpp devices`: the list, faults of simulated devices, access rules; what is wrong is named with the next step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.devices.simulation import DeviceFault
from console.cli.main import main
from topologies.gateways.simulation.simulator import SimulatorFiles
from vpp.settings import Settings

LIST = """\
devices:
  battery-1: {zone: HOME, asset_id: battery, gateway: mqtt, nameplate_mw: 0.005}
  meter-1:
    {zone: HOME, channel: load_mw, gateway: modbus, map: sunspec_meter, address: "127.0.0.1:1", nameplate_mw: 0.02}
"""


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    (tmp_path / "devices.yaml").write_text(LIST, encoding="utf-8")
    return ["--devices", str(tmp_path / "devices.yaml"), "--data-dir", str(tmp_path / "data")]


def test_devices_are_listed_before_anything_ran(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "list", "--json", *options]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["device"], row["is"], row["outcome"]) for row in rows] == [
        ("battery-1", "battery", None),
        ("meter-1", "load_mw", None),
    ]


def test_a_fault_is_set_and_taken_away(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    files = SimulatorFiles.of(Settings(data_dir=tmp_path / "data"))
    assert main(["devices", "fault", "battery-1", "stuck", *options]) == 0
    assert files.read_faults() == {"battery-1": {DeviceFault.STUCK}}
    assert main(["devices", "fault", "battery-1", *options]) == 0
    assert files.read_faults() == {}


def test_access_rules_name_mqtt_devices_alone(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "acl", *options]) == 0
    rules = capsys.readouterr().out
    assert "user battery-1" in rules
    assert "meter-1" not in rules


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["devices", "test", "batery-1"], "did you mean battery-1?"),
        (["devices", "test", "battery-1"], "sends by itself"),
        (["devices", "test", "meter-1"], "does not answer"),
    ],
)
def test_what_cannot_be_tested_is_said(
    arguments: list[str], text: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *options]) != 0
    assert text in capsys.readouterr().err


def test_a_wrong_key_is_named_with_the_nearest(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "devices.yaml").write_text(LIST.replace("asset_id", "aset_id"), encoding="utf-8")
    assert main(["devices", "list", *options]) == 2
    assert "asset_id" in capsys.readouterr().err
