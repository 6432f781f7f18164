"""The example adapter between an IEC 60870-5-104 station on this machine and the HTTP gateway: proven as any device."""

from __future__ import annotations

import asyncio
import os
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents.devices.inventory import DeviceEntry
from tests.worlds.devices import Kept, free_port, setpoint, until
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.http import HttpLinks
from vpp.messages import CommandOutcome, DeviceCommand
from vpp.settings import Settings, WebhookSettings
from vpp.store.command_journal import CommandJournal

ROOT = Path(__file__).resolve().parents[2]
POWER, SOC, SETPOINT = 100, 101, 200
TOKEN = "test-only-placeholder"

pytestmark = [pytest.mark.e2e, pytest.mark.local, pytest.mark.timeout(120)]


@dataclass
class BatteryStation:
    """A controlled station with one battery; it counts frames and confirms commands as the standard says."""

    port: int
    power_mw: float = 0.0
    refuses: bool = False
    taken: list[float] = field(default_factory=list)
    _lines: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        try:
            yield
        finally:
            server.close()
            for line in self._lines:
                line.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._lines.add(writer)
        sent = received = 0

        def send(kind: int, cause: int, address: int, element: bytes) -> None:
            nonlocal sent
            body = struct.pack("<BBBBH", kind, 1, cause, 0, 1) + address.to_bytes(3, "little") + element
            writer.write(struct.pack("<BBHH", 0x68, 4 + len(body), sent << 1, received << 1) + body)
            sent += 1

        async def measure() -> None:
            while not writer.is_closing():
                send(13, 3, POWER, struct.pack("<fB", self.power_mw, 0))
                send(36, 3, SOC, struct.pack("<fB7x", 0.5, 0))
                await asyncio.sleep(0.2)

        measuring = None
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readexactly(2)
                frame = await reader.readexactly(head[1])
                if frame[0] == 0x07:
                    writer.write(bytes([0x68, 4, 0x0B, 0, 0, 0]))
                    measuring = asyncio.create_task(measure())
                    writer.write(bytes([0x68, 4, 0x43, 0, 0, 0]))
                if frame[0] & 1:
                    continue
                assert struct.unpack("<H", frame[:2])[0] >> 1 == received, "frames come in order"
                received += 1
                kind, address = frame[4], int.from_bytes(frame[10:13], "little")
                if kind == 50 and address == SETPOINT:
                    value = struct.unpack("<f", frame[13:17])[0]
                    if not self.refuses:
                        self.power_mw = value
                        self.taken.append(value)
                    send(50, 7 | (0x40 if self.refuses else 0), SETPOINT, frame[13:18])
        if measuring is not None:
            measuring.cancel()
        writer.close()


async def test_a_battery_behind_iec_104_is_told_measured_refused_and_lost(tmp_path: Path) -> None:
    station, listen, port = BatteryStation(free_port()), free_port(), free_port()
    entry = DeviceEntry(
        name="bat",
        zone="Z",
        gateway="http",
        asset_id="bat",
        nameplate_mw=5.0,
        address=f"http://127.0.0.1:{listen}/setpoint",
        cycle_s=1.0,
        answer_s=3.0,
        settle_s=1.0,
        heartbeat_s=5.0,
    )
    settings = Settings(data_dir=tmp_path, webhook=WebhookSettings(port=port, token=SecretStr(TOKEN)))
    ledger, stop = Kept(), asyncio.Event()

    def outcome(sequence: int) -> CommandOutcome | None:
        proofs: dict[int, DeviceCommand] = {one.sequence: one for one in ledger.messages}
        return proofs[sequence].outcome if sequence in proofs else None

    with CommandJournal(tmp_path / "journal.sqlite") as journal:
        links = HttpLinks(settings, (entry,))
        desk = GatewayDesk(
            "http",
            [entry],
            journal=journal,
            clock=GatewayClock(),
            telemetry=Kept(),
            ledger=ledger,
            transmit=links.transmit,
        )
        tasks = [asyncio.create_task(links.run(desk, stop)), asyncio.create_task(desk.run(stop))]
        options = ["--device", "bat", "--power", str(POWER), "--soc", str(SOC), "--setpoint", str(SETPOINT)]
        options += ["--listen", str(listen), "--gateway", f"http://127.0.0.1:{port}"]
        adapter = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "examples" / "iec104_adapter.py"),
            f"127.0.0.1:{station.port}",
            *options,
            env={**os.environ, "VPP_WEBHOOK__TOKEN": TOKEN},
            stderr=asyncio.subprocess.DEVNULL,
        )
        desk_of = desk.desks["bat"]
        try:
            async with station.served():
                await until(lambda: desk_of.state.reading is not None, 30)
                assert desk_of.state.reading is not None
                assert desk_of.state.reading.soc == pytest.approx(0.5)
                desk.setpoints([setpoint(2.0)])
                await until(lambda: outcome(1) is CommandOutcome.FOLLOWED, 30)
                assert station.taken == [2.0]
                station.refuses = True
                desk.setpoints([setpoint(-1.0, revision=1)])
                await until(lambda: outcome(2) is CommandOutcome.REFUSED, 30)
                assert station.taken == [2.0]
            # The station is gone: nothing old is reported as if it were new.
            await until(
                lambda: not desk_of.reducer.asset_reading(desk_of.state, desk.clock.now()).available,
                30,
            )
        finally:
            adapter.terminate()
            await adapter.wait()
            stop.set()
            await asyncio.gather(*tasks)
