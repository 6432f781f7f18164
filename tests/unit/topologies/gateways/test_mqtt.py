"""MQTT devices on a real broker: told, acknowledged, lost, held by people; setpoints never retained."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiomqtt
import pytest
from jinja2 import Template

from agents.devices.inventory import DeviceEntry
from agents.devices.mqtt_payloads import MqttTopics, access_rules, discovery
from agents.devices.simulation import DeviceFault, SimulatedDevice
from tests.worlds.devices import Kept, free_port, setpoint, until
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.mqtt import MqttLinks
from topologies.gateways.simulation.broker import embedded_broker
from topologies.gateways.simulation.mqtt import SimulatedMqttDevice
from vpp.messages import CommandOutcome, DeviceCommand
from vpp.settings import MqttSettings, Settings
from vpp.store.command_journal import CommandJournal

ENTRY = DeviceEntry(
    name="bat",
    zone="Z",
    gateway="mqtt",
    asset_id="bat",
    nameplate_mw=5.0,
    cycle_s=0.1,
    answer_s=0.5,
    settle_s=0.6,
    heartbeat_s=2.0,
    grace_s=1.0,
)
METER = DeviceEntry(name="meter", zone="Z", gateway="mqtt", channel="load_mw", nameplate_mw=5.0, cycle_s=0.1)


class Site:
    """A broker, a battery and a meter on it, and what the gateway sent."""

    def __init__(self, port: int, path: Path) -> None:
        self.path = path
        self.mqtt = MqttSettings(address=f"127.0.0.1:{port}")
        self.battery = SimulatedMqttDevice(
            SimulatedDevice("battery", 5.0, energy_mwh=10.0, heartbeat_s=2.0, ramp_s=0.1), ENTRY, self.mqtt
        )
        self.meter = SimulatedMqttDevice(SimulatedDevice("meter", 5.0), METER, self.mqtt)
        self.telemetry, self.ledger = Kept(), Kept()

    @asynccontextmanager
    async def gateway(self, *, home_assistant: bool = False) -> AsyncIterator[GatewayDesk]:
        stop = asyncio.Event()
        mqtt = self.mqtt.model_copy(update={"home_assistant": home_assistant})
        with CommandJournal(self.path) as journal:
            links = MqttLinks(Settings(mqtt=mqtt), (ENTRY, METER))
            desk = GatewayDesk(
                "mqtt",
                [ENTRY, METER],
                journal=journal,
                clock=GatewayClock(),
                telemetry=self.telemetry,
                ledger=self.ledger,
                transmit=links.transmit,
            )
            work = (links.run(desk, stop), desk.run(stop), self._live(stop))
            tasks = [asyncio.create_task(one) for one in work]
            try:
                await until(lambda: desk.desks["bat"].state.reading is not None)
                yield desk
            finally:
                stop.set()
                await asyncio.gather(*tasks)

    async def _live(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.battery.tick()
            await self.meter.tick()
            await asyncio.sleep(0.05)

    @property
    def proofs(self) -> dict[int, DeviceCommand]:
        return {command.sequence: command for command in self.ledger.messages}

    def is_named(self, outcome: CommandOutcome, sequence: int = 1) -> Callable[[], bool]:
        return lambda: sequence in self.proofs and self.proofs[sequence].outcome is outcome


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with embedded_broker(port, tmp_path_factory.mktemp("broker")):
        yield port


@pytest.fixture
async def site(port: int, tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(port, tmp_path / "journal.sqlite")
    yield site
    await site.battery.stop()
    await site.meter.stop()


async def test_a_setpoint_is_acknowledged_and_proven_and_a_meter_is_heard(site: Site) -> None:
    async with site.gateway() as desk:
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(CommandOutcome.FOLLOWED))
        await until(lambda: any("load_mw" in one.values for one in site.telemetry.messages))
    assert site.proofs[1].acknowledged_at is not None
    assert [taken.sequence for taken in site.battery.device.taken] == [1]


async def test_a_device_that_comes_back_meets_no_old_setpoint(site: Site) -> None:
    async with site.gateway() as desk:
        site.battery.device.faults = {DeviceFault.OFFLINE}
        await until(lambda: not site.battery.is_up)
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(CommandOutcome.NOT_REACHED))
        desk.setpoints([setpoint(3.0, revision=1)])
        site.battery.device.faults = set()
        await until(site.is_named(CommandOutcome.FOLLOWED, 2))
    assert [(taken.sequence, taken.power_mw) for taken in site.battery.device.taken] == [(2, 3.0)]


async def test_a_gateway_without_its_journal_goes_on_above_the_numbers_that_the_device_has_seen(site: Site) -> None:
    site.battery.device.sequence = 41
    async with site.gateway() as desk:
        desk.desks["bat"].state.sequence = 0
        desk.setpoints([setpoint(2.0)])
        await until(lambda: bool(site.battery.device.taken))
        await until(site.is_named(CommandOutcome.FOLLOWED, 42))


async def test_without_the_gateway_the_device_goes_to_its_default_and_its_end_is_published(site: Site) -> None:
    async with site.gateway() as desk:
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(CommandOutcome.FOLLOWED))
    end = asyncio.get_running_loop().time() + 3.0
    while asyncio.get_running_loop().time() < end:
        await site.battery.tick()
        await asyncio.sleep(0.1)
    assert site.battery.device.power_mw == 0.0


async def test_nothing_of_a_setpoint_is_retained_and_home_assistant_is_shown_the_devices(site: Site) -> None:
    async with site.gateway(home_assistant=True) as desk:
        desk.setpoints([setpoint(2.0)])
        await until(site.is_named(CommandOutcome.FOLLOWED))
        retained: dict[str, bytes] = {}
        host, _, port = site.mqtt.address.partition(":")
        async with aiomqtt.Client(host, int(port), protocol=aiomqtt.ProtocolVersion.V5) as client:
            await client.subscribe("vpp/#")
            await client.subscribe("homeassistant/#")
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    async for message in client.messages:
                        if message.retain and isinstance(message.payload, bytes):
                            retained[str(message.topic)] = message.payload
    assert "vpp/Z/setpoint/bat" not in retained
    assert retained["vpp/gateway/mqtt/status"] == b"online"
    shown = json.loads(retained["homeassistant/device/vpp_Z/config"])
    assert shown["cmps"]["bat_charged"]["stat_cla"] == "total_increasing"


async def test_home_assistant_reads_each_sensor_with_the_template_of_its_discovery(site: Site) -> None:
    """Follows the guide from Home Assistant's side: its own template language on what the devices send."""
    host, _, port = site.mqtt.address.partition(":")
    topic, _ = discovery("Z", [ENTRY, METER], MqttTopics(), "mqtt")
    values: dict[str, float] = {}
    async with (
        site.gateway(home_assistant=True),
        asyncio.timeout(20.0),
        aiomqtt.Client(host, int(port), protocol=aiomqtt.ProtocolVersion.V5) as client,
    ):
        await client.subscribe(topic)
        shown = await anext(client.messages)
        assert isinstance(shown.payload, bytes)
        sensors = {n: c for n, c in json.loads(shown.payload)["cmps"].items() if c["p"] == "sensor"}
        for sensor_topic in {sensor["stat_t"] for sensor in sensors.values()}:
            await client.subscribe(sensor_topic)
        async for message in client.messages:
            for name, sensor in sensors.items():
                if str(message.topic) == sensor["stat_t"] and isinstance(message.payload, bytes):
                    body = json.loads(message.payload)
                    values[name] = float(Template(sensor["val_tpl"]).render(value_json=body))
            if values.keys() == sensors.keys():
                break
    assert values["bat_charge"] == pytest.approx(50.0)
    assert values["bat_discharged"] >= 0.0
    assert values["meter_power"] > 1000.0, "5 MW in kW"


def test_discovery_has_what_home_assistant_needs() -> None:
    topic, payload = discovery("Z", [ENTRY, METER], MqttTopics(), "mqtt")
    body = json.loads(payload)
    assert topic == "homeassistant/device/vpp_Z/config"
    assert body["o"]["name"]
    assert all({"p", "uniq_id"} <= component.keys() for component in body["cmps"].values())
    assert {name for name in body["cmps"] if name.startswith("meter")} == {"meter_power"}
    assert body["cmps"]["hold"]["cmd_t"] == "vpp/Z/request/hold"


@pytest.mark.parametrize("body", [{}, dict.fromkeys(("power_mw", "soc", "charged_kwh", "discharged_kwh"))])
def test_what_a_device_leaves_out_changes_no_sensor(body: dict[str, None]) -> None:
    """A counter that fell to 0 would be a reset to the energy dashboard."""
    _, payload = discovery("Z", [ENTRY, METER], MqttTopics(), "mqtt")
    sensors = [component for component in json.loads(payload)["cmps"].values() if component["p"] == "sensor"]
    assert [Template(sensor["val_tpl"]).render(value_json=body) for sensor in sensors] == [""] * 5


def test_a_device_may_write_no_setpoint_and_read_no_other_device() -> None:
    rules = access_rules([ENTRY, METER], MqttTopics(), "gateway")
    section = rules.split("user bat\n")[1].split("user ")[0]
    assert "topic read vpp/Z/setpoint/bat" in section
    assert "write vpp/Z/setpoint" not in section
    assert "meter" not in section


async def test_what_the_broker_kept_from_before_is_not_used_and_a_kept_setpoint_is_cleared(site: Site) -> None:
    """Old telemetry is no sign of life, an old button no order, and an old setpoint must meet no device."""
    host, _, port = site.mqtt.address.partition(":")
    broker = partial(aiomqtt.Client, host, int(port), protocol=aiomqtt.ProtocolVersion.V5)
    old = {"vpp/Z/telemetry/ghost": b'{"power_mw": 3.0}', "vpp/Z/request/hold": b"HOLD", "vpp/Z/setpoint/bat": b"{}"}
    async with broker() as client:
        for topic, payload in old.items():
            await client.publish(topic, payload, qos=1, retain=True)
    stop = asyncio.Event()
    ghost = DeviceEntry(name="ghost", zone="Z", gateway="mqtt", asset_id="ghost", nameplate_mw=5.0)
    with CommandJournal(site.path) as journal:
        links = MqttLinks(Settings(mqtt=site.mqtt), (ENTRY, ghost))
        desk = GatewayDesk(
            "mqtt",
            [ENTRY, ghost],
            journal=journal,
            clock=GatewayClock(),
            telemetry=site.telemetry,
            ledger=site.ledger,
            transmit=links.transmit,
        )
        running = asyncio.create_task(links.run(desk, stop))
        saved = set(old)
        async with asyncio.timeout(20.0):
            while saved != {"vpp/Z/telemetry/ghost", "vpp/Z/request/hold"}:  # a look of half a second may see less
                saved = set()
                async with broker() as client:
                    await client.subscribe("vpp/Z/#", qos=1)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.5):
                            async for message in client.messages:
                                saved |= {str(message.topic)} if message.retain else set()
        stop.set()
        await running
    assert desk.desks["ghost"].state.reading is None
    async with broker() as client:
        for topic in old:
            await client.publish(topic, b"", qos=1, retain=True)


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b'{"power_mw": "1"}', b'{"power_mw": 1e999}', b"[]", b"NaN"])
async def test_unreadable_telemetry_is_counted_and_nothing_ends(site: Site, payload: bytes) -> None:
    links = MqttLinks(Settings(mqtt=site.mqtt), (ENTRY,))
    assert links._event("telemetry", ENTRY, payload, datetime.now(UTC)) is None
    assert links._event("ack", ENTRY, payload, datetime.now(UTC)) is None
    assert links.unreadable == 2
