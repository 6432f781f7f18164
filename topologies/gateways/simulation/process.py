"""The device simulator as a process: it serves the device list of the settings until it is stopped."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from agents.devices.inventory import load_inventory
from topologies.gateways.clock import GatewayClock
from topologies.gateways.simulation.simulator import SimulatorFiles, run_simulator
from topologies.runtime.process import run_process
from topologies.sources.pace import clock_path
from vpp.errors import ConfigError
from vpp.settings import Settings


async def simulate_devices(settings: Settings) -> None:
    """Serve the devices of the settings' list until SIGTERM or SIGINT.

    Raises:
        VppError: There is no list, or a device cannot be served.
    """
    if settings.devices is None:
        raise ConfigError("no device list is set", hint="give --devices FILE, or set VPP_DEVICES")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    inventory = load_inventory(settings.devices)
    with _broker(settings, needed=bool(inventory.of("mqtt"))):
        await run_simulator(
            inventory, SimulatorFiles.of(settings), stop, settings=settings, clock=GatewayClock(clock_path(settings))
        )


@contextmanager
def _broker(settings: Settings, *, needed: bool) -> Iterator[None]:
    """Bring an MQTT broker where devices need one, its address is this machine, and nobody listens there."""
    host, _, port = settings.mqtt.address.rpartition(":")
    if not needed or host not in ("127.0.0.1", "localhost") or _is_taken(int(port)):
        yield
        return
    from topologies.gateways.simulation.broker import embedded_broker  # only where no broker is

    with embedded_broker(int(port), settings.data_dir):
        yield


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    """Run the simulator as a process of its own."""
    run_process("devices", lambda settings: asyncio.run(simulate_devices(settings)))
