"""A curtailment becomes an upper limit of the output."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from agents.devices.limit import limit_setpoint
from vpp.messages import Setpoint

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def setpoint(power_mw: float, fallback_mw: float = 0.0) -> Setpoint:
    return Setpoint(
        zone="Z",
        slot=T0,
        asset_id="pv",
        power_mw=power_mw,
        fallback_mw=fallback_mw,
        valid_until=T0,
        decision_id="d",
        reason="",
    )


@pytest.mark.parametrize(
    ("power_mw", "output_mw", "limit_mw"),
    [
        pytest.param(0.0, 3.0, 5.0, id="no curtailment is no limit"),
        pytest.param(-1.0, 3.0, 2.0, id="below the free output"),
        pytest.param(-1.0, None, 4.0, id="below the rated power while the output is unknown"),
        pytest.param(-9.0, 3.0, 0.0, id="never below zero"),
    ],
)
def test_the_limit_is_the_free_output_less_what_is_curtailed(
    power_mw: float, output_mw: float | None, limit_mw: float
) -> None:
    limited = limit_setpoint(setpoint(power_mw, fallback_mw=power_mw), output_mw, nameplate_mw=5.0)
    assert (limited.power_mw, limited.fallback_mw) == (limit_mw, limit_mw)
