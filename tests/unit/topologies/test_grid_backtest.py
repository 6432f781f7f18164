"""The grid backtest on a small made-up zone: its figures, its weeks, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tests.grid_cases import BATTERY, LOAD, PEAKER, grid_zone
from topologies.grid_backtest import GridBacktest, GridOptions, run_grid_backtest
from topologies.grid_report import grid_report_html
from vpp.errors import ConfigError, DataError

START = datetime(2025, 3, 1, tzinfo=UTC)
TEST = START + timedelta(days=30)
ZONE = grid_zone(BATTERY, PEAKER, LOAD, step_min=60, ramp_limit_mw=5.0).model_copy(update={"channels": ("load_mw",)})


def history(days: int = 46, freq_min: int = 60) -> pd.DataFrame:
    index = pd.date_range(START, periods=days * 1440 // freq_min, freq=f"{freq_min}min", name="slot")
    hour = (index.hour + index.minute / 60.0).to_numpy(dtype=float)
    noise = np.random.default_rng(5).normal(0.0, 1.0, len(index))
    load = 68.0 + 16.0 * np.sin((hour - 9.0) / 24.0 * 2 * np.pi) + 5.0 * np.sin(hour / 6.0 * np.pi) + noise
    return pd.DataFrame({"load_mw": load}, index=index)


def run(frame: pd.DataFrame, *, days: int = 9, compare: tuple[str, ...] = (), **given: object) -> GridBacktest:
    options = GridOptions(TEST, TEST + timedelta(days=days), START, None, compare)
    return run_grid_backtest(frame, ZONE, options, lambda share, text: None, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def done() -> GridBacktest:
    return run(history(), compare=("persistence", "original_rule"))


def test_figures_stand_under_the_names_that_were_promised(done: GridBacktest) -> None:
    figures = done.figures
    assert figures["weeks"] == 1
    assert list(figures["week_scores"].values()) == [figures["worst_week_score"]] == [figures["score"]]
    assert set(figures["ramp_events"]) == {f"{hours}h" for hours in range(1, 7)}
    assert set(figures["ramp_events"]["1h"]) >= {"pod", "far", "csi"}
    assert figures["baselines"]["no_action"]["score"] == 0.0
    assert figures["baselines"]["perfect_foresight"]["score"] == 100.0
    assert figures["sources"] == {"seasonal": 7 * 24 + 1}


def test_clearing_beats_every_baseline_and_keeps_the_cap(done: GridBacktest) -> None:
    figures = done.figures
    others = [row["score"] for name, row in figures["baselines"].items() if name != "perfect_foresight"]
    assert 60.0 < figures["score"] < 100.0
    assert figures["score"] > max(others)
    assert figures["cap_breaches"] == 0


def test_deliveries_explain_grid_power_and_the_report_shows_them(done: GridBacktest) -> None:
    assert done.grid_mw == pytest.approx(done.net_mw - sum(done.power_mw.values()))
    page = grid_report_html(done, "vpp backtest grid")
    assert page.count("<svg") == 4
    assert "src=" not in page


def test_values_of_the_future_change_nothing_before_them() -> None:
    frame = history()
    other = frame.copy()
    after = other.index >= pd.Timestamp(TEST + timedelta(days=5))
    other.loc[after, "load_mw"] += 7.0
    one, two = run(frame), run(other)
    same = slice(0, 5 * 24)
    assert (one.power_mw["b"][same] == two.power_mw["b"][same]).all()
    assert (one.power_mw["p"][same] == two.power_mw["p"][same]).all()


def test_batteries_follow_finer_rows_inside_the_slot() -> None:
    ticks = history(freq_min=15)
    frame = ticks.resample("60min").mean()
    one = run(frame, ticks=ticks)
    assert one.figures["tick_min"] == 15.0
    assert one.figures["cap_breaches"] == 0
    assert one.figures["score"] > 50.0
    assert one.zone.limits.cap_margin_mw > 0.0


def test_a_range_without_a_whole_week_or_outside_the_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="no whole week"):
        run(history(), days=6)
    with pytest.raises(DataError, match="slot before"):
        run(history(days=20))
    with pytest.raises(ConfigError, match="unknown baseline 'luck'"):
        run(history(), compare=("luck",))
