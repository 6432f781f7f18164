"""Fits the price part of a day-ahead market: the backtest's learner, run up to the last day with known prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from models.price.dayahead.artifact import DayAheadFits, DayAheadShape
from models.price.dayahead.day_table import Convention, DayTable, frame_columns, holiday_numbers, role_of, table_of
from models.price.dayahead.ensemble import AuctionView, WalkSettings
from models.price.dayahead.features import renewables_weight
from models.price.dayahead.model import DayAheadPart
from models.price.dayahead.walk_forward import DayAheadLearner
from vpp.domain import PRICE
from vpp.files.cells.availability import MAX_LEAD, available_at
from vpp.fleet.schema import Zone

MIN_HISTORY_DAYS = 75
_WHOLE_DAY_HOURS = 20
_HOLIDAY_DAYS = 760


class DayAheadTrainer:
    """Fits one zone, and refits it as days are added; finished days are not computed again.

    Args:
        zone: Gives step, time zone, holidays and market.
        settings: Members, mix and blend.
    """

    def __init__(self, zone: Zone, settings: WalkSettings | None = None) -> None:
        self._zone = zone
        self._settings = settings or WalkSettings()
        self._learner = DayAheadLearner(self._settings)
        self._shape: DayAheadShape | None = None
        self._first_day = 0

    def refit(self, frame: pd.DataFrame) -> DayAheadPart | None:
        """Return the part fitted on all of ``frame``; None if it holds less than eleven weeks of prices.

        Args:
            frame: Regular UTC slot starts as index; price, published forecasts, neighbours as ``ZONE:channel``. A later
                call of the same start and columns continues from the last one; any other restarts.
        """
        table = _whole_days(table_of(frame, self._zone))
        n = table.days.size
        if n < MIN_HISTORY_DAYS or np.isfinite(table.price[-MIN_HISTORY_DAYS:]).mean() < 0.5:
            return None
        shape = self._shape_of(frame, table)
        if self._shape is None or self._first_day != table.days[0] or n < self._learner.row:
            self._learner, self._first_day = DayAheadLearner(self._settings), int(table.days[0])
        self._shape = shape
        view = AuctionView.of(table, shape.convention, shape.weight)
        longer = table.longer(float(int(table.days[-1]) + 1 in shape.holidays))
        after = AuctionView.two_days_ahead(longer, shape.convention, shape.weight)
        learner = self._learner
        learner.advance(view, after, n)
        fits = DayAheadFits(learner.models(view), learner.tail_fit, learner.spread.fit, learner.tail_spread.fit)
        return DayAheadPart(shape, fits)

    def _shape_of(self, frame: pd.DataFrame, table: DayTable) -> DayAheadShape:
        n, zone = table.days.size, self._zone
        channels = tuple(
            name
            for name in sorted(frame_columns(frame))
            if name == PRICE or (role_of(name.rpartition(":")[2]) is not None)
        )
        last = int(table.days[-1])
        shape = DayAheadShape(
            step_min=zone.step_min,
            time_zone=zone.time_zone,
            convention=_convention(zone, channels, frame.index[-1].to_pydatetime()),
            weight=renewables_weight(table, n),
            channels=channels,
            holidays=tuple(sorted(holiday_numbers(zone, last - 60, last + _HOLIDAY_DAYS))),
            floor_per_mwh=zone.market.price_floor_per_mwh,
            cap_per_mwh=zone.market.price_cap_per_mwh,
        )
        old = self._shape
        if old is not None and old.channels == shape.channels and old.convention == shape.convention:
            return replace(shape, weight=old.weight)
        self._shape = None
        return shape


def known_rows(frame: pd.DataFrame, zone: Zone, until: datetime) -> pd.DataFrame:
    """Return the part of ``frame`` known at ``until``: measured slots before it, and published values of later slots.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: Gives market and time zone; a neighbour's channels are published as its own.
        until: Aware UTC.
    """
    rows = frame.loc[frame.index < pd.Timestamp(until) + MAX_LEAD].copy()
    near = rows.index[rows.index >= pd.Timestamp(until) - timedelta(days=1)]
    for column in rows.columns:
        channel = column.rpartition(":")[2]
        unknown = [slot for slot in near if available_at(zone, channel, slot.to_pydatetime()) > until]
        if unknown:
            rows.loc[unknown[0] :, column] = np.nan
    return rows


def _whole_days(table: DayTable) -> DayTable:
    """Return the table without last days that hold less than 20 hours of prices."""
    is_whole = np.isfinite(table.price).sum(axis=1) >= _WHOLE_DAY_HOURS
    return table.upto(int(np.flatnonzero(is_whole)[-1]) + 1 if is_whole.any() else 0)


def _convention(zone: Zone, channels: tuple[str, ...], day: datetime) -> Convention:
    """Return the forecasts published before the auction: all, or load only."""
    noon = day.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    gate = available_at(zone, PRICE, noon) - timedelta(minutes=1)
    late = [c for c in channels if role_of(c) == "renewables" and available_at(zone, c, noon) > gate]
    return "load_only" if late else "benchmark"
