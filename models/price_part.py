"""The price half of a served model: fit from history, forecast from a slot ring, kept as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pandas as pd

from models.price_realtime import RealTimePart
from models.price_realtime_fit import fit_real_time
from models.price_view import PriceForecast, RingView
from vpp.domain import NET_LOAD_CHANNELS, PRICE
from vpp.fleet import Zone

Arrays = dict[str, "np.ndarray[Any, Any] | bytes"]

RING_DAYS = 30
"""Days of history that a price part reads of every channel of ``price_channels``, besides the day of the origin."""


class PricePart(Protocol):
    """What serves prices of one zone."""

    def forecast(self, ring: RingView, slot_index: int) -> PriceForecast:
        """Return the forecast issued when slot ``slot_index`` closed, from what the ring holds."""
        ...

    def to_arrays(self) -> Arrays:
        """Return everything that ``part_from_arrays`` needs to make the same part again."""
        ...


def price_channels(columns: list[str]) -> list[str]:
    """Return the channels among ``columns`` that a price part may read from the ring, each ``RING_DAYS`` deep."""
    own = {PRICE, *NET_LOAD_CHANNELS, "niv_mwh"}
    return [c for c in columns if c.split(":")[-1] in own or c.endswith("_forecast_da_mw")]


def fit_price(frame: pd.DataFrame, zone: Zone, until: datetime) -> PricePart | None:
    """Fit the price part of ``zone`` on the rows of ``frame`` before ``until``.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: Gives step, time zone and market.
        until: End of the training rows (exclusive, aware UTC).

    Returns:
        None where the frame has no price, or too little of it to fit anything: the fallbacks serve then.
    """
    if PRICE not in frame or frame[PRICE].isna().all():
        return None
    return fit_real_time(frame.loc[frame.index < pd.Timestamp(until)], zone)


def part_from_arrays(arrays: Mapping[str, Any]) -> PricePart:
    """Return the part that ``to_arrays`` wrote.

    Raises:
        ValueError: The arrays are of an unknown kind.
    """
    meta = json.loads(bytes(arrays["meta"]))
    if meta["kind"] == "real_time":
        return RealTimePart.from_arrays(arrays, meta)
    raise ValueError(f"unknown price part {meta['kind']!r}")
