"""A small made-up zone with a total metered apart, and the guard trained on it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import pandas as pd

from features.calendar import Calendar
from models.guard.part import GuardPart
from models.guard.series import Series, series_of
from models.guard.training import GuardTrainer
from models.history import with_net_load
from vpp.domain import NET_LOAD
from vpp.fleet.schema import Balance, Limits, Share, Zone

BEGIN = datetime(2024, 1, 8, tzinfo=UTC)
TRAIN_DAYS, TEST_DAYS = 182, 56
STEP_MIN = 60


def zone() -> Zone:
    """Return a zone of hourly data with a total of load and solar."""
    return Zone(
        zone="TOWN",
        step_min=STEP_MIN,
        country="GB",
        share=Share(region_mw=1000.0, served_mw=100.0),
        limits=Limits(ramp_limit_mw=5.0, import_cap_mw=90.0),
        balances=(Balance(total="meter_mw", parts={"load_mw": 1.0, "solar_mw": -1.0}),),
    )


def frame(days: int = TRAIN_DAYS + TEST_DAYS, seed: int = 7) -> pd.DataFrame:
    """Return load, solar, wind and the meter: daily and weekly shapes with autocorrelated noise, rounded to 0.1 MW."""
    rng = np.random.default_rng(seed)
    index = pd.date_range(BEGIN, periods=days * 24, freq="60min")
    hour, weekday = index.hour.to_numpy(), index.day_of_week.to_numpy()
    load = 600 + 150 * np.sin(2 * np.pi * (hour - 9) / 24) - 60 * (weekday >= 5) + _walk(rng, len(index), 6.0)
    sun = np.maximum(np.sin(2 * np.pi * (hour - 6) / 24), 0.0) * np.repeat(rng.uniform(0.4, 1.0, days), 24)
    wind = np.maximum(80 + 40 * _walk(rng, len(index), 0.2), 0.0)
    values = {"load_mw": load, "solar_mw": 90 * sun, "wind_mw": wind}
    result = pd.DataFrame({name: np.round(column, 1) for name, column in values.items()}, index=index)
    result["meter_mw"] = np.round(result["load_mw"] - result["solar_mw"], 1)
    return with_net_load(result, zone())


def _walk(rng: np.random.Generator, slots: int, size: float) -> np.ndarray:
    out = np.zeros(slots)
    for t in range(1, slots):
        out[t] = 0.95 * out[t - 1] + size * rng.standard_normal()
    return out


def after_training() -> datetime:
    """Return the first slot after training."""
    return (pd.Timestamp(BEGIN) + pd.Timedelta(days=TRAIN_DAYS)).to_pydatetime()


@lru_cache(maxsize=1)
def guard() -> GuardPart:
    """Return the guard trained on the first half year."""
    result = GuardTrainer(zone()).fit(frame(), after_training())
    assert result is not None
    return result


def series() -> tuple[Series, int]:
    """Return fresh series of the whole world and the position at which the test begins."""
    return series_of(guard().layout, frame(), Calendar(zone())), TRAIN_DAYS * 24


__all__ = ["NET_LOAD", "after_training", "frame", "guard", "series", "zone"]
