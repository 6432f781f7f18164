"""Prices and side series of consecutive slots with their local clock."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vpp.local_time import local_minutes
from vpp.numerics.arrays import Floats, Ints

_DAY = 1440


@dataclass(frozen=True, slots=True)
class PriceSeries:
    """Prices and side series of consecutive slots, with their local clock.

    ``prices``: shape (n,), NaN missing. ``sides``: shape (n_side, n). ``flows``: shape (n_flow, n). ``minutes``: local
    clock of each slot and of the 24 hours after the last one, shape (n + slots in a day,). ``published``: shape
    (n_published, n or more), values that are known ahead. ``known``: shape (n,), the last position of them that is
    known when each slot has closed. ``slots``, ``days``: slot of the local day and number of the local day, for each
    entry of ``minutes``.
    """

    prices: Floats
    sides: Floats
    flows: Floats
    minutes: Ints
    slots: Ints
    days: Ints
    step_min: int
    published: Floats
    known: Ints


def series(
    prices: Floats,
    sides: Floats,
    *,
    flows: Floats | None = None,
    first_index: int,
    step_min: int,
    time_zone: str,
    published: Floats | None = None,
    limit: Ints | None = None,
) -> PriceSeries:
    """Return prices and side series with the local clock of their slots; ``first_index`` is the first slot's index.

    Without ``limit`` all that ``published`` holds counts as known.

    Args:
        prices: Price per slot, shape (n,), NaN = missing.
        sides: Side series, shape (sides, n).
        flows: Flows to neighbours, shape (flows, n); None: none.
        first_index: Index of the first slot.
        step_min: Slot length in minutes.
        time_zone: Zone of the local clock.
        published: Published series, also of slots to come, shape (published, n or more), NaN = missing; None: none.
        limit: How many slots of ``published`` are known at each slot, shape (n,); None: all.
    """
    last = first_index + prices.size + _DAY // step_min
    minutes, slots, days = _clock(first_index, last, step_min, time_zone)
    published = np.empty((0, prices.size)) if published is None else published
    limit = np.full(prices.size, published.shape[1], dtype=np.int64) if limit is None else limit
    flows = np.empty((0, prices.size)) if flows is None else flows
    contiguous = np.ascontiguousarray(prices), np.ascontiguousarray(sides), np.ascontiguousarray(flows)
    return PriceSeries(*contiguous, minutes, slots, days, step_min, published, limit)


def _clock(first: int, last: int, step_min: int, time_zone: str) -> tuple[Ints, Ints, Ints]:
    """Return local minutes, slots of the day and days of the slots ``first`` to ``last`` (exclusive)."""
    per_day = _DAY // step_min
    day = first // per_day
    skip = first - day * per_day
    minutes, slots, days = _clock_of_days(day, -(-last // per_day), step_min, time_zone)
    inside = slice(skip, skip + last - first)
    return minutes[inside], slots[inside], days[inside]


@lru_cache(maxsize=16)
def _clock_of_days(first_day: int, last_day: int, step_min: int, time_zone: str) -> tuple[Ints, Ints, Ints]:
    """Return the same of whole UTC days, so the slots of a day share them."""
    per_day = _DAY // step_min
    minutes = local_minutes(first_day * per_day, last_day * per_day, step_min=step_min, time_zone=time_zone)
    days = minutes // _DAY
    return minutes, (minutes - days * _DAY) // step_min, days
