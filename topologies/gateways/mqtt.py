"""The MQTT 5 gateway: telemetry and acknowledgements in, setpoints and heartbeats out, Home Assistant on request."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from agents.devices.events import DeviceAnswered, DeviceEvent, DeviceRead, DeviceSilent, HeartbeatSent
from agents.devices.inventory import DeviceEntry
from agents.devices.mqtt_payloads import (
    HOME_ASSISTANT,
    OFFLINE,
    ONLINE,
    AckPayload,
    MqttTopics,
    discovery,
    reading_of,
    setpoint_payload,
)
from topologies.control.operator_orders import gateway_order
from topologies.control.publisher import Post
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.mqtt_session import MqttSession
from topologies.gateways.process import entries_of, run_gateway
from topologies.gateways.sparkplug import SparkplugMeters
from vpp.errors import DataError, VppError
from vpp.json_keys import check_keys
from vpp.messages import DeviceCommand
from vpp.settings import Settings

log = logging.getLogger(__name__)

NAME = "mqtt"


class MqttLinks:
    """All MQTT devices over one session.

    Args:
        settings: Broker, prefix, discovery.
        entries: The devices.
    """

    def __init__(self, settings: Settings, entries: tuple[DeviceEntry, ...]) -> None:
        self._settings = settings
        self._entries = {(entry.zone, entry.name): entry for entry in entries}
        self._topics = MqttTopics(settings.mqtt.prefix)
        self._session = MqttSession(settings.mqtt, f"vpp-gateway-{NAME}", (self._topics.gateway(NAME), OFFLINE))
        self._desk: GatewayDesk | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._sparkplug = SparkplugMeters(entries)
        self.unreadable = 0

    async def transmit(self, entry: DeviceEntry, command: DeviceCommand, valid_for_s: float) -> bool | None:
        """Publish a command, never retained, and gone with its validity; the device answers later."""
        payload = setpoint_payload(command, entry, valid_for_s)
        await self._session.publish(self._topics.of("setpoint", entry), payload, expiry_s=min(valid_for_s, 3600.0))
        return None

    async def run(self, desk: GatewayDesk, stop: asyncio.Event) -> None:
        """Stay connected and send heartbeats until stopped."""
        self._desk = desk
        prefix = self._topics.prefix
        topics = [f"{prefix}/+/{kind}/+" for kind in ("telemetry", "ack", "status", "setpoint")]
        topics += [f"{prefix}/+/request/hold", f"{HOME_ASSISTANT}/status", *self._sparkplug.topics]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._session.run(topics, self._take, stop, opened=self._opened))
            group.create_task(self._beat(stop))
            if self._sparkplug.cycle_s is not None:
                group.create_task(self._read_sparkplug(self._sparkplug.cycle_s, stop))

    async def _opened(self) -> None:
        await self._session.publish(self._topics.gateway(NAME), ONLINE, retain=True)
        if self._settings.mqtt.home_assistant:
            for zone in sorted({zone for zone, _ in self._entries}):
                entries = [entry for entry in self._entries.values() if entry.zone == zone]
                topic, payload = discovery(zone, entries, self._topics, NAME)
                await self._session.publish(topic, payload, retain=True)

    async def _beat(self, stop: asyncio.Event) -> None:
        zones = sorted({zone for zone, _ in self._entries})
        pause_s = min(entry.beat_s for entry in self._entries.values())
        while not stop.is_set():
            for zone in zones:
                receipt = await self._session.publish(self._topics.heartbeat(zone), b"", expiry_s=pause_s)
                if receipt:
                    self._emit_all(zone)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)

    def _emit_all(self, zone: str) -> None:
        assert self._desk is not None
        now = self._desk.clock.now()
        # A heartbeat that the broker took has reached those devices alone that still speak.
        reached = [
            entry.name
            for entry in self._entries.values()
            if entry.zone == zone
            and self._desk.desks[entry.name].reducer.is_reachable(self._desk.desks[entry.name].state, now)
        ]
        self._desk.handle([(name, HeartbeatSent(now)) for name in reached])

    def _take(self, topic: str, payload: bytes, retained: bool) -> None:
        assert self._desk is not None
        if topic == f"{HOME_ASSISTANT}/status":
            self._spawn(self._opened())
            return
        if self._sparkplug.takes(topic):
            if not retained:
                self._take_sparkplug(topic, payload)
            return
        place = self._topics.parsed(topic)
        if place is None or (place.kind == "setpoint" and not (retained and payload)):
            return
        if place.kind == "setpoint":
            self._spawn(self._forget(topic))
            return
        if retained and place.kind != "status":
            log.warning("MQTT %s is retained and not used: it may be of any age", topic)
            return
        if place.kind == "request":
            self._spawn(self._hold(place.zone))
            return
        entry = self._entries.get((place.zone, place.device))
        if entry is None:
            return
        event = self._event(place.kind, entry, payload, self._desk.clock.now())
        if event is not None:
            self._desk.handle([(entry.name, event)])

    def _take_sparkplug(self, topic: str, payload: bytes) -> None:
        assert self._desk is not None
        try:
            heard = self._sparkplug.heard(topic, payload, self._desk.clock.now())
        except DataError as error:
            self._count_unreadable(topic, "Sparkplug payload", error)
            return
        self._desk.handle(heard.events)
        if heard.request is not None:
            self._spawn(self._request(*heard.request))

    async def _read_sparkplug(self, cycle_s: float, stop: asyncio.Event) -> None:
        assert self._desk is not None
        while not stop.is_set():
            self._desk.handle(self._sparkplug.readings(self._desk.clock.now()))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), cycle_s)

    async def _request(self, topic: str, payload: bytes) -> None:
        await self._session.publish(topic, payload)

    def _count_unreadable(self, device: str, payload: str, error: Exception) -> None:
        self.unreadable += 1
        if self.unreadable & (self.unreadable - 1) == 0:  # the 1st, 2nd, 4th, ... so that a flood is no flood
            log.warning("device %s: %s unreadable (%s so far): %s", device, payload, self.unreadable, error)

    def _event(self, kind: str, entry: DeviceEntry, payload: bytes, now: datetime) -> DeviceEvent | None:
        try:
            if kind == "telemetry":
                return DeviceRead(now, reading_of(payload, entry.channel))
            if kind == "ack":
                ack = msgspec.json.decode(payload, type=AckPayload)
                check_keys(payload)
                return DeviceAnswered(now, ack.sequence, accepted=ack.accepted, last=ack.last)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            self._count_unreadable(entry.name, kind, error)
            return None
        return DeviceSilent(now) if payload == OFFLINE else None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forget(self, topic: str) -> None:
        """Clear a retained setpoint, which would reach a device that reconnects."""
        log.warning("MQTT %s was retained and is cleared: a kept setpoint is an old one", topic)
        await self._session.publish(topic, b"", retain=True)

    async def _hold(self, zone: str) -> None:
        """Make the hold that somebody pressed an order: the plant verifies it, as it does any other."""
        try:
            await asyncio.to_thread(self._order_hold, zone)
        except VppError as error:
            log.warning("the hold of zone %s was not ordered: %s", zone, error)

    def _order_hold(self, zone: str) -> None:
        assert self._desk is not None
        post, now = Post(self._settings, "gateway"), self._desk.clock.now()
        order = gateway_order(self._settings, post, NAME, zone, "hold", "hold pressed over MQTT", now=now)
        log.info("hold of zone %s ordered as %s", zone, order.order_id)


async def run_mqtt(settings: Settings, *, waits: bool = False) -> None:
    """Run the gateway until stopped; ``waits``: a source beside it has yet to start the run clock.

    Raises:
        VppError: The device list is wrong, another process runs it, or the Kafka broker does not answer.
    """
    _, entries = entries_of(settings, "mqtt")
    links = MqttLinks(settings, entries)
    limits = frozenset(entry.name for entry in entries if entry.control == "limit")
    await run_gateway(settings, NAME, entries, limits=limits, transmit=links.transmit, links=links.run, waits=waits)
