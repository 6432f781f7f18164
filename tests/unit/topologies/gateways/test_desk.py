"""The desk between setpoints and devices: proof in the ledger, readings in the log, nothing twice over a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agents.devices.events import DeviceRead, DeviceReading
from agents.devices.register_map import load_register_map
from agents.devices.simulation import DeviceFault, SimulatedDevice
from tests.worlds.devices import Kept, free_port, modbus_entry, setpoint, until
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.modbus_link import ModbusLink
from topologies.gateways.simulation.modbus import SimulatedModbusDevice
from topologies.sources.pace import RunClock
from vpp.errors import RefusedError
from vpp.messages import AssetReading, CommandOutcome, DeviceCommand, Observation
from vpp.store.command_journal import CommandJournal


class Site:
    """A gateway with one plain battery of 5 MW."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entry = modbus_entry("plain_battery", free_port())
        register_map = load_register_map("plain_battery")
        self.device = SimulatedDevice("battery", 5.0, energy_mwh=10.0, heartbeat_s=2.0, ramp_s=0.1)
        self.server = SimulatedModbusDevice(self.device, register_map, int(self.entry.address.rpartition(":")[2]))
        self.map = register_map
        self.telemetry, self.ledger = Kept(), Kept()

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[GatewayDesk]:
        stop = asyncio.Event()
        with CommandJournal(self.path) as journal:
            clock = GatewayClock()
            link = ModbusLink(self.entry, self.map, clock, lambda name, event: desk.handle([(name, event)]))

            async def transmit(_entry: Any, command: DeviceCommand, valid_for_s: float) -> bool | None:
                return await link.transmit(command, valid_for_s)

            desk = GatewayDesk(
                "modbus",
                [self.entry],
                journal=journal,
                clock=clock,
                telemetry=self.telemetry,
                ledger=self.ledger,
                transmit=transmit,
            )
            tasks = [asyncio.create_task(link.run(stop)), asyncio.create_task(desk.run(stop))]
            try:
                yield desk
            finally:
                stop.set()
                await asyncio.gather(*tasks)

    @property
    def proofs(self) -> dict[int, DeviceCommand]:
        return {command.sequence: command for command in self.ledger.messages}

    def is_named(self, outcome: CommandOutcome, sequence: int = 1) -> Callable[[], bool]:
        return lambda: sequence in self.proofs and self.proofs[sequence].outcome is outcome

    def last_reading(self) -> AssetReading:
        observations = [one for one in self.telemetry.messages if isinstance(one, Observation) and one.assets]
        return observations[-1].assets["bat"]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "journal.sqlite")
    await site.server.start()
    yield site
    await site.server.stop()


async def test_a_setpoint_is_proven_step_by_step_and_the_plant_hears_of_it(site: Site) -> None:
    async with site.gateway() as desk:
        desk.setpoints([setpoint(2.0), setpoint(2.0)])
        await until(site.is_named(CommandOutcome.FOLLOWED))
        await until(lambda: site.last_reading().outcome == "followed")
    proof = site.proofs[1]
    times = [proof.sent_at, proof.acknowledged_at, proof.read_back_at, proof.measured_at]
    assert None not in times
    assert times == sorted(times, key=lambda time: time or datetime.max.replace(tzinfo=UTC))
    assert site.last_reading().power_mw == pytest.approx(2.0)
    assert [taken.sequence for taken in site.device.taken] == [1]


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (DeviceFault.CLIPPED, CommandOutcome.CLIPPED),
        (DeviceFault.STUCK, CommandOutcome.STUCK),
        (DeviceFault.WRONG_SIGN, CommandOutcome.WRONG_SIGN),
        (DeviceFault.REFUSING, CommandOutcome.REFUSED),
        (DeviceFault.LOCAL_MODE, CommandOutcome.LOCAL_MODE),
        (DeviceFault.DRIFTING, CommandOutcome.DRIFTING),
    ],
)
async def test_each_fault_gets_its_name(site: Site, fault: DeviceFault, outcome: CommandOutcome) -> None:
    if fault is DeviceFault.DRIFTING:
        site.device.power_mw = 2.0
    site.device.faults = {fault}
    async with site.gateway() as desk:
        await until(lambda: desk.desks["bat"].state.reading is not None)
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(outcome))


async def test_a_pulled_cable_is_named_and_the_plant_counts_what_the_device_may_be_doing(site: Site) -> None:
    async with site.gateway() as desk:
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(CommandOutcome.FOLLOWED))
        await site.server.stop()
        await until(lambda: site.last_reading().available is False)
        assert site.last_reading() == AssetReading(power_mw=2.0, available=False, outcome="not_reached")
        await until(lambda: site.last_reading().power_mw == 0.0)
        desk.setpoints([setpoint(3.0, revision=1)])
        await until(site.is_named(CommandOutcome.NOT_REACHED, 2))
        await site.server.start()
        await until(site.is_named(CommandOutcome.FOLLOWED, 2))
    assert [taken.sequence for taken in site.device.taken] == [1, 2]


async def test_a_restarted_device_is_commanded_anew_under_a_new_number(site: Site) -> None:
    async with site.gateway() as desk:
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(CommandOutcome.FOLLOWED))
        site.device.restart()
        await until(site.is_named(CommandOutcome.FOLLOWED, 2))
    assert site.proofs[1].outcome is CommandOutcome.REFUSED
    assert site.proofs[2].cause == "restored"


async def test_a_restarted_gateway_repeats_nothing(site: Site) -> None:
    async with site.gateway() as desk:
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(CommandOutcome.FOLLOWED))
    async with site.gateway() as desk:
        desk.setpoints([setpoint(1.0, slot=-1), setpoint(2.0)])
        await until(lambda: desk.desks["bat"].state.reading is not None)
        desk.setpoints([setpoint(3.0, revision=1)])
        await until(site.is_named(CommandOutcome.FOLLOWED, 2))
    assert [(taken.sequence, taken.power_mw) for taken in site.device.taken] == [(1, 2.0), (2, 3.0)]


def test_a_reading_from_before_the_run_clock_starts_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("topologies.gateways.clock.LOOK_EVERY_S", 0.0)
    path, telemetry, run_at = tmp_path / "clock.json", Kept(), datetime(2022, 1, 1, tzinfo=UTC)
    clock = GatewayClock(path, waits=True)
    entry = modbus_entry("plain_battery", 1)
    with CommandJournal(tmp_path / "journal.sqlite") as journal:
        desk = GatewayDesk(
            "modbus", [entry], journal=journal, clock=clock, telemetry=telemetry, ledger=Kept(), transmit=no_answer
        )

        def read() -> None:
            desk.handle([(entry.name, DeviceRead(clock.now(), DeviceReading(power_mw=1.0)))])

        read()
        RunClock(time.time(), run_at, 1.0).write(path)
        desk.send_readings()
        assert telemetry.messages == []
        read()
        desk.send_readings()
    (sent,) = telemetry.messages
    assert abs(sent.slot - run_at) < timedelta(minutes=1)


async def no_answer(_entry: Any, _command: DeviceCommand, _left_s: float) -> bool | None:
    return None


def test_two_gateways_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with CommandJournal(path) as journal:
        journal.save([("bat", b"state")])
        with pytest.raises(RefusedError, match="another gateway"):
            CommandJournal(path)
    with CommandJournal(path) as journal:
        assert journal.read() == {"bat": b"state"}
