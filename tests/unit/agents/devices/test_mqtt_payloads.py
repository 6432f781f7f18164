"""Topic names and payloads of MQTT devices."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from agents.devices.events import DeviceReading
from agents.devices.inventory import DeviceEntry
from agents.devices.mqtt_payloads import (
    AckPayload,
    DeviceTopic,
    MqttTopics,
    SetpointPayload,
    access_rules,
    discovery,
    reading_of,
    setpoint_payload,
)
from tests.worlds.documents import ROOT, blocks
from vpp.messages import CommandCause, CommandOutcome, DeviceCommand

T0 = datetime(2026, 1, 1, tzinfo=UTC)
TOPICS = MqttTopics("site")
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
BATTERY = DeviceEntry(name="bat-1", zone="HOME", gateway="mqtt", nameplate_mw=0.005, asset_id="bat")
METER = DeviceEntry(name="meter", zone="HOME", gateway="mqtt", nameplate_mw=0.01, channel="load_mw")


@pytest.mark.parametrize("kind", ["telemetry", "setpoint", "ack", "status"])
def test_a_topic_of_a_device_is_taken_apart_again(kind: str) -> None:
    assert TOPICS.parsed(TOPICS.of(kind, BATTERY)) == DeviceTopic("HOME", kind, "bat-1")


def test_topics_of_no_single_device_are_no_device_topics() -> None:
    assert TOPICS.parsed(TOPICS.heartbeat("HOME")) is None
    assert TOPICS.parsed("other/HOME/telemetry/bat-1") is None


COMMAND = DeviceCommand(
    zone="HOME",
    slot=T0,
    asset_id="bat",
    sequence=7,
    revision=0,
    decision_id="d",
    power_mw=-0.002,
    fallback_mw=0.0,
    cause=CommandCause.SETPOINT,
    outcome=CommandOutcome.PENDING,
    gateway="g",
    device="bat-1",
    made_at=T0,
    valid_until=T0,
)


def test_a_command_is_sent_with_its_life_and_its_fallback() -> None:
    payload = msgspec.json.decode(setpoint_payload(COMMAND, BATTERY, 90.0), type=SetpointPayload)
    assert (payload.sequence, payload.power_mw, payload.fallback_mw) == (7, -0.002, 0.0)
    assert (payload.valid_for_s, payload.heartbeat_s) == (90.0, BATTERY.heartbeat_s)


@given(st.dictionaries(st.text(max_size=20) | st.sampled_from(["load_mw", "frequency_hz", "price_per_mwh"]), NUMBERS))
def test_a_device_speaks_for_the_channel_of_its_entry_alone(values: dict[str, float | None]) -> None:
    """A battery that named the price of its zone, or as many channels as a record cannot hold, would hit the others."""
    payload = msgspec.json.encode({"power_mw": 0.002, "values": values})
    own = {name: value for name, value in values.items() if name == "frequency_hz"}
    assert reading_of(payload, None) == DeviceReading(power_mw=0.002, values=own)
    load = {"load_mw": values.get("load_mw", 0.002)}
    assert reading_of(payload, "load_mw") == DeviceReading(power_mw=0.002, values={**own, **load})


def test_home_assistant_sees_charge_of_a_store_and_power_of_a_meter() -> None:
    topic, payload = discovery("HOME", [BATTERY, METER], TOPICS, "g")
    assert topic == "homeassistant/device/vpp_HOME/config"
    shown = msgspec.json.decode(payload)["cmps"]
    assert sorted(shown) == ["bat-1_charge", "bat-1_charged", "bat-1_discharged", "bat-1_power", "hold", "meter_power"]
    assert shown["hold"]["cmd_t"] == TOPICS.hold("HOME")


def test_a_device_writes_its_own_topics_alone_and_never_a_setpoint() -> None:
    rules = access_rules([BATTERY, METER], TOPICS, "gateway", home_assistant="ha")
    users = {block.split("\n")[0]: block for block in rules.strip().split("\n\n")}
    assert "topic write site/HOME/telemetry/bat-1" in users["user bat-1"]
    assert "meter" not in users["user bat-1"]
    assert not [line for line in rules.splitlines() if line.startswith("topic write") and "/setpoint/" in line]
    assert "topic write site/+/request/hold" in users["user ha"]
    assert "user ha" not in access_rules([BATTERY], TOPICS, "gateway")


STATES = {
    "sensor.battery_power_w": "1250.5",
    "sensor.battery_charge": "40",
    "number.battery_setpoint_w": "1300.0",
    "input_number.vpp_sequence": "6.0",
    "sensor.battery_charged_kwh": "812.5",
    "sensor.battery_discharged_kwh": "730.25",
}


def test_the_automations_of_the_guide_say_what_the_gateway_reads_and_read_what_it_says() -> None:
    """Home Assistant's templates are Jinja's; ``states`` gives texts there too."""
    *_, page = (
        block.body for block in blocks(ROOT / "docs" / "guide" / "home-assistant.md") if block.language == "yaml"
    )
    automations = {one["alias"]: one for one in yaml.safe_load(page)}
    environment = Environment(autoescape=False)
    environment.globals["states"] = STATES.__getitem__

    def messages(alias: str, **values: Any) -> dict[str, bytes]:
        sent = [one["data"] for one in automations[alias]["actions"] if one["action"] == "mqtt.publish"]
        return {one["topic"]: environment.from_string(one["payload"]).render(values).encode() for one in sent}

    text = messages("VPP reports")
    reading = msgspec.json.decode(text["vpp/HOME/telemetry/battery"], type=DeviceReading)
    assert reading == DeviceReading(power_mw=0.0012505, soc=0.4, read_back_mw=0.0013, sequence=6)
    trigger = {"payload_json": json.loads(setpoint_payload(COMMAND, BATTERY, 90.0))}
    takes = automations["VPP takes a setpoint"]
    assert environment.from_string(takes["conditions"]).render(trigger=trigger) == "True"
    power, life = (
        environment.from_string(one["data"][name]).render(trigger=trigger)
        for one, name in zip(takes["actions"], ("value", "duration"), strict=False)
    )
    assert (float(power), int(life)) == (-2000.0, 90)
    (ack,) = messages("VPP takes a setpoint", trigger=trigger).values()
    assert msgspec.json.decode(ack, type=AckPayload) == AckPayload(sequence=7, accepted=True)
