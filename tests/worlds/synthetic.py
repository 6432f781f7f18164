"""Small made-up histories: smooth daily and weekly shapes with seeded noise."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from vpp.fleet.schema import Limits, Share, Zone


def make_zone(step_min: int = 30, **fields: object) -> Zone:
    """A zone in Great Britain without assets."""
    return Zone(
        zone="T",
        time_zone="Europe/London",
        country="GB",
        step_min=step_min,
        share=Share(region_mw=40_000, served_mw=100),
        limits=Limits(ramp_limit_mw=3, import_cap_mw=86),
        **fields,
    )


def make_frame(days: int, *, step_min: int = 30, seed: int = 1, published: bool = True) -> pd.DataFrame:
    """Load, solar, wind and price of ``days`` days from 2021-01-01, with published forecasts where asked."""
    chance = np.random.default_rng(seed)
    index = pd.date_range(datetime(2021, 1, 1, tzinfo=UTC), periods=days * 1440 // step_min, freq=f"{step_min}min")
    n = len(index)
    hour = (index.hour + index.minute / 60).to_numpy()
    day = np.arange(n) * step_min / 1440
    slow = np.cumsum(chance.normal(0, 30, n))
    slow -= np.linspace(0, slow[-1], n)
    load = 30_000 + 5_000 * np.sin((hour - 9) / 24 * 2 * np.pi) - 2_000 * (index.day_of_week.to_numpy() >= 5) + slow
    solar = np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * 4_000 * (1 + 0.3 * np.sin(day))
    wind = 5_000 + 3_000 * np.sin(day / 2.3) + chance.normal(0, 60, n)
    frame = pd.DataFrame(
        {
            "load_mw": load + chance.normal(0, 100, n),
            "solar_mw": solar,
            "wind_mw": wind,
            "price_per_mwh": 60 + (load - 30_000) / 250 + chance.normal(0, 5, n),
        },
        index=index,
    )
    if published:
        frame["load_forecast_da_mw"] = load + chance.normal(0, 200, n) + 300
        frame["solar_forecast_da_mw"] = solar * 1.05
        frame["wind_forecast_da_mw"] = wind + chance.normal(0, 200, n)
    return frame


def write_history(path: Path, zone: str, frame: pd.DataFrame) -> None:
    """Write a history as a user's file of one zone, price under its canonical name."""
    rows = frame.rename(columns={"price_per_mwh": "price"}).reset_index(names="timestamp")
    rows.insert(1, "zone", zone)
    rows.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
