"""The device simulator: serves every device of a device list at its address, with faults that a file switches on.

Each command that a device takes goes to a log, one JSON line each, so a drill can compare it with the ledger.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agents.devices.inventory import DeviceEntry, Inventory
from agents.devices.register_map import load_register_map
from agents.devices.simulation import DeviceFault, DeviceKind, SimulatedDevice
from topologies.gateways.clock import GatewayClock
from topologies.gateways.simulation.device import ServedDevice, not_here
from vpp.atomic_file import write_atomic
from vpp.errors import ConfigError, nearest_hint
from vpp.settings import Settings

log = logging.getLogger(__name__)

TICK_S = 0.1
HOURS_OF_ENERGY = 2.0
KINDS: Mapping[str, DeviceKind] = {"power": "battery", "limit": "inverter", "none": "meter"}


@dataclass(frozen=True, slots=True)
class FaultChange:
    """From a moment on a device has these faults, by its own log."""

    device: str
    at_s: float
    faults: frozenset[DeviceFault]


@dataclass(frozen=True, slots=True)
class SimulatorFiles:
    """Where the simulator reads faults, and writes when they took effect and what devices took."""

    faults: Path
    fault_log: Path
    taken: Path

    @classmethod
    def of(cls, settings: Settings) -> SimulatorFiles:
        """Return the files of a data directory."""
        names = ("device-faults.json", "device-fault-log.jsonl", "device-commands.jsonl")
        return cls(*(settings.data_dir / name for name in names))

    def read_faults(self) -> dict[str, set[DeviceFault]]:
        """Return the faults by device; none where the file is missing or unreadable."""
        try:
            body = json.loads(self.faults.read_text(encoding="utf-8"))
            return {name: {DeviceFault(fault) for fault in faults} for name, faults in body.items()}
        except (OSError, ValueError, AttributeError):
            return {}

    def set_fault(self, name: str, fault: DeviceFault | None) -> None:
        """Let a device have this fault alone, or none."""
        faults = {**self.read_faults(), name: set() if fault is None else {fault}}
        body = {device: sorted(some) for device, some in faults.items() if some}
        write_atomic(self.faults, json.dumps(body, indent=1))

    def log_faults(self, change: FaultChange) -> None:
        """Add the faults that a device has from now on."""
        _append(self.fault_log, {"device": change.device, "at_s": change.at_s, "faults": sorted(change.faults)})

    def read_fault_log(self) -> list[FaultChange]:
        """Return all changes in order; none where the simulator never had a fault."""
        lines = self.fault_log.read_text(encoding="utf-8").splitlines() if self.fault_log.exists() else []
        return [
            FaultChange(line["device"], line["at_s"], frozenset(map(DeviceFault, line["faults"])))
            for line in map(json.loads, lines)
        ]

    def log_taken(self, name: str, at_s: float, sequence: int | None, power_mw: float, stalled_s: float) -> None:
        """Add a command that a device took.

        Args:
            name: The device.
            at_s: When, seconds since 1970-01-01.
            sequence: Number of the command; None: the register has none.
            power_mw: Power that it asks for, positive into the grid.
            stalled_s: So long the simulator did not run just then: the command may have been there before.
        """
        line = {"device": name, "at_s": at_s, "sequence": sequence, "power_mw": power_mw, "stalled_s": stalled_s}
        _append(self.taken, line)


def _append(path: Path, line: Mapping[str, object]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def simulated(entry: DeviceEntry, kind: DeviceKind, *, has_watchdog: bool = True) -> SimulatedDevice:
    """Return the simulated device of a list entry."""
    return SimulatedDevice(
        kind,
        entry.nameplate_mw,
        energy_mwh=entry.energy_mwh or HOURS_OF_ENERGY * entry.nameplate_mw,
        soc=entry.soc_start,
        safe_default_mw=entry.safe_default_mw,
        heartbeat_s=entry.heartbeat_s if has_watchdog else math.inf,
    )


def served(inventory: Inventory, entry: DeviceEntry, settings: Settings) -> ServedDevice:
    """Return a device of the list behind its protocol.

    Raises:
        ConfigError: Its address is not on this machine, or its map is wrong.
    """
    kind: DeviceKind = "meter" if entry.asset_id is None else KINDS[entry.control]
    if entry.gateway == "mqtt":
        from topologies.gateways.simulation.mqtt import SimulatedMqttDevice  # each protocol loads its library alone

        return SimulatedMqttDevice(simulated(entry, kind), entry, settings.mqtt)
    if entry.gateway == "http":
        from topologies.gateways.simulation.http import SimulatedHttpDevice

        return SimulatedHttpDevice(simulated(entry, kind), entry, settings.webhook)
    from topologies.gateways.simulation.modbus import SimulatedModbusDevice

    register_map = load_register_map(entry.map, inventory.folder)
    host, _, port = entry.address.rpartition(":")
    if host not in ("127.0.0.1", "localhost") or not port.isdigit():
        raise not_here(entry, "127.0.0.1:PORT")
    has_watchdog = register_map.write is not None and register_map.write.watchdog is not None
    device = simulated(entry, KINDS[register_map.control], has_watchdog=has_watchdog)
    return SimulatedModbusDevice(device, register_map, int(port), unit=entry.unit)


async def run_simulator(
    inventory: Inventory, files: SimulatorFiles, stop: asyncio.Event, *, settings: Settings, clock: GatewayClock
) -> None:
    """Serve all devices of the list until stopped.

    Args:
        inventory: The list.
        files: Faults and what was taken.
        stop: Ends it.
        settings: The broker of its MQTT devices, and the webhook of its HTTP devices.
        clock: Tells how fast the run is: stores fill at that speed.

    Raises:
        ConfigError: A device of the list cannot be simulated, or the faults name one that is not in it.
        UnreachableError: A port is taken.
    """
    devices = {entry.name: served(inventory, entry, settings) for entry in inventory.devices}
    logged = dict.fromkeys(devices, 0)
    for device in devices.values():
        await device.start()
    log.info("started devices=%s", len(devices))
    applied: dict[str, set[DeviceFault]] = {}
    ticked_s = time.monotonic()
    try:
        while not stop.is_set():
            before_s, ticked_s = ticked_s, time.monotonic()
            stalled_s = max(ticked_s - before_s - TICK_S, 0.0)
            faults = files.read_faults()
            if faults != applied:
                for change in _applied(devices, applied, faults):
                    files.log_faults(change)
                applied = faults
            for name, device in devices.items():
                device.device.energy_speed = clock.speed
                await device.tick()
                for command in device.device.taken[logged[name] :]:
                    files.log_taken(name, command.at_s, command.sequence, command.power_mw, stalled_s)
                logged[name] = len(device.device.taken)
            await asyncio.sleep(TICK_S)
    finally:
        for device in devices.values():
            await device.stop()


def _applied(
    devices: Mapping[str, ServedDevice], before: Mapping[str, set[DeviceFault]], faults: Mapping[str, set[DeviceFault]]
) -> Iterator[FaultChange]:
    """Give the devices their faults; yield what changed.

    Raises:
        ConfigError: A fault names a device that is not served.
    """
    unknown = sorted(set(faults) - set(devices))
    if unknown:
        raise ConfigError(f"no device {unknown[0]!r} to give a fault", hint=nearest_hint(unknown[0], devices))
    for name, device in devices.items():
        now = faults.get(name, set())
        if now != before.get(name, set()):
            device.device.faults = set(now)
            log.info("device %s faults=%s", name, ",".join(sorted(now)) or "none")
            yield FaultChange(name, time.time(), frozenset(now))
