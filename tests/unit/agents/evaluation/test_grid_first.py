"""Grid first, then arbitrage: the baseline of joint clearing."""

import numpy as np
import pytest

from agents.clearing.solve import solve
from agents.evaluation.grid_first import solve_grid_first
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, evening_problem, grid_zone

ZONE = grid_zone(BATTERY, PEAKER, LOAD)
PRICE = 100.0 + 80.0 * np.sin(np.arange(32) / 3.0)


def test_arbitrage_raises_no_penalty_and_keeps_the_peaker() -> None:
    service = evening_problem(ZONE)
    first = solve(service)
    both = solve_grid_first(evening_problem(ZONE, price_per_mwh=PRICE))
    assert both.costs["ramp"] + both.costs["cap"] <= first.costs["ramp"] + first.costs["cap"] + 0.01
    assert both.power_mw[1] == pytest.approx(first.power_mw[1], abs=1e-6)
    assert np.abs(both.power_mw[0] - first.power_mw[0]).max() > 0.5


def test_joint_clearing_is_worth_at_least_as_much() -> None:
    problem = evening_problem(ZONE, price_per_mwh=PRICE, generation_price_per_mwh=100.0)
    assert solve(problem).cost <= solve_grid_first(problem).cost + 0.05
