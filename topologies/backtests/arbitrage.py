"""Backtest of battery arbitrage: forecasts and trader that serve, over stored history, settled at real prices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from agents.assets.battery import battery
from agents.evaluation import arbitrage, arbitrage_baselines
from agents.evaluation.arbitrage import PriceHistory
from models.history import with_net_load
from topologies.backtests.arbitrage_modes import Mode, market_of, trade_day_ahead, trade_real_time
from vpp.domain import PRICE, iso
from vpp.errors import ConfigError, DataError
from vpp.fleet.assets import Asset
from vpp.fleet.schema import Zone
from vpp.local_time import local_date
from vpp.numerics.arrays import Floats
from vpp.numerics.storage_dp import UnitBattery
from vpp.progress import Progress, no_progress, part_of

SOC_MIN, SOC_MAX = 0.05, 0.95
MIN_HISTORY_DAYS = 60
_SHOWN = ("value", "capture_pct", "capture_pct_without_top_days", "cycles_per_day")


@dataclass(frozen=True, slots=True)
class Terms:
    """The battery at the grid side: MW each way, MWh in all, efficiency there and back, wear per MWh discharged."""

    power_mw: float = 1.0
    energy_mwh: float = 2.0
    round_trip: float = 0.88
    wear_per_mwh: float = 5.0

    def battery(self, zone: Zone) -> Asset:
        """Return it as an asset of a zone, held between 5 and 95 % of its energy.

        Raises:
            ConfigError: A figure is out of its range.
        """
        if not (self.power_mw > 0 and self.energy_mwh > 0 and 0 < self.round_trip <= 1 and self.wear_per_mwh >= 0):
            raise ConfigError(
                f"no battery has {self.power_mw} MW, {self.energy_mwh} MWh, a round trip of {self.round_trip} and "
                f"wear of {self.wear_per_mwh} per MWh",
                hint="--power-mw and --energy-mwh above 0, --round-trip above 0 and at most 1, --wear-per-mwh from 0",
            )
        return battery(
            asset_id=f"{zone.zone}-battery-1",
            energy_mwh=self.energy_mwh,
            charge_mw=self.power_mw,
            discharge_mw=self.power_mw,
            charge_efficiency=self.round_trip**0.5,
            discharge_efficiency=self.round_trip**0.5,
            soc_min=SOC_MIN,
            soc_max=SOC_MAX,
            wear_cost_per_mwh=self.wear_per_mwh,
        )


@dataclass(frozen=True, slots=True)
class TradeRun:
    """A finished backtest over n slots.

    ``slots``: starts. ``price``: actual per MWh, NaN missing. ``stored_mwh``: before the first and after each slot.
    ``days``: local days (ISO dates); ``value``, ``perfect``: money of policy and bound on each. ``figures``:
    ``metrics.json``.
    """

    zone: Zone
    slots: pd.DatetimeIndex
    price: Floats
    stored_mwh: Floats
    days: list[str]
    value: Floats
    perfect: Floats
    figures: dict[str, Any]


def run_arbitrage(
    frame: pd.DataFrame,
    zone: Zone,
    *,
    mode: Mode,
    terms: Terms,
    test_from: datetime,
    test_to: datetime,
    progress: Progress = no_progress,
) -> TradeRun:
    """Trade over ``[test_from, test_to)`` and settle against perfect foresight and simple rules.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing; history before the test.
        zone: Its configuration; its assets are replaced by the battery of ``terms``.
        mode: What is known when.
        terms: The battery.
        test_from: First slot (aware UTC); in day-ahead mode the days are local days whose noon lies in the range.
        test_to: End (exclusive).
        progress: Called with the share done (0-1) and the name of the current part.

    Raises:
        ConfigError: The range is empty or the battery impossible.
        DataError: The frame has no prices in the range, or too little history before it.
    """
    zone = zone.model_copy(update={"assets": (terms.battery(zone),)})
    frame = _checked(frame, zone, test_from, test_to)
    battery = UnitBattery.of(zone)
    trade_progress = part_of(progress, 0.0, 0.95)
    paths: dict[str, Floats] = {}
    if mode is Mode.DAY_AHEAD:
        market, path, paths = trade_day_ahead(frame, zone, battery, test_from, test_to, trade_progress)
    else:
        market = market_of(frame, zone, test_from, test_to)
        path = trade_real_time(frame, zone, battery, market, mode, trade_progress)
    progress(0.95, "bound and baselines")
    price, day = market.price[market.test], market.day[market.test]
    bound = arbitrage.bound_path(battery, price, market.hours)

    def figures(of: Floats) -> dict[str, Any]:
        return arbitrage.figures(battery, market, of, bound, terms.power_mw, terms.energy_mwh)

    policy, ideal = figures(path), figures(bound)
    beside = {f"{key}_{name}": figures(of)[key] for name, of in paths.items() for key in _SHOWN}
    rules = _baselines(battery, market, mode)
    baselines = {name: {key: figures(of)[key] for key in _SHOWN} for name, of in rules.items()}
    slots = pd.DatetimeIndex(frame.index[market.test])
    return TradeRun(
        zone=zone,
        slots=slots,
        price=price,
        stored_mwh=path * terms.power_mw,
        days=_dates(slots[0], zone, int(day[-1]) + 1),
        value=terms.power_mw * arbitrage.settled(battery, path, price).by_day(day),
        perfect=terms.power_mw * arbitrage.settled(battery, bound, price).by_day(day),
        figures={
            "mode": mode.value,
            "zone": zone.zone,
            **policy,
            **beside,
            "baselines": baselines,
            "perfect_cycles_per_day": ideal["cycles_per_day"],
            "currency": zone.market.currency,
            "test_from": iso(test_from),
            "test_to": iso(test_to),
            "step_min": zone.step_min,
            "days": int(day[-1]) + 1,
            "slots": price.size,
            "slots_without_price": int(np.isnan(price).sum()),
            "power_mw": terms.power_mw,
            "energy_mwh": terms.energy_mwh,
            "round_trip": terms.round_trip,
            "wear_per_mwh": terms.wear_per_mwh,
        },
    )


def _checked(frame: pd.DataFrame, zone: Zone, test_from: datetime, test_to: datetime) -> pd.DataFrame:
    if test_from >= test_to:
        raise ConfigError(
            f"the test is empty: {iso(test_from)} to {iso(test_to)}", hint="--test-from must lie before --test-to"
        )
    if PRICE not in frame or not frame[PRICE].notna().any():
        raise DataError(f"the data of {zone.zone} hold no price", hint="choose another --zone or file")
    priced = frame.index[frame[PRICE].notna()]
    inside = priced[(priced >= pd.Timestamp(test_from)) & (priced < pd.Timestamp(test_to))]
    earliest = priced[0] + timedelta(days=MIN_HISTORY_DAYS)
    if len(inside) == 0:
        raise DataError(
            f"the prices of {zone.zone} lie between {iso(priced[0])} and {iso(priced[-1])}, outside the test",
            hint="choose --test-from and --test-to inside the file",
        )
    if pd.Timestamp(test_from) < earliest:
        raise DataError(
            f"{zone.zone} has less than {MIN_HISTORY_DAYS} days of prices before {iso(test_from)}",
            hint=f"choose --test-from at or after {iso(earliest.to_pydatetime())}",
        )
    return with_net_load(frame.loc[frame.index < inside[-1] + timedelta(days=3)], zone)


def _baselines(battery: UnitBattery, market: PriceHistory, mode: Mode) -> dict[str, Floats]:
    """Return the paths of the simple rules by name, with the prices known in the mode.

    ``percentile`` acts on the slot's own price, except in the schedule mode, where it acts on the last one known.
    """
    observed = market.price if mode in {Mode.KNOWN, Mode.CURVE} else None
    profile = arbitrage_baselines.of_days(
        market, arbitrage_baselines.profile_table(market, arbitrage_baselines.PROFILE_DAYS)
    )
    if mode is Mode.DAY_AHEAD:
        yesterday = arbitrage_baselines.of_days(market, arbitrage_baselines.profile_table(market, 1))
    else:
        yesterday = arbitrage_baselines.of_day_before(market)
    acts_on = arbitrage_baselines.last_seen(market) if mode is Mode.SCHEDULE else market.price
    return {
        "profile_28d": arbitrage_baselines.planned(battery, market, profile, observed),
        "yesterday": arbitrage_baselines.planned(battery, market, yesterday, observed),
        "percentile": arbitrage_baselines.percentile(battery, market, acts_on),
        "original": arbitrage_baselines.original(battery, market),
        "no_action": arbitrage.rested(battery, market.price.size - market.first),
    }


def _dates(first: pd.Timestamp, zone: Zone, count: int) -> list[str]:
    start = local_date(first.to_pydatetime(), zone.time_zone)
    return [(start + timedelta(days=n)).isoformat() for n in range(count)]
