"""Units, the sign rule, time slots and quantile levels, shared by all packages.

The sign rule: **power is positive into the grid** (discharge, generation, curtailed load) and negative out of it
(charge, curtailed generation). ``net_load = load - solar - wind``; a positive ramp means more demand to cover, so it
calls for discharge or dispatch up. Grid power of a zone is ``net_load - plant_power``.

Units: MW, MWh, currency per MWh, Hz, degrees C, UTC; each name carries its unit.
Slot t is ``[t, t + step)`` and is named by its start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache

QUANTILE_LEVELS: tuple[float, ...] = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95)
QUANTILE_NAMES: tuple[str, ...] = ("q05", "q10", "q25", "q50", "q75", "q90", "q95")

LOAD = "load_mw"
SOLAR = "solar_mw"
WIND = "wind_mw"
PRICE = "price_per_mwh"
FREQUENCY = "frequency_hz"
NET_LOAD = "net_load_mw"

NET_LOAD_CHANNELS: tuple[str, ...] = (LOAD, SOLAR, WIND)


class Target(StrEnum):
    """What is forecast, as levels. How to add one: docs/guide/adding-a-target.md."""

    NET_LOAD = "net_load"
    PRICE = "price"

    @property
    def channel(self) -> str:
        """The channel that holds its actual values; also the column of table ``telemetry``."""
        return _CHANNEL_OF[self]

    def unit(self, currency: str = "") -> str:
        """Return the unit of its values; a price without a currency is ``per MWh``."""
        return "MW" if self is Target.NET_LOAD else f"{currency} per MWh".strip()


_CHANNEL_OF = {Target.NET_LOAD: NET_LOAD, Target.PRICE: PRICE}


class Quality(StrEnum):
    """What is known about one channel of one slot."""

    OK = "ok"
    MISSING = "missing"
    OUT_OF_RANGE = "out_of_range"
    MISSING_MARK = "missing_mark"
    FLAT = "flat"
    SPIKE = "spike"
    PARTIAL = "partial"
    ABSENT = "absent"
    DISTRUSTED = "distrusted"


@dataclass(frozen=True, slots=True)
class Step:
    """The slot length of a zone and the arithmetic of slots.

    A slot index counts steps since 1970-01-01T00:00Z; index and start convert both ways without rounding.
    """

    minutes: int

    @staticmethod
    @cache
    def of(minutes: int) -> Step:
        """Return the step of this many minutes; the object is cached, because every slot and asset needs it."""
        return Step(minutes)

    def __post_init__(self) -> None:
        if self.minutes <= 0 or 1440 % self.minutes:
            raise ValueError(f"a step must divide a day into whole slots, got {self.minutes} min")

    @property
    def seconds(self) -> int:
        """Slot length in seconds."""
        return self.minutes * 60

    @property
    def hours(self) -> float:
        """Slot length in hours: MW times this is MWh."""
        return self.minutes / 60.0

    @property
    def per_day(self) -> int:
        """Slots in 24 hours."""
        return 1440 // self.minutes

    @property
    def delta(self) -> timedelta:
        """Slot length as a timedelta."""
        return timedelta(minutes=self.minutes)

    def index(self, instant: datetime) -> int:
        """Return the index of the slot that holds ``instant`` (aware UTC)."""
        return int(instant.timestamp()) // self.seconds

    def start(self, index: int) -> datetime:
        """Return the UTC start of slot ``index``."""
        return datetime.fromtimestamp(index * self.seconds, UTC)

    def floor(self, instant: datetime) -> datetime:
        """Return the start of the slot that holds ``instant``."""
        return self.start(self.index(instant))


def horizons_min(step_min: int) -> tuple[int, ...]:
    """Return the forecast horizons in minutes, one step to 24 h.

    Every step up to 24 h; below 30 min steps, one hour of single steps, then half hours (12 x 5 min, then half hours).
    """
    if step_min >= 30:
        return tuple(range(step_min, 1441, step_min))
    return (*range(step_min, 61, step_min), *range(90, 1441, 30))


def net_load_mw(values: dict[str, float | None], absent: frozenset[str] = frozenset()) -> float | None:
    """Return ``load - solar - wind`` in MW, or None when a channel that the zone has is missing.

    Args:
        values: Channel name to value in MW; None or no entry means missing.
        absent: Channels that the zone does not have; they count as 0.
    """
    total = 0.0
    for channel, sign in ((LOAD, 1.0), (SOLAR, -1.0), (WIND, -1.0)):
        if channel in absent:
            continue
        value = values.get(channel)
        if value is None or math.isnan(value):
            return None
        total += sign * value
    return total


def iso(instant: datetime) -> str:
    """Return ``instant`` as ISO 8601 UTC with ``Z`` and no fraction unless there is one."""
    text = instant.astimezone(UTC).isoformat()
    return text.replace("+00:00", "Z")


def even_horizons_min(step_min: int, count: int) -> list[int]:
    """Return the minutes ahead of ``count`` horizons that are one slot apart."""
    return list(range(step_min, (count + 1) * step_min, step_min))
