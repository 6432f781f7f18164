"""The closed loop: scores between doing nothing and perfect foresight."""

from pathlib import Path

import numpy as np
import pytest

from agents.evaluation.grid_score import (
    DP,
    LP,
    Engine,
    GridSeries,
    Rule,
    no_action,
    perfect_foresight,
    run,
    score_of,
)
from tests.grid_cases import BATTERY, LOAD, PEAKER, evening, grid_zone

ZONE = grid_zone(BATTERY.model_copy(update={"wear_cost_per_mwh": 0.0}), PEAKER, LOAD)
SLOTS, STEPS = 24, 12


def series(error_mw: float = 0.0, seed: int = 3) -> GridSeries:
    net = evening(SLOTS + STEPS, seed)
    ahead = np.stack([net[t : t + STEPS] for t in range(SLOTS)])
    ahead = ahead + np.random.default_rng(seed).normal(0.0, 1.0, ahead.shape) * error_mw
    shape = (SLOTS, STEPS)
    return GridSeries(
        actual_mw=net[:SLOTS],
        before_mw=float(net[0]),
        net_mw=ahead,
        ramp_sd_mw=np.full(shape, error_mw),
        level_sd_mw=np.full(shape, error_mw),
        carry=np.zeros(shape),
        price_per_mwh=np.full(SLOTS, 100.0),
        expected_price_per_mwh=np.full(shape, 100.0),
        stored_value_per_mwh=95.0,
    )


def test_no_action_costs_what_the_limits_say() -> None:
    given = series()
    idle = no_action(ZONE, given)
    ramps = np.maximum(np.abs(np.diff(given.actual_mw, prepend=given.before_mw)) - 3.0, 0.0)
    shed = np.clip(given.actual_mw - 86.0, 0.0, 6.0)
    grid = given.actual_mw - shed
    ramps = np.maximum(np.abs(np.diff(grid, prepend=given.before_mw)) - 3.0, 0.0)
    over = np.maximum(grid - 86.0, 0.0)
    expected = 125.0 * ramps.sum() + 100.0 * shed.sum() + 250.0 * over.sum() - 95.0 * 7.2
    assert idle.cost == pytest.approx(expected)


@pytest.mark.parametrize("engine", [LP, DP], ids=["lp", "dp"])
@pytest.mark.parametrize("rule", ["two_pass", "seen", "curve"])
def test_good_forecasts_score_near_perfect(engine: Engine, rule: Rule) -> None:
    given = series()
    best, idle = perfect_foresight(ZONE, given), no_action(ZONE, given)
    score = score_of([run(ZONE, given, rule=rule, engine=engine)], [idle], [best])
    assert 80.0 < score.score <= 100.0 + 1e-6
    assert score.fallbacks == 0


def test_seeing_the_slot_is_worth_money_when_forecasts_err() -> None:
    given = series(error_mw=2.0)
    ahead, again = (run(ZONE, given, rule=rule).cost for rule in ("ahead", "two_pass"))
    assert again < ahead


def test_energy_balances_and_states_stay_in_band() -> None:
    done = run(ZONE, series(error_mw=2.0))
    assert done.soc[0].min() >= 0.05 - 1e-12
    assert done.soc[0].max() <= 0.95 + 1e-12
    inside = np.where(done.power_mw[0] > 0, done.power_mw[0] / 0.9, done.power_mw[0] * 0.9) * 0.5
    assert 16.0 * np.diff(done.soc[0], prepend=0.5) == pytest.approx(-inside, abs=1e-9)


@pytest.mark.slow
def test_a_week_of_real_net_load(data_dir: Path) -> None:
    import pandas as pd

    frame = pd.read_csv(data_dir / "gb_30min_2019_2023.csv.gz", usecols=["timestamp", "load_mw", "solar_mw", "wind_mw"])
    net = (frame["load_mw"] - frame["solar_mw"] - frame["wind_mw"]).interpolate().to_numpy() * 100.0 / 43748.0
    first = int(np.flatnonzero(frame["timestamp"] == "2022-01-24T00:00:00Z")[0])
    rows = np.arange(first, first + 336)
    ahead = net[rows[:, None] - 1] + net[rows[:, None] + np.arange(32) - 336] - net[rows[:, None] - 337]
    shape = ahead.shape
    given = GridSeries(
        actual_mw=net[rows],
        before_mw=float(net[first - 1]),
        net_mw=ahead,
        ramp_sd_mw=np.full(shape, 1.0),
        level_sd_mw=np.broadcast_to(np.linspace(1.0, 5.0, 32), shape),
        carry=np.ones(shape),
        price_per_mwh=np.full(336, 100.0),
        expected_price_per_mwh=np.full(shape, 100.0),
        stored_value_per_mwh=95.0,
    )
    score = score_of([run(ZONE, given)], [no_action(ZONE, given)], [perfect_foresight(ZONE, given)])
    assert score.score > 85.0
    assert score.cap_breaches == 0
