"""A real mosquitto with the users and access rules that `vpp devices acl` prints: enough for each, and no more."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import aiomqtt
import pytest
from pydantic import SecretStr

from agents.devices.inventory import DeviceEntry
from agents.devices.mqtt_payloads import MqttTopics, access_rules
from agents.devices.simulation import SimulatedDevice
from tests.worlds.devices import Kept, free_port, setpoint, until
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.mqtt import MqttLinks
from topologies.gateways.simulation.mqtt import SimulatedMqttDevice
from vpp.messages import CommandOutcome
from vpp.settings import MqttSettings, Settings
from vpp.store.command_journal import CommandJournal

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]

PASSWORD = "test-only-placeholder"
STEP = timedelta(minutes=5)
BAT, OTHER = (
    DeviceEntry(
        name=name, zone="Z", gateway="mqtt", asset_id=name, nameplate_mw=5.0, cycle_s=0.2, answer_s=5.0, settle_s=0.6
    )
    for name in ("bat", "other")
)
USERS = ("gateway", "bat", "other", "homeassistant")


def tool(name: str) -> str:
    """Return the path of a Debian tool; sbin is not on everybody's path."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.fail(f"{name} is missing: tests/services/services.sh doctor says how to get it")
    return path


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a mosquitto with a user for each device, the gateway and Home Assistant."""
    folder = tmp_path_factory.mktemp("mosquitto")
    port = free_port()
    passwords, rules, config = (folder / name for name in ("passwords", "acl", "mosquitto.conf"))
    passwords.write_text("".join(f"{user}:{PASSWORD}\n" for user in USERS), encoding="utf-8")
    subprocess.run([tool("mosquitto_passwd"), "-U", str(passwords)], check=True, capture_output=True)
    text = access_rules([BAT, OTHER], MqttTopics(), "gateway", home_assistant="homeassistant")
    rules.write_text(text, encoding="utf-8")
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\nacl_file {rules}\nuser root\n",
        encoding="utf-8",
    )
    with (folder / "log").open("wb") as log:
        broker = subprocess.Popen([tool("mosquitto"), "-c", str(config)], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 30
        while not listens(port):
            assert broker.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        broker.terminate()
        broker.wait(20)


def client(address: str, user: str | None, password: str = PASSWORD) -> aiomqtt.Client:
    host, _, port = address.partition(":")
    return aiomqtt.Client(
        host, int(port), username=user, password=password, protocol=aiomqtt.ProtocolVersion.V5, timeout=10.0
    )


def as_user(address: str, user: str) -> MqttSettings:
    return MqttSettings(address=address, username=user, password=SecretStr(PASSWORD))


@asynccontextmanager
async def hearing(address: str, user: str, topic: str) -> AsyncIterator[list[str]]:
    """The topics of the messages that a user hears on a topic."""
    heard: list[str] = []

    async def listen(one: aiomqtt.Client) -> None:
        async for message in one.messages:
            heard.append(str(message.topic))

    async with client(address, user) as one:
        with suppress(aiomqtt.MqttError):  # refused at once, which is as good as hearing nothing
            await one.subscribe(topic, qos=1)
        listening = asyncio.create_task(listen(one))
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def offer(address: str, user: str, topic: str) -> None:
    """Publish; a broker may say that it does not take it, or drop it."""
    async with client(address, user) as one:
        with suppress(aiomqtt.MqttError):
            await one.publish(topic, b"{}", qos=1, timeout=10.0)


@pytest.mark.parametrize(("user", "password"), [(None, ""), ("bat", "wrong"), ("nobody", PASSWORD)])
async def test_nobody_comes_in_without_a_user_and_its_password(address: str, user: str | None, password: str) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with client(address, user, password):
            pass


@pytest.mark.parametrize(
    ("user", "topic", "may"),
    [
        ("bat", "vpp/Z/telemetry/bat", True),
        ("bat", "vpp/Z/ack/bat", True),
        ("bat", "vpp/Z/telemetry/other", False),
        ("bat", "vpp/Z/ack/other", False),
        ("bat", "vpp/Z/setpoint/bat", False),
        ("bat", "vpp/Z/setpoint/other", False),
        ("bat", "vpp/Z/heartbeat", False),
        ("bat", "vpp/Z/request/hold", False),
        ("homeassistant", "vpp/Z/request/hold", True),
        ("homeassistant", "vpp/Z/setpoint/bat", False),
        ("homeassistant", "vpp/Z/telemetry/bat", False),
        ("gateway", "vpp/Z/setpoint/bat", True),
    ],
)
async def test_who_may_write_what(address: str, user: str, topic: str, may: bool) -> None:
    async with hearing(address, "gateway", "vpp/#") as heard:
        await offer(address, user, topic)
        await offer(address, "gateway", "vpp/last")
        await until(lambda: "vpp/last" in heard)
    assert (topic in heard) is may


async def test_a_device_hears_its_own_setpoints_alone(address: str) -> None:
    async with hearing(address, "bat", "vpp/#") as heard:
        for topic in ("vpp/Z/setpoint/other", "vpp/Z/telemetry/other", "vpp/Z/setpoint/bat", "vpp/Z/heartbeat"):
            await offer(address, "gateway", topic)
        await until(lambda: "vpp/Z/heartbeat" in heard)
    assert heard == ["vpp/Z/setpoint/bat", "vpp/Z/heartbeat"]


async def test_a_setpoint_is_followed_and_proven_over_it(address: str, tmp_path: Path) -> None:
    stop = asyncio.Event()
    device = SimulatedMqttDevice(
        SimulatedDevice("battery", 5.0, energy_mwh=10.0, ramp_s=0.1), BAT, as_user(address, "bat")
    )
    ledger = Kept()

    async def live() -> None:
        while not stop.is_set():
            await device.tick()
            await asyncio.sleep(0.05)

    with CommandJournal(tmp_path / "journal.sqlite") as journal:
        links = MqttLinks(Settings(mqtt=as_user(address, "gateway")), (BAT,))
        desk = GatewayDesk(
            "mqtt",
            [BAT],
            journal=journal,
            clock=GatewayClock(),
            telemetry=Kept(),
            ledger=ledger,
            transmit=links.transmit,
        )
        tasks = [asyncio.create_task(work) for work in (links.run(desk, stop), desk.run(stop), live())]
        try:
            await until(lambda: desk.desks["bat"].state.reading is not None, within_s=30.0)
            desk.setpoints([setpoint(2.0)])
            await until(lambda: any(one.outcome is CommandOutcome.FOLLOWED for one in ledger.messages), within_s=30.0)
        finally:
            stop.set()
            await asyncio.gather(*tasks)
            await device.stop()
    assert [taken.sequence for taken in device.device.taken] == [1]
