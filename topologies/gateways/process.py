"""A gateway process: broker, journal, desk and the links of one protocol, until it is stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from agents.devices.inventory import DeviceEntry, GatewayKind, Inventory, load_inventory
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk, Transmit
from topologies.gateways.setpoint_feed import SetpointFeed
from topologies.sources.outbox import KafkaOutbox, Outbox
from topologies.sources.pace import clock_path
from vpp.domain import iso
from vpp.errors import ConfigError, UnreachableError
from vpp.messages import Alert, AlertCode, AlertEffect
from vpp.settings import Settings
from vpp.store.command_journal import CommandJournal
from vpp.streams.broker_rights import open_topics
from vpp.streams.topics import ALERTS, COMMANDS, RAW

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1

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
        gateway: Its name, which is also that of the journal.
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
    clock = GatewayClock(clock_path(settings), waits=waits, asks_log=True)
    telemetry, ledger, alerts = (
        KafkaOutbox(settings, topic, "gateway", stamped=clock.note_written) for topic in (RAW, COMMANDS, ALERTS)
    )
    with CommandJournal(journal_path(settings, gateway)) as journal:
        desk = GatewayDesk(
            gateway,
            entries,
            limits=limits,
            journal=journal,
            clock=clock,
            telemetry=telemetry,
            ledger=ledger,
            transmit=transmit,
        )
        desk.record_commands()
        feed = SetpointFeed(settings, gateway, desk.setpoints, clock.note_read)
        feed.open()
        log.info("started gateway=%s devices=%s pid=%s", gateway, len(entries), os.getpid())
        gc.collect()
        gc.freeze()  # modules and desks stay: looking through them for garbage held all devices up for 100 ms
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_links(links, desk, stop))
                group.create_task(desk.run(stop))
                group.create_task(_read_setpoints(feed, clock, stop))
                group.create_task(watch_clock(clock, alerts, gateway, entries, stop))
        except* UnreachableError as errors:
            raise errors.exceptions[0] from errors
        finally:
            feed.stop()
    for outbox in (telemetry, ledger, alerts):
        outbox.flush()
    log.info("stopped gateway=%s", gateway)


async def _links(links: Links, desk: GatewayDesk, stop: asyncio.Event) -> None:
    await links(desk, stop)


async def _read_setpoints(feed: SetpointFeed, clock: GatewayClock, stop: asyncio.Event) -> None:
    """Read setpoints once it is known what time it is: a wrong clock would take them for over."""
    is_reading = False
    while not stop.is_set():
        if not is_reading and clock.is_checked:
            feed.start(asyncio.get_running_loop())
            is_reading = True
        if feed.failure is not None:
            raise UnreachableError(f"setpoints cannot be read: {feed.failure}", hint="is the broker running?")
        await asyncio.sleep(LOOK_EVERY_S)


async def watch_clock(
    clock: GatewayClock, alerts: Outbox, gateway: str, entries: tuple[DeviceEntry, ...], stop: asyncio.Event
) -> None:
    """Raise an alert in each zone of the gateway when the clock of its machine is off, and again when that has doubled.

    Args:
        clock: The clock.
        alerts: Where alerts go.
        gateway: Name of the gateway.
        entries: Its devices.
        stop: Ends it.
    """
    named_s = 0.0
    while not stop.is_set():
        off_s = clock.off_s
        if abs(off_s) > 2 * abs(named_s):  # not each time: a clock near the bound would raise one after the other
            named_s = off_s
            log.warning("the clock of this machine is ahead of the log's by %.1f s; the log's time is used", off_s)
            for zone in sorted({entry.zone for entry in entries}):
                alerts.send(clock_alert(zone, gateway, off_s, clock.run_now()))
        await asyncio.sleep(LOOK_EVERY_S)


def clock_alert(zone: str, gateway: str, off_s: float, at: datetime) -> Alert:
    """Return the alert that the clock of a gateway's machine is off.

    Args:
        zone: A zone of its devices.
        gateway: Name of the gateway.
        off_s: Seconds by which it is ahead of the log's clock.
        at: The log's time.
    """
    slot = at.replace(second=0, microsecond=0)
    return Alert(
        zone=zone,
        slot=slot,
        alert_id=f"gateway-clock-{gateway}-{iso(at)}",
        severity="warning",
        topic="gateway",
        code=AlertCode.CLOCK_OFF,
        effect=AlertEffect.LOG_TIME_USED,
        values={"ahead_s": round(off_s, 1)},
        text=f"the clock of gateway {gateway} is {abs(off_s):.0f} s {'fast' if off_s > 0 else 'slow'}: "
        "it goes by the time of the log",
    )
