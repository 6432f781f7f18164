"""Backtest of day-ahead price forecasts: every local day is forecast from values known before its auction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from models.price.dayahead.day_table import HOURS, Convention, DayTable, day_number, holiday_numbers, table_of
from models.price.dayahead.ensemble import AuctionView, WalkSettings
from models.price.dayahead.features import renewables_weight
from models.price.dayahead.walk_forward import DayAheadLearner
from vpp.domain import PRICE, iso
from vpp.errors import ConfigError, DataError
from vpp.fleet.schema import Zone
from vpp.local_time import local_date, local_minutes, utc_of
from vpp.numerics.arrays import Bools, Floats, Ints
from vpp.progress import Progress, no_progress, part_of

DEFAULTS = WalkSettings()
MIN_HISTORY_DAYS = 60


@dataclass(frozen=True, slots=True)
class DayAheadRun:
    """Day-ahead forecasts of consecutive local days of S slots, with actual prices; m days, s real slots of these days.

    ``days``: local day numbers, (m,). ``price``: blend by slot of the local day, (m, S). ``tail``: the day after, as
    seen at the same auction, (m, S). ``members``: forecasts by name, (m, S). ``quantiles``: (m, S, 7).
    ``slots``: UTC starts, (s,). ``row``, ``slot``: day and slot of the day of each. ``actual``: its price, NaN missing.
    ``baselines``: ``week``, ``yesterday``: price of the same slot 7 and 1 days before, (m, S).
    """

    zone: Zone
    convention: Convention
    days: Ints
    price: Floats
    tail: Floats
    members: dict[str, Floats]
    quantiles: Floats
    slots: pd.DatetimeIndex
    row: Ints
    slot: Ints
    actual: Floats
    baselines: dict[str, Floats]
    refit_days: int | None = 1

    @property
    def hour(self) -> Ints:
        """Hour of the local day of each real slot."""
        return np.asarray(self.slot * HOURS // self.price.shape[1])

    def by_slot(self, forecast: Floats) -> Floats:
        """Return a forecast by day and slot of the day (m, S, ...) as one value per real slot."""
        return np.asarray(forecast[self.row, self.slot])


def run_day_ahead(  # noqa: PLR0913 - each is a choice of the command line
    frame: pd.DataFrame,
    zone: Zone,
    *,
    train_to: datetime,
    test_from: datetime,
    test_to: datetime,
    convention: Convention = "benchmark",
    refit_days: int | None = 1,
    settings: WalkSettings = DEFAULTS,
    progress: Progress = no_progress,
) -> DayAheadRun:
    """Forecast every local day whose noon lies in ``[test_from, test_to)``, rolling from auction to auction.

    Args:
        frame: UTC slot starts as index; price, published forecasts, neighbours as ``ZONE:channel``; rows after the last
            of these days are not read.
        zone: Gives time zone and holidays.
        train_to: End of the first fit (aware UTC).
        test_from: First slot of the test.
        test_to: End of the test.
        convention: What is known at the auction.
        refit_days: Days between refits of the linear members (trees every 14 or more); None: one fit, at ``train_to``.
        settings: Members, mix and blend.
        progress: Called with the share done (0-1) and the name of the current part.

    Raises:
        ConfigError: The ranges contradict each other.
        DataError: The frame has no price, or too little before the test.
    """
    if not train_to <= test_from < test_to:
        raise ConfigError(
            f"ranges must follow each other: train-to {iso(train_to)}, test-from {iso(test_from)}, "
            f"test-to {iso(test_to)}",
            hint="--train-to at or before --test-from, --test-from before --test-to",
        )
    table = table_of(frame, zone)
    begin, fitted, end = _rows(table, zone, train_to, test_from, test_to)
    table = table.upto(end)
    first = begin if refit_days is not None else fitted
    weight = renewables_weight(table, fitted)
    view = AuctionView.of(table, convention, weight)
    next_day = int(table.days[-1]) + 1
    holiday = float(next_day in holiday_numbers(zone, next_day, next_day))
    after = AuctionView.two_days_ahead(table.longer(holiday), convention, weight)
    walked = DayAheadLearner(settings)
    walked.advance(view, after, first, progress=part_of(progress, 0.0, 0.4))
    for day in range(first + 1, end + 1):
        walked.advance(view, after, day, refit_days=refit_days)
        progress(0.4 + 0.6 * (day - first) / (end - first), "forecasting")
    forecasts, test = walked.table, slice(begin, end)
    slots, row, slot, actual = _real_slots(frame, zone, table, test)
    names = ("ridge", *(f"lasso_{w}" for w in settings.lasso_windows))
    members = {name: forecasts.members[i] for i, name in enumerate(names)}
    members |= {"mix": forecasts.mix, "trees": forecasts.alone, "stack": forecasts.stack}

    def by_slot(view: AuctionView, prices: Floats, first: int) -> Floats:
        views = [view.by_slot(day, prices[day]) for day in range(first, first + end - begin)]
        return _limited(np.stack(views), zone)

    return DayAheadRun(
        zone=zone,
        convention=convention,
        days=table.days[test],
        price=by_slot(view, forecasts.blend, begin),
        tail=by_slot(after, forecasts.tail, begin + 1),
        members={name: by_slot(view, prices, begin) for name, prices in members.items()},
        quantiles=_limited(forecasts.quantiles[test], zone),
        slots=slots,
        row=row,
        slot=slot,
        actual=actual,
        baselines={"week": table.slots[begin - 7 : end - 7], "yesterday": table.slots[begin - 1 : end - 1]},
        refit_days=refit_days,
    )


def _rows(
    table: DayTable, zone: Zone, train_to: datetime, test_from: datetime, test_to: datetime
) -> tuple[int, int, int]:
    """Return the rows of the first test day, of the first day after the first fit, and one past the last test day."""

    def at(instant: datetime) -> int:
        day = local_date(instant, zone.time_zone)
        return table.position(day_number(day)) + int(utc_of(day, 12, zone.time_zone) < instant)

    begin, fitted, end = at(test_from), at(train_to), min(at(test_to), table.days.size)
    if begin >= end:
        raise DataError(
            f"the data of {zone.zone} hold no whole day of the test range",
            hint="choose --test-from and --test-to inside the file",
        )
    if fitted < MIN_HISTORY_DAYS:
        raise DataError(
            f"{zone.zone} has {max(fitted, 0)} days before {iso(train_to)}, {MIN_HISTORY_DAYS} are needed",
            hint="choose a later --train-to",
        )
    return begin, min(fitted, begin), end


def _real_slots(
    frame: pd.DataFrame, zone: Zone, table: DayTable, test: slice
) -> tuple[pd.DatetimeIndex, Ints, Ints, Floats]:
    step_min = round((frame.index[1] - frame.index[0]).total_seconds() / 60)
    first = int(frame.index[0].timestamp()) // (60 * step_min)
    minutes = local_minutes(first, first + len(frame), step_min=step_min, time_zone=zone.time_zone)
    row = minutes // 1440 - table.days[0] - test.start
    inside: Bools = np.asarray((row >= 0) & (row < test.stop - test.start))
    index = pd.DatetimeIndex(frame.index)[inside]
    return index, row[inside], minutes[inside] % 1440 // step_min, frame[PRICE].to_numpy(dtype=float)[inside]


def _limited(prices: Floats, zone: Zone) -> Floats:
    return np.asarray(np.clip(prices, zone.market.price_floor_per_mwh, zone.market.price_cap_per_mwh))
