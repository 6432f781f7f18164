"""Checks of whole channels: which have values, and mistakes that only the whole column shows."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vpp.domain import LOAD, PRICE, SOLAR, WIND
from vpp.errors import DataError
from vpp.files.cells.availability import ASSET_MARK
from vpp.files.columns import FileLayout

_DAY_S = 86_400
_LEAST_PRICES = 8
_PER_KWH = 2.0
"""Prices of a market per MWh go beyond this (in EUR, GBP, USD or AUD); those per kWh do not."""
_DAY_OF_PRICES = 24
_KEPT = 2000
_SOC = ":soc"
_COUNTED = (LOAD, SOLAR, WIND)
_LEAST_RISES = 12
_RISES_PER_RESET = 8
_RISES_PER_FALL = 20
_RESET_SHARE = 0.05
"""A reading that starts again falls to this share of what it was, or below."""
METER_STEP = "write the difference of each reading to the one before into the file, as energy of a row (kWh)"


@dataclass(slots=True)
class Readings:
    """How the values of one channel follow each other: a cumulative meter only rises, except where it starts again.

    Attributes:
        first: Instant of the first value.
        last: Instant of the last one.
        value: The last value.
        rises: Values above the one before.
        resets: Values that fell to (almost) nothing.
        falls: Other values below the one before.
    """

    first: Any
    last: Any
    value: float
    rises: int = 0
    resets: int = 0
    falls: int = 0

    def add(self, stamps: Any, values: Any) -> None:
        """Take the next values, in order of time, none missing."""
        before = np.concatenate(([self.value], values[:-1]))
        falls, resets = values < before, (values < before) & (np.abs(values) <= _RESET_SHARE * before)
        self.rises += int((values > before).sum())
        self.resets += int(resets.sum())
        self.falls += int(falls.sum() - resets.sum())
        self.last, self.value = stamps[-1], float(values[-1])

    @property
    def cumulative(self) -> bool:
        """Whether they are those of a cumulative meter: over a day or more no power only rises."""
        least = max(_LEAST_RISES, _RISES_PER_RESET * self.resets, _RISES_PER_FALL * self.falls)
        return self.rises >= least and bool(self.last - self.first >= np.timedelta64(1, "D"))


@dataclass(slots=True)
class ChannelCheck:
    """Takes the rows of a file in order.

    Attributes:
        present: Zone to the channels with a value.
        price_phases: Zone to the seconds of the day that had a price, and how many.
        levels: Reading of state of charge to a sample of its values.
        highest_price: Zone to the largest |price|.
        readings: Zone and channel of power to how its values follow each other.
    """

    present: dict[str, set[str]] = field(default_factory=dict)
    price_phases: dict[str, dict[int, int]] = field(default_factory=dict)
    levels: dict[str, list[float]] = field(default_factory=dict)
    highest_price: dict[str, float] = field(default_factory=dict)
    readings: dict[tuple[str, str], Readings] = field(default_factory=dict)

    def add(self, rows: pd.DataFrame, targets: Sequence[str]) -> None:
        """Take the next rows."""
        for name in targets:
            if name.startswith(ASSET_MARK) and name.endswith(_SOC):
                sample = self.levels.setdefault(name, [])
                values = rows[name].dropna().to_numpy()
                sample += values[: _KEPT - len(sample)].tolist()
        for zone, part in rows.groupby("zone", sort=False):
            channels = self.present.setdefault(str(zone), set())
            channels.update(name for name in targets if name not in channels and part[name].notna().any())
            if PRICE in targets:
                self._prices(str(zone), part)
            for name in _COUNTED:
                if name in targets:
                    self._follow(str(zone), name, part)

    def has(self, zone: str, channel: str) -> bool:
        """Return whether the zone has a value of the channel."""
        return channel in self.present.get(zone, ())

    def cumulative(self) -> dict[str, list[str]]:
        """Return channels of power that hold the readings of a cumulative meter, with their zones."""
        zones: dict[str, list[str]] = {}
        for (zone, channel), readings in self.readings.items():
            if readings.cumulative:
                zones.setdefault(channel, []).append(zone)
        return zones

    def meter_notes(self) -> list[str]:
        """Return notes on channels of power that hold the readings of a cumulative meter."""
        return [
            f"{', '.join(zones)}: {channel} only rises, as the readings of a cumulative meter do; {METER_STEP}"
            for channel, zones in self.cumulative().items()
        ]

    def price_notes(self) -> list[str]:
        """Return notes on zones whose prices look like prices per kWh."""
        return [
            f"{zone}: no price is beyond {highest:g} per MWh; if the file states it per kWh, name the column price_kwh "
            "or state unit: per_kWh in a mapping file"
            for zone, highest in self.highest_price.items()
            if 0.0 < highest <= _PER_KWH and sum(self.price_phases[zone].values()) >= _DAY_OF_PRICES
        ]

    def refuse_scales(self, path: str, layout: FileLayout) -> None:
        """Refuse a state of charge in percent where no unit is stated.

        Raises:
            DataError: Most readings lie above 1, or all of a column in percent below 1 percent.
        """
        for recipe in layout.recipes:
            sample = self.levels.get(recipe.target, [])
            if not sample:
                continue
            middle = float(np.median(sample))
            if recipe.factor == 1.0 and middle > 1.05:
                raise DataError(
                    f"{path}: {recipe.source} is a state of charge of up to {max(sample):g}, which is more than 1",
                    hint=f"state its unit in the mapping: {{from: {recipe.source}, unit: percent}}",
                )
            if recipe.factor != 1.0 and max(sample) > 0.0 and max(sample) <= 0.0101 and len(sample) >= _LEAST_PRICES:
                raise DataError(
                    f"{path}: {recipe.source} never exceeds 1 and the mapping reads it as percent",
                    hint=f"state its unit in the mapping: {{from: {recipe.source}, unit: fraction}}",
                )

    def refuse_sparse_price(
        self, path: str, zone: str, phases: dict[int, int], step_min: int, repeat: Collection[str]
    ) -> None:
        """Refuse prices that stand only in every second, third, ... slot where nothing says what they stand for.

        Args:
            path: The file, for the message.
            zone: Name of the zone.
            phases: Rows by second of the day.
            step_min: Length of a slot in minutes.
            repeat: Channels whose values repeat until the next one, as the mapping states.

        Raises:
            DataError: They do.
        """
        prices = self.price_phases.get(zone, {})
        if PRICE in repeat or sum(prices.values()) < _LEAST_PRICES or sum(phases.values()) == 0:
            return
        step_s = step_min * 60
        slots = sorted({phase // step_s for phase in prices})
        every = math.gcd(_DAY_S // step_s, *(slot - slots[0] for slot in slots))
        rows = {phase // step_s for phase in phases}
        if every < 2 or len({slot % every for slot in rows}) < 2:
            return
        minutes = every * step_min
        message = f"{path}: zone {zone} has a price every {minutes} min, but slots of {step_min} min"
        if minutes > 240:
            raise DataError(message, hint="write a price into each row, or leave the column out")
        raise DataError(
            message,
            hint=f"state in a mapping file how long a price holds: repeat_min: {{{PRICE}: {minutes}}}",
        )

    def _follow(self, zone: str, channel: str, rows: pd.DataFrame) -> None:
        present = rows[["stamp", channel]].dropna()
        if present.empty:
            return
        stamps, values = present["stamp"].to_numpy(), present[channel].to_numpy()
        key = (zone, channel)
        if key not in self.readings:
            self.readings[key] = Readings(stamps[0], stamps[0], float(values[0]))
        self.readings[key].add(stamps, values)

    def _prices(self, zone: str, rows: pd.DataFrame) -> None:
        if rows[PRICE].notna().any():
            self.highest_price[zone] = max(self.highest_price.get(zone, 0.0), float(rows[PRICE].abs().max()))
        priced: Any = rows["stamp"].to_numpy()[rows[PRICE].notna().to_numpy()]
        counts = self.price_phases.setdefault(zone, {})
        seconds = priced.astype("datetime64[s]").astype(np.int64) % _DAY_S
        for second, count in zip(*np.unique(seconds, return_counts=True), strict=True):
            counts[int(second)] = counts.get(int(second), 0) + int(count)
