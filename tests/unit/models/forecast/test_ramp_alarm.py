"""The live ramp alarm: told once when a large change is expected, silent while nothing is known of changes."""

import numpy as np

from features.ring import SlotRing
from models.forecast.ramp_alarm import RampAlarm
from models.forecast.scoreboard import WaitingForecasts
from tests.worlds.synthetic import make_zone
from vpp.domain import NET_LOAD, QUANTILE_LEVELS, horizons_min

ZONE = make_zone()
HORIZONS = horizons_min(ZONE.step_min)
STEPS = np.array(HORIZONS) // ZONE.step_min
DAY = ZONE.step.per_day
FIRST = 700 * DAY


def ring(days: int) -> SlotRing:
    """Return a ring whose net load moves by 1 MW an hour, and by 50 MW an hour in a tenth of the time and a bit."""
    made = SlotRing(ZONE.step, lambda channel: 43, max_days=43)
    value = 1000.0
    for index in range(FIRST, FIRST + days * DAY):
        made.advance(index)
        value += (50.0 if index % DAY < DAY // 8 else 1.0) * ZONE.step.hours * (-1) ** (index // DAY)
        made.put(NET_LOAD, index, value)
    return made


def expect(waiting: WaitingForecasts, index: int, change_mw: float) -> None:
    mean = np.full(len(STEPS), 1000.0 + change_mw)
    quantiles = mean[:, None] + np.linspace(-5.0, 5.0, len(QUANTILE_LEVELS))
    waiting.put(index, 1000.0, quantiles, mean, by_model=True)


def test_an_alarm_is_told_when_it_begins_and_when_the_direction_turns() -> None:
    past = ring(30)
    waiting, alarm, told = WaitingForecasts(STEPS), RampAlarm(ZONE), []
    for n, change in enumerate([0.0, 200.0, 220.0, -250.0, 0.0, -250.0]):
        index = past.newest + 1 + n
        expect(waiting, index, change)
        found = alarm.alert(past, waiting, index, ZONE.step.start(index))
        told.append(None if found is None else found.text.split(" is expected to ")[1].split(" by ")[0])
    assert told == [None, "rise", None, "fall", None, "fall"]


def test_it_says_how_large_and_how_sure() -> None:
    past = ring(30)
    waiting = WaitingForecasts(STEPS)
    index = past.newest + 1
    expect(waiting, index, 200.0)
    found = RampAlarm(ZONE).alert(past, waiting, index, ZONE.step.start(index))
    assert found is not None
    assert (found.topic, found.severity) == ("ramp", "info")
    assert (found.values["change_mw"], found.values["change_q05_mw"]) == (200.0, 195.0)
    assert (found.values["event_mw"] or 0.0) * 0.93 <= 200.0


def test_without_two_weeks_of_net_load_it_is_silent() -> None:
    past = ring(10)
    waiting = WaitingForecasts(STEPS)
    index = past.newest + 1
    expect(waiting, index, 1e6)
    assert RampAlarm(ZONE).alert(past, waiting, index, ZONE.step.start(index)) is None
