"""The data catalogue: channels of columns, channels published ahead, and when their values are available.

Sources split the rows of a file into observations and publications by this table and send both in order of
availability, so no feature can see a value before it was known.

========================  =======================================  ==============================================
channel                   zones                                    available
========================  =======================================  ==============================================
observed values           all                                      at the end of their slot
``*_forecast_da_mw``      GB                                       12:00 local on D-1
``*_forecast_da_mw``      EPEX_DE (benchmark convention)           10:00 local on D-1
``*load_forecast_da_mw``  others                                   10:00 local on D-1, before the noon auction
other ``*_forecast_da_*``  others                                  18:00 local on D-1, after the auction
``*_forecast_d1_*``       all (archived weather forecasts)         18 h before the slot
``price_per_mwh``         market ``day_ahead``                     one hour after gate closure, local, on D-1
``price_per_mwh``         market ``at_start``                      at the start of the slot
``price_per_mwh``         market ``after``                         at the end of the slot, as an observation
========================  =======================================  ==============================================

D is the local day of the slot in the zone's time zone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vpp.domain import PRICE
from vpp.fleet.market import Delivery, day_before
from vpp.fleet.schema import Zone

DAY_AHEAD_MARK = "_forecast_da_"
WEATHER_MARK = "_forecast_d1_"

ASSET_MARK = "asset:"
"""Readings of assets are columns named ``asset:ID:field``."""

TIME_COLUMN = "timestamp"
ZONE_COLUMN = "zone"
NOT_CHANNELS = frozenset({TIME_COLUMN, ZONE_COLUMN, "quality", "is_holiday", "demand_imputed"})
"""Columns of the canonical shape that are no channels: keys, marks by the data's makers, and what a calendar knows."""

READ_AHEAD = (
    "load_forecast_da_mw",
    "solar_forecast_da_mw",
    "wind_forecast_da_mw",
    "temperature_forecast_d1_c",
    "ghi_forecast_d1_wm2",
    "wind_speed_100m_forecast_d1_ms",
    "wind_speed_forecast_d1_kmh",
)
"""Published forecasts that the shipped models read."""

MAX_LEAD = timedelta(days=3)
"""Nothing is published earlier than this before its slot; sources read this far ahead."""

WEATHER_LEAD = timedelta(hours=18)
"""A weather forecast of one day before comes from a run that began 24 h before the slot; a run is published up to six
hours after its start."""

_GB_FORECAST_HOUR = 12
_BEFORE_AUCTION_HOUR = 10
_AFTER_AUCTION_HOUR = 18
_BENCHMARK_ZONES = frozenset({"EPEX_DE"})


def channel_of(column: str) -> str:
    """Return the channel that a canonical column feeds.

    ``price`` becomes ``price_per_mwh``, also behind another zone's name (``FR:price``); others keep their name.

    >>> channel_of("price"), channel_of("load_mw")
    ('price_per_mwh', 'load_mw')
    """
    zone, colon, name = column.rpartition(":")
    return f"{zone}{colon}{PRICE if name == 'price' else name}"


def is_forecast(channel: str) -> bool:
    """Return whether a channel holds published forecasts: it is never part of an observation."""
    return DAY_AHEAD_MARK in channel or WEATHER_MARK in channel


def is_published(zone: Zone, channel: str) -> bool:
    """Return whether the channel's values are sent ahead of their slot's end, as publications.

    A price that is published is part of the observation too, because the slot is settled on it.
    """
    if is_forecast(channel):
        return True
    return channel == PRICE and zone.market.rule.published


def available_at(zone: Zone, channel: str, slot: datetime) -> datetime:
    """Return when the value of ``channel`` for ``slot`` is known, in UTC.

    Args:
        zone: The zone whose channel it is; gives time zone, market and step.
        channel: Channel name without a zone in front.
        slot: UTC start of the slot.
    """
    if WEATHER_MARK in channel:
        return slot - WEATHER_LEAD
    if DAY_AHEAD_MARK in channel:
        return day_before(slot, _forecast_hour(zone, channel), zone.time_zone)
    if channel == PRICE:
        market = zone.market
        return market.rule.available_at(Delivery(slot, zone.step, zone.time_zone, market.gate_closure_local_hour))
    return slot + zone.step.delta


def _forecast_hour(zone: Zone, channel: str) -> int:
    if zone.country == "GB":
        return _GB_FORECAST_HOUR
    if zone.zone in _BENCHMARK_ZONES or "load_forecast" in channel:
        return _BEFORE_AUCTION_HOUR
    return _AFTER_AUCTION_HOUR
