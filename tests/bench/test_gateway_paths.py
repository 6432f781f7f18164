"""Readings and setpoints over the whole way: client, protocol, gateway process, Kafka client and broker.

Embedded brokers, or the Kafka of ``VPP_TEST_KAFKA``. ``tests/e2e/test_gateway_paths.py`` runs it with few devices.
Figures in docs/benchmarks/edge.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.worlds.gateway_paths import gateway_place, modbus_times, mqtt_times

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

SECONDS = 20
MOST_MS = 50.0


async def test_a_thousand_devices_over_mqtt(tmp_path: Path) -> None:
    with gateway_place(tmp_path) as settings:
        times = await mqtt_times(settings, 1000, SECONDS)
    print(f"\n{times.text('MQTT, 1,000 devices')}; load {os.getloadavg()[0]:.0f}")
    assert np.quantile(times.to_log_ms, 0.99) <= MOST_MS
    assert np.quantile(times.to_device_ms, 0.99) <= MOST_MS


async def test_fifty_devices_over_modbus(tmp_path: Path) -> None:
    with gateway_place(tmp_path) as settings:
        times = await modbus_times(settings, 50, SECONDS)
    print(f"\n{times.text('Modbus, 50 devices')}; load {os.getloadavg()[0]:.0f}")
    assert np.quantile(times.to_device_ms, 0.99) <= MOST_MS
