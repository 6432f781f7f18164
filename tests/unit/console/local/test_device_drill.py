"""A drill times troubles by the devices' own logs: a busy machine gives a fault later than it was asked to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agents.devices.simulation import DeviceFault
from console.local.device_drill import as_the_device_had_it
from console.local.drill_proof import Trouble
from topologies.gateways.simulation.simulator import FaultChange
from vpp.messages import CommandOutcome

T0 = datetime(2026, 1, 1, tzinfo=UTC)
PLANNED = Trouble("bat", DeviceFault.STUCK, T0, T0 + timedelta(seconds=10), frozenset({CommandOutcome.STUCK}))
STUCK: frozenset[DeviceFault] = frozenset({DeviceFault.STUCK})


def change(second: float, faults: frozenset[DeviceFault] = STUCK, device: str = "bat") -> FaultChange:
    return FaultChange(device, (T0 + timedelta(seconds=second)).timestamp(), faults)


@pytest.mark.parametrize(
    ("log", "began_s", "ended_s"),
    [
        pytest.param([change(0.1), change(9.0, frozenset())], 0.1, 9.0, id="as planned"),
        pytest.param([change(3.0), change(12.0, frozenset())], 3.0, 10.0, id="late"),
        pytest.param([change(-20.0), change(-11.0, frozenset()), change(2.0)], 2.0, 10.0, id="had it before too"),
        pytest.param([change(1.0, device="other")], 10.0, 10.0, id="never"),
        pytest.param([change(11.0)], 10.0, 10.0, id="after its end"),
    ],
)
def test_a_trouble_lasts_as_long_as_the_device_says(log: list[FaultChange], began_s: float, ended_s: float) -> None:
    had = as_the_device_had_it(PLANNED, log)
    assert [(at - T0).total_seconds() for at in (had.began, had.ended)] == [began_s, ended_s]
