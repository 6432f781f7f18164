"""The device list: what it takes, what it refuses, and how each device is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.devices.inventory import Inventory, load_inventory
from vpp.errors import ConfigError

LIST = """
devices:
  meter: {zone: HOME, gateway: mqtt, nameplate_mw: 0.01, channel: load_mw}
  roof: {zone: HOME, gateway: http, nameplate_mw: 0.02, asset_id: pv, control: limit, address: "http://127.0.0.1:9"}
  battery: {zone: HOME, gateway: modbus, nameplate_mw: 0.005, asset_id: bat, map: own.yaml, address: "127.0.0.1:502"}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "devices.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_gateway_has_its_own_devices(tmp_path: Path) -> None:
    inventory = load_inventory(written(tmp_path, LIST))
    assert [device.name for device in inventory.of("modbus")] == ["battery"]
    assert [device.name for device in inventory.of("mqtt")] == ["meter"]
    assert [device.name for device in inventory.of("http")] == ["roof"]
    assert inventory.folder == tmp_path


def test_a_device_is_judged_by_its_own_times_and_rating(tmp_path: Path) -> None:
    [battery] = load_inventory(written(tmp_path, LIST)).of("modbus")
    rules = battery.rules(is_limit=False)
    assert (rules.nameplate_mw, rules.settle_s, rules.tolerance) == (0.005, battery.settle_s, battery.tolerance)
    assert battery.beat_s == pytest.approx(battery.heartbeat_s / 3)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("zone: Z, gateway: mqtt, nameplate_mw: 1", "asset"),
        ("zone: Z, gateway: mqtt, nameplate_mw: 1, asset_id: a, channel: load_mw", "asset"),
        ("zone: Z, gateway: modbus, nameplate_mw: 1, asset_id: a, map: sunspec", "address"),
        ("zone: Z, gateway: http, nameplate_mw: 1, asset_id: a, address: 127.0.0.1", "http://"),
        (
            "zone: Z, gateway: modbus, nameplate_mw: 1, asset_id: a, map: m, address: a:1, cycle_s: 31",
            "half of heartbeat_s",
        ),
        ("zone: Z, gateway: mqtt, nameplate_mw: 0, asset_id: a", "nameplate_mw"),
        ("zone: Z, gateway: mqtt, nameplate_mw: 1, asset_id: a, tolerence: 0.1", "tolerance"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place(tmp_path: Path, entry: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as error:
        load_inventory(written(tmp_path, f"devices:\n  one: {{{entry}}}\n"))
    assert "devices.yaml" in str(error.value)


def test_an_asset_has_one_device(tmp_path: Path) -> None:
    twice = "\n".join(f"  {name}: {{zone: Z, gateway: mqtt, nameplate_mw: 1, asset_id: a}}" for name in ("one", "two"))
    with pytest.raises(ConfigError, match="Z/a"):
        load_inventory(written(tmp_path, f"devices:\n{twice}\n"))


def test_a_missing_list_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read") as error:
        load_inventory(tmp_path / "none.yaml")
    assert "--devices" in (error.value.hint or "")


def test_a_list_of_devices_is_read_like_names_with_bodies() -> None:
    body = {"zone": "Z", "gateway": "mqtt", "nameplate_mw": 1.0, "asset_id": "a"}
    listed = Inventory.model_validate({"devices": [{"name": "one", **body}]})
    assert listed == Inventory.model_validate({"devices": {"one": body}})
