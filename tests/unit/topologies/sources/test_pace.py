from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from topologies.sources.deadlines import Deadlines
from topologies.sources.pace import Pace, RunClock, speed_of, whole_weeks
from vpp.fleet.lookup import find_zone
from vpp.fleet.schema import Zone

START = datetime(2025, 1, 1, tzinfo=UTC)


def shipped(name: str) -> Zone:
    result = find_zone(name)
    assert result is not None
    return result


class Wall:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


def test_a_record_waits_for_its_time():
    wall = Wall()
    pace = Pace(360.0, Event(), now=wall)
    assert pace.due_in_s(None) == 0.0
    assert pace.due_in_s(START) == 0.0
    assert pace.due_in_s(START + timedelta(minutes=30)) == 5.0
    wall.at += 4.0
    assert pace.due_in_s(START + timedelta(minutes=30)) == pytest.approx(1.0)


def test_catching_up_turns_into_real_time_where_it_meets_now_and_starts_the_clock_there(tmp_path: Path) -> None:
    path = tmp_path / "clock.json"
    wall = Wall()
    wall.at = START.timestamp() + 2 * 3600 + 60.0
    pace = Pace(3600.0, Event(), clock_path=path, catch_up=True, now=wall)
    waits = []
    for hours in range(3):
        waits.append(pace.due_in_s(START + timedelta(hours=hours)))
        wall.at += waits[-1]
        assert not pace.is_real_time
        assert RunClock.read(path) is None
    assert waits == pytest.approx([0.0, 1.0, 1.0])
    assert pace.due_in_s(START + timedelta(hours=3)) == pytest.approx(3600.0 - 62.0)
    assert pace.is_real_time
    assert RunClock.read(path) == RunClock.wall()


def test_at_full_speed_nothing_waits():
    pace = Pace(None, Event())
    assert pace.due_in_s(START) == pace.due_in_s(START + timedelta(days=1)) == 0.0


def test_speed_is_times_real_time_or_seconds_per_step():
    assert speed_of(30, speed=None, pulse_s=5.0) == 360.0
    assert speed_of(30, speed=10.0, pulse_s=None) == 10.0
    assert speed_of(30, speed=None, pulse_s=None) is None


def test_a_shift_to_now_is_in_whole_weeks():
    now = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
    shift = whole_weeks(START, now)
    assert shift % timedelta(weeks=1) == timedelta(0)
    assert now - timedelta(weeks=1) < START + shift <= now


def test_the_run_clock_survives_its_file(tmp_path):
    path = tmp_path / "clock.json"
    assert RunClock.read(path) is None
    wall = Wall()
    Pace(360.0, Event(), clock_path=path, now=wall).due_in_s(START)
    clock = RunClock.read(path)
    assert clock == RunClock(1000.0, START, 360.0)
    assert clock.now(1005.0) == START + timedelta(minutes=30)
    assert clock.wall_of(START + timedelta(minutes=60)) == 1010.0


def test_the_wall_clock_shows_real_time():
    assert RunClock.wall().now(START.timestamp()) == START


def test_deadlines_come_once_and_the_closing_before_the_decision():
    zone = shipped("GB")
    clock = RunClock(1000.0, START + zone.step.delta, 360.0)
    deadlines = Deadlines({"GB": zone}, close_after_s=2.0, decide_after_s=4.0)
    seen = []
    for tenth in range(120):
        wall_s = 1000.0 + tenth / 10.0
        seen += [(wall_s, topic, d.slot) for topic, d in deadlines.due(clock, wall_s)]
    assert seen == [
        (1002.0, "telemetry.raw", START),
        (1004.0, "bids", START),
        (1007.0, "telemetry.raw", START + zone.step.delta),
        (1009.0, "bids", START + zone.step.delta),
    ]


def test_a_late_look_sends_the_last_deadline_alone():
    zone = shipped("GB")
    clock = RunClock(1000.0, START, 360.0)
    deadlines = Deadlines({"GB": zone}, close_after_s=2.0, decide_after_s=4.0)
    deadlines.due(clock, 1000.0)
    late = deadlines.due(clock, 1030.0)
    assert [(topic, d.slot - START) for topic, d in late] == [
        ("telemetry.raw", timedelta(hours=2)),
        ("bids", timedelta(hours=2)),
    ]
