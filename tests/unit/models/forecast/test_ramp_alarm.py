"""The live ramp alarm: told once when a large change is likely, silent while nothing is known of changes."""

import numpy as np
import pytest

from models.forecast.ramp_alarm import RampAlarm
from models.forecast.ramp_probability import FIRST_LEVEL
from models.forecast.waiting_forecasts import WaitingForecasts
from tests.worlds.large_ramps import STEPS, ZONE, expect, large_ramps


def test_an_alarm_is_reported_when_it_begins_and_when_the_direction_turns() -> None:
    ramps, index = large_ramps(30)
    waiting, alarm, ways = WaitingForecasts(STEPS), RampAlarm(ZONE), []
    for n, change in enumerate([0.0, 200.0, 220.0, -250.0, 0.0, -250.0]):
        expect(waiting, index + n, change)
        alert = alarm.alert(ramps, waiting, index + n, ZONE.step.start(index + n))
        ways.append(None if alert is None else alert.text.split(" is expected to ")[1].split(" by ")[0])
    assert ways == [None, "rise", None, "fall", None, "fall"]


def test_it_says_how_large_and_how_sure() -> None:
    ramps, index = large_ramps(30)
    waiting = WaitingForecasts(STEPS)
    expect(waiting, index, 200.0)
    alert = RampAlarm(ZONE).alert(ramps, waiting, index, ZONE.step.start(index))
    assert alert is not None
    assert (alert.topic, alert.severity) == ("ramp", "info")
    assert (alert.values["change_mw"], alert.values["change_q05_mw"]) == (200.0, 195.0)
    assert (alert.values["event_mw"] or 0.0) <= 200.0
    assert alert.values["probability"] == pytest.approx(1.0)
    assert alert.values["alarm_level"] == FIRST_LEVEL


def test_a_wide_forecast_raises_no_alarm_by_its_median_alone() -> None:
    """The median is just below the size of a large ramp: sharp quantiles give it no chance, wide ones a good one."""
    ramps, index = large_ramps(30)
    size = float(ramps.sizes[ramps.columns[0]])
    raised = []
    for spread in (0.001, 0.5):
        waiting = WaitingForecasts(STEPS)
        expect(waiting, index, 0.98 * size, spread * size)
        raised.append(RampAlarm(ZONE).alert(ramps, waiting, index, ZONE.step.start(index)) is not None)
    assert raised == [False, True]


def test_without_two_weeks_of_net_load_it_is_silent() -> None:
    ramps, index = large_ramps(10)
    waiting = WaitingForecasts(STEPS)
    expect(waiting, index, 1e6)
    assert np.isnan(ramps.sizes).all()
    assert RampAlarm(ZONE).alert(ramps, waiting, index, ZONE.step.start(index)) is None
