"""Modbus devices of each shipped map behind a real server: read, told, ramped, kept alive, lost and back."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from agents.devices.events import DeviceEvent, DeviceRead, DeviceSilent, HeartbeatSent
from agents.devices.register_map import RegisterPoint, load_register_map
from agents.devices.simulation import DeviceFault, DeviceKind, SimulatedDevice
from tests.worlds.devices import free_port, modbus_entry
from topologies.gateways.clock import GatewayClock
from topologies.gateways.modbus_link import WATCHDOG_WRAP, ModbusLink
from topologies.gateways.simulation.modbus import SimulatedModbusDevice
from vpp.errors import DataError, UnreachableError
from vpp.messages import CommandCause, CommandOutcome, DeviceCommand

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def command(power: float, sequence: int = 1) -> DeviceCommand:
    return DeviceCommand(
        zone="Z",
        slot=NOW,
        asset_id="bat",
        sequence=sequence,
        revision=0,
        decision_id="d",
        power_mw=power,
        fallback_mw=0.0,
        cause=CommandCause.SETPOINT,
        outcome=CommandOutcome.PENDING,
        gateway="g",
        device="bat",
        made_at=NOW,
        valid_until=NOW + timedelta(hours=1),
    )


@asynccontextmanager
async def served(
    map_name: str, kind: DeviceKind, *, now_s: Callable[[], float] = time.time, **more: Any
) -> AsyncIterator[tuple[SimulatedModbusDevice, ModbusLink, list[DeviceEvent]]]:
    """A simulated device of 5 MW that lives by ``now_s``, the gateway's link to it, and what the link emits."""
    register_map = load_register_map(map_name)
    entry = modbus_entry(map_name, free_port(), **more)
    device = SimulatedDevice(kind, 5.0, energy_mwh=10.0, heartbeat_s=entry.heartbeat_s, ramp_s=0.05)
    server = SimulatedModbusDevice(device, register_map, int(entry.address.rpartition(":")[2]), now_s=now_s)
    events: list[DeviceEvent] = []
    link = ModbusLink(entry, register_map, GatewayClock(), lambda _name, event: events.append(event))
    await server.start()
    try:
        yield server, link, events
    finally:
        link.close()
        await server.stop()


@pytest.mark.parametrize(
    ("map_name", "kind", "soc"),
    [("plain_battery", "battery", 0.5), ("sunspec_battery", "battery", 0.5), ("sunspec_pv", "inverter", None)],
)
async def test_a_device_of_each_shipped_map_follows_and_shows_it(
    map_name: str, kind: DeviceKind, soc: float | None
) -> None:
    async with served(map_name, kind) as (server, link, _):
        assert (await link.read()).is_local is False
        assert await link.transmit(command(2.0), 60.0) is True
        await asyncio.sleep(0.2)
        reading = await link.read()
    assert reading.power_mw == pytest.approx(2.0, abs=0.01)
    assert reading.read_back_mw == pytest.approx(2.0, abs=0.01)
    assert reading.soc == (None if soc is None else pytest.approx(soc, abs=0.01))
    assert [taken.power_mw for taken in server.device.taken] == [pytest.approx(2.0, abs=0.01)]


async def test_a_battery_charges_with_a_negative_power() -> None:
    async with served("sunspec_battery", "battery") as (server, link, _):
        assert await link.transmit(command(-1.5), 60.0) is True
        await asyncio.sleep(0.2)
        assert (await link.read()).power_mw == pytest.approx(-1.5, abs=0.01)
        assert server.device.power_mw == pytest.approx(-1.5, abs=0.01)


async def test_a_meter_measures_a_channel_and_takes_no_command() -> None:
    async with served("sunspec_meter", "meter", channel="load_mw") as (server, link, _):
        reading = await link.read()
        assert reading.values["load_mw"] == pytest.approx(server.device.power_mw, abs=0.01)
        assert reading.values["frequency_hz"] == pytest.approx(50.0)
        with pytest.raises(ValueError, match="only read"):
            await link.transmit(command(1.0), 60.0)


async def test_a_number_already_seen_changes_nothing_and_an_older_one_is_refused() -> None:
    async with served("plain_battery", "battery") as (server, link, _):
        assert await link.transmit(command(2.0, sequence=5), 60.0) is True
        assert await link.transmit(command(2.0, sequence=5), 60.0) is True
        link._newest = 0  # a gateway that has lost its journal
        assert await link.transmit(command(3.0, sequence=4), 60.0) is False
    assert [(taken.sequence, taken.power_mw) for taken in server.device.taken] == [(5, 2.0)]


async def test_of_two_commands_that_wait_for_the_line_the_older_is_dropped() -> None:
    async with served("plain_battery", "battery") as (server, link, _):
        await link.read()
        async with link._one_at_a_time:
            older = asyncio.create_task(link.transmit(command(1.0, sequence=1), 60.0))
            newer = asyncio.create_task(link.transmit(command(2.0, sequence=2), 60.0))
            await asyncio.sleep(0.01)
        assert [await older, await newer] == [None, True]
    assert [taken.sequence for taken in server.device.taken] == [2]


async def test_a_ramp_goes_to_its_power_in_steps() -> None:
    async with served("sunspec_battery", "battery", ramp_mw_per_s=8.0) as (server, link, _):
        await link.transmit(command(4.0), 60.0)
        for _ in range(12):
            await asyncio.sleep(0.06)
            await link.cycle()
    steps = [taken.power_mw for taken in server.device.taken]
    assert len(steps) > 3
    assert steps == sorted(steps)
    assert steps[-1] == pytest.approx(4.0)
    assert max(after - before for before, after in zip([0.0, *steps], steps, strict=False)) < 2.0


async def test_without_heartbeats_the_device_goes_to_its_default() -> None:
    passed = [0.0]
    async with served("plain_battery", "battery", heartbeat_s=0.6, now_s=lambda: passed[0]) as (server, link, events):
        await link.transmit(command(2.0), 60.0)
        for _ in range(10):
            await asyncio.sleep(0.1)
            passed[0] += 0.1
            await link.cycle()
        assert any(isinstance(event, HeartbeatSent) for event in events)
        assert server.device.power_mw == pytest.approx(2.0)
        passed[0] += 0.8
        await server.tick()
        passed[0] += 0.2
        assert (await link.read()).power_mw == 0.0


async def test_a_pulled_cable_is_silence_and_a_plugged_one_is_heard() -> None:
    async with served("plain_battery", "battery") as (server, link, events):
        await link.cycle()
        await server.stop()
        events.clear()
        await link.cycle()
        assert [type(event) for event in events] == [DeviceSilent]
        assert await link.transmit(command(2.0), 60.0) is None
        await server.start()
        await link.cycle()
        assert any(isinstance(event, DeviceRead) for event in events)


async def test_a_refusing_device_is_no_silent_one() -> None:
    async with served("plain_battery", "battery") as (server, link, _):
        server.device.faults = {DeviceFault.REFUSING}
        assert await link.transmit(command(2.0), 60.0) is False


async def test_a_device_without_the_models_of_its_map_says_which_it_has() -> None:
    async with served("sunspec_pv", "inverter") as (server, link, _):
        link.register_map = load_register_map("sunspec_battery")
        with pytest.raises(DataError, match="no SunSpec model") as error:
            await link.read()
        assert "103" in (error.value.hint or "")
        await server.stop()
        link.close()
        with pytest.raises(UnreachableError, match="does not answer"):
            await link.read()


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        (ExcCodes.ILLEGAL_FUNCTION, False),
        (ExcCodes.ILLEGAL_ADDRESS, False),
        (ExcCodes.ILLEGAL_VALUE, False),
        (ExcCodes.DEVICE_FAILURE, False),
        (ExcCodes.ACKNOWLEDGE, None),
        (ExcCodes.DEVICE_BUSY, None),
        (ExcCodes.GATEWAY_PATH_UNAVIABLE, None),
        (ExcCodes.GATEWAY_NO_RESPONSE, None),
    ],
)
async def test_an_exception_is_a_refusal_or_says_to_ask_again(code: ExcCodes, answer: bool | None) -> None:
    async with served("plain_battery", "battery") as (server, link, events):
        act = server._act

        async def refuse(*arguments: Any) -> ExcCodes | None:
            return code if arguments[-1] is not None else await act(*arguments)

        await server.stop()
        setattr(server, "_act", refuse)  # noqa: B010
        await server.start()
        assert await link.transmit(command(2.0), 60.0) is answer
        await link.cycle()
        assert any(isinstance(event, DeviceRead) for event in events)


async def test_a_wrong_unit_id_is_silence() -> None:
    async with served("plain_battery", "battery", unit=9) as (server, link, events):
        server._unit = 1
        await server.stop()
        await server.start()
        await link.cycle()
        assert [type(event) for event in events] == [DeviceSilent]


def frame(request: bytes, words: int, *, transaction: int = 0, unit: int = 0, code: int = 0) -> bytes:
    """Return an answer to a request of registers, with what it differs by from the right one."""
    pdu = bytes([request[7] + code, 2 * words]) + bytes(2 * words)
    number = int.from_bytes(request[:2]) + transaction
    return number.to_bytes(2) + bytes(2) + (len(pdu) + 1).to_bytes(2) + bytes([request[6] + unit]) + pdu


def count_of(request: bytes) -> int:
    return int.from_bytes(request[10:12])


FRAMES: dict[str, Callable[[bytes], list[bytes]]] = {
    "another unit id": lambda request: [frame(request, count_of(request), unit=1)],
    "the answer to another request": lambda request: [frame(request, count_of(request), transaction=7)],
    "half a frame": lambda request: [frame(request, count_of(request))[:11]],
    "fewer registers": lambda request: [frame(request, count_of(request) - 1)],
    "more registers": lambda request: [frame(request, count_of(request) + 1)],
    "another function": lambda request: [frame(request, count_of(request), code=3)],
    "an unknown function": lambda request: [frame(request, count_of(request), code=80)],
    "an exception": lambda request: [frame(request, 0, code=128)],
    "no Modbus": lambda request: [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    "nothing": lambda request: [],
}
PIECES = {
    "in pieces": lambda request: [
        (whole := frame(request, count_of(request)))[:3],
        whole[3:8],
        whole[8:20],
        whole[20:],
    ],
    "after one of another unit": lambda request: [
        frame(request, count_of(request), unit=1) + frame(request, count_of(request))
    ],
}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [pytest.param(answer, DeviceSilent, id=name) for name, answer in FRAMES.items()]
    + [pytest.param(answer, DeviceRead, id=name) for name, answer in PIECES.items()],
)
async def test_a_frame_that_is_no_answer_is_silence_and_one_in_pieces_is_read(
    answer: Callable[[bytes], list[bytes]], kind: type[DeviceEvent]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in answer(await reader.readexactly(12)):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)
        await reader.read()
        writer.close()

    entry = modbus_entry("plain_battery", free_port(), answer_s=0.1 if kind is DeviceSilent else 10.0)
    events: list[DeviceEvent] = []
    link = ModbusLink(
        entry, load_register_map("plain_battery"), GatewayClock(), lambda _name, event: events.append(event)
    )
    link._beat_at_s = math.inf
    async with await asyncio.start_server(serve, "127.0.0.1", int(entry.address.rpartition(":")[2])) as server:
        await link.cycle()
        link.close()
        server.close()
    assert [type(event) for event in events] == [kind]


def test_the_counter_of_heartbeats_fits_a_register_of_either_sign() -> None:
    for kind in ("int16", "uint16"):
        point = RegisterPoint.model_validate({"address": 1, "type": kind})
        assert point.decode(point.encode(WATCHDOG_WRAP)) == WATCHDOG_WRAP


async def test_a_command_whose_time_runs_out_while_it_waits_is_not_written() -> None:
    async with served("plain_battery", "battery") as (server, link, _):
        await link.read()
        async with link._one_at_a_time:
            late = asyncio.create_task(link.transmit(command(2.0), link.entry.grace_s + 0.2))
            await asyncio.sleep(0.4)
        assert await late is None
    assert server.device.taken == []


async def test_a_step_of_a_ramp_that_waits_while_a_newer_command_comes_is_not_written() -> None:
    async with served("plain_battery", "battery", ramp_mw_per_s=1.0) as (server, link, _):
        await link.transmit(command(4.0, sequence=1), 60.0)
        async with link._one_at_a_time:
            step = asyncio.create_task(link._move())
            await asyncio.sleep(0.01)
            newer = asyncio.create_task(link.transmit(command(-4.0, sequence=2), 60.0))
            await asyncio.sleep(0.01)
        await asyncio.gather(step, newer)
    assert [taken.sequence for taken in server.device.taken] == [1, 2]
    assert server.device.taken[-1].power_mw < server.device.taken[0].power_mw
