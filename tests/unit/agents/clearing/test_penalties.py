"""Expected penalties: nodes, weights, and one convex curve that equals the sum of hinges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.assets.lp import gap_hours
from agents.assets.registry import fleet_at_rest
from agents.clearing.penalties import (
    Hinges,
    deviations,
    hedge_weights,
    level_hinges,
    ramp_hinges,
    student_t4,
)
from agents.clearing.problem import ClearingInputs, clearing_problem
from tests.worlds.grid_cases import BATTERY, grid_zone


@pytest.mark.parametrize(
    ("probability", "quantile"),
    [(0.5, 0.0), (0.9, 1.5332), (0.975, 2.7764), (0.025, -2.7764), (0.995, 4.6041)],
)
def test_quantiles_of_students_t_with_4_degrees_of_freedom(probability: float, quantile: float) -> None:
    assert student_t4(probability) == pytest.approx(quantile, abs=1e-4)


def test_three_nodes_of_unit_spread() -> None:
    assert deviations(3) == pytest.approx([-0.7774, 0.0, 0.7774], abs=1e-4)


def test_hedge_weights_sum_to_one_with_the_rest_in_the_middle() -> None:
    assert hedge_weights(3, 0.6) == pytest.approx([0.2, 0.6, 0.2])


def test_ramp_penalty_is_price_times_slot_hours_beyond_the_limit_and_only_the_middle_node_counts_now() -> None:
    problem = clearing_problem(
        grid_zone(BATTERY), ClearingInputs(np.zeros(3), state=fleet_at_rest(grid_zone(BATTERY), 0.0), ramp_sd_mw=1.0)
    )
    cost = ramp_hinges(problem).cost(np.array([5.0, 5.0, -2.5]))
    assert cost[0] == pytest.approx(250.0 * 0.5 * 2.0)
    assert cost[1] == pytest.approx(250.0 * 0.5 * (0.2 * (2 - 0.7774) + 0.6 * 2 + 0.2 * 2.7774), rel=1e-4)
    assert cost[2] == pytest.approx(250.0 * 0.5 * 0.2 * 0.2774, rel=1e-3)


def test_without_a_last_grid_power_no_ramp_counts_now() -> None:
    problem = clearing_problem(grid_zone(BATTERY), ClearingInputs(np.zeros(2)))
    assert ramp_hinges(problem).cost(np.array([50.0, 0.0]))[0] == 0.0


def test_level_penalty_at_the_import_and_the_export_cap() -> None:
    problem = clearing_problem(grid_zone(BATTERY, export_cap_mw=20.0), ClearingInputs(np.zeros(2), hedge=0.0))
    assert level_hinges(problem).cost(np.array([88.0, -21.0])) == pytest.approx([500.0, 250.0])


def test_a_longer_step_stretches_the_ramp_limit_to_the_distance_of_centres() -> None:
    zone = grid_zone(BATTERY, step_min=5)
    problem = clearing_problem(zone, ClearingInputs(np.zeros(3), step_h=np.array([1 / 12, 1 / 12, 0.5]), hedge=0.0))
    assert gap_hours(problem.step_h) == pytest.approx([1 / 12, 1 / 12, 3.5 / 12])
    assert ramp_hinges(problem).up_mw[:, 1] == pytest.approx([3.0, 3.0, 10.5])


@given(
    points=st.lists(st.floats(-5, 5), min_size=4, max_size=4),
    weights=st.lists(st.floats(0, 3), min_size=4, max_size=4),
    x=st.floats(-12, 12),
)
def test_the_pieces_filled_in_order_give_the_sum_of_hinges(points: list[float], weights: list[float], x: float) -> None:
    hinges = Hinges(
        up_mw=np.array([points[:2]]),
        above=np.array([weights[:2]]),
        down_mw=np.array([points[2:]]),
        below=np.array([weights[2:]]),
    )
    anchor, widths, costs = hinges.segments()
    down, up = slice(0, 3), slice(3, None)
    left = x - float(anchor[0])
    total = float(hinges.cost(anchor)[0])
    for part, distance in ((down, max(-left, 0.0)), (up, max(left, 0.0))):
        for width, cost in zip(widths[0, part], costs[0, part], strict=True):
            step = min(distance, width)
            total += cost * step
            distance -= step
    assert total == pytest.approx(float(hinges.cost(np.array([x]))[0]), abs=1e-9)
