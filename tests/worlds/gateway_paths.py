"""Times the whole way of readings and setpoints: devices, MQTT or Modbus, a gateway's own process, the log."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import msgspec
import numpy as np
import yaml
from confluent_kafka import Consumer, TopicPartition

from agents.devices.events import DeviceReading
from agents.devices.mqtt_payloads import AckPayload, SetpointPayload
from agents.devices.register_map import load_register_map
from agents.devices.simulation import SimulatedDevice
from console.local.broker import EmbeddedBroker
from console.local.processes import Processes
from tests.plant_fixtures import make_place
from tests.worlds.devices import STEP, free_port, slot_start, until
from topologies.gateways.mqtt_session import MqttSession
from topologies.gateways.simulation.broker import embedded_broker
from topologies.gateways.simulation.modbus import SimulatedModbusDevice
from topologies.sources.outbox import KafkaOutbox
from vpp.messages import Decoder, Observation, Setpoint
from vpp.settings import Settings
from vpp.streams.kafka import admin, consumer_config, create_topics
from vpp.streams.topics import RAW, SETPOINTS

ZONES = 20
BATCHES_PER_S = 100
"""Readings leave in so many batches a second, as devices that do not know of each other send them."""

SETPOINT_EVERY_S = 0.05
_CLOCK_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass
class PathTimes:
    """What was measured: ms from a reading's publication to the reader of the log, and from a setpoint to the device.

    ``gateway_core``: share of a core that the gateway took. ``sent_readings``, ``sent_setpoints``: how many there were.
    """

    to_log_ms: list[float] = field(default_factory=list)
    to_device_ms: list[float] = field(default_factory=list)
    gateway_core: float = 0.0
    sent_readings: int = 0
    sent_setpoints: int = 0

    def text(self, what: str) -> str:
        """Return the figures in a line."""
        parts = [
            f"{name} {len(ms)}: p50 {np.median(ms):.1f} ms, p99 {np.quantile(ms, 0.99):.1f} ms"
            for name, ms in (("readings", self.to_log_ms), ("setpoints", self.to_device_ms))
            if ms
        ]
        return f"{what}: {'; '.join(parts)}; gateway {self.gateway_core:.0%} of a core"


@contextmanager
def gateway_place(folder: Path) -> Iterator[Settings]:
    """Yield settings with a broker that has all topics: the Kafka of ``VPP_TEST_KAFKA``, or the embedded one."""
    settings = make_place(folder).settings
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if settings.kafka.bootstrap_servers:
        create_topics(settings)
        yield settings
        return
    with EmbeddedBroker(folder / "broker.log") as broker:
        changed = {"bootstrap_servers": broker.address, "embedded": True, "replication_factor": 1}
        kafka = settings.kafka.model_copy(update=changed)
        settings = settings.model_copy(update={"kafka": kafka})
        create_topics(settings)
        yield settings


def _listed(settings: Settings, devices: dict[str, dict[str, object]]) -> Settings:
    path = settings.data_dir / "devices.yaml"
    path.write_text(yaml.safe_dump({"devices": devices}), encoding="utf-8")
    return settings.model_copy(update={"devices": path})


@asynccontextmanager
async def _gateway(settings: Settings, kind: str) -> AsyncIterator[int]:
    """Run a gateway as a process of its own; yields its process id."""
    processes = Processes(settings, settings.data_dir / "logs")
    processes.add("gateway", "topologies.gateway", kind)
    process = processes.workers["gateway"].process
    assert process is not None
    try:
        yield process.pid
    finally:
        await asyncio.to_thread(processes.stop)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS_PER_S


class _Log:
    """Reads the raw topic from its end on a thread; ``came_s``: when a power of a device was there first."""

    def __init__(self, settings: Settings) -> None:
        self.came_s: dict[tuple[str, float], float] = {}
        self._stop = Event()
        topic = RAW.wire(settings.topic_prefix)
        self._decode = Decoder(RAW.carries)
        self._consumer = Consumer(consumer_config(settings, settings.group("paths")))
        partitions = admin(settings).list_topics(topic, timeout=10).topics[topic].partitions
        places = [TopicPartition(topic, partition) for partition in partitions]
        for place in places:
            place.offset = self._consumer.get_watermark_offsets(place, timeout=10)[1]
        self._consumer.assign(places)
        self._thread = Thread(target=self._read, daemon=True)

    def __enter__(self) -> _Log:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def _read(self) -> None:
        while not self._stop.is_set():
            record = self._consumer.poll(0.05)
            now_s = time.perf_counter()
            if record is None or record.error():
                continue
            message = self._decode(record.value())
            if isinstance(message, Observation):
                for name, reading in message.assets.items():
                    if reading.power_mw is not None:
                        self.came_s.setdefault((name, round(reading.power_mw, 7)), now_s)
        self._consumer.close()


class _Setpoints:
    """Sends setpoints to the log, each with a power of its own, and knows when it did."""

    def __init__(self, settings: Settings, zones: dict[str, str]) -> None:
        self._outbox = KafkaOutbox(settings, SETPOINTS, "plant")
        self._zones = zones
        self._start = slot_start()
        self._revision = 0
        self.sent_s: dict[tuple[str, float], float] = {}

    def send(self, name: str) -> None:
        """Send the next one to a device."""
        self._revision += 1
        power = round(0.1 + self._revision * 1e-4, 7)
        self.sent_s[name, power] = time.perf_counter()
        self._outbox.send(
            Setpoint(
                zone=self._zones[name],
                slot=self._start,
                asset_id=name,
                power_mw=power,
                valid_until=self._start + 2 * STEP,
                decision_id="d",
                reason="",
                revision=self._revision,
            )
        )

    def delays_ms(self, came_s: dict[tuple[str, float], float]) -> list[float]:
        """Return how long each took to its device, in the order of sending."""
        return [1000.0 * (came_s[key] - sent_s) for key, sent_s in self.sent_s.items() if key in came_s]


class _MqttDevices:
    """All devices on one session: they execute and acknowledge setpoints and report what they do."""

    def __init__(self, settings: Settings, zones: dict[str, str]) -> None:
        self._session = MqttSession(settings.mqtt, "devices")
        self._prefix = settings.mqtt.prefix
        self._zones = zones
        self._held: dict[str, SetpointPayload] = {}
        self._tasks: set[asyncio.Task[bool]] = set()
        self.came_s: dict[tuple[str, float], float] = {}
        self.gateway_is_up = False

    async def run(self, stop: asyncio.Event) -> None:
        topics = [f"{self._prefix}/+/setpoint/+", f"{self._prefix}/gateway/mqtt/status"]
        await self._session.run(topics, self._take, stop)

    def _take(self, topic: str, payload: bytes, _retained: bool) -> None:
        now_s = time.perf_counter()
        if topic.endswith("/status"):
            self.gateway_is_up = payload == b"online"
            return
        name = topic.rpartition("/")[2]
        command = msgspec.json.decode(payload, type=SetpointPayload)
        self._held[name] = command
        self.came_s.setdefault((name, round(command.power_mw, 7)), now_s)
        ack = AckPayload(sequence=command.sequence, accepted=True, last=command.sequence)
        self._publish("ack", name, msgspec.json.encode(ack))

    def report(self, name: str, number: int) -> tuple[str, float]:
        """Send a reading; return what tells it apart in the log: the device and a power that it has just once."""
        held = self._held.get(name)
        power = round((held.power_mw if held else 0.0) + number * 1e-6, 7)
        reading = DeviceReading(
            power_mw=power,
            soc=0.5,
            read_back_mw=held.power_mw if held else 0.0,
            sequence=held.sequence if held else 0,
        )
        self._publish("telemetry", name, msgspec.json.encode(reading))
        return name, power

    def _publish(self, kind: str, name: str, payload: bytes) -> None:
        topic = f"{self._prefix}/{self._zones[name]}/{kind}/{name}"
        task = asyncio.create_task(self._session.publish(topic, payload, qos=0))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def mqtt_times(settings: Settings, devices: int, seconds: int) -> PathTimes:
    """Let devices report once a second over MQTT while setpoints come, and time both ways.

    Args:
        settings: From ``gateway_place``.
        devices: Number of devices.
        seconds: Length.
    """
    zones = {f"d{i}": f"Z{i % ZONES}" for i in range(devices)}
    port = free_port()
    mqtt = settings.mqtt.model_copy(update={"address": f"127.0.0.1:{port}"})
    common = {"gateway": "mqtt", "nameplate_mw": 1.0}
    listed = {name: {"zone": zone, "asset_id": name, **common} for name, zone in zones.items()}
    settings = _listed(settings.model_copy(update={"mqtt": mqtt}), listed)
    stop = asyncio.Event()
    times = PathTimes()
    with embedded_broker(port, settings.data_dir / "mqtt"), _Log(settings) as log:
        fleet, setpoints = _MqttDevices(settings, zones), _Setpoints(settings, zones)
        running = asyncio.create_task(fleet.run(stop))
        async with _gateway(settings, "mqtt") as pid:
            await until(lambda: fleet.gateway_is_up, within_s=120.0)
            await _warm_up(setpoints, fleet.came_s, next(iter(zones)))
            published_s: dict[tuple[str, float], float] = {}
            names = list(zones)
            began_s, cpu_s, sent = time.perf_counter(), _cpu_s(pid), 0
            for batch in range(seconds * BATCHES_PER_S):
                for k in range(devices * batch // BATCHES_PER_S, devices * (batch + 1) // BATCHES_PER_S):
                    now_s = time.perf_counter()
                    published_s[fleet.report(names[k % devices], 1 + k // devices)] = now_s
                if time.perf_counter() - began_s >= sent * SETPOINT_EVERY_S:
                    setpoints.send(names[7 * sent % devices])
                    sent += 1
                await asyncio.sleep(max(began_s + (batch + 1) / BATCHES_PER_S - time.perf_counter(), 0.0))
            await _all_there(setpoints, fleet.came_s)
            await until(lambda: published_s.keys() <= log.came_s.keys())
            times.gateway_core = (_cpu_s(pid) - cpu_s) / (time.perf_counter() - began_s)
        stop.set()
        await running
    times.to_log_ms = [1000.0 * (log.came_s[key] - sent_s) for key, sent_s in published_s.items()]
    times.to_device_ms = setpoints.delays_ms(fleet.came_s)[1:]
    times.sent_readings, times.sent_setpoints = len(published_s), sent
    return times


class _TimedDevice(SimulatedDevice):
    """Notes when it takes a power."""

    came_s: dict[tuple[str, float], float]
    name: str

    def take(self, power_mw: float, at_s: float, *, sequence: int | None = None, valid_for_s: float = np.inf) -> bool:
        self.came_s.setdefault((self.name, round(power_mw, 4)), time.perf_counter())
        return super().take(power_mw, at_s, sequence=sequence, valid_for_s=valid_for_s)


async def modbus_times(settings: Settings, devices: int, seconds: int) -> PathTimes:
    """Poll devices once a second over Modbus TCP while setpoints come, and time the setpoints.

    Args:
        settings: From ``gateway_place``.
        devices: Number of devices, each a server of its own.
        seconds: Length.
    """
    zones = {f"m{i}": f"Z{i % ZONES}" for i in range(devices)}
    register_map = load_register_map("plain_battery", Path())
    came_s: dict[tuple[str, float], float] = {}
    served, listed = [], {}
    for name, zone in zones.items():
        port = free_port()
        device = _TimedDevice(kind="battery", nameplate_mw=1.0, energy_mwh=1000.0)
        device.name, device.came_s = name, came_s
        served.append(SimulatedModbusDevice(device, register_map, port))
        await served[-1].start()
        listed[name] = {"zone": zone, "asset_id": name, "gateway": "modbus", "nameplate_mw": 1.0}
        listed[name] |= {"map": "plain_battery", "address": f"127.0.0.1:{port}"}
    settings = _listed(settings, listed)
    setpoints, names, times = _Setpoints(settings, zones), list(zones), PathTimes()
    try:
        async with _gateway(settings, "modbus") as pid:
            await _warm_up(setpoints, came_s, names[0])
            began_s, cpu_s, sent = time.perf_counter(), _cpu_s(pid), 0
            while sent < seconds / SETPOINT_EVERY_S:
                setpoints.send(names[7 * sent % devices])
                sent += 1
                await asyncio.sleep(max(began_s + sent * SETPOINT_EVERY_S - time.perf_counter(), 0.0))
            await _all_there(setpoints, came_s)
            times.gateway_core = (_cpu_s(pid) - cpu_s) / (time.perf_counter() - began_s)
    finally:
        for server in served:
            await server.stop()
    times.to_device_ms, times.sent_setpoints = setpoints.delays_ms(came_s)[1:], sent
    return times


async def _warm_up(setpoints: _Setpoints, came_s: dict[tuple[str, float], float], name: str) -> None:
    """Send setpoints to a device until one is there: connections and imports are not measured."""
    setpoints.send(name)
    await until(lambda: bool(came_s), within_s=120.0)


async def _all_there(setpoints: _Setpoints, came_s: dict[tuple[str, float], float]) -> None:
    await until(lambda: setpoints.sent_s.keys() <= came_s.keys())
