"""The rule of the first prototype: batteries, then generators, cover a change beyond the ramp limit, up or down."""

from __future__ import annotations

import math

import pytest

from agents.assets.registry import type_of
from agents.evaluation.original_rule import original_rule
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, grid_zone


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_what_goes_beyond_the_limit_is_shared_out_in_order(direction: float) -> None:
    zone = grid_zone(BATTERY, PEAKER, LOAD)
    most_mw = type_of(BATTERY).power_limits_mw(zone, BATTERY)[1]
    change = zone.limits.ramp_limit_mw + most_mw + 1.0
    assert original_rule(zone, 50.0 + direction * change, 50.0).tolist() == pytest.approx([most_mw, 1.0, 0.0])


@pytest.mark.parametrize(("expected", "net"), [(50.0, math.nan), (math.nan, 50.0), (50.5, 50.0)])
def test_a_small_or_unknown_change_asks_for_nothing(expected: float, net: float) -> None:
    zone = grid_zone(BATTERY, PEAKER)
    assert original_rule(zone, expected, net).tolist() == [0.0, 0.0]
