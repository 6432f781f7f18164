"""MQTT topics and payloads: setpoint, acknowledgement, and the discovery message for Home Assistant.

``PREFIX/ZONE/telemetry|setpoint|ack|status/DEVICE`` belongs to one device, ``PREFIX/ZONE/heartbeat`` to all of a zone
and ``PREFIX/ZONE/request/hold`` to people. Setpoints are never retained, so a device that reconnects does not get an
old one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from agents.devices import sparkplug
from agents.devices.events import DeviceReading
from agents.devices.inventory import DeviceEntry
from vpp.domain import FREQUENCY
from vpp.json_keys import check_keys
from vpp.messages import DeviceCommand

ONLINE, OFFLINE = b"online", b"offline"
HOME_ASSISTANT = "homeassistant"
_SENSORS = (
    ("power", "power_mw", 1000, "kW", "power", "measurement"),
    ("charge", "soc", 100, "%", "battery", "measurement"),
    ("charged", "charged_kwh", 1, "kWh", "energy", "total_increasing"),
    ("discharged", "discharged_kwh", 1, "kWh", "energy", "total_increasing"),
)
"""Sensors in Home Assistant: name, field, factor, unit, device class, state class. A device without store has the first
alone."""

_TEMPLATE = "{{{{ value_json.{field} * {factor} if value_json.{field} is number else '' }}}}"
"""Empty where the device does not report the field: Home Assistant then holds the value that it has. A 0 would be a
reset of the counter, after which the whole counter counts again as energy of that hour."""


@dataclass(frozen=True, slots=True)
class DeviceTopic:
    """The parts of a topic of one device."""

    zone: str
    kind: str
    device: str


@dataclass(frozen=True, slots=True)
class MqttTopics:
    """The topic names under one prefix."""

    prefix: str = "vpp"

    def of(self, kind: str, entry: DeviceEntry) -> str:
        """Return the topic of one kind (``telemetry``, ``setpoint``, ``ack``, ``status``) of a device."""
        return f"{self.prefix}/{entry.zone}/{kind}/{entry.name}"

    def heartbeat(self, zone: str) -> str:
        """Return the topic of the heartbeat to all devices of a zone."""
        return f"{self.prefix}/{zone}/heartbeat"

    def hold(self, zone: str) -> str:
        """Return the topic on which people ask for a hold."""
        return f"{self.prefix}/{zone}/request/hold"

    def gateway(self, name: str) -> str:
        """Return the topic with the status of a gateway."""
        return f"{self.prefix}/gateway/{name}/status"

    def parsed(self, topic: str) -> DeviceTopic | None:
        """Return the parts of a device's topic; None for any other."""
        parts = topic.removeprefix(f"{self.prefix}/").split("/")
        return DeviceTopic(*parts) if len(parts) == 3 else None


class SetpointPayload(msgspec.Struct, kw_only=True, frozen=True):
    """The command to a device, which takes only a sequence greater than its last one, and acknowledges each.

    ``valid_for_s`` counts from its arrival, so the clock of the device does not matter; after it ``fallback_mw`` holds.
    Without a heartbeat for ``heartbeat_s`` it goes to its own default.
    """

    sequence: int
    power_mw: float
    fallback_mw: float
    valid_for_s: float
    heartbeat_s: float
    valid_until: datetime | None = None


class AckPayload(msgspec.Struct, kw_only=True, frozen=True):
    """What a device answers: whether it took a sequence, and the greatest that it has seen."""

    sequence: int
    accepted: bool
    last: int | None = None


def reading_of(payload: bytes, channel: str | None) -> DeviceReading:
    """Return the reading in a device's telemetry, with the channel of its entry and the frequency alone.

    Args:
        payload: JSON; its power is the channel's value where ``values`` does not give one.
        channel: The zone's channel that the device measures, if any.

    Raises:
        msgspec.MsgspecError: It is no reading.
        ValueError: It is no UTF-8, or a key comes twice.
        RecursionError: It is nested too deeply.
    """
    reading = msgspec.json.decode(payload, type=DeviceReading)
    check_keys(payload)
    values = {name: value for name, value in reading.values.items() if name in (channel, FREQUENCY)}
    if channel is not None:
        values.setdefault(channel, reading.power_mw)
    return msgspec.structs.replace(reading, values=values)


def setpoint_payload(command: DeviceCommand, entry: DeviceEntry, valid_for_s: float) -> bytes:
    """Return the setpoint of a command as JSON."""
    payload = SetpointPayload(
        sequence=command.sequence,
        power_mw=command.power_mw,
        fallback_mw=command.fallback_mw,
        valid_for_s=valid_for_s,
        heartbeat_s=entry.heartbeat_s,
        valid_until=command.valid_until,
    )
    return msgspec.json.encode(payload)


def discovery(zone: str, entries: Iterable[DeviceEntry], topics: MqttTopics, gateway: str) -> tuple[str, bytes]:
    """Return topic and retained payload that show a zone's devices in Home Assistant: sensors and a hold button.

    Energy counters are in kWh and only grow: the energy dashboard requires this. The button writes a request, which
    becomes an order, never a setpoint.

    Args:
        zone: The zone, which Home Assistant shows as one device.
        entries: Its devices.
        topics: Names the topics.
        gateway: The gateway whose end makes them unavailable.
    """
    components: dict[str, dict[str, Any]] = {}
    for entry in (entry for entry in entries if entry.sparkplug is None):
        is_store = entry.asset_id is not None and entry.control == "power"
        for name, field, factor, unit, kind, state in _SENSORS if is_store else _SENSORS[:1]:
            components[f"{entry.name}_{name}"] = {
                "p": "sensor",
                "uniq_id": f"vpp_{zone}_{entry.name}_{name}",
                "name": f"{entry.name} {name}",
                "stat_t": topics.of("telemetry", entry),
                "val_tpl": _TEMPLATE.format(field=field, factor=factor),
                "unit_of_meas": unit,
                "dev_cla": kind,
                "stat_cla": state,
            }
    components["hold"] = {
        "p": "button",
        "uniq_id": f"vpp_{zone}_hold",
        "name": "Hold",
        "cmd_t": topics.hold(zone),
        "pl_prs": "HOLD",
    }
    body = {
        "dev": {"ids": [f"vpp_{zone}"], "name": f"SmartGrid-AI {zone}", "mf": "SmartGrid-AI"},
        "o": {"name": "smartgrid-ai"},
        "avty_t": topics.gateway(gateway),
        "cmps": components,
    }
    return f"{HOME_ASSISTANT}/device/vpp_{zone}/config", msgspec.json.encode(body)


def access_rules(
    entries: Collection[DeviceEntry], topics: MqttTopics, gateway_user: str, *, home_assistant: str | None = None
) -> str:
    """Return the text of a mosquitto ACL file: a device (user = its name) reaches only its own topics.

    The gateway may read and write all below the prefix, and read the Sparkplug nodes of the list; nobody else may write
    a setpoint. Users of Sparkplug nodes are not in it.

    Args:
        entries: The devices; iterated more than once.
        topics: Names the topics.
        gateway_user: User of the gateway.
        home_assistant: User of Home Assistant, which reads all and writes its own topics and the request to hold.
    """
    lines = [f"user {gateway_user}", f"topic readwrite {topics.prefix}/#", f"topic readwrite {HOME_ASSISTANT}/#"]
    mqtt_entries = [entry for entry in entries if entry.sparkplug is None]
    nodes = {(source.group, source.node) for entry in entries if (source := entry.sparkplug) is not None}
    for group, node in sorted(nodes):
        lines += [f"topic read {topic}" for topic in sparkplug.topics_of(group, node)]
        lines += [f"topic write {sparkplug.rebirth_request(group, node)[0]}"]
    for entry in mqtt_entries:
        lines += ["", f"user {entry.name}"]
        lines += [f"topic write {topics.of(kind, entry)}" for kind in ("telemetry", "ack", "status")]
        lines += [f"topic read {topics.of('setpoint', entry)}", f"topic read {topics.heartbeat(entry.zone)}"]
    if home_assistant is not None:
        lines += ["", f"user {home_assistant}", f"topic read {topics.prefix}/#"]
        lines += [f"topic write {topics.hold('+')}", f"topic readwrite {HOME_ASSISTANT}/#"]
    return "\n".join(lines) + "\n"
