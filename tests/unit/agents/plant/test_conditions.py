"""Conditions of the plant: one alert each, from the first slot to the last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agents.plant.conditions import cap_breach, follow, unreachable
from vpp.fleet.schema import default_zone
from vpp.messages import Alert, AlertCode, AlertEffect

ZONE = default_zone("Z", step_min=30, region_mw=100.0, ramp_mw=10.0)
T0 = datetime(2026, 1, 1, tzinfo=UTC)
SLOT = timedelta(minutes=30)


def test_a_condition_is_reported_once_and_ends_once() -> None:
    standing: dict[str, Alert] = {}
    lost = {"unavailable-b1": unreachable("b1")}
    (begun,) = follow(ZONE, T0, lost, standing)
    assert (begun.code, begun.asset_id, begun.effect) == (
        AlertCode.ASSET_UNREACHABLE,
        "b1",
        AlertEffect.NOT_PLANNED,
    )
    assert follow(ZONE, T0 + SLOT, lost, standing) == []
    assert follow(ZONE, T0 + 2 * SLOT, {}, standing) == [begun.ended(T0 + 2 * SLOT)]
    assert standing == {}


def test_power_above_the_import_cap_is_a_condition() -> None:
    cap = ZONE.limits.import_cap_mw
    assert cap_breach(ZONE, cap) == cap_breach(ZONE, None) == {}
    assert cap_breach(ZONE, cap + 1.0)["cap-breach"].code is AlertCode.CAP_BREACH
