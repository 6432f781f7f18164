"""The desk of a gateway: passes events of devices to the command reducer and executes its actions.

Nothing is transmitted before the journal has it. What became of commands goes to the command ledger, what devices
measure to the raw telemetry, in batches of some milliseconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from agents.devices.events import (
    DeviceAnswered,
    DeviceEvent,
    DeviceRead,
    GatewayStarted,
    RecordProof,
    SendCommand,
    SetpointCame,
    TimePassed,
)
from agents.devices.inventory import DeviceEntry
from agents.devices.limit import limit_setpoint
from agents.devices.proof import CommandReducer, CommandState
from agents.devices.verdict import usable_reading
from topologies.gateways.clock import GatewayClock
from topologies.sources.outbox import Outbox
from vpp.errors import VppError
from vpp.messages import AssetReading, DeviceCommand, Observation, Setpoint, Values
from vpp.store.command_journal import CommandJournal

log = logging.getLogger(__name__)

BATCH_S = 0.01
SAVE_EVERY_S = 0.25
READINGS_EVERY_S = 1.0

Transmit = Callable[[DeviceEntry, DeviceCommand, float], Awaitable[bool | None]]
"""Sends a command that holds for so many seconds; True or False is the device's answer, None: none yet."""


@dataclass(slots=True)
class DeviceDesk:
    """One device: its entry, its reducer, its state, and its output without a limit (MW)."""

    entry: DeviceEntry
    reducer: CommandReducer
    state: CommandState = field(default_factory=CommandState)
    free_output_mw: float | None = None


@dataclass(slots=True)
class ReadingBatch:
    """What was read of a zone's devices since the last batch, and when by the run clock; None: before it started."""

    read_at: datetime | None = None
    assets: dict[str, AssetReading] = field(default_factory=dict)
    values: Values = field(default_factory=dict)


class GatewayDesk:
    """All devices of one gateway process.

    Args:
        gateway: Its name.
        entries: Its devices.
        limits: Names of the devices that take a limit of their output instead of a power.
        journal: Where states are kept.
        clock: The time.
        telemetry: Where observations go.
        ledger: Where commands and their proof go.
        transmit: Sends a command to a device.
    """

    def __init__(
        self,
        gateway: str,
        entries: Iterable[DeviceEntry],
        *,
        limits: frozenset[str] = frozenset(),
        journal: CommandJournal,
        clock: GatewayClock,
        telemetry: Outbox,
        ledger: Outbox,
        transmit: Transmit,
    ) -> None:
        self.clock = clock
        self._journal = journal
        self._telemetry = telemetry
        self._ledger = ledger
        self._transmit = transmit
        journalled = journal.read()
        self.desks = {
            entry.name: DeviceDesk(
                entry,
                CommandReducer(
                    entry.rules(is_limit=entry.name in limits),
                    zone=entry.zone,
                    asset_id=entry.asset_id or "",
                    device=entry.name,
                    gateway=gateway,
                ),
                msgspec.msgpack.decode(journalled[entry.name], type=CommandState)
                if entry.name in journalled
                else CommandState(),
            )
            for entry in entries
        }
        self._by_asset = {
            (desk.entry.zone, desk.entry.asset_id): desk for desk in self.desks.values() if desk.entry.asset_id
        }
        self._dirty: set[str] = set()
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._batches: dict[str, ReadingBatch] = {}

    def record_commands(self) -> None:
        """Write the status of each command of the journal to the ledger, which may lack the last ones before a kill.

        Returns when the log has it: by then the clock has been compared with the log's.

        Raises:
            UnreachableError: The log does not take it.
        """
        for desk in self.desks.values():
            if desk.state.command is not None:
                self._ledger.send(desk.state.command)
        self._ledger.flush()

    def _begin(self) -> None:
        """Resume the commands of the journal."""
        now = self.clock.now()
        self.handle([(name, GatewayStarted(now)) for name in self.desks])

    def setpoints(self, setpoints: Iterable[Setpoint]) -> None:
        """Take setpoints of the plant; those of other gateways' assets are passed over."""
        try:
            self._take_setpoints(setpoints)
        except VppError as error:  # called by the event loop: the run loop raises it
            self._failure = error

    def _take_setpoints(self, setpoints: Iterable[Setpoint]) -> None:
        now = self.clock.now()
        wall: dict[datetime, datetime] = {}  # all setpoints of a slot begin and end at once
        events: list[tuple[str, DeviceEvent]] = []
        for setpoint in setpoints:
            desk = self._by_asset.get((setpoint.zone, setpoint.asset_id))
            if desk is None:
                continue
            rules = desk.reducer.rules
            command = limit_setpoint(setpoint, desk.free_output_mw, rules.nameplate_mw) if rules.is_limit else setpoint
            for at in (setpoint.slot, setpoint.valid_until):
                if at not in wall:
                    wall[at] = self.clock.wall_of(at)
            events.append(
                (desk.entry.name, SetpointCame(now, command, wall[setpoint.slot], wall[setpoint.valid_until]))
            )
        self.handle(events)

    def handle(self, events: Iterable[tuple[str, DeviceEvent]]) -> None:
        """Apply events; the journal has all of their commands before the first is transmitted."""
        sending: list[tuple[DeviceDesk, DeviceCommand]] = []
        for name, event in events:
            desk = self.desks[name]
            for action in desk.reducer.step(desk.state, event):
                self._dirty.add(name)
                match action:
                    case SendCommand(command):
                        sending.append((desk, command))
                    case RecordProof(command):
                        self._ledger.send(command)
            if isinstance(event, DeviceRead):
                self._note_reading(desk, event)
        if sending:
            self.save()
        now = self.clock.now()
        for desk, command in sending:
            task = asyncio.create_task(self._send(desk, command, now))
            self._tasks.add(task)
            task.add_done_callback(self._sent)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()

    async def _send(self, desk: DeviceDesk, command: DeviceCommand, now: datetime) -> None:
        left_s = desk.reducer.rules.grace_s
        left_s += 86_400.0 if command.valid_until is None else (command.valid_until - now).total_seconds()
        answer = await self._transmit(desk.entry, command, left_s)
        if answer is not None:
            self.handle([(desk.entry.name, DeviceAnswered(self.clock.now(), command.sequence, accepted=answer))])

    def save(self) -> None:
        """Write changed states to the journal."""
        if self._dirty:
            self._journal.save([(name, msgspec.msgpack.encode(self.desks[name].state)) for name in self._dirty])
            self._dirty.clear()

    def _note_reading(self, desk: DeviceDesk, event: DeviceRead) -> None:
        rules, command = desk.reducer.rules, desk.state.command
        reading = usable_reading(event.reading, rules, desk.entry.channel)
        free = command is None or command.power_mw >= rules.nameplate_mw
        if free and reading.power_mw is not None:
            desk.free_output_mw = reading.power_mw
        batch = self._batch(desk.entry.zone)
        batch.values.update(reading.values)
        if desk.entry.asset_id is not None:
            batch.assets[desk.entry.asset_id] = desk.reducer.asset_reading(desk.state, event.now)

    def _batch(self, zone: str) -> ReadingBatch:
        """Return the readings of a zone since the last batch, as of now."""
        batch = self._batches.setdefault(zone, ReadingBatch())
        batch.read_at = self.clock.run_now() if self.clock.is_running else None
        return batch

    def forward(self, observations: Iterable[Observation]) -> None:
        """Send observations that did not come from devices of the list; return when the log has them.

        Raises:
            UnreachableError: The log does not take them.
        """
        for observation in observations:
            self._telemetry.send(observation)
        self._telemetry.flush()

    def send_readings(self) -> None:
        """Send the readings since the last call, one observation per zone; none before the run clock has started."""
        batches, self._batches = self._batches, {}
        for zone, batch in batches.items():
            at, tick_s = batch.read_at, self._tick_s()
            if at is None:
                continue
            if batch.assets:
                self._telemetry.send(Observation(zone=zone, slot=at, values={}, assets=batch.assets, duration_s=tick_s))
            if batch.values:
                self._telemetry.send(Observation(zone=zone, slot=at, values=batch.values, assets={}, duration_s=tick_s))

    def _tick_s(self) -> float:
        return min(max(self.clock.speed * READINGS_EVERY_S, 1.0), 60.0)

    def count_silent(self) -> None:
        """Send what devices out of reach may be doing: the plant counts it."""
        now = self.clock.now()
        for desk in self.desks.values():
            if desk.entry.asset_id is not None and not desk.reducer.is_reachable(desk.state, now):
                reading = desk.reducer.asset_reading(desk.state, now)
                self._batch(desk.entry.zone).assets[desk.entry.asset_id] = reading

    async def run(self, stop: asyncio.Event) -> None:
        """Send readings, journal proofs and let time pass until stopped.

        Raises:
            UnreachableError: The broker or the journal does not accept records.
        """
        self._begin()
        saved = reported = asyncio.get_running_loop().time()
        while not stop.is_set():
            await asyncio.sleep(BATCH_S)
            if self._failure is not None:
                raise self._failure
            moment = asyncio.get_running_loop().time()
            if moment - reported >= READINGS_EVERY_S:
                reported = moment
                self.count_silent()
            self.send_readings()
            if moment - saved >= SAVE_EVERY_S:
                saved = moment
                now = self.clock.now()
                self.handle([(name, TimePassed(now)) for name in self.desks])
                self.save()
        self.send_readings()
        self.save()
