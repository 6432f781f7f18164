"""Few devices on the whole way that ``tests/bench/test_gateway_paths.py`` times: everything arrives, each way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worlds.gateway_paths import gateway_place, modbus_times, mqtt_times

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_readings_and_setpoints_arrive_over_mqtt_and_modbus(tmp_path: Path) -> None:
    with gateway_place(tmp_path) as settings:
        mqtt = await mqtt_times(settings, 20, 2)
        modbus = await modbus_times(settings, 3, 1)
    assert (len(mqtt.to_log_ms), mqtt.sent_readings) == (40, 40)
    assert (len(mqtt.to_device_ms), len(modbus.to_device_ms)) == (mqtt.sent_setpoints, modbus.sent_setpoints)
    assert mqtt.sent_setpoints >= 20
    assert min(*mqtt.to_log_ms, *mqtt.to_device_ms, *modbus.to_device_ms) > 0.0
