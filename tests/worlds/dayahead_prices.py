"""A day-ahead market: its zone, made-up prices, and settings that train in seconds."""

from dataclasses import replace

import numpy as np
import pandas as pd

from models.price.dayahead.ensemble import WalkSettings
from models.price.dayahead.hourly_ridge import HourlyRidgeSettings
from models.price.dayahead.trees import TreeSettings
from vpp.fleet.schema import Market, Zone, default_zone

TREES = TreeSettings(rounds=20, eta=0.2, window_days=120)
QUICK = WalkSettings(
    ridge=HourlyRidgeSettings(half_lives=(60.0,)),
    lasso_windows=(84,),
    stack=TREES,
    alone=TREES,
    history_days=100,
    lasso_refit_days=14,
    history_refit_days=14,
    min_stack_days=20,
)
SERVED = replace(QUICK, history_days=60, lasso_windows=(84, 200))


def zone() -> Zone:
    market = Market(price_known="day_ahead")
    return default_zone(
        "Z", step_min=60, region_mw=50_000.0, ramp_mw=900.0, time_zone="Europe/Berlin", country="DE", market=market
    )


def market(seed: int = 3) -> pd.DataFrame:
    """Prices that follow residual load, with wind that no earlier day tells."""
    rng = np.random.default_rng(seed)
    index = pd.date_range("2022-12-31 23:00", "2023-07-14 21:00", freq="60min", tz="UTC")
    n = len(index)
    hour, day = np.arange(n) % 24, np.arange(n) // 24
    load = 45_000 + 9_000 * np.sin((hour - 8) / 24 * 2 * np.pi) + 500 * rng.normal(size=n)
    wind = np.repeat(rng.uniform(2_000, 25_000, day.max() + 1), 24)[:n] + 500 * rng.normal(size=n)
    price = 5.0 + 0.002 * (load - wind) + rng.normal(0, 2, n)
    return pd.DataFrame({"price_per_mwh": price, "load_forecast_da_mw": load, "wind_forecast_da_mw": wind}, index=index)
