"""A session on a real broker holds no packet back: it sends and confirms at once."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from pathlib import Path

import pytest

from tests.worlds.devices import free_port, until
from topologies.gateways.mqtt_session import MqttSession
from topologies.gateways.simulation.broker import embedded_broker
from vpp.settings import MqttSettings


def _connection(session: MqttSession) -> socket.socket:
    assert session._client is not None
    connection = session._client._client.socket()
    assert isinstance(connection, socket.socket)
    return connection


@pytest.mark.skipif(not hasattr(socket, "TCP_QUICKACK"), reason="an option of Linux")
async def test_packets_are_sent_and_confirmed_at_once_while_both_sides_talk(tmp_path: Path) -> None:
    port, stop = free_port(), asyncio.Event()
    settings = MqttSettings(address=f"127.0.0.1:{port}")
    plant, device = MqttSession(settings, "plant"), MqttSession(settings, "device")
    came: list[bytes] = []
    confirmed: list[int] = []

    def take(_topic: str, payload: bytes, _retained: bool) -> None:
        confirmed.append(_connection(plant).getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))
        came.append(payload)

    def take_none(_topic: str, _payload: bytes, _retained: bool) -> None:
        """The device acts on nothing."""

    def has_come(number: int) -> bool:
        return len(came) > number

    with embedded_broker(port, tmp_path):
        running = [
            asyncio.create_task(plant.run(["up/#"], take, stop)),
            asyncio.create_task(device.run(["down/#"], take_none, stop)),
        ]
        await until(lambda: plant.is_up and device.is_up)
        for number in range(20):
            await plant.publish("down/a", b"setpoint")
            await device.publish("up/a", b"%d" % number)
            await until(partial(has_come, number))
        sends_at_once = [_connection(one).getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in (plant, device)]
        stop.set()
        await asyncio.gather(*running)
    assert sends_at_once == [1, 1]
    assert confirmed == [1] * 20
