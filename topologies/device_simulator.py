"""Runs the device simulator: ``python -m topologies.device_simulator``."""

from __future__ import annotations

import asyncio
import signal

from agents.devices.inventory import load_inventory
from topologies.gateways.simulator import SimulatorFiles, run_simulator
from topologies.runtime.parent_watch import end_with_supervisor
from vpp.errors import ConfigError, exit_on_error
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
from vpp.settings import Settings, load_settings


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
    await run_simulator(load_inventory(settings.devices), SimulatorFiles.of(settings), stop)


def main() -> None:
    """Run the simulator as a process of its own."""
    with exit_on_error("devices"):
        settings = load_settings()
        set_up_logging(settings)
        keep_private(settings.data_dir)
        end_with_supervisor()
        asyncio.run(simulate_devices(settings))


if __name__ == "__main__":
    main()
