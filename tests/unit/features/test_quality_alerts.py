"""Alerts on telemetry: one for each episode, only of channels that something uses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from features.quality_alerts import QUIET_HOURS, FaultEpisode, follow_faults, is_used
from vpp.domain import Step
from vpp.fleet.schema import default_zone
from vpp.messages import Alert, AlertCode, AlertEffect

STEP = Step(30)
ZONE = default_zone("Z", step_min=30, region_mw=100.0, ramp_mw=10.0)
T0 = STEP.index(datetime(2026, 1, 1, tzinfo=UTC))
QUIET = QUIET_HOURS * 2


def alerts(slots: list[dict[str, str]], channels: int = 5) -> list[Alert]:
    episodes: list[FaultEpisode] = []
    result = []
    for at, quality in enumerate(slots):
        result += [o.message for o in follow_faults(ZONE, STEP, T0 + at, quality, channels, episodes)]
    return [alert for alert in result if isinstance(alert, Alert)]


def test_an_episode_is_one_alert_with_its_start_and_its_end() -> None:
    begun, ended = alerts([{}, {"wind_mw": "missing"}, {"wind_mw": "out_of_range"}, *[{}] * QUIET])
    assert (begun.channel, begun.code, begun.effect) == ("wind_mw", AlertCode.MISSING, AlertEffect.NOT_USED)
    assert begun.slot == STEP.start(T0 + 1)
    assert begun.ended_at is None
    assert ended == begun.ended(STEP.start(T0 + 3))


def test_a_fault_that_comes_and_goes_is_one_episode() -> None:
    flapping = [{"load_mw": "flat"} if at % 3 == 0 else {} for at in range(24)]
    begun, ended = alerts([*flapping, *[{}] * QUIET])
    assert (begun.code, begun.effect) == (AlertCode.FLAT, AlertEffect.NONE)
    assert ended.ended_at is not None
    assert ended.ended_at - begun.slot == timedelta(hours=11)


def test_a_slot_without_any_value_is_one_episode_of_the_record() -> None:
    lost = dict.fromkeys(("load_mw", "wind_mw", "solar_mw"), "missing")
    (begun,) = alerts([{}, lost, lost], channels=3)
    assert (begun.code, begun.channel) == (AlertCode.RECORD_MISSING, None)


def test_channels_that_nothing_uses_raise_no_alert() -> None:
    assert not is_used(ZONE, "hydro_mw")
    assert not is_used(ZONE, "temperature_c")
    assert is_used(ZONE, "wind_mw")
    assert is_used(ZONE, "load_forecast_da_mw")
    assert alerts([{"hydro_mw": "missing", "temperature_c": "out_of_range", "nuclear_mw": "flat"}]) == []


def test_channels_that_fail_together_are_one_episode() -> None:
    lost = dict.fromkeys(("gas_mw", "interconnector_mw", "wind_mw"), "missing")
    begun, ended = alerts([{}, lost, {"gas_mw": "missing"}, *[{}] * QUIET])
    assert (begun.channel, begun.also) == ("wind_mw", ["gas_mw", "interconnector_mw"])
    assert ended.ended_at == STEP.start(T0 + 3)
