"""A simulated MQTT 5 device: sends telemetry, executes numbered setpoints and acknowledges them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from agents.devices.inventory import DeviceEntry
from agents.devices.mqtt_payloads import OFFLINE, ONLINE, MqttTopics
from agents.devices.simulated_payloads import answer_payload, reading_payload
from agents.devices.simulation import SimulatedDevice
from topologies.gateways.mqtt_session import MqttSession
from topologies.gateways.simulation.device import ServedDevice
from vpp.settings import MqttSettings


class SimulatedMqttDevice(ServedDevice):
    """One simulated device on a broker.

    Args:
        device: The device.
        entry: Its entry in the list.
        settings: The broker, with the device's user.
        now_s: The time that the device lives by.
    """

    def __init__(
        self,
        device: SimulatedDevice,
        entry: DeviceEntry,
        settings: MqttSettings,
        *,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(device, now_s)
        self._entry = entry
        self._settings = settings
        self._topics = MqttTopics(settings.prefix)
        self._session: MqttSession | None = None
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent_at_s = 0.0

    @property
    def is_up(self) -> bool:
        """Whether it is connected."""
        return self._session is not None and self._session.is_up

    @property
    def is_plugged(self) -> bool:
        """Whether it was started and not stopped since; it may still be on its way to the broker."""
        return self._session is not None

    async def start(self) -> None:
        """Connect, and stay connected."""
        self._stop = asyncio.Event()
        status = self._topics.of("status", self._entry)
        self._session = MqttSession(self._settings, f"device-{self._entry.zone}-{self._entry.name}", (status, OFFLINE))
        topics = [self._topics.of("setpoint", self._entry), self._topics.heartbeat(self._entry.zone)]
        self._spawn(self._session.run(topics, self._take, self._stop, opened=self._opened))

    async def stop(self) -> None:
        """Pull the cable."""
        self._stop.set()
        session, self._session = self._session, None
        if session is not None:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def report(self, now_s: float) -> None:
        """Send telemetry each cycle."""
        if now_s - self._sent_at_s >= self._entry.cycle_s:
            self._sent_at_s = now_s
            await self._publish("telemetry", reading_payload(self.device))

    async def _opened(self) -> None:
        await self._publish("status", ONLINE)

    async def _publish(self, kind: str, payload: bytes) -> None:
        if self._session is not None:
            await self._session.publish(self._topics.of(kind, self._entry), payload)

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        now_s = self._now_s()
        if retained:
            return  # retained: an old setpoint, or a heartbeat of a gateway that may have ended
        if topic == self._topics.heartbeat(self._entry.zone):
            self.device.beat(now_s)
            return
        ack = answer_payload(self.device, payload, now_s)
        if ack is not None:
            self._spawn(self._publish("ack", ack))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
