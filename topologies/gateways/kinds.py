"""The gateways by kind: each runs in a process of its own and loads its own protocol alone."""

from __future__ import annotations

import asyncio
import sys

from topologies.runtime.process import own_process
from vpp.errors import ConfigError
from vpp.settings import Settings

RUN_CLOCK = "--run-clock"
"""Given by `vpp up`: wait for the run clock of the source beside it."""

KINDS = ("modbus", "mqtt", "http", "openadr")


def run_gateway_kind(kind: str, settings: Settings, *, waits: bool = False) -> None:
    """Run the gateway of one kind until it is stopped.

    Raises:
        VppError: A setting or the device list is wrong, or the broker does not answer.
    """
    match kind:
        case "modbus":
            from topologies.gateways.modbus import run_modbus

            asyncio.run(run_modbus(settings, waits=waits))
        case "mqtt":
            from topologies.gateways.mqtt import run_mqtt

            asyncio.run(run_mqtt(settings, waits=waits))
        case "http":
            from topologies.gateways.http import run_http

            asyncio.run(run_http(settings, waits=waits))
        case "openadr":
            from topologies.gateways.openadr import run_openadr

            run_openadr(settings)
        case _:
            raise ConfigError(f"there is no gateway {kind!r}", hint=f"one of {', '.join(KINDS)}")


def main() -> None:
    """Run a gateway as a process of its own."""
    with own_process("gateway") as settings:
        kind, *options = sys.argv[1:] or [""]
        run_gateway_kind(kind, settings, waits=RUN_CLOCK in options)
