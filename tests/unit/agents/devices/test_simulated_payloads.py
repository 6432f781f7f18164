"""What a simulated device sends over MQTT and HTTP."""

from __future__ import annotations

import json

import pytest

from agents.devices.simulated_payloads import answer_payload, reading_payload
from agents.devices.simulation import DeviceFault, DeviceKind, SimulatedDevice


def device(kind: DeviceKind = "battery") -> SimulatedDevice:
    return SimulatedDevice(kind, nameplate_mw=2.0, energy_mwh=1.0, charged_mwh=0.5, discharged_mwh=0.25)


def setpoint(sequence: int, power_mw: float = 1.0) -> bytes:
    body = {"sequence": sequence, "power_mw": power_mw, "fallback_mw": 0.0, "valid_for_s": 60.0, "heartbeat_s": 30.0}
    return json.dumps(body).encode()


def test_a_battery_says_its_charge_and_its_energy_counters_in_kwh() -> None:
    body = json.loads(reading_payload(device()))
    assert (body["soc"], body["charged_kwh"], body["discharged_kwh"]) == (0.5, 500.0, 250.0)
    assert (body["read_back_mw"], body["sequence"]) == (0.0, 0)


@pytest.mark.parametrize(("kind", "absent"), [("inverter", {"soc"}), ("meter", {"soc", "read_back_mw", "sequence"})])
def test_a_device_says_nothing_that_it_does_not_have(kind: DeviceKind, absent: set[str]) -> None:
    body = json.loads(reading_payload(device(kind)))
    assert all(body.get(name) is None for name in absent)
    assert not {"charged_kwh", "discharged_kwh"} & set(body)


def test_the_answer_names_the_sequence_and_the_last_one_taken() -> None:
    battery = device()
    assert json.loads(answer_payload(battery, setpoint(3), 0.0) or b"") == {"sequence": 3, "accepted": True, "last": 3}
    assert json.loads(answer_payload(battery, setpoint(2), 1.0) or b"") == {"sequence": 2, "accepted": False, "last": 3}
    assert battery.target_mw == 1.0


def test_a_device_that_refuses_says_so() -> None:
    battery = device()
    battery.faults.add(DeviceFault.REFUSING)
    answer = json.loads(answer_payload(battery, setpoint(1), 0.0) or b"")
    assert answer == {"sequence": 1, "accepted": False, "last": 0}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"sequence": "one"}', b"[]"])
def test_a_setpoint_that_cannot_be_read_is_not_answered(body: bytes) -> None:
    battery = device()
    assert answer_payload(battery, body, 0.0) is None
    assert not battery.taken
