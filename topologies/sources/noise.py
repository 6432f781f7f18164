"""Seeded noise for any time span: the same seed and hour give the same value.

White noise is drawn by day from a generator seeded with (seed, place, stream, day); slow noise is its moving average
with decaying weights, which resembles a first-order autoregression. No state is carried, so a generator of telemetry
can start anywhere and be resumed.
"""

from __future__ import annotations

import math
import zlib
from functools import lru_cache

import numpy as np

from vpp.numerics.arrays import Floats

EVERYWHERE = 0


def place_code(name: str) -> int:
    """Return the number that seeds a place's noise."""
    return zlib.crc32(name.encode())


@lru_cache(maxsize=1 << 16)
def white(seed: int, place: int, stream: int, day: int, per_day: int) -> Floats:
    """Return standard normal noise of one day, shape (per_day,); ``day`` counts from 1970-01-01.

    Args:
        seed: Seed of the run.
        place: Code of the place.
        stream: Number of the quantity.
        day: Days since 1970-01-01.
        per_day: Values of a day.
    """
    drawn = np.random.default_rng([seed, place, stream, day, per_day]).standard_normal(per_day)
    drawn.flags.writeable = False
    return drawn


def white_span(seed: int, place: int, stream: int, first_day: int, days: int, per_day: int) -> Floats:
    """Return standard normal noise of consecutive days, shape (days * per_day,).

    Args:
        seed: Seed of the run.
        place: Code of the place.
        stream: Number of the quantity.
        first_day: Days since 1970-01-01 of the first.
        days: Number of days.
        per_day: Values of a day.
    """
    return np.concatenate([white(seed, place, stream, first_day + i, per_day) for i in range(days)])


def slow(seed: int, place: int, stream: int, hours: Floats, rho: float) -> Floats:
    """Return noise of unit variance whose hourly values correlate by about ``rho``, linear between full hours.

    Args:
        seed: Seed of the run.
        place: Code of the place.
        stream: Number of the quantity.
        hours: Hours since 1970-01-01, rising, shape (n,).
        rho: Correlation from hour to hour, 0 to below 1.
    """
    taps = max(1, math.ceil(math.log(0.02) / math.log(rho))) if rho > 0.0 else 1
    kernel = rho ** np.arange(taps)
    kernel /= math.sqrt(float(kernel @ kernel))
    first_hour = math.floor(hours[0]) - taps
    first_day = first_hour // 24
    days = math.floor(hours[-1] + 1) // 24 - first_day + 1
    drawn = white_span(seed, place, stream, first_day, days, 24)
    smooth = np.convolve(drawn, kernel)[: len(drawn)]
    at = first_day * 24 + np.arange(len(drawn))
    return np.interp(hours, at, smooth)


def shared(seed: int, place: int, stream: int, hours: Floats, rho: float, *, common: float = 0.6) -> Floats:
    """Return slow noise of which the share ``common`` of the variance is the same at all places.

    Args:
        seed: Seed of the run.
        place: Code of the place.
        stream: Number of the quantity.
        hours: Hours since 1970-01-01, rising, shape (n,).
        rho: Correlation from hour to hour, 0 to below 1.
        common: Share of the variance that all places have in common, 0 to 1.
    """
    everywhere = slow(seed, EVERYWHERE, stream, hours, rho)
    level = slow(seed, place, stream, hours, rho)
    return math.sqrt(common) * everywhere + math.sqrt(1.0 - common) * level
