"""Churn: each decision against the plan of the slot before."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from agents.evaluation.churn import ChurnMeter
from tests.worlds.grid_cases import BATTERY, LOAD, PEAKER, grid_zone

ZONE = grid_zone(BATTERY, PEAKER, LOAD)


def decision(battery: list[float], peaker: list[float]) -> Any:
    rows = {BATTERY.asset_id: battery, PEAKER.asset_id: peaker, LOAD.asset_id: [0.0, 5.0]}
    return SimpleNamespace(plan=SimpleNamespace(assets={n: SimpleNamespace(power_mw=p) for n, p in rows.items()}))


def test_what_departs_from_the_plan_before_is_churn() -> None:
    meter = ChurnMeter(ZONE)
    meter.enter(decision([1.0, 2.0], [0.0, 3.0]), 10)
    meter.enter(decision([2.5, 0.0], [1.0, 0.0]), 11)
    assert meter.churn_mwh == {11: pytest.approx((0.5 + 2.0) * ZONE.step.hours)}


def test_a_gap_or_a_new_start_compares_with_nothing() -> None:
    meter = ChurnMeter(ZONE)
    meter.enter(decision([1.0, 2.0], [0.0, 0.0]), 10)
    meter.enter(decision([0.0, 0.0], [0.0, 0.0]), 12)
    meter.restart()
    meter.enter(decision([9.0, 9.0], [0.0, 0.0]), 13)
    assert meter.churn_mwh == {}
