"""1,000 devices at one reading a second through the gateway's desk: latency to the log's producer, share of a core.

Runs in one process without brokers: what the gateway itself costs. Figures in docs/benchmarks/edge.md.
"""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agents.devices.events import DeviceRead, DeviceReading
from agents.devices.inventory import DeviceEntry
from tests.worlds.devices import Kept, slot_start, until
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk
from vpp.messages import DeviceCommand, Message, Observation, Setpoint, encode
from vpp.store.command_journal import CommandJournal

pytestmark = pytest.mark.bench

DEVICES = 1000
SECONDS = 10
BATCHES = 10
STEP = timedelta(minutes=5)


class Producer(Kept):
    """Encodes observations, as the producer of the log does, and notes when each device's reading left."""

    def __init__(self) -> None:
        super().__init__()
        self.left_s: dict[str, float] = {}

    def send(self, message: Message) -> None:
        encode(message)
        if isinstance(message, Observation):
            now_s = time.perf_counter()
            self.left_s |= dict.fromkeys(message.assets, now_s)


async def offered_ms(
    desk: GatewayDesk, entries: list[DeviceEntry], start: datetime, revision: int, sent: dict[str, float]
) -> list[float]:
    """Offer a setpoint to every device at once; return how long each took to the protocol."""
    setpoints = [
        Setpoint(
            zone=entry.zone,
            slot=start,
            asset_id=entry.name,
            power_mw=0.5,
            valid_until=start + STEP,
            decision_id="d",
            reason="",
            revision=revision,
        )
        for entry in entries
    ]
    sent.clear()
    offered_s = time.perf_counter()
    desk.setpoints(setpoints)
    await until(lambda: len(sent) == DEVICES)
    return [1000 * (at_s - offered_s) for at_s in sent.values()]


async def test_a_thousand_devices_at_one_second(tmp_path: Path) -> None:
    entries = [
        DeviceEntry(name=f"d{i}", zone=f"Z{i % 20}", gateway="mqtt", asset_id=f"d{i}", nameplate_mw=1.0)
        for i in range(DEVICES)
    ]
    producer = Producer()
    sent: dict[str, float] = {}
    came_s: dict[str, float] = {}
    delays_s: list[float] = []

    async def transmit(entry: DeviceEntry, _command: DeviceCommand, _valid_for_s: float) -> bool | None:
        sent[entry.name] = time.perf_counter()
        return None

    stop = asyncio.Event()
    payload = msgspec.json.encode(DeviceReading(power_mw=0.5, soc=0.5, read_back_mw=0.5, sequence=1))
    with CommandJournal(tmp_path / "journal.sqlite") as journal:
        desk = GatewayDesk(
            "bench",
            entries,
            journal=journal,
            clock=GatewayClock(),
            telemetry=producer,
            ledger=producer,
            transmit=transmit,
        )
        gc.collect()
        gc.freeze()  # as the gateway's process does
        running = asyncio.create_task(desk.run(stop))
        await asyncio.sleep(0.1)
        cpu_s, began_s = time.process_time(), time.perf_counter()
        for number in range(SECONDS * 100):
            for i in range(DEVICES // 100):
                name = f"d{(number * 10 + i) % DEVICES}"
                before_s = came_s.get(name)
                if before_s is not None:
                    delays_s.append(producer.left_s[name] - before_s)
                came_s[name] = time.perf_counter()
                reading = msgspec.json.decode(payload, type=DeviceReading)
                desk.handle([(name, DeviceRead(desk.clock.now(), reading))])
            await asyncio.sleep(max(began_s + (number + 1) / 100 - time.perf_counter(), 0.0))
        cpu_share = (time.process_time() - cpu_s) / (time.perf_counter() - began_s)
        start = slot_start()
        setpoint_ms = [await offered_ms(desk, entries, start, revision, sent) for revision in range(BATCHES)]
        stop.set()
        await running
    reading_ms = 1000 * np.array(delays_s)
    medians, lates = np.quantile(setpoint_ms, (0.5, 0.99), axis=1)
    print(
        f"\nreadings {len(delays_s)}: p50 {np.median(reading_ms):.1f} ms, p99 {np.quantile(reading_ms, 0.99):.1f} ms; "
        f"core {cpu_share:.0%}; {DEVICES} setpoints at once, {BATCHES} times: p50 {np.median(medians):.1f} ms, "
        f"p99 {np.median(lates):.1f} ms, worst batch p99 {lates.max():.1f} ms"
    )
    assert np.quantile(reading_ms, 0.99) <= 50.0
