"""The grid backtest on a small made-up zone: its figures, its weeks, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, grid_zone
from topologies.backtests.grid import GridBacktest, GridOptions, run_grid_backtest
from topologies.backtests.grid_report import grid_report_html
from vpp.errors import ConfigError, DataError
from vpp.fleet.market import PriceKnown
from vpp.fleet.schema import Market, Zone

START = datetime(2025, 3, 1, tzinfo=UTC)
TEST = START + timedelta(days=30)
STEP_MIN = 120
ZONE = grid_zone(BATTERY, PEAKER, LOAD, step_min=STEP_MIN, ramp_limit_mw=8.0).model_copy(
    update={"channels": ("load_mw",)}
)


def history(days: int = 46, freq_min: int = STEP_MIN) -> pd.DataFrame:
    index = pd.date_range(START, periods=days * 1440 // freq_min, freq=f"{freq_min}min", name="slot")
    hour = (index.hour + index.minute / 60.0).to_numpy(dtype=float)
    noise = np.random.default_rng(5).normal(0.0, 1.0, len(index))
    load = 68.0 + 16.0 * np.sin((hour - 9.0) / 24.0 * 2 * np.pi) + 5.0 * np.sin(hour / 6.0 * np.pi) + noise
    price = 60.0 + 40.0 * np.sin((hour - 7.0) / 12.0 * 2 * np.pi)
    return pd.DataFrame({"load_mw": load, "price_per_mwh": price}, index=index)


def run(
    frame: pd.DataFrame,
    *,
    days: int = 9,
    compare: tuple[str, ...] = (),
    ticks: pd.DataFrame | None = None,
    zone: Zone = ZONE,
    joint: bool = False,
) -> GridBacktest:
    options = GridOptions(TEST, TEST + timedelta(days=days), START, None, compare, joint)
    return run_grid_backtest(frame, zone, options, lambda share, text: None, ticks)


@pytest.fixture(scope="module")
def done() -> GridBacktest:
    return run(history(), compare=("persistence", "original_rule"))


def test_figures_stand_under_the_names_that_were_promised(done: GridBacktest) -> None:
    figures = done.figures
    assert figures["weeks"] == 1
    assert list(figures["week_scores"].values()) == [figures["worst_week_score"]] == [figures["score"]]
    assert set(figures["ramp_events"]) == {"2h", "4h", "6h"}
    assert set(figures["ramp_events"]["2h"]) >= {"pod", "far", "csi"}
    assert figures["baselines"]["no_action"]["score"] == 0.0
    assert figures["baselines"]["perfect_foresight"]["score"] == 100.0
    assert figures["sources"] == {"seasonal": 7 * 12 + 1}


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
    same = slice(0, 5 * 12)
    assert (one.power_mw["b"][same] == two.power_mw["b"][same]).all()
    assert (one.power_mw["p"][same] == two.power_mw["p"][same]).all()


def test_batteries_follow_finer_rows_inside_the_slot() -> None:
    ticks = history(freq_min=30)
    frame = ticks.resample(f"{STEP_MIN}min").mean()
    one = run(frame, ticks=ticks)
    assert one.figures["tick_min"] == 30.0
    assert one.figures["cap_breaches"] == 0
    assert one.figures["score"] > 50.0
    assert one.zone.limits.cap_margin_mw > 0.0


def test_trading_and_service_are_distinguished() -> None:
    market = Market(price_known=PriceKnown.AT_START)
    zone = ZONE.model_copy(update={"channels": ("load_mw", "price_per_mwh"), "market": market})
    done = run(history(), zone=zone, joint=True)
    result = done.figures["joint"]
    assert "trading alone" in grid_report_html(done)
    policies = result["policies"]
    assert policies["no_action"]["value"] == 0.0
    assert policies["no_action"]["money"] == 0.0
    for name in policies:
        saved = policies["no_action"]["service_cost"] - policies[name]["service_cost"]
        assert policies[name]["value"] == pytest.approx(saved + policies[name]["money"], abs=0.05)
    assert policies["trading_alone"]["money"] > policies["grid_first"]["money"] > policies["service_only"]["money"]
    assert policies["perfect_foresight"]["value"] > policies["joint"]["value"] > policies["grid_first"]["value"]
    assert policies["joint"]["cap_breaches"] == 0


def test_what_cannot_be_backtested_is_refused() -> None:
    with pytest.raises(ConfigError, match="no whole week"):
        run(history(), days=6)
    with pytest.raises(DataError, match="slot before"):
        run(history(days=20))
    with pytest.raises(DataError, match="no load, solar or wind"):
        run(history()[["price_per_mwh"]])
    with pytest.raises(ConfigError, match="unknown baseline 'luck'"):
        run(history(), compare=("luck",))
