"""The price part of a served model: fit from history, forecast from a slot ring, stored as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from models.price.contract import PricePart
from models.price.dayahead import artifact
from models.price.dayahead.model import DayAheadPart
from models.price.dayahead.training import DayAheadTrainer, known_rows
from models.price.realtime import model
from models.price.realtime.inputs import InputShape
from models.price.realtime.model import RealTimePart
from models.price.realtime.training import fit_real_time
from vpp.domain import PRICE
from vpp.fleet.schema import Zone

TREES_SERVE = timedelta(days=28)
VALUES_SERVE = timedelta(days=84)


class PriceTrainer:
    """Fits the price part of one zone, and refits it over time at little cost.

    A refit fits the linear members again; trees serve on until they are four weeks old (two in day-ahead markets),
    opportunity values until they are twelve, and
    days that a former fit has walked are not walked again.

    Args:
        zone: Gives step, time zone and market.
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._days = DayAheadTrainer(zone)
        self._part: RealTimePart | None = None
        self._trees_at: datetime | None = None
        self._values_at: datetime | None = None

    def refit(self, frame: pd.DataFrame, until: datetime) -> PricePart | None:
        """Fit on what ``frame`` holds of the time before ``until``; calls must come in order of ``until``.

        In day-ahead markets this includes values of later slots published by then.

        Args:
            frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
            until: End of the training rows (exclusive, aware UTC).

        Returns:
            None if the frame has no price, or too little of it to fit anything: the fallbacks serve then.
        """
        rows = frame.loc[frame.index < pd.Timestamp(until)]
        if PRICE not in rows or rows[PRICE].isna().all():
            return None
        if self._zone.market.rule.by_auction and self._zone.step_min <= 60:
            return self._days.refit(known_rows(frame, self._zone, until))
        old = self._part
        reused = old if old is not None and old.shape == InputShape.of(self._zone, rows) else None
        keep = reused.boost if reused is not None and _young(self._trees_at, until, TREES_SERVE) else None
        value_of = reused if _young(self._values_at, until, VALUES_SERVE) else None
        value, margin = (None, None) if value_of is None else (value_of.value, value_of.margin)
        first = None if keep is None or reused is None else reused.first
        self._part = fit_real_time(rows, self._zone, keep=keep, keep_value=value, keep_margin=margin, keep_first=first)
        self._trees_at = self._trees_at if keep is not None else until
        self._values_at = self._values_at if value is not None else until
        return self._part


def _young(trained_at: datetime | None, now: datetime, serve: timedelta) -> bool:
    return trained_at is not None and now - trained_at < serve


def part_from_arrays(arrays: Mapping[str, Any]) -> PricePart:
    """Return the part that ``to_arrays`` wrote.

    Raises:
        ValueError: The arrays are of an unknown kind.
    """
    meta = json.loads(bytes(arrays["meta"]))
    if meta["kind"] == model.KIND:
        return RealTimePart.from_arrays(arrays, meta)
    if meta["kind"] == artifact.KIND:
        return DayAheadPart.from_arrays(arrays, meta)
    raise ValueError(f"unknown price part {meta['kind']!r}")
