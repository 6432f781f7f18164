"""How a run goes: as it was started, and live once its own clock has reached the wall clock."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from topologies.control.run_mode import note_mode, read_mode
from topologies.sources.options import SourceOptions
from topologies.sources.pace import RunClock, clock_path
from vpp.settings import Settings, load_settings


def settings_of(folder: Path) -> Settings:
    settings = load_settings({"data_dir": folder})
    note_mode(settings, SourceOptions(kind="simulate"))
    return settings


def is_live(settings: Settings) -> bool:
    mode = read_mode(settings)
    assert mode is not None
    return mode.live


def test_a_simulation_that_caught_up_is_live(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert not is_live(settings)
    RunClock.wall().write(clock_path(settings))
    assert is_live(settings)


def test_the_clock_of_the_run_before_tells_nothing(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    RunClock.wall().write(clock_path(settings))
    os.utime(clock_path(settings), (time.time() - 60, time.time() - 60))
    assert not is_live(settings)


def test_a_replay_of_the_past_at_real_speed_is_not_live(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    RunClock(time.time(), datetime(2022, 1, 1, tzinfo=UTC), 1.0).write(clock_path(settings))
    assert not is_live(settings)


def test_nobody_noted_a_run(tmp_path: Path) -> None:
    assert read_mode(load_settings({"data_dir": tmp_path})) is None
