"""The price half of a served model: fit from history, forecast from a slot ring, kept as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import numpy as np
import pandas as pd

from models import price_dayahead_fits, price_realtime
from models.price_dayahead import DayAheadPart
from models.price_dayahead_fit import SERVED, fit_day_ahead
from models.price_inputs import Shape
from models.price_realtime import RealTimePart
from models.price_realtime_fit import fit_real_time
from models.price_view import PriceForecast, RingView
from vpp.domain import NET_LOAD_CHANNELS, PRICE, PriceKnown
from vpp.fleet import Zone

Arrays = dict[str, "np.ndarray[Any, Any] | bytes"]

TREES_SERVE = timedelta(days=28)

RING_DAYS = 34
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


class PriceTrainer:
    """Fits the price part of one zone, and refits it as time goes on at little cost.

    A refit fits the linear members anew; trees serve on until they are four weeks old (two in day-ahead markets), and
    days that a former fit has walked are not walked again.

    Args:
        zone: Gives step, time zone and market.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._part: RealTimePart | DayAheadPart | None = None
        self._trees_at: datetime | None = None

    def refit(self, frame: pd.DataFrame, until: datetime) -> PricePart | None:
        """Fit on the rows of ``frame`` before ``until``; calls must come in order of ``until``.

        Args:
            frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
            until: End of the training rows (exclusive, aware UTC).

        Returns:
            None where the frame has no price, or too little of it to fit anything: the fallbacks serve then.
        """
        rows = frame.loc[frame.index < pd.Timestamp(until)]
        if PRICE not in rows or rows[PRICE].isna().all():
            return None
        if self._zone.market.price_known is PriceKnown.DAY_AHEAD and self._zone.step_min <= 60:
            before = self._part if isinstance(self._part, DayAheadPart) else None
            self._part = fit_day_ahead(rows, self._zone, before=before)
            return self._part
        old = self._part if isinstance(self._part, RealTimePart) else None
        young = self._trees_at is not None and until - self._trees_at < TREES_SERVE
        keep = old.boost if old is not None and young and old.shape == Shape.of(self._zone, rows) else None
        self._part = fit_real_time(rows, self._zone, keep=keep)
        self._trees_at = self._trees_at if keep is not None else until
        return self._part


def fit_price(frame: pd.DataFrame, zone: Zone, until: datetime) -> PricePart | None:
    """Fit the price part of ``zone`` once; as ``PriceTrainer.refit``."""
    return PriceTrainer(zone).refit(frame, until)


def part_from_arrays(arrays: Mapping[str, Any]) -> PricePart:
    """Return the part that ``to_arrays`` wrote.

    Raises:
        ValueError: The arrays are of an unknown kind.
    """
    meta = json.loads(bytes(arrays["meta"]))
    if meta["kind"] == price_realtime.KIND:
        return RealTimePart.from_arrays(arrays, meta)
    if meta["kind"] == price_dayahead_fits.KIND:
        return DayAheadPart.from_arrays(arrays, meta, SERVED)
    raise ValueError(f"unknown price part {meta['kind']!r}")
