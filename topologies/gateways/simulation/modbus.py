"""A simulated device behind a real Modbus TCP server, with a register map: plain addresses or SunSpec models."""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Callable
from typing import Any

import sunspec2.device
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from agents.devices.register_map import RegisterMap, RegisterPoint
from agents.devices.simulation import DeviceFault, SimulatedDevice
from topologies.gateways.simulation.device import ServedDevice
from topologies.gateways.sunspec import BASES, resolved
from vpp.errors import UnreachableError

INT16_ROOM_W = 30_000.0


def sunspec_image(register_map: RegisterMap, nameplate_mw: float) -> list[int]:
    """Return the registers of a device that has the models which a map names, from the SunSpec marker on."""
    write = register_map.write
    extras = () if write is None else (*write.before, *write.after, write.setpoint, write.watchdog)
    points = [*register_map.points(), *(point for point in extras if point is not None)]
    models = sorted({point.model for point in points if point.model is not None})
    power_factor = max(math.ceil(math.log10(nameplate_mw * 1e6 / INT16_ROOM_W)), 0)
    factors = {"W_SF": power_factor, "Pct_SF": -1, "WMaxLimPct_SF": -2, "Hz_SF": -2}
    image = b"SunS"
    for number in (1, *models):
        model = sunspec2.device.Model(model_id=number)
        for name, point in model.points.items():
            if name not in ("ID", "L"):
                point.value = "simulated" if point.pdef["type"] == "string" else factors.get(name, 0)
        image += model.get_mb()
    image += b"\xff\xff\0\0"
    return list(struct.unpack(f">{len(image) // 2}H", image))


class SimulatedModbusDevice(ServedDevice):
    """Serves one simulated device.

    Args:
        device: The device.
        register_map: Its map, also with SunSpec points.
        port: Port on 127.0.0.1.
        unit: Device id.
        now_s: The time that the device lives by.
    """

    def __init__(
        self,
        device: SimulatedDevice,
        register_map: RegisterMap,
        port: int,
        *,
        unit: int = 1,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(device, now_s)
        self._given = register_map
        self._map = register_map
        self._port = port
        self._unit = unit
        self._server: ModbusTcpServer | None = None
        self._base = 0
        self.registers: list[int] = []

    @property
    def is_plugged(self) -> bool:
        """Whether it listens."""
        return self._server is not None

    async def start(self) -> None:
        """Listen.

        Raises:
            UnreachableError: The port is taken.
        """
        if not self.registers:
            await self._lay_out()
        data = SimData(self._base, values=list(self.registers), datatype=DataType.REGISTERS)
        device = SimDevice(id=self._unit, simdata=[data], action=self._act)
        server = ModbusTcpServer(device, address=("127.0.0.1", self._port))
        try:
            await server.serve_forever(background=True)
        except (OSError, RuntimeError) as error:
            raise UnreachableError(f"cannot listen on port {self._port}: {error}", hint="take another port") from error
        self._server = server

    async def stop(self) -> None:
        """Pull the cable: connections end and nobody listens."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.shutdown()  # type: ignore[no-untyped-call]

    async def report(self, now_s: float) -> None:
        """Send nothing: a Modbus device is polled."""

    async def _lay_out(self) -> None:
        if any(point.model is not None for point in self._given.points()):
            self._base = BASES[0]
            self.registers = sunspec_image(self._given, self.device.nameplate_mw)
            self._map = await resolved(self._given, self._peek)
            return
        write = self._given.write
        extras = () if write is None else (*write.before, *write.after, write.setpoint, write.watchdog)
        points = [*self._given.points(), *(point for point in extras if point is not None)]
        self.registers = [0] * max(point.start + point.count for point in points)

    async def _peek(self, address: int, count: int) -> list[int]:
        return self.registers[address - self._base : address - self._base + count]

    def _put(self, registers: list[int], point: RegisterPoint | None, value: float | None) -> None:
        """Write a value in the unit of the point; None as the number that stands for no value, where there is one."""
        if point is None:
            return
        place = point.start - self._base
        if value is None:
            value = 0.0 if point.missing is None else point.missing * point.scale * point.sign
        registers[place : place + point.count] = point.encode(value)

    def _show(self, registers: list[int]) -> None:
        device, read, write = self.device, self._map.read, self._map.write
        device.advance(self._now_s())
        if read.power is not None:
            power_mw = device.shown_mw
            value = None if power_mw is None else read.power.of_mw(power_mw, device.nameplate_mw)
            self._put(registers, read.power, value)
        if read.soc is not None:
            self._put(registers, read.soc, device.soc / read.soc.plain(1.0))
        self._put(registers, read.local, float(device.is_local))
        self._put(registers, read.frequency, 50.0)
        if write is not None:
            point = write.read_back or write.setpoint
            self._put(registers, point, point.of_mw(device.read_back_mw, device.nameplate_mw))
            self._put(registers, write.sequence, float(device.sequence))

    async def _act(
        self,
        _code: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        new = None if values is None else [int(value) for value in values]
        if new is None:
            self._show(registers)
            return None
        write = self._map.write
        if write is None or not _covers_any(write, address):
            return ExcCodes.ILLEGAL_ADDRESS
        if write.watchdog is not None and address == write.watchdog.start:
            self.device.beat(self._now_s())
            return None
        registers[address - start : address - start + count] = new
        last = write.after[-1] if write.after else write.setpoint
        if write.sequence is not None and address == write.sequence.start:
            self._offered = int(write.sequence.decode(new) or 0)
            return ExcCodes.ILLEGAL_VALUE if self._offered < self.device.sequence else None
        if address == write.setpoint.start:
            value = write.setpoint.decode(new)
            if value is None or DeviceFault.REFUSING in self.device.faults:
                return ExcCodes.ILLEGAL_VALUE
            self._wanted_mw = write.setpoint.to_mw(value, self.device.nameplate_mw)
        for extra in write.before:
            if extra.value == "valid_for_s" and address == extra.start:
                self._valid_for_s = extra.decode(new) or math.inf
        if address == last.start and not self.device.take(
            self._wanted_mw,
            self._now_s(),
            sequence=None if write.sequence is None else self._offered,
            valid_for_s=self._valid_for_s,
        ):
            return ExcCodes.ILLEGAL_VALUE
        return None

    _offered: int = 0
    _wanted_mw: float = 0.0
    _valid_for_s: float = math.inf


def _covers_any(write: Any, address: int) -> bool:
    points = (write.setpoint, write.sequence, write.watchdog, *write.before, *write.after)
    return any(point is not None and point.start == address for point in points)
