"""`vpp devices`: the devices of the list, a test of one, and a simulator of all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from agents.devices.inventory import DeviceEntry, Inventory, load_inventory
from agents.devices.simulation import DeviceFault
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, pairs, say, table
from vpp.domain import iso
from vpp.errors import ConfigError, nearest_hint
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import COMMANDS

app = App(name="devices", help="Devices of the gateways: list, test, simulate.")

DeviceList = Annotated[Path | None, Parameter(name="--devices", help="device list [setting devices]")]


@app.command(name="list")
def list_(*, devices: DeviceList = None, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """List the devices with the outcome of the newest command of each."""
    settings = _with_list(common.settings(), devices)
    inventory = _inventory(settings)
    newest = _newest_commands(settings, inventory)
    rows = [
        {
            "device": entry.name,
            "zone": entry.zone,
            "is": entry.asset_id or entry.channel,
            "gateway": entry.gateway,
            "address": entry.address,
            **newest.get(entry.name, {"sequence": None, "power_mw": None, "outcome": None, "sent_at": None}),
        }
        for entry in inventory.devices
    ]
    answer(rows, as_json=json, render=lambda shown: table(None, shown[0], [row.values() for row in shown]))


@app.command(name="test")
def read_once(name: str, *, devices: DeviceList = None, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Connect to a device, read it once and say what it answers; nothing is written.

    Args:
        name: The device.
    """
    settings = _with_list(common.settings(), devices)
    inventory = _inventory(settings)
    entry = _entry(inventory, name)
    if entry.gateway != "modbus":
        raise ConfigError(f"{name} is reached by {entry.gateway}: it sends by itself", hint="see vpp devices list")
    answer(asyncio.run(_read(inventory, entry)), as_json=json, render=lambda row: pairs(row.items()))


@app.command
def simulate(*, devices: DeviceList = None, common: Common = NO_OPTIONS) -> None:
    """Serve every device of the list as a simulated one at its address, until Ctrl-C."""
    from topologies.device_simulator import simulate_devices  # loads the protocol libraries

    settings = _with_list(common.settings(), devices)
    inventory = _inventory(settings)
    say(f"simulating {len(inventory.devices)} devices; faults: vpp devices fault NAME FAULT; Ctrl-C ends it")
    asyncio.run(simulate_devices(settings))


@app.command
def fault(
    name: str, kind: DeviceFault | None = None, *, devices: DeviceList = None, common: Common = NO_OPTIONS
) -> None:
    """Give a simulated device a fault; without one it is well again.

    Args:
        name: The device.
        kind: The fault.
    """
    from topologies.gateways.simulator import SimulatorFiles

    settings = _with_list(common.settings(), devices)
    _entry(_inventory(settings), name)
    SimulatorFiles.of(settings).set_fault(name, kind)
    say(f"{name}: {kind.value if kind else 'no fault'}")


@app.command
def acl(
    *,
    user: Annotated[str, Parameter(help="user of the gateway")] = "gateway",
    devices: DeviceList = None,
    common: Common = NO_OPTIONS,
) -> None:
    """Print mosquitto's access rules for the MQTT devices: each a user of its own that reaches its own topics alone."""
    from agents.devices.mqtt_payloads import MqttTopics, access_rules

    settings = _with_list(common.settings(), devices)
    rules = access_rules(_inventory(settings).of("mqtt"), MqttTopics(settings.mqtt.prefix), user)
    out.print(rules, end="")


def _with_list(settings: Settings, devices: Path | None) -> Settings:
    return settings if devices is None else settings.model_copy(update={"devices": devices})


def _inventory(settings: Settings) -> Inventory:
    if settings.devices is None:
        raise ConfigError("no device list is set", hint="give --devices FILE, or set VPP_DEVICES")
    return load_inventory(settings.devices)


def _entry(inventory: Inventory, name: str) -> DeviceEntry:
    by_name = {entry.name: entry for entry in inventory.devices}
    if name not in by_name:
        raise ConfigError(f"the list has no device {name!r}", hint=nearest_hint(name, by_name))
    return by_name[name]


def _newest_commands(settings: Settings, inventory: Inventory) -> dict[str, dict[str, Any]]:
    """Return number, power, outcome and time of the newest command by device."""
    columns = ("device", "sequence", "power_mw", "outcome", "sent_at")
    newest: dict[str, dict[str, Any]] = {}
    with open_store(settings, read_only=True) as store:
        for zone in sorted({entry.zone for entry in inventory.devices}):
            for device, sequence, power, outcome, sent_at in store.read(COMMANDS, zone=zone, columns=columns):
                if sequence and sequence >= newest.get(device, {"sequence": 0})["sequence"]:
                    sent = None if sent_at is None else iso(sent_at)
                    newest[device] = {"sequence": sequence, "power_mw": power, "outcome": outcome, "sent_at": sent}
    return newest


async def _read(inventory: Inventory, entry: DeviceEntry) -> dict[str, Any]:
    from agents.devices.register_map import load_register_map
    from topologies.gateways.clock import GatewayClock
    from topologies.gateways.modbus_link import ModbusLink

    link = ModbusLink(entry, load_register_map(entry.map, inventory.folder), GatewayClock(), lambda _name, _event: None)
    try:
        await link.read()
        began = time.perf_counter()
        reading = await link.read()
        took_ms = 1000.0 * (time.perf_counter() - began)
    finally:
        link.close()
    return {
        "device": entry.name,
        "address": entry.address,
        "power_mw": reading.power_mw,
        "soc": reading.soc,
        "read_back_mw": reading.read_back_mw,
        "local_mode": reading.is_local,
        **reading.values,
        "read_in_ms": round(took_ms, 2),
    }
