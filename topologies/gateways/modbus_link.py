"""One Modbus TCP device: read in cycles, commanded with a ramp, kept alive through its watchdog."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from agents.devices.events import DeviceEvent, DeviceRead, DeviceReading, DeviceSilent, HeartbeatSent
from agents.devices.inventory import DeviceEntry
from agents.devices.register_command import command_writes, reading_of
from agents.devices.register_map import RegisterMap
from topologies.gateways.clock import GatewayClock
from topologies.gateways.sunspec import resolved
from vpp.errors import ConfigError, DataError, UnreachableError, VppError
from vpp.messages import DeviceCommand

log = logging.getLogger(__name__)
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # errors are logged here, once, with the device

WATCHDOG_WRAP = 32_767
"""Heartbeats count up to here and begin anew: so much fits a register of either sign."""
NOT_NOW = frozenset(
    {
        ExcCodes.ACKNOWLEDGE,
        ExcCodes.DEVICE_BUSY,
        ExcCodes.GATEWAY_PATH_UNAVIABLE,
        ExcCodes.GATEWAY_NO_RESPONSE,
    }
)
"""Exceptions that say nothing of the request: busy, still at work, or not reached behind a serial gateway."""


@dataclass(slots=True)
class CommandRamp:
    """A command with a ramp, from the last written power to the commanded one."""

    command: DeviceCommand
    ends_at_s: float
    at_mw: float
    moved_at_s: float


@dataclass
class ModbusLink:
    """The connection to one device. The client repeats no write: that is the gateway's to decide.

    Attributes:
        entry: The device.
        register_map: Its map; SunSpec points get their addresses at the first connection.
        clock: The time.
        emit: Takes what happens.
    """

    entry: DeviceEntry
    register_map: RegisterMap
    clock: GatewayClock
    emit: Callable[[str, DeviceEvent], None]
    fault: str = ""
    _client: AsyncModbusTcpClient | None = None
    _resolved: RegisterMap | None = None
    _ramp: CommandRamp | None = None
    _written_mw: float | None = None
    _newest: int = 0
    _beats: int = 0
    _beat_at_s: float = -1e9
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is not None and self._client.connected:
            return self._client
        self.close()
        host, _, port = self.entry.address.rpartition(":")
        if not host or not port.isdigit():
            raise ConfigError(f"{self.entry.name}: address {self.entry.address!r} is not host:port")
        client = AsyncModbusTcpClient(host, port=int(port), timeout=self.entry.answer_s, retries=0, reconnect_delay=0)
        if not await client.connect():
            raise UnreachableError(f"{self.entry.name}: {self.entry.address} does not answer")
        line = client.ctx.transport.get_extra_info("socket")
        if line is not None:  # closing drops unsent data: a reconnected cable must not deliver an old command
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client = client
        return client

    async def _ask(self, request: Callable[[AsyncModbusTcpClient], asyncio.Future[ModbusPDU]]) -> ModbusPDU:
        client = await self._connected()
        try:
            answer: ModbusPDU = await request(client)
        except (TimeoutError, ModbusException, OSError) as error:
            self.close()
            raise UnreachableError(f"{self.entry.name}: {error}") from error
        if isinstance(answer, ExceptionResponse) and answer.exception_code in NOT_NOW:
            raise UnreachableError(f"{self.entry.name}: {answer}")
        if answer.isError():
            raise DataError(f"{self.entry.name}: {answer}")
        return answer

    async def _read(self, kind: str, address: int, count: int) -> list[int]:
        def request(client: AsyncModbusTcpClient) -> asyncio.Future[ModbusPDU]:
            ask = client.read_holding_registers if kind == "holding" else client.read_input_registers
            return asyncio.ensure_future(ask(address, count=count, device_id=self.entry.unit))

        words = list((await self._ask(request)).registers)
        if len(words) != count:
            raise DataError(f"{self.entry.name}: {len(words)} registers from {address} instead of {count}")
        return words

    async def _write(self, address: int, registers: list[int]) -> None:
        def request(client: AsyncModbusTcpClient) -> asyncio.Future[ModbusPDU]:
            return asyncio.ensure_future(client.write_registers(address, registers, device_id=self.entry.unit))

        await self._ask(request)

    async def _map(self) -> RegisterMap:
        if self._resolved is None:
            self._resolved = await resolved(self.register_map, lambda address, n: self._read("holding", address, n))
        return self._resolved

    async def read(self) -> DeviceReading:
        """Return the present reading of the device.

        Raises:
            UnreachableError: It does not answer.
            DataError: It answers with an exception, or lacks what the map names.
        """
        async with self._one_at_a_time:
            register_map = await self._map()
            registers: dict[tuple[str, int], int] = {}
            for kind, address, count in register_map.spans():
                words = await self._read(kind, address, count)
                registers |= {(kind, address + i): word for i, word in enumerate(words)}
        reading = reading_of(register_map, registers, nameplate_mw=self.entry.nameplate_mw, channel=self.entry.channel)
        if self._ramp is None or self._ramp.at_mw == self._ramp.command.power_mw:
            self._written_mw = reading.read_back_mw
        return reading

    async def transmit(self, command: DeviceCommand, valid_for_s: float) -> bool | None:
        """Write a command, or its first step on a ramp; return whether the device took it, None: it does not answer."""
        self._newest = max(self._newest, command.sequence)
        asked_at_s = asyncio.get_running_loop().time()
        try:
            if self._written_mw is None and self.entry.ramp_mw_per_s is not None:
                await self.read()
            start = self._written_mw
            now_s = asyncio.get_running_loop().time()
            ramp = CommandRamp(command, asked_at_s + valid_for_s, command.power_mw if start is None else start, now_s)
            async with self._one_at_a_time:
                if command.sequence < self._newest:
                    return None  # it waited for its turn while a newer one came
                end_s = ramp.ends_at_s if command.valid_until is None else ramp.ends_at_s - self.entry.grace_s
                await self._step(ramp, self.entry.cycle_s, end_s)
        except UnreachableError as error:
            self._fail(error)
            return None
        except (DataError, ConfigError) as error:
            self._fail(error)
            return False
        self._ramp = ramp
        return True

    async def _step(self, ramp: CommandRamp, passed_s: float, end_s: float) -> None:
        """Write the next power of a ramp, ``passed_s`` after the last; nothing is written from ``end_s`` on.

        Raises:
            UnreachableError: The device does not answer, or did so too late.
            DataError: It refuses.
        """
        loop = asyncio.get_running_loop()
        rules = self.entry.rules(is_limit=self.register_map.control == "limit")
        power = rules.ramped_mw(ramp.at_mw, ramp.command.power_mw, passed_s)
        register_map = await self._map()
        writes = command_writes(
            register_map,
            power,
            sequence=ramp.command.sequence,
            valid_for_s=ramp.ends_at_s - loop.time(),
            heartbeat_s=self.entry.heartbeat_s,
            nameplate_mw=self.entry.nameplate_mw,
        )
        for address, registers in writes:
            if loop.time() >= end_s:
                raise UnreachableError(f"{self.entry.name}: command {ramp.command.sequence} is over and not written")
            await self._write(address, registers)
        self._written_mw = ramp.at_mw = power

    async def _move(self) -> None:
        """Take the next step of a ramp."""
        ramp = self._ramp
        if ramp is None or ramp.at_mw == ramp.command.power_mw:
            return
        now_s = asyncio.get_running_loop().time()
        passed_s, ramp.moved_at_s = now_s - ramp.moved_at_s, now_s
        async with self._one_at_a_time:
            if ramp.command.sequence == self._newest:  # else a newer one came while it waited
                await self._step(ramp, passed_s, ramp.ends_at_s)

    async def _beat(self) -> bool:
        """Keep the device's watchdog from acting; return whether a heartbeat was due and taken."""
        register_map = await self._map()
        point = None if register_map.write is None else register_map.write.watchdog
        now_s = asyncio.get_running_loop().time()
        if point is None or now_s - self._beat_at_s < self.entry.beat_s:
            return False
        self._beats = self._beats % WATCHDOG_WRAP + 1
        async with self._one_at_a_time:
            await self._write(point.start, point.encode(float(self._beats)))
        self._beat_at_s = now_s
        return True

    async def cycle(self) -> None:
        """Read, move and beat once; what happens is emitted."""
        try:
            reading = await self.read()
        except (UnreachableError, DataError, ConfigError) as error:
            self._silent(error)
            return
        self.fault = ""
        self.emit(self.entry.name, DeviceRead(self.clock.now(), reading))
        try:
            await self._move()
            beaten = await self._beat()
        except (UnreachableError, DataError) as error:
            self._silent(error)
            return
        if beaten:
            self.emit(self.entry.name, HeartbeatSent(self.clock.now()))

    def _silent(self, error: VppError) -> None:
        self._fail(error)
        self.emit(self.entry.name, DeviceSilent(self.clock.now()))

    def _fail(self, error: VppError) -> None:
        if str(error) != self.fault:
            log.warning("device %s: %s", self.entry.name, error)
        self.fault = str(error)

    async def run(self, stop: asyncio.Event, delay_s: float = 0.0) -> None:
        """Go through cycles until stopped.

        Args:
            stop: Ends it.
            delay_s: The first cycle is so late, so not all devices are asked at once.
        """
        loop = asyncio.get_running_loop()
        due_s = loop.time() + delay_s
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(due_s - loop.time(), 0.0))
                break
            due_s = max(due_s + self.entry.cycle_s, loop.time())
            await self.cycle()
        self.close()

    def close(self) -> None:
        """Close the connection; a SunSpec device is scanned again, since it may come back as another one."""
        if self._client is not None:
            self._client.close()
        self._client = None
        self._resolved = None
