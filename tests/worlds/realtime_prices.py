"""A real-time market: its zone, made-up prices, and a ring over them."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from vpp.fleet.schema import Market, Zone, default_zone
from vpp.numerics.arrays import Floats


class FrameRing:
    def __init__(self, frame: pd.DataFrame, step_min: int) -> None:
        self._columns = {name: frame[name].to_numpy(dtype=float) for name in frame.columns}
        self._first = int(frame.index[0].timestamp()) // (60 * step_min)

    def window(self, channel: str, first_index: int, last_index_exclusive: int) -> Floats:
        out = np.full(last_index_exclusive - first_index, np.nan)
        values = self._columns.get(channel)
        if values is None:
            return out
        low, high = max(first_index, self._first), min(last_index_exclusive, self._first + values.size)
        if low < high:
            out[low - first_index : high - first_index] = values[low - self._first : high - self._first]
        return out

    def windows(self, channels: Sequence[str], first_index: int, last_index_exclusive: int) -> Floats:
        return np.stack([self.window(name, first_index, last_index_exclusive) for name in channels])

    def stamp(self, channels: Iterable[str]) -> object:
        return 0


def zone(step_min: int) -> Zone:
    return default_zone(
        "Z", step_min=step_min, region_mw=40_000.0, ramp_mw=800.0, time_zone="Europe/London", market=Market()
    )


def market(days: int, step_min: int, seed: int = 1) -> pd.DataFrame:
    """A daily shape of price with a level that wanders from day to day and noise in each slot."""
    rng = np.random.default_rng(seed)
    per_day = 1440 // step_min
    n = days * per_day
    hour = np.arange(n) * step_min / 60.0 % 24
    level = np.repeat(np.cumsum(rng.normal(0, 4, days)) * 0.3, per_day)
    shape = 60 + 25 * np.sin((hour - 10) / 24 * 2 * np.pi)
    index = pd.date_range("2024-01-01", periods=n, freq=f"{step_min}min", tz="UTC")
    price = shape + level + rng.normal(0, 3, n)
    load = 30_000 + 5_000 * np.sin((hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 200, n)
    return pd.DataFrame({"price_per_mwh": price, "load_mw": load}, index=index)
