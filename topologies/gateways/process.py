"""A gateway process: broker, journal, desk and the links of one protocol, until it is stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from agents.devices.inventory import DeviceEntry, GatewayKind, Inventory, load_inventory
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk, Transmit
from topologies.gateways.setpoint_feed import SetpointFeed
from topologies.sources.outbox import KafkaOutbox
from topologies.sources.pace import clock_path
from vpp.errors import ConfigError, UnreachableError
from vpp.settings import Settings
from vpp.store.command_journal import CommandJournal
from vpp.streams.broker_rights import open_topics
from vpp.streams.topics import COMMANDS, RAW

log = logging.getLogger(__name__)

Links = Callable[[GatewayDesk, asyncio.Event], Awaitable[None]]
"""Runs the connections of all devices until stopped."""


def journal_path(settings: Settings, gateway: str) -> Path:
    """Return where a gateway keeps its journal."""
    return settings.data_dir / f"commands-{settings.run or 'default'}-{gateway}.sqlite"


def entries_of(settings: Settings, gateway: GatewayKind) -> tuple[Inventory, tuple[DeviceEntry, ...]]:
    """Return the device list of the settings and the devices of one gateway.

    Raises:
        ConfigError: There is no list, it is wrong, or it has no device for this gateway.
    """
    if settings.devices is None:
        raise ConfigError("no device list is set", hint="give --devices FILE, or set VPP_DEVICES")
    inventory = load_inventory(settings.devices)
    entries = inventory.of(gateway)
    if not entries:
        raise ConfigError(f"{settings.devices} has no device with gateway: {gateway}", hint="see `vpp devices list`")
    return inventory, entries


async def run_gateway(
    settings: Settings,
    gateway: str,
    entries: tuple[DeviceEntry, ...],
    *,
    limits: frozenset[str],
    transmit: Transmit,
    links: Links,
    waits: bool = False,
) -> None:
    """Run one gateway until SIGTERM or SIGINT.

    Args:
        settings: Broker, data directory, run.
        gateway: Its name; the journal goes by it.
        entries: Its devices.
        limits: Names of the devices that take a limit.
        transmit: Sends a command.
        links: Runs the connections.
        waits: A source beside it has yet to start the run clock.

    Raises:
        RefusedError: Another process runs this gateway.
        UnreachableError: The broker does not answer or does not take records.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    open_topics(settings, "gateway")
    telemetry, ledger = (KafkaOutbox(settings, topic, "gateway") for topic in (RAW, COMMANDS))
    with CommandJournal(journal_path(settings, gateway)) as journal:
        desk = GatewayDesk(
            gateway,
            entries,
            limits=limits,
            journal=journal,
            clock=GatewayClock(clock_path(settings), waits=waits),
            telemetry=telemetry,
            ledger=ledger,
            transmit=transmit,
        )
        feed = SetpointFeed(settings, gateway, desk.setpoints)
        feed.start(loop)
        log.info("started gateway=%s devices=%s pid=%s", gateway, len(entries), os.getpid())
        gc.collect()
        gc.freeze()  # modules and desks stay: looking through them for garbage held all devices up for 100 ms
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_links(links, desk, stop))
                group.create_task(desk.run(stop))
                group.create_task(_watch(feed, stop))
        except* UnreachableError as errors:
            raise errors.exceptions[0] from errors
        finally:
            feed.stop()
    telemetry.flush()
    ledger.flush()
    log.info("stopped gateway=%s", gateway)


async def _links(links: Links, desk: GatewayDesk, stop: asyncio.Event) -> None:
    await links(desk, stop)


async def _watch(feed: SetpointFeed, stop: asyncio.Event) -> None:
    while not stop.is_set():
        if feed.failure is not None:
            raise UnreachableError(f"setpoints cannot be read: {feed.failure}", hint="is the broker running?")
        await asyncio.sleep(0.5)
