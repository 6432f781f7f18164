"""Money and value of a policy against a fleet at rest."""

from __future__ import annotations

import numpy as np
import pytest

from agents.evaluation.grid_score import GridRun
from agents.evaluation.joint_value import battery_money, gain_pct, policy_figures
from tests.worlds.grid_cases import BATTERY, PEAKER, grid_zone

ZONE = grid_zone(BATTERY, PEAKER).model_copy(update={"generation_price_flat_per_mwh": 100.0})


def grid_run(power_mw: list[list[float]], **costs: float) -> GridRun:
    items = {"energy": 0.0, "wear": 0.0, "stored": 0.0, "ramp": 0.0, "cap": 0.0, **costs}
    power = np.array(power_mw)
    return GridRun(power, 50.0 - power.sum(axis=0), np.full(power.shape, 0.5), items, 0, 0, 0)


def test_generation_at_the_flat_price_is_no_money_of_the_batteries() -> None:
    hours = ZONE.step.hours
    run = grid_run([[2.0, 0.0], [0.0, 4.0]], energy=-(2.0 * 80.0 + 4.0 * 100.0) * hours, wear=3.0)
    assert battery_money(ZONE, run) == pytest.approx(2.0 * 80.0 * hours - 3.0)


def test_value_is_what_no_action_costs_more() -> None:
    idle = grid_run([[0.0, 0.0], [0.0, 0.0]], ramp=50.0)
    run = grid_run([[2.0, 0.0], [0.0, 0.0]], ramp=20.0, energy=-80.0)
    figures = policy_figures(ZONE, [run], [idle])
    assert figures["value"] == 110.0
    assert figures["money"] == 80.0
    assert figures["service_cost"] == figures["penalties"] == 20.0


def test_a_gain_over_nothing_has_no_percentage() -> None:
    assert gain_pct(110.0, -100.0) == 210.0
    assert gain_pct(5.0, 0.0) is None
