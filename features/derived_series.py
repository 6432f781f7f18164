"""The inputs of the feature table: series derived from channels, and the history that each channel needs.

A series is a sum of channels with signs. Zones differ in their columns (Great Britain publishes a forecast of national
demand, others one of load), so a series has alternatives; the first whose channels the zone has is used.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from vpp.domain import LOAD, NET_LOAD, PRICE, SOLAR, WIND
from vpp.files.cells.availability import WEATHER_MARK

Terms = tuple[tuple[str, float], ...]

EMBEDDED_WIND = "embedded_wind_mw"
_NATIONAL = "national_demand_forecast_da_mw"
_TRANSMISSION_WIND = "transmission_wind_forecast_da_mw"
_EMBEDDED = "embedded_wind_forecast_da_mw"
_LOAD_DA = "load_forecast_da_mw"
_WIND_DA = "wind_forecast_da_mw"
_SOLAR_DA = "solar_forecast_da_mw"

PUBLISHED_SUFFIX = "_forecast_da_mw"
"""Ending of the channels that are published ahead; a neighbour's is ``ZONE:load_forecast_da_mw``."""


def _sum(*names: str) -> Terms:
    return tuple((name.lstrip("-"), -1.0 if name.startswith("-") else 1.0) for name in names)


_PUBLISHED_NET: tuple[Terms, ...] = (
    _sum(_NATIONAL, "-" + _TRANSMISSION_WIND),
    _sum(_LOAD_DA, "-" + _SOLAR_DA, "-" + _WIND_DA),
    _sum(_LOAD_DA, "-" + _WIND_DA),
    _sum(_LOAD_DA, "-" + _SOLAR_DA),
    _sum(_LOAD_DA),
)

SERIES: dict[str, tuple[Terms, ...]] = {
    "net": (_sum(NET_LOAD),),
    "load": (_sum(LOAD),),
    "solar": (_sum(SOLAR),),
    "wind": (_sum(WIND),),
    "price": (_sum(PRICE),),
    "embedded_wind": (_sum(EMBEDDED_WIND),),
    "embedded": (_sum(EMBEDDED_WIND, SOLAR),),
    "renewable": (_sum(SOLAR, WIND), _sum(SOLAR), _sum(WIND)),
    "published": _PUBLISHED_NET,
    "error": tuple(((NET_LOAD, 1.0), *((name, -sign) for name, sign in terms)) for terms in _PUBLISHED_NET),
    "demand_published": (_sum(_NATIONAL), _sum(_LOAD_DA)),
    "demand_error": (
        _sum(LOAD, "-" + SOLAR, "-" + EMBEDDED_WIND, "-" + _NATIONAL),
        _sum(LOAD, "-" + _LOAD_DA),
    ),
    "wind_published": (_sum(_TRANSMISSION_WIND), _sum(_WIND_DA)),
    "wind_forecastable": (_sum(WIND, "-" + EMBEDDED_WIND), _sum(WIND)),
    "wind_error": (
        _sum(WIND, "-" + EMBEDDED_WIND, "-" + _TRANSMISSION_WIND),
        _sum(WIND, "-" + _WIND_DA),
    ),
    "embedded_wind_published": (_sum(_EMBEDDED),),
    "embedded_wind_error": (_sum(EMBEDDED_WIND, "-" + _EMBEDDED),),
    "solar_published": (_sum(_SOLAR_DA),),
    "solar_error": (_sum(SOLAR, "-" + _SOLAR_DA),),
    "temperature_ahead": (_sum("temperature_forecast_d1_c"),),
    "irradiance_ahead": (_sum("ghi_forecast_d1_wm2"),),
    "wind_speed_ahead": (
        _sum("wind_speed_100m_forecast_d1_ms"),
        _sum("wind_speed_forecast_d1_ms"),
        _sum("wind_speed_forecast_d1_kmh"),
    ),
}
"""Series by name; ``error`` is what really came minus what was published."""

_PUBLISHED_OF: dict[str, tuple[Terms, ...]] = {
    LOAD: (_sum(_NATIONAL, _SOLAR_DA, _EMBEDDED), _sum(_LOAD_DA)),
    SOLAR: (_sum(_SOLAR_DA),),
    WIND: (_sum(_TRANSMISSION_WIND, _EMBEDDED), _sum(_WIND_DA)),
    NET_LOAD: _PUBLISHED_NET,
}


def published_terms(channel: str, have: Collection[str]) -> Terms | None:
    """Return the terms of the published forecast of a measured channel, None if the zone's columns lack one."""
    for terms in _PUBLISHED_OF.get(channel, ()):
        if all(name in have for name, _ in terms):
            return terms
    return None


MAX_TERMS = 4

MAX_DEPTH_DAYS = 46
FLOWS = ("interconnector_mw", "pumped_storage_mw", "gas_mw")
"""Supply that answers prices within the hour; models read how it moved over the last day."""

WEATHER_DEPTH_DAYS = 9
"""A forecast of the weather is compared with those for the same slot up to a week before."""

_WEATHER = frozenset(name for key in SERIES if key.endswith("_ahead") for terms in SERIES[key] for name, _ in terms)

_DEPTH_DAYS: dict[str, int] = {
    NET_LOAD: 44,
    LOAD: 44,
    SOLAR: 31,
    WIND: 31,
    EMBEDDED_WIND: 31,
    "niv_mwh": 31,
    **dict.fromkeys(FLOWS, 2),
}


@dataclass(frozen=True, slots=True)
class DerivedSeries:
    """One series of a zone: which channels it sums, and whether any of them is published ahead."""

    name: str
    terms: Terms

    @property
    def published(self) -> bool:
        """Whether a future value may be known."""
        return any(is_published(channel) for channel, _ in self.terms)


def is_published(channel: str) -> bool:
    """Return whether values of ``channel`` may be known before their slot."""
    return channel.endswith(PUBLISHED_SUFFIX) or WEATHER_MARK in channel


def depth_days(channel: str) -> int:
    """Return the days of ``channel`` that the ring stores; 0 for a channel that no feature reads.

    Published forecasts and prices, also of neighbours, are kept as long as day-ahead price models look back from the
    day after tomorrow; measured channels as long as similar days and error means look back.
    """
    base = channel.rpartition(":")[2]
    if WEATHER_MARK in channel:
        return WEATHER_DEPTH_DAYS if channel in _WEATHER else 0
    if is_published(base) or base == PRICE:
        return MAX_DEPTH_DAYS
    return _DEPTH_DAYS.get(channel, 0)


def known_channels(columns: Collection[str]) -> list[str]:
    """Return the columns that some series may read, sorted."""
    read = {channel for alternatives in SERIES.values() for terms in alternatives for channel, _ in terms}
    return sorted(read & set(columns))


def present(channels: Collection[str]) -> dict[str, DerivedSeries]:
    """Return the series that a zone with these channels has."""
    have = set(channels)
    series = {}
    for name, alternatives in SERIES.items():
        for terms in alternatives:
            if all(channel in have for channel, _ in terms):
                series[name] = DerivedSeries(name, terms)
                break
    if "error" in series and series["error"].terms[1:] != tuple((c, -s) for c, s in series["published"].terms):
        raise AssertionError("the error series must match the published one")
    return series
