"""A device list beside a fleet: each device must be in it, else no setpoint would ever reach it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from agents.devices.inventory import Inventory
from console.local.device_processes import SIMULATED, check_places, pace_warning
from tests.worlds.documents import ROOT, blocks
from topologies.sources.options import SourceOptions
from vpp.errors import ConfigError
from vpp.fleet.schema import parse_fleet

HOME, DEVICES, _ = (
    block.body for block in blocks(ROOT / "docs" / "guide" / "home-assistant.md") if block.language == "yaml"
)
FLEET = parse_fleet(HOME, "home-assistant.md")


def listed(*devices: dict[str, Any]) -> Inventory:
    entries = [{"name": f"d{n}", "gateway": "mqtt", "nameplate_mw": 1.0, **one} for n, one in enumerate(devices)]
    return Inventory.model_validate({"devices": entries})


def test_the_devices_of_a_guide_are_in_its_fleet() -> None:
    lines: list[str] = []
    check_places(Inventory.model_validate(yaml.safe_load(DEVICES)), FLEET, lines.append)
    assert lines == []


def test_devices_of_other_zones_are_named() -> None:
    lines: list[str] = []
    check_places(listed({"zone": "HOME", "channel": "load_mw"}, {"zone": "SHED", "asset_id": "x"}), FLEET, lines.append)
    assert lines == ["in no zone of this run, so not commanded: d1"]


@pytest.mark.parametrize(
    ("device", "words", "hint"),
    [
        ({"zone": "HOMES", "asset_id": "battery"}, "no device", "HOME"),
        ({"zone": "HOME", "asset_id": "batery"}, "no asset", "battery"),
    ],
)
def test_a_device_that_the_fleet_lacks_is_refused_with_the_nearest_name(
    device: dict[str, str], words: str, hint: str
) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        check_places(listed(device), FLEET, lambda _: None)
    assert hint in (error.value.hint or "")


@pytest.mark.parametrize(
    ("devices", "options", "is_warned"),
    [
        ("devices.yaml", SourceOptions(kind="replay", live=True), True),
        ("devices.yaml", SourceOptions(kind="replay", speed=3600.0), True),
        ("devices.yaml", SourceOptions(kind="replay", speed=1.0), False),
        ("devices.yaml", SourceOptions(kind="replay", catch_up=True), False),
        ("devices.yaml", SourceOptions(kind="feed"), False),
        (SIMULATED, SourceOptions(kind="simulate", speed=3600.0), False),
        (None, SourceOptions(kind="replay", speed=3600.0), False),
    ],
)
def test_listed_devices_that_follow_slots_faster_than_real_time_are_warned_of(
    devices: str | None, options: SourceOptions, is_warned: bool
) -> None:
    warning = pace_warning(devices, options)
    assert (warning is not None) == is_warned
    assert warning is None or "--live" in warning
