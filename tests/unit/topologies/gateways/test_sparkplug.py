"""A Sparkplug B meter on a real broker: read from its birth on, held between reports, silent after a gap or a death."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest
from pydantic import ValidationError

from agents.devices.inventory import DeviceEntry
from agents.devices.mqtt_payloads import MqttTopics, access_rules, discovery
from agents.devices.sparkplug import REBIRTH
from tests.worlds.devices import Kept, free_port, until
from tests.worlds.field.sparkplug import PAYLOAD, payload
from topologies.gateways.clock import GatewayClock
from topologies.gateways.desk import GatewayDesk
from topologies.gateways.mqtt import MqttLinks
from topologies.gateways.simulation.broker import embedded_broker
from vpp.settings import MqttSettings, Settings
from vpp.store.command_journal import CommandJournal

METER = {
    "name": "meter",
    "zone": "Z",
    "gateway": "mqtt",
    "channel": "load_mw",
    "nameplate_mw": 5.0,
    "cycle_s": 0.1,
    "sparkplug": {"group": "Plant", "node": "edge", "device": "m7", "metric": "Active Power", "scale": 1e-6},
}
POWER = {"name": "Active Power", "alias": 3, "datatype": 4, "long_value": 1_500_000}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with embedded_broker(port, tmp_path_factory.mktemp("broker")):
        yield port


@asynccontextmanager
async def gateway(port: int, folder: Path, telemetry: Kept) -> AsyncIterator[GatewayDesk]:
    entry = DeviceEntry.model_validate(METER)
    stop = asyncio.Event()
    with CommandJournal(folder / "journal.sqlite") as journal:
        links = MqttLinks(Settings(mqtt=MqttSettings(address=f"127.0.0.1:{port}")), (entry,))
        desk = GatewayDesk(
            "mqtt",
            [entry],
            journal=journal,
            clock=GatewayClock(),
            telemetry=telemetry,
            ledger=Kept(),
            transmit=links.transmit,
        )
        tasks = [asyncio.create_task(work) for work in (links.run(desk, stop), desk.run(stop))]
        try:
            await until(lambda: links._session.is_up)
            yield desk
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def test_a_meter_is_read_from_its_birth_on_and_asked_for_it_after_a_gap(port: int, tmp_path: Path) -> None:
    telemetry = Kept()

    def loads() -> list[float | None]:
        return [one.values["load_mw"] for one in telemetry.messages if "load_mw" in one.values]

    async with (
        gateway(port, tmp_path, telemetry),
        aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as node,
    ):
        await node.subscribe("spBv1.0/Plant/NCMD/edge", qos=1)
        await node.publish("spBv1.0/Plant/DDATA/edge/m7", payload(4, POWER), qos=1)
        asked = await asyncio.wait_for(anext(node.messages), 10)
        assert isinstance(asked.payload, bytes)
        assert PAYLOAD.FromString(asked.payload).metrics[0].name == REBIRTH
        assert loads() == []
        await node.publish("spBv1.0/Plant/NBIRTH/edge", payload(0), qos=1)
        await node.publish("spBv1.0/Plant/DBIRTH/edge/m7", payload(1, POWER), qos=1)
        await until(lambda: loads().count(1.5) >= 3)
        await node.publish("spBv1.0/Plant/DDATA/edge/m7", payload(2, {"alias": 3, "long_value": 2_000_000}), qos=1)
        await until(lambda: 2.0 in loads())
        await node.publish("spBv1.0/Plant/DDATA/edge/m7", b"no payload", qos=1)
        await node.publish("spBv1.0/Plant/DDEATH/edge/m7", payload(3), qos=1)
        await asyncio.sleep(0.5)
        silent = len(loads())
        await asyncio.sleep(0.5)
        assert len(loads()) == silent


def test_the_gateway_alone_may_read_a_node_and_ask_it_and_home_assistant_is_not_shown_what_no_topic_has() -> None:
    entry = DeviceEntry.model_validate(METER)
    rules = access_rules([entry], MqttTopics(), "gateway")
    assert "topic read spBv1.0/Plant/+/edge/+" in rules
    assert "topic write spBv1.0/Plant/NCMD/edge" in rules
    assert "user meter" not in rules
    assert b"meter" not in discovery("Z", [entry], MqttTopics(), "mqtt")[1]


@pytest.mark.parametrize("wrong", [{"gateway": "http"}, {"channel": None, "asset_id": "bat"}])
def test_what_is_read_alone_is_never_commanded(wrong: dict[str, str | None]) -> None:
    with pytest.raises(ValidationError, match="read alone"):
        DeviceEntry.model_validate({**METER, **wrong})
