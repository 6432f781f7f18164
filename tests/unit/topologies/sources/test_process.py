from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from topologies.sources.checkpoint import read_checkpoint, write_checkpoint
from topologies.sources.feed import SIMULATED_HISTORY
from topologies.sources.options import SIMULATION_START, SourceOptions, open_feed, pace_of, parse_options, window_of
from topologies.sources.process import SourceRun
from vpp.errors import ConfigError
from vpp.messages import End, Observation, Promotion
from vpp.settings import Settings

START = datetime(2025, 6, 2, tzinfo=UTC)
NOW = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


class Memory:
    """Keeps records as a broker would; those not flushed are lost with the process."""

    def __init__(self, stop=None, after=None):
        self.sent = []
        self.flushed = 0
        self._stop, self._after = stop, after

    def send(self, message):
        self.sent.append(message)
        if self._after is not None and len(self.sent) >= self._after:
            self._stop.set()

    def flush(self):
        self.flushed = len(self.sent)


def options(**given):
    base = {"kind": "simulate", "zones": ("SIM_NORTH",), "start": START, "end": START + timedelta(days=2)}
    return SourceOptions(**{**base, "warm_up_days": 3.0, "speed": float("inf"), **given})


def run(tmp_path, asked, after=None, refit=None):
    stop = Event()
    outbox = Memory(stop, after)
    source = SourceRun(
        options=asked,
        feed=open_feed(asked, Settings(data_dir=tmp_path)),
        outbox=outbox,
        checkpoint_path=tmp_path / "source.json",
        stop=stop,
        refit=refit,
    )
    return source.run(NOW), outbox.sent


def test_a_run_sends_everything_and_is_finished(tmp_path):
    state, sent = run(tmp_path, options())
    assert state.finished
    assert state.sent == len(sent)
    assert sum(isinstance(m, Observation) and not m.history for m in sent) == 96
    assert isinstance(sent[-1], End)
    assert state.run_at == START + timedelta(days=2)
    again, nothing = run(tmp_path, options())
    assert again.finished
    assert nothing == []


def test_a_stopped_run_goes_on_where_it_stopped(tmp_path):
    _, whole = run(tmp_path / "whole", options())
    first, before = run(tmp_path, options(), after=190)
    assert not first.finished
    second, after = run(tmp_path, options())
    assert second.finished
    assert before + after == whole


def test_a_killed_run_repeats_what_was_not_acknowledged_and_loses_nothing(tmp_path):
    _, whole = run(tmp_path / "whole", options())
    _, before = run(tmp_path, options(), after=190)
    state = read_checkpoint(tmp_path / "source.json")
    assert state is not None
    state.sent -= 25
    write_checkpoint(tmp_path / "source.json", state)
    _, after = run(tmp_path, options())
    assert before[:-25] + after == whole


def test_promotions_are_made_once_and_do_not_move_the_place(tmp_path):
    asked = []

    def refit(zone, now):
        asked.append(now)
        return Promotion(zone=zone.zone, available_at=now, model_id=str(now), sha256="0")

    daily = options(refit_days=1.0)
    _, whole = run(tmp_path / "whole", daily, refit=refit)
    assert asked == [START, START + timedelta(days=1)]
    asked.clear()
    _, before = run(tmp_path, daily, after=220, refit=refit)
    _, after = run(tmp_path, daily, refit=refit)
    assert [m for m in before + after if not isinstance(m, Promotion)] == [
        m for m in whole if not isinstance(m, Promotion)
    ]
    assert asked == [START, START + timedelta(days=1)]


def test_faults_do_not_change_on_resume(tmp_path):
    faulty = options(faults=0.05, seed=2)
    _, whole = run(tmp_path / "whole", faulty)
    _, before = run(tmp_path, faulty, after=200)
    _, after = run(tmp_path, faulty)
    assert before + after == whole


def test_other_options_start_from_the_beginning(tmp_path):
    run(tmp_path, options())
    state, sent = run(tmp_path, options(seed=9))
    assert state.sent == len(sent) > 96


def test_a_live_run_keeps_its_shift_over_a_restart(tmp_path):
    live = options(live=True)
    first, before = run(tmp_path, live, after=190)
    observed = [m for m in before if isinstance(m, Observation) and not m.history]
    assert NOW - timedelta(weeks=1) < observed[0].slot <= NOW
    assert (observed[0].slot - START) % timedelta(weeks=1) == timedelta(0)
    state = read_checkpoint(tmp_path / "source.json")
    assert state is not None
    assert state.began_at == first.began_at == NOW


@pytest.mark.parametrize(
    "asked",
    [
        SourceOptions(kind="replay", path=Path("data.csv"), zones=("GB", "FR"), start=START, end=NOW, speed=1000.0),
        SourceOptions(
            kind="replay", path=Path("d.parquet"), live=True, pulse_s=5.0, mapping="m.yaml", faults=0.1, seed=4
        ),
        SourceOptions(kind="simulate", zones=("SIM_001",), seed=7, step_min=5, measured_assets=True, refit_days=7.0),
        SourceOptions(kind="simulate", speed=float("inf"), time_zone="UTC", market="EU", warm_up_days=2.5),
    ],
)
def test_a_command_line_gives_back_the_options_it_was_made_from(asked):
    assert parse_options(asked.kind, asked.arguments()) == asked


def test_the_default_pace_depends_on_the_source():
    assert pace_of(options(speed=None), 30, 5.0) == 1800.0
    assert pace_of(options(speed=None, live=True), 30, 5.0) == 360.0
    assert pace_of(SourceOptions(kind="replay", path=Path("x.csv")), 30, 5.0) is None
    assert pace_of(options(), 30, 5.0) is None


def test_a_range_that_ends_before_it_begins_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="before it begins"):
        open_feed(options(end=START - timedelta(days=1)), Settings(data_dir=tmp_path))
    with pytest.raises(ConfigError, match="before it begins"):
        open_feed(SourceOptions(kind="simulate", end=SIMULATION_START), Settings(data_dir=tmp_path))


def test_a_simulated_feed_has_history_and_says_that_it_is_synthetic(tmp_path):
    asked = options(zones=())
    feed = open_feed(asked, Settings(data_dir=tmp_path))
    assert list(feed.zones) == ["SIM_NORTH", "SIM_SOUTH"]
    assert "synthetic" in feed.notes[0]
    assert feed.first == START - SIMULATED_HISTORY
    frame = feed.frame("SIM_NORTH", START)
    assert frame.index[0] == feed.first
    assert frame.index[-1] == START - timedelta(minutes=30)
    assert window_of(asked, feed, NOW).shift == timedelta(0)


def test_what_was_found_in_a_file_is_kept_for_a_restart(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        "timestamp,zone,load_mw,price\n"
        + "".join(f"2024-01-0{1 + h // 24}T{h % 24:02}:00Z,GB,{h},1\n" for h in range(48))
    )
    asked = SourceOptions(kind="replay", path=path)
    settings = Settings(data_dir=tmp_path / "run")
    first = open_feed(asked, settings)
    saved = list((tmp_path / "run" / "cache").glob("inspected-*.json"))
    assert len(saved) == 1
    again = open_feed(asked, settings)
    assert again == first
    assert again.step_min == 60
