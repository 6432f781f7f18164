"""What XGBoost saves is told from the origins that both backtests have, for the horizons that it may correct."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from models.evaluation.backtest import Backtest, BacktestOptions
from models.evaluation.tree_gain import tree_gain
from tests.worlds.builders import make_zone
from vpp.domain import Target, horizons_min


def test_the_gain_counts_origins_that_both_have() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    zone = make_zone()
    horizons = len(horizons_min(zone.step_min))
    actual = np.full((3, horizons), 100.0, dtype=np.float32)
    actual[2] = np.nan
    empty = pd.DataFrame()
    origins = pd.date_range(start, periods=3, freq=f"{zone.step_min}min")
    linear = Backtest(
        zone,
        BacktestOptions(Target.NET_LOAD, start, start, start),
        empty,
        pd.DatetimeIndex(origins),
        np.zeros((3, horizons, 7), dtype=np.float32),
        actual + np.float32(10.0),
        actual,
        actual[:, 0],
        np.array(["model"] * 3),
        (),
    )
    full = replace(linear, mean=actual - np.float32(8.0))
    rows = tree_gain(full, linear, [])
    assert [row["horizon_min"] for row in rows] == [m for m in horizons_min(zone.step_min) if m <= 360]
    assert {row["n"] for row in rows} == {2}
    assert rows[0] == {**rows[0], "mae": 8.0, "mae_linear": 10.0, "weight": 0.0}
    assert rows[0]["saved"] == pytest.approx(0.2)
