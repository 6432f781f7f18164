"""Biases held for a week on a made-up zone: a large one is found in every week, and sooner than a small one."""

from __future__ import annotations

from tests import guard_world
from topologies.redteam.detection import CleanRun, run_clean
from topologies.redteam.held_bias import HELD_HOURS, held_biases
from vpp.progress import no_progress

DAY = 24 * 60 // guard_world.STEP_MIN


def clean_run(starts_in_days: tuple[int, ...]) -> CleanRun:
    part, (series, begin) = guard_world.guard(), guard_world.series()
    starts = [begin + day * DAY for day in starts_in_days]
    return run_clean([part], [begin], series, begin, series.window.shape[1] - 1, starts)


def test_a_larger_bias_is_found_in_more_weeks_and_sooner() -> None:
    clean, small, large = held_biases(clean_run((3, 9, 15, 21, 28)), 0, no_progress, (0.0, 15.0, 40.0))
    assert clean["size_pct"] == 0.0
    assert clean["n"] == small["n"] == large["n"] >= 3
    assert clean["alarmed_pct"] <= small["alarmed_pct"] <= large["alarmed_pct"] == 100.0
    assert large["median_h"] <= 24.0


def test_a_start_without_a_whole_week_does_not_count() -> None:
    last = clean_run(()).truth.shape[1]
    day = (last - guard_world.series()[1]) // DAY - HELD_HOURS // 24
    assert held_biases(clean_run((day + 1,)), 0, no_progress) == []
