"""Paths of a battery in each mode of the arbitrage backtest, from the serving reducers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import pandas as pd

from agents.bidding import auction_schedule
from agents.bidding.offers import Offers
from agents.bidding.paper_accounts import Rule
from agents.bidding.trader import TraderReducer, offers_of
from agents.evaluation import arbitrage
from agents.evaluation.arbitrage import PriceHistory
from models.evaluation.backtest import BacktestOptions, walk
from models.evaluation.dayahead_backtest import DayAheadRun, run_day_ahead
from models.history import with_net_load
from models.price.dayahead.day_table import Convention, role_of
from vpp.domain import NET_LOAD, PRICE, Target
from vpp.fleet.market import real_time_kind
from vpp.fleet.schema import Zone
from vpp.local_time import local_minutes
from vpp.messages import Forecast, TraderBid
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery
from vpp.progress import Progress, part_of
from vpp.streams.in_process import ReducerLoop

WARM_UP_DAYS = 60
"""Days before the test over which the trader's paper accounts already run."""

REFIT = timedelta(days=28)
_FIRST_FIT_DAYS = 50
_EXPERTS = ("mix", "trees", "stack")


class Mode(StrEnum):
    """What is known when a slot is decided.

    ``DAY_AHEAD``: the power of all slots of a local day at the auction of the day before. ``KNOWN``: the slot's own
    price (an upper case where prices come after). ``CURVE``: nothing of the slot; power at each price, in bands.
    ``SCHEDULE``: nothing of the slot; one power.
    """

    DAY_AHEAD = "day-ahead"
    KNOWN = "real-time-known"
    CURVE = "real-time-curve"
    SCHEDULE = "real-time-schedule"


def market_of(frame: pd.DataFrame, zone: Zone, first_slot: datetime, end: datetime) -> PriceHistory:
    """Return the prices of ``frame`` up to ``end`` with the zone's clock, the test beginning with ``first_slot``.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: The zone's configuration.
        first_slot: First slot of the test.
        end: End of the rows, exclusive.
    """
    rows = with_net_load(frame.loc[frame.index < pd.Timestamp(end)], zone)
    index = zone.step.index(rows.index[0].to_pydatetime())
    minutes = local_minutes(index, index + len(rows), step_min=zone.step_min, time_zone=zone.time_zone)
    first = int((rows.index < pd.Timestamp(first_slot)).sum())
    net = rows[NET_LOAD].to_numpy(dtype=np.float64)
    return PriceHistory(
        price=rows[PRICE].to_numpy(dtype=np.float64),
        hours=zone.step.hours,
        first=first,
        day=minutes // 1440 - minutes[first] // 1440,
        slot=minutes % 1440 // zone.step_min,
        net_load_mw=net if np.isfinite(net).any() and np.ptp(net[np.isfinite(net)]) > 0 else None,
    )


def trade_real_time(
    frame: pd.DataFrame, zone: Zone, battery: UnitBattery, market: PriceHistory, mode: Mode, progress: Progress
) -> Floats:
    """Return the stored energy over the test, slot by slot, that forecast and trader lead to.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: Its configuration.
        battery: The battery that trades.
        market: Prices of ``frame`` with the first slot of the test.
        mode: ``KNOWN``: each slot's price is known at its start; the other modes: after the slot.
        progress: Called with the share done (0-1) and a text.

    Returns:
        MWh at the start of each slot and at the end of the last, shape (slots + 1,).
    """
    kind = real_time_kind(published=mode is Mode.KNOWN)
    zone = zone.model_copy(update={"market": zone.market.model_copy(update={"price_known": kind})})
    start, end = frame.index[market.first].to_pydatetime(), frame.index[market.price.size - 1].to_pydatetime()
    begin = max(start - timedelta(days=WARM_UP_DAYS), frame.index[0].to_pydatetime() + timedelta(days=_FIRST_FIT_DAYS))
    begin = min(begin, start - zone.step.delta)
    options = BacktestOptions(Target.PRICE, begin, begin, end, refit=REFIT)
    rule = Rule.SCHEDULE if mode is Mode.SCHEDULE else Rule.CONTINGENT
    path = arbitrage.rested(battery, market.price.size - market.first)
    span = (end - begin) / zone.step.delta
    offset = zone.step.index(frame.index[0].to_pydatetime()) + market.first - 1
    for n, (slot, offers) in enumerate(_offers(walk(frame, zone, options), zone, battery, rule)):
        t = zone.step.index(slot) - offset
        if n % 96 == 0:
            progress(n / span, f"trading {slot:%Y-%m-%d}")
        if t >= 0:
            price = market.price[market.first + t]
            if offers is None:
                path[t + 1] = path[t]
            elif mode is Mode.CURVE:
                path[t + 1] = offers.cleared(price, market.hours, path[t])
            else:
                path[t + 1] = offers.move(price, market.hours, path[t])
    return path


def _offers(
    forecasts: Iterator[Forecast], zone: Zone, battery: UnitBattery, rule: Rule
) -> Iterator[tuple[datetime, Offers | None]]:
    """Yield for each closed slot the trader's offers for the next one; None without a price."""
    trader = ReducerLoop(TraderReducer(zone, rule=rule), zone.zone, "forecasts")
    for forecast in forecasts:
        for message in trader.step(forecast):
            if isinstance(message, TraderBid):
                yield forecast.slot, offers_of(message, battery)


def trade_day_ahead(
    frame: pd.DataFrame, zone: Zone, battery: UnitBattery, test_from: datetime, test_to: datetime, progress: Progress
) -> tuple[PriceHistory, Floats, dict[str, Floats]]:
    """Return the market over the test's local days, the path of its schedules, and that with load forecasts alone.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: The zone's configuration.
        battery: The battery that trades.
        test_from: First slot of the test.
        test_to: End of the test, exclusive.
        progress: Called with the share done (0-1) and a text.
    """
    paths: list[Floats] = []
    late = any(role_of(column.rpartition(":")[2]) == "renewables" for column in frame.columns)
    conventions: tuple[Convention, ...] = ("benchmark", "load_only") if late else ("benchmark",)
    for i, convention in enumerate(conventions):
        run = run_day_ahead(
            frame,
            zone,
            train_to=test_from,
            test_from=test_from,
            test_to=test_to,
            convention=convention,
            progress=part_of(progress, i / len(conventions), (i + 1) / len(conventions)),
        )
        paths.append(_scheduled(run, zone, battery))
    first, last = run.slots[0].to_pydatetime(), run.slots[-1].to_pydatetime()
    market = market_of(frame, zone, first, last + zone.step.delta)
    return market, paths[0], {"load_only": paths[-1]}


def _scheduled(run: DayAheadRun, zone: Zone, battery: UnitBattery) -> Floats:
    """Return the stored energy over all days, each scheduled at its auction on expected prices of two days."""
    state = auction_schedule.initial(battery, arbitrage.START_SHARE)
    per_hour = max(60 // zone.step_min, 1)
    path = [np.array([state.stored_mwh])]
    for day in range(run.days.size):
        hour = run.hour[run.row == day]
        tail = np.repeat(run.tail[day], per_hour)
        prices = {"blend": np.concatenate([run.price[day][hour], tail])}
        for name in _EXPERTS:
            prices[name] = np.concatenate([run.members[name][day][hour], tail])
        usable = {name: values for name, values in prices.items() if np.isfinite(values).all()}
        actual = run.actual[run.row == day]
        if not usable:
            path.append(np.full(hour.size, state.stored_mwh))
            continue
        hours = np.full(hour.size + tail.size, zone.step.hours)
        # A slot whose price is missing can be neither traded nor scored; the bound rests there as well.
        has_no_price = np.concatenate([np.isnan(actual), np.zeros(tail.size, dtype=np.bool_)])
        usable = {name: np.where(has_no_price, np.nan, values) for name, values in usable.items()}
        quote = auction_schedule.Quote(usable, "blend", hours, hour.size)
        state, planned = auction_schedule.schedule(battery, state, quote)
        state = auction_schedule.settle(battery, state, actual, int(run.days[day]))
        path.append(planned[1:])
    return np.concatenate(path)
