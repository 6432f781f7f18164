"""Runs one gateway: ``python -m topologies.gateway modbus``."""

from __future__ import annotations

import asyncio
import sys

from topologies.runtime.parent_watch import end_with_supervisor
from vpp.errors import ConfigError, exit_on_error
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
from vpp.settings import Settings, load_settings

KINDS = ("modbus", "mqtt")


def run_gateway_kind(kind: str, settings: Settings) -> None:
    """Run the gateway of one kind until it is told to stop.

    Raises:
        VppError: A setting or the device list is wrong, or the broker does not answer.
    """
    match kind:
        case "modbus":
            from topologies.gateways.modbus import run_modbus  # each gateway loads its protocol alone

            asyncio.run(run_modbus(settings))
        case "mqtt":
            from topologies.gateways.mqtt import run_mqtt

            asyncio.run(run_mqtt(settings))
        case _:
            raise ConfigError(f"there is no gateway {kind!r}", hint=f"one of {', '.join(KINDS)}")


def main() -> None:
    """Run a gateway as a process of its own."""
    with exit_on_error("gateway"):
        settings = load_settings()
        set_up_logging(settings)
        keep_private(settings.data_dir)
        end_with_supervisor()
        run_gateway_kind(sys.argv[1] if len(sys.argv) > 1 else "", settings)


if __name__ == "__main__":
    main()
