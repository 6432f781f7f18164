"""Simulated devices on loopback, device list entries for them, and outboxes that keep what is sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.devices.inventory import DeviceEntry
from vpp.messages import Message, Setpoint

STEP = timedelta(minutes=5)


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def slot_start() -> datetime:
    """Return the start of the five-minute slot that is now."""
    return datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) // 300 * 300, UTC)


def setpoint(power: float, slot: int = 0, revision: int = 0, zone: str = "Z") -> Setpoint:
    """Return a setpoint of the battery ``bat``, ``slot`` five-minute slots from now."""
    start = slot_start() + slot * STEP
    return Setpoint(
        zone=zone,
        slot=start,
        asset_id="bat",
        power_mw=power,
        valid_until=start + STEP,
        decision_id="d",
        reason="",
        revision=revision,
    )


def modbus_entry(map_name: str, port: int, name: str = "bat", **more: Any) -> DeviceEntry:
    """Return the entry of a device of 5 MW on loopback with quick times."""
    fields = {
        "asset_id": None if "channel" in more else name,
        "zone": "Z",
        "gateway": "modbus",
        "nameplate_mw": 5.0,
        "map": map_name,
        "address": f"127.0.0.1:{port}",
        "cycle_s": 0.1,
        "answer_s": 0.5,
        "settle_s": 1.5,
        "heartbeat_s": 2.0,
        "grace_s": 1.0,
    }
    return DeviceEntry.model_validate({"name": name, **fields, **more})


@dataclass
class Kept:
    """An outbox that keeps its messages."""

    messages: list[Any] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def flush(self) -> None:
        """Everything is there."""


async def until(true: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait until something is true.

    Raises:
        AssertionError: It is not, within that time.
    """
    end = asyncio.get_running_loop().time() + within_s
    while not true():
        assert asyncio.get_running_loop().time() < end, "it did not come true"
        await asyncio.sleep(0.02)
