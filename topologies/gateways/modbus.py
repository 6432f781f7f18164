"""The Modbus TCP gateway: every Modbus device of the device list, each on a connection of its own."""

from __future__ import annotations

import asyncio

from agents.devices.inventory import DeviceEntry, Inventory
from agents.devices.register_map import RegisterMap, load_register_map
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.modbus_link import ModbusLink
from topologies.gateways.process import entries_of, run_gateway
from vpp.messages import DeviceCommand
from vpp.settings import Settings

NAME = "modbus"


def maps_of(inventory: Inventory, entries: tuple[DeviceEntry, ...]) -> dict[str, RegisterMap]:
    """Return the register map of each device by its name.

    Raises:
        ConfigError: A map is missing or wrong.
    """
    return {entry.name: load_register_map(entry.map, inventory.folder) for entry in entries}


async def run_modbus(settings: Settings, *, waits: bool = False) -> None:
    """Run the gateway until stopped; ``waits``: a source beside it has yet to start the run clock.

    Raises:
        VppError: The device list or a map is wrong, another process runs it, or the broker does not answer.
    """
    inventory, entries = entries_of(settings, "modbus")
    maps = maps_of(inventory, entries)
    links: dict[str, ModbusLink] = {}

    async def transmit(entry: DeviceEntry, command: DeviceCommand, valid_for_s: float) -> bool | None:
        link = links.get(entry.name)
        return None if link is None else await link.transmit(command, valid_for_s)

    async def run_links(desk: GatewayDesk, stop: asyncio.Event) -> None:
        for entry in entries:
            links[entry.name] = ModbusLink(
                entry, maps[entry.name], desk.clock, lambda name, event: desk.handle([(name, event)])
            )
        async with asyncio.TaskGroup() as group:
            for place, entry in enumerate(entries):
                delay_s = entry.cycle_s * place / len(entries)
                group.create_task(links[entry.name].run(stop, delay_s))

    limits = frozenset(name for name, register_map in maps.items() if register_map.control == "limit")
    await run_gateway(settings, NAME, entries, limits=limits, transmit=transmit, links=run_links, waits=waits)
