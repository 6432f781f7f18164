"""`vpp devices`: the devices of the list, a test of one, and a simulator of all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from agents.devices.inventory import DeviceEntry, Inventory, load_inventory
from agents.devices.simulation import DeviceFault
from console.cli.options import NO_OPTIONS, Common, Json, answer, out, pairs, say, table
from console.local.drill_proof import DrillProof
from vpp.domain import iso
from vpp.errors import ConfigError, VppError, nearest_hint
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import COMMANDS

app = App(name="devices", help="Devices of the gateways: list, test, simulate, drill.")

MIN_SLOTS, MIN_SLOT_S = 4, 5.0

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
    answer(rows, as_json=json, render=lambda rows: table(None, rows[0], [row.values() for row in rows]))


@app.command(name="test")
def read_once(name: str, *, devices: DeviceList = None, json: Json = False, common: Common = NO_OPTIONS) -> None:
    """Connect to a device, read it once and print the values. Nothing is written.

    Args:
        name: The device.
    """
    settings = _with_list(common.settings(), devices)
    inventory = _inventory(settings)
    entry = _entry(inventory, name)
    if entry.gateway != "modbus":
        raise ConfigError(f"{name} is reached by {entry.gateway}: it sends by itself", hint="see vpp devices list")
    answer(asyncio.run(_read(inventory, entry)), as_json=json, render=pairs)


@app.command
def simulate(*, devices: DeviceList = None, common: Common = NO_OPTIONS) -> None:
    """Simulate every device of the list at its address until Ctrl-C."""
    from topologies.gateways.simulation.process import simulate_devices  # loads the protocol libraries

    settings = _with_list(common.settings(), devices)
    inventory = _inventory(settings)
    say(f"simulating {len(inventory.devices)} devices; faults: vpp devices fault NAME FAULT; Ctrl-C ends it")
    asyncio.run(simulate_devices(settings))


@app.command
def drill(
    *,
    slots: Annotated[int, Parameter(help="setpoints per device; at least 4")] = 8,
    slot_s: Annotated[float, Parameter(help="seconds per setpoint; at least 5")] = 6.0,
    seed: Annotated[int, Parameter(help="seed of the sequence of faults")] = 1,
    slack_s: Annotated[float, Parameter(help="seconds from a write to the log of the device")] = 1.0,
    folder: Annotated[Path | None, Parameter(help="where logs and journals go; removed where none is given")] = None,
    json: Json = False,
    common: Common = NO_OPTIONS,
) -> None:
    """Drill real gateways with simulated devices on this machine, and verify the command ledger.

    Five devices over Modbus (registers, SunSpec), MQTT and HTTP, with interrupted connections, killed gateways,
    restarts and faults of devices.
    """
    from console.local.device_drill import DeviceDrill, DrillOptions  # loads the client libraries

    if slots < MIN_SLOTS or slot_s < MIN_SLOT_S:
        raise ConfigError(f"a drill has at least {MIN_SLOTS} slots of {MIN_SLOT_S:g} s")
    options = DrillOptions(slots, slot_s, seed, slack_s)
    with TemporaryDirectory(prefix="vpp-drill-") as temporary:
        drill_folder = Path(temporary) if folder is None else folder
        progress = (lambda _: None) if json else say
        proof = asyncio.run(DeviceDrill(drill_folder, options, common.settings(), progress).run())
    body = {"proven": proof.is_proven, **msgspec.to_builtins(proof)}
    answer(body, as_json=json, render=lambda _: _show_proof(proof))
    if not proof.is_proven:
        raise VppError("the ledger does not prove the drill", hint="see the lines above")


def _show_proof(proof: DrillProof) -> None:
    heads = ["device", "trouble", "named", "after s", "looks"]
    rows = [
        (
            trouble.device,
            trouble.kind,
            trouble.outcome or ("not seen" if trouble.unseen else "no name"),
            trouble.late_s,
            trouble.late_cycles,
        )
        for trouble in proof.troubles
    ]
    table(None, heads, rows)
    for title, faults in (("twice", proof.twice), ("stale", proof.stale), ("unrecorded", proof.unrecorded)):
        for fault_line in faults:
            say(f"{title}: {fault_line}")
    pairs(
        {
            "commands": proof.commands,
            "taken by devices": proof.taken,
            "proven by measurement": proof.followed,
            "rebuilt after a restart": proof.restored,
            "taken twice": len(proof.twice),
            "taken stale": len(proof.stale),
            "not in the ledger": len(proof.unrecorded),
            "without a name in time": len(proof.unnamed),
            "gateways back with a slow clock": len(proof.slow_clocks),
            "slow clocks without an alert": len(proof.unnamed_clocks),
            "proven": "yes" if proof.is_proven else "no",
        }
    )


@app.command
def fault(
    name: str, kind: DeviceFault | None = None, *, devices: DeviceList = None, common: Common = NO_OPTIONS
) -> None:
    """Give a simulated device a fault; without one it is well again.

    Args:
        name: The device.
        kind: The fault.
    """
    from topologies.gateways.simulation.simulator import SimulatorFiles

    settings = _with_list(common.settings(), devices)
    _entry(_inventory(settings), name)
    SimulatorFiles.of(settings).set_fault(name, kind)
    say(f"{name}: {kind.value if kind else 'no fault'}")


@app.command
def acl(
    *,
    user: Annotated[str, Parameter(help="user of the gateway")] = "gateway",
    home_assistant: Annotated[str | None, Parameter(help="user of Home Assistant, where there is one")] = None,
    devices: DeviceList = None,
    common: Common = NO_OPTIONS,
) -> None:
    """Print mosquitto's access rules for the MQTT devices: each a user of its own that reaches its own topics alone."""
    from agents.devices.mqtt_payloads import MqttTopics, access_rules

    settings = _with_list(common.settings(), devices)
    entries, topics = _inventory(settings).of("mqtt"), MqttTopics(settings.mqtt.prefix)
    rules = access_rules(entries, topics, user, home_assistant=home_assistant)
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
                    sent_text = None if sent_at is None else iso(sent_at)
                    newest[device] = {"sequence": sequence, "power_mw": power, "outcome": outcome, "sent_at": sent_text}
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
