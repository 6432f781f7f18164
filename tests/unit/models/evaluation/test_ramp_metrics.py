"""Ramp figures by hand: sure and right forecasts, unsure ones, and steps whose levels mislead."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from models.evaluation.backtest import Backtest, BacktestOptions, RampForecasts
from models.evaluation.ramp_metrics import ramp_metrics
from tests.worlds.synthetic import make_zone
from vpp.domain import Target, horizons_min

ZONE = make_zone(60)
HORIZONS = len(horizons_min(60))
FROM = datetime(2021, 3, 1, tzinfo=UTC)
DAYS = 40


def backtest(p_rise: float, level_error_mw: float = 0.0) -> Backtest:
    """Return forty days in which net load rises by 100 MW at 6:00 and falls back at 18:00, and forecasts of them.

    Large is 50 MW over any time. ``p_rise``: probability given to every rise that comes; falls are sure.
    """
    n = 24 * DAYS
    hour = np.arange(n + HORIZONS) % 24
    net = np.where((hour >= 6) & (hour < 18), 600.0, 500.0)
    origins = pd.date_range(FROM, periods=n, freq="1h")
    actual = np.stack([net[i + 1 : i + 1 + HORIZONS] for i in range(n)])
    now = net[:n]
    median = actual + level_error_mw * (-1.0) ** np.arange(HORIZONS)
    change = actual - now[:, None]
    step = np.diff(actual, axis=1, prepend=now[:, None])
    narrow = np.linspace(-3.0, 3.0, 7)
    ramps = RampForecasts(
        *(
            values.astype(np.float32)
            for values in (
                np.full(n, 0.4),
                np.full_like(actual, 50.0),
                np.where(change > 50.0, p_rise, 0.0),
                np.where(change < -50.0, 1.0, 0.0),
                step - 1.0,
                step,
                step + 1.0,
            )
        )
    )
    options = BacktestOptions(Target.NET_LOAD, FROM, FROM, FROM + timedelta(days=DAYS))
    quantiles = (median[:, :, None] + narrow).astype(np.float32)
    return Backtest(
        ZONE,
        options,
        pd.DataFrame(),
        origins,
        quantiles,
        quantiles[:, :, 3],
        actual.astype(np.float32),
        now.astype(np.float32),
        np.full(n, "model"),
        ("m",),
        ramps,
    )


def test_a_sure_and_right_forecast_is_perfect() -> None:
    figures = ramp_metrics(backtest(1.0))
    assert figures is not None
    one = figures["large"]["1h"]
    assert (one["brier"], one["brier_climatology"]) == (0.0, 0.0)
    assert (one["by_probability"]["csi"], one["by_median"]["csi"]) == (1.0, 1.0)
    assert one["share"] == pytest.approx(1 / 12, rel=1e-3)
    assert figures["steps"]["mae"] == 0.0
    assert figures["steps"]["coverage_80"] == 1.0
    assert figures["steepest"]["stated_mw"] == figures["steepest"]["came_mw"] == 100.0


def test_a_rise_below_the_alarms_level_is_missed_and_costs_in_brier() -> None:
    figures = ramp_metrics(backtest(0.3))
    assert figures is not None
    one = figures["large"]["1h"]
    assert one["brier"] == pytest.approx(0.7**2 / 24, rel=1e-3)
    assert (one["by_probability"]["pod"], one["by_probability"]["far"]) == (0.5, 0.0)
    assert one["by_median"]["csi"] == 1.0


def test_differences_of_misleading_levels_are_scored_beside_the_steps() -> None:
    figures = ramp_metrics(backtest(1.0, level_error_mw=40.0))
    assert figures is not None
    assert figures["steps"]["mae"] == 0.0
    assert figures["steps"]["mae_by_difference"] == pytest.approx((40.0 + 80.0 * 23) / 24, rel=1e-3)
    assert figures["steepest"]["by_difference"]["mae"] >= 40.0
    assert figures["steepest"]["mae"] == 0.0


def test_prices_have_no_ramps() -> None:
    run = backtest(1.0)
    bare = Backtest(**{**{name: getattr(run, name) for name in run.__dataclass_fields__}, "ramps": None})
    assert ramp_metrics(bare) is None
