"""Payloads of a simulated device over MQTT and HTTP: its reading, and its answer to a setpoint."""

from __future__ import annotations

import msgspec

from agents.devices.events import DeviceReading
from agents.devices.mqtt_payloads import AckPayload, SetpointPayload
from agents.devices.simulation import SimulatedDevice


def reading_payload(device: SimulatedDevice) -> bytes:
    """Return the device's reading as JSON; a battery adds its energy counters (kWh)."""
    is_meter = device.kind == "meter"
    reading = DeviceReading(
        power_mw=device.shown_mw,
        soc=device.soc if device.kind == "battery" else None,
        read_back_mw=None if is_meter else device.read_back_mw,
        is_local=device.is_local,
        sequence=None if is_meter else device.sequence,
    )
    body = msgspec.to_builtins(reading)
    if device.kind == "battery":
        body |= {"charged_kwh": 1000.0 * device.charged_mwh, "discharged_kwh": 1000.0 * device.discharged_mwh}
    return msgspec.json.encode(body)


def answer_payload(device: SimulatedDevice, setpoint: bytes, now_s: float) -> bytes | None:
    """Let the device take a setpoint; return its acknowledgement as JSON, None if it cannot read the setpoint.

    Args:
        device: The device.
        setpoint: A ``SetpointPayload`` as JSON.
        now_s: The time that the device lives by.
    """
    try:
        payload = msgspec.json.decode(setpoint, type=SetpointPayload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    device.advance(now_s)
    accepted = device.take(payload.power_mw, now_s, sequence=payload.sequence, valid_for_s=payload.valid_for_s)
    return msgspec.json.encode(AckPayload(sequence=payload.sequence, accepted=accepted, last=device.sequence))
