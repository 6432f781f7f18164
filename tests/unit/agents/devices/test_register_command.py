"""A register map applied: what a command writes, in order, and what a cycle's registers say."""

from __future__ import annotations

import pytest

from agents.devices.register_command import command_writes, reading_of
from agents.devices.register_map import RegisterMap

BATTERY = RegisterMap.model_validate(
    {
        "name": "battery",
        "read": {
            "power": {"address": 10, "type": "int16", "unit": "kW", "scale": 0.1},
            "soc": {"address": 11, "type": "uint16", "unit": "%"},
            "local": {"address": 12, "type": "uint16"},
            "frequency": {"address": 13, "type": "uint16", "scale": 0.01},
        },
        "write": {
            "before": [{"address": 20, "type": "uint16", "value": "valid_for_s"}],
            "sequence": {"address": 21, "type": "uint16"},
            "setpoint": {"address": 22, "type": "int16", "unit": "%"},
            "after": [{"address": 23, "type": "uint16", "value": 1}],
        },
    }
)
METER = RegisterMap.model_validate(
    {"name": "meter", "control": "none", "read": {"power": {"address": 0, "type": "int16", "unit": "kW"}}}
)


def writes(power_mw: float, valid_for_s: float = 90.0) -> list[tuple[int, list[int]]]:
    return command_writes(BATTERY, power_mw, sequence=7, valid_for_s=valid_for_s, heartbeat_s=60.0, nameplate_mw=2.0)


def test_a_command_writes_its_life_its_number_its_power_and_the_switch_in_order() -> None:
    assert writes(1.0) == [(20, [90]), (21, [7]), (22, [50]), (23, [1])]


def test_a_negative_power_is_twos_complement_and_a_life_is_never_zero() -> None:
    assert writes(-1.0, valid_for_s=0.2) == [(20, [1]), (21, [7]), (22, [65536 - 50]), (23, [1])]


def test_a_meter_takes_no_command() -> None:
    with pytest.raises(ValueError, match="only read"):
        command_writes(METER, 1.0, sequence=1, valid_for_s=1.0, heartbeat_s=1.0, nameplate_mw=1.0)


def test_registers_are_read_in_mw_share_and_hertz() -> None:
    registers = {10: 65536 - 15000, 11: 80, 12: 0, 13: 4998, 21: 7, 22: 65536 - 75}
    reading = reading_of(BATTERY, {("holding", at): value for at, value in registers.items()}, nameplate_mw=2.0)
    assert (reading.power_mw, reading.soc, reading.read_back_mw) == pytest.approx((-1.5, 0.8, -1.5))
    assert (reading.is_local, reading.sequence) == (False, 7)
    assert reading.values == pytest.approx({"frequency_hz": 49.98})


def test_a_meter_fills_the_channel_that_it_measures() -> None:
    reading = reading_of(METER, {("holding", 0): 12}, nameplate_mw=1.0, channel="load_mw")
    assert reading.values == pytest.approx({"load_mw": 0.012})
    assert (reading.soc, reading.read_back_mw, reading.sequence) == (None, None, None)
