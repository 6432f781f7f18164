"""A register map applied: registers that a command writes, and the reading of a cycle's registers."""

from __future__ import annotations

from collections.abc import Mapping

from agents.devices.events import DeviceReading
from agents.devices.register_map import RegisterMap, RegisterPoint
from vpp.domain import FREQUENCY


def command_writes(
    register_map: RegisterMap,
    power_mw: float,
    *,
    sequence: int,
    valid_for_s: float,
    heartbeat_s: float,
    nameplate_mw: float,
) -> list[tuple[int, list[int]]]:
    """Return the (address, registers) writes of a command, in the order in which they must reach the device.

    Args:
        register_map: The map, with addresses.
        power_mw: Power or limit to ask for.
        sequence: Number of the command.
        valid_for_s: How long it still holds.
        heartbeat_s: The device's watchdog.
        nameplate_mw: Rated power of the device.

    Raises:
        ValueError: The device is only read.
    """
    write = register_map.write
    if write is None:
        raise ValueError(f"map {register_map.name} is only read")
    times = {"valid_for_s": max(valid_for_s, 1.0), "heartbeat_s": heartbeat_s}

    def beside(extra: RegisterPoint, value: float | str) -> tuple[int, list[int]]:
        return extra.start, extra.encode(times[value] if isinstance(value, str) else value)

    setpoint = write.setpoint
    return [
        *(beside(extra, extra.value) for extra in write.before),
        *([] if write.sequence is None else [(write.sequence.start, write.sequence.encode(float(sequence)))]),
        (setpoint.start, setpoint.encode(setpoint.of_mw(power_mw, nameplate_mw))),
        *(beside(extra, extra.value) for extra in write.after),
    ]


def reading_of(
    register_map: RegisterMap,
    registers: Mapping[tuple[str, int], int],
    *,
    nameplate_mw: float,
    channel: str | None = None,
) -> DeviceReading:
    """Return the reading from the registers of one cycle.

    Args:
        register_map: The map, with addresses.
        registers: Register by (kind, address).
        nameplate_mw: Rated power of the device.
        channel: The zone's channel that the device measures, such as ``load_mw``; None: it is an asset.
    """

    def value(point: RegisterPoint | None) -> float | None:
        if point is None:
            return None
        return point.decode([registers[point.registers, point.start + i] for i in range(point.count)])

    def power(point: RegisterPoint | None) -> float | None:
        number = value(point)
        return None if number is None or point is None else point.to_mw(number, nameplate_mw)

    read, write = register_map.read, register_map.write
    soc, hertz = value(read.soc), value(read.frequency)
    sequence = None if write is None else value(write.sequence)
    measured = power(read.power)
    values: dict[str, float | None] = {} if channel is None else {channel: measured}
    if read.frequency is not None and hertz is not None:
        values[FREQUENCY] = read.frequency.plain(hertz)
    return DeviceReading(
        power_mw=measured,
        soc=None if soc is None or read.soc is None else read.soc.plain(soc),
        read_back_mw=None if write is None else power(write.read_back or write.setpoint),
        is_local=bool(value(read.local)),
        sequence=None if sequence is None else int(sequence),
        values=values,
    )
