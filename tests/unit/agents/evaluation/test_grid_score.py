"""Scores between doing nothing and perfect foresight, in the money of actual net load and prices."""

from dataclasses import replace

import numpy as np
import pytest

from agents.evaluation.grid_score import Actuals, no_action, perfect_foresight, score_of, settle, shed_above_cap
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, evening, grid_zone

ZONE = grid_zone(BATTERY.model_copy(update={"wear_cost_per_mwh": 0.0}), PEAKER, LOAD)
SLOTS = 24


def actuals(seed: int = 3) -> Actuals:
    net = evening(SLOTS, seed)
    return Actuals(
        actual_mw=net, before_mw=float(net[0]), price_per_mwh=np.full(SLOTS, 100.0), stored_value_per_mwh=95.0
    )


def test_no_action_costs_what_the_limits_say() -> None:
    given = actuals()
    idle = no_action(ZONE, given)
    ramps = np.maximum(np.abs(np.diff(given.actual_mw, prepend=given.before_mw)) - 3.0, 0.0)
    shed = np.clip(given.actual_mw - 86.0, 0.0, 6.0)
    grid = given.actual_mw - shed
    ramps = np.maximum(np.abs(np.diff(grid, prepend=given.before_mw)) - 3.0, 0.0)
    over = np.maximum(grid - 86.0, 0.0)
    expected = 125.0 * ramps.sum() + 100.0 * shed.sum() + 250.0 * over.sum() - 95.0 * 7.2
    assert idle.cost == pytest.approx(expected)


def test_perfect_foresight_is_never_dearer_and_keeps_physics() -> None:
    given = actuals()
    best, idle = perfect_foresight(ZONE, given), no_action(ZONE, given)
    assert best.cost < idle.cost
    assert best.fallbacks == 0
    assert best.soc[0].min() >= 0.05 - 1e-9
    assert best.soc[0].max() <= 0.95 + 1e-9
    inside = np.where(best.power_mw[0] > 0, best.power_mw[0] / 0.9, best.power_mw[0] * 0.9) * 0.5
    assert 16.0 * np.diff(best.soc[0], prepend=0.5) == pytest.approx(-inside, abs=1e-6)


def test_the_bounds_score_0_and_100_and_the_mean_of_their_costs_50() -> None:
    given = actuals()
    best, idle = perfect_foresight(ZONE, given), no_action(ZONE, given)
    half = replace(idle, costs={"half": 0.5 * (idle.cost + best.cost)})
    assert score_of([idle], [idle], [best]).score == pytest.approx(0.0)
    assert score_of([best], [idle], [best]).score == pytest.approx(100.0)
    both = score_of([half, best], [idle, idle], [best, best])
    assert both.week_scores == pytest.approx((50.0, 100.0))
    assert (both.score, both.worst_week_score) == pytest.approx((75.0, 50.0))
    assert score_of([idle], [idle], [idle]).score == 100.0


def test_breaches_are_counted_by_slot_and_side() -> None:
    limits = ZONE.limits.model_copy(update={"export_cap_mw": 10.0})
    zone = ZONE.model_copy(update={"limits": limits})
    net = np.array([60.0, 60.0, 90.0, 0.0])
    given = replace(actuals(), actual_mw=net, before_mw=60.0, price_per_mwh=np.full(4, 100.0))
    power = np.zeros((3, 4))
    power[0, 3] = 10.5
    run = settle(zone, given, power, np.tile([[0.5], [np.nan], [np.nan]], (1, 4)))
    assert (run.ramp_breaches, run.cap_breaches) == (2, 2)
    assert run.grid_mw == pytest.approx([60.0, 60.0, 90.0, -10.5])


def test_emergency_load_is_shed_as_far_as_the_cap_needs() -> None:
    shed = [shed_above_cap(ZONE, np.zeros(3), net)[2] for net in (80.0, 88.0, 99.0)]
    assert shed == pytest.approx([0.0, 2.0, 6.0])
