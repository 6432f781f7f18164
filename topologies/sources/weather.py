"""Synthetic weather and the renewable output that it drives.

Sun: elevation from latitude, declination and hour angle; clear-sky irradiance after Haurwitz (1945),
``1098 sin(h) exp(-0.057 / sin(h))`` W/m2, dimmed by cloud after Kasten and Czeplak (1980), ``1 - 0.75 c^3.4``.
Wind: lognormal-like speed with a season and a faint day cycle, through the smoothed power curve of many turbines.
Everything here is synthetic: no value was measured anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from topologies.sources.noise import place_code, shared, slow
from vpp.numerics.arrays import Floats

CLOUD, WIND, WARMTH, CLOUD_ERROR, WIND_ERROR, LOAD_ERROR, LOAD_NOISE, PRICE_NOISE, FUEL, TURBULENCE, GRID = range(1, 12)
GRID_TICKS, GRID_EVENTS = 12, 13
"""Streams of noise, one per quantity."""


@dataclass(frozen=True, slots=True)
class Climate:
    """A synthetic place: latitude, and installed plant in MW."""

    name: str
    latitude_deg: float
    solar_mw: float
    wind_mw: float
    base_load_mw: float


@dataclass(frozen=True, slots=True)
class Weather:
    """Weather of a span, one value per slot: cloud cover (0-1), wind in m/s, temperature in degC, clear sky in W/m2.

    ``cloud_ahead`` and ``wind_ahead_ms`` are what was forecast the day before.
    """

    cloud: Floats
    cloud_ahead: Floats
    wind_ms: Floats
    wind_ahead_ms: Floats
    temperature_c: Floats
    clear_wm2: Floats


def weather(climate: Climate, seed: int, hours: Floats) -> Weather:
    """Return the weather at ``hours`` (since 1970-01-01 UTC, middle of each slot)."""
    place = place_code(climate.name)
    season = _season(hours)
    sky = shared(seed, place, CLOUD, hours, 0.93)
    sky_ahead = 0.9 * sky + 0.44 * slow(seed, place, CLOUD_ERROR, hours, 0.9)
    front = shared(seed, place, WIND, hours, 0.97)
    day_wave = np.cos(2.0 * np.pi * (hours % 24.0 - 14.5) / 24.0)
    speed = 7.6 * (1.0 + 0.16 * season) * np.exp(0.42 * front - 0.09) * (1.0 + 0.06 * day_wave)
    ahead = speed * np.exp(0.10 * slow(seed, place, WIND_ERROR, hours, 0.95))
    clear = clear_sky_wm2(climate.latitude_deg, hours)
    cloud = _cover(sky)
    warmth = shared(seed, place, WARMTH, hours, 0.99, common=0.7)
    temperature = 10.5 - 8.5 * season + (1.5 + 3.5 * (1.0 - cloud)) * day_wave + 2.8 * warmth
    return Weather(cloud, _cover(sky_ahead), speed, ahead, temperature, clear)


def clear_sky_wm2(latitude_deg: float, hours: Floats) -> Floats:
    """Return the irradiance of a clear sky on the ground in W/m2; solar time is taken as UTC + 40 min."""
    day = (hours / 24.0) % 365.2425
    declination = np.radians(23.45) * np.sin(2.0 * np.pi * (284.0 + day) / 365.2425)
    angle = np.radians(15.0) * (hours % 24.0 - 12.0 + 40.0 / 60.0)
    latitude = np.radians(latitude_deg)
    sine = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    up = np.maximum(sine, 1e-3)
    return np.where(sine > 1e-3, 1098.0 * up * np.exp(-0.057 / up), 0.0)


def solar_mw(climate: Climate, clear_wm2: Floats, cloud: Floats, temperature_c: Floats) -> Floats:
    """Return photovoltaic output in MW, 0 at night; 15 % is lost on the way, 0.4 % more per degree above 15.

    Args:
        climate: Climate and capacity of the place.
        clear_wm2: Irradiance under a clear sky, W/m2, shape (n,).
        cloud: Cloud cover, 0-1, shape (n,).
        temperature_c: Air temperature, degrees C, shape (n,).
    """
    ground = clear_wm2 * (1.0 - 0.75 * cloud**3.4)
    return 0.85 * climate.solar_mw * np.clip(ground / 1000.0 * (1.0 - 0.004 * (temperature_c - 15.0)), 0.0, 1.0)


def wind_mw(climate: Climate, speed_ms: Floats) -> Floats:
    """Return output of many turbines in MW: from 3 m/s, full at about 13, fading out above 24."""
    rising = 1.0 / (1.0 + np.exp(-(speed_ms - 8.8) / 1.55))
    started = np.clip((speed_ms - 2.5) / 2.0, 0.0, 1.0)
    storm = 1.0 / (1.0 + np.exp((speed_ms - 25.0) / 1.2))
    return climate.wind_mw * 0.95 * rising * started * storm


def _season(hours: Floats) -> Floats:
    """Return 1 in mid January and -1 in mid July."""
    return np.asarray(np.cos(2.0 * np.pi * ((hours / 24.0) % 365.2425 - 16.0) / 365.2425))


def _cover(sky: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-(1.5 * sky + 0.5))))
