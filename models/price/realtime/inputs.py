"""Inputs of a part of the real-time price model: series from a frame for training, from the ring for forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from features.derived_series import FLOWS, Terms, present
from models.history import known_until
from models.price.contract import RingView, from_scaled
from models.price.series import PriceSeries, series
from vpp.domain import LOAD, NET_LOAD_CHANNELS, PRICE, SOLAR, WIND, horizons_min
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats, Ints

NET = "net_load"
IMBALANCE = "niv_mwh"
_DAY = 1440
_RECENT_DAYS = 90


@dataclass(frozen=True, slots=True)
class InputShape:
    """Facts of a zone that a part of the price model needs.

    ``sides``: further series besides the price. ``flows``: supply channels whose last day is read. ``published``: terms
    (channel, sign) of the series that is published ahead, empty if the zone publishes none. ``lead``: slots whose price
    is known before they close (1 if the market publishes the price at the start of a slot). The origin of a forecast is
    ``lead`` slots after the last closed slot.
    """

    step_min: int
    time_zone: str
    sides: tuple[str, ...]
    flows: tuple[str, ...]
    published: Terms
    lead: int
    floor_per_mwh: float
    cap_per_mwh: float

    @staticmethod
    def of(zone: Zone, frame: pd.DataFrame) -> InputShape:
        """Return the facts of a zone, with the channels of its history."""
        published = present(frame.columns).get("published")
        has_published = published is not None and all(frame[channel].notna().any() for channel, _ in published.terms)
        return InputShape(
            step_min=zone.step_min,
            time_zone=zone.time_zone,
            sides=_side_names(frame, zone.step.per_day),
            flows=_with_values(frame, FLOWS, zone.step.per_day),
            published=published.terms if published is not None and has_published else (),
            lead=zone.market.rule.lead_slots,
            floor_per_mwh=zone.market.price_floor_per_mwh,
            cap_per_mwh=zone.market.price_cap_per_mwh,
        )

    @property
    def per_day(self) -> int:
        """Slots in 24 hours."""
        return _DAY // self.step_min

    @property
    def horizon_min(self) -> tuple[int, ...]:
        """The forecast horizons in minutes."""
        return horizons_min(self.step_min)

    @property
    def steps(self) -> Ints:
        """The horizons in slots after the origin."""
        return _steps(self.step_min, self.lead)

    def price(self, base: Floats, scale: Floats, departures: Floats) -> Floats:
        """Return ``base + scale × departures`` (n, H) within the market's floor and cap; ``scale``: shape (n,)."""
        return from_scaled(base, scale, departures, self.floor_per_mwh, self.cap_per_mwh)


@lru_cache(maxsize=64)
def _steps(step_min: int, lead: int) -> Ints:
    return np.array(horizons_min(step_min), dtype=np.int64) // step_min - lead


def from_frame(frame: pd.DataFrame, zone: Zone, shape: InputShape) -> PriceSeries:
    """Return the series of a training frame."""
    columns = {name: frame[name].to_numpy(dtype=np.float64) for name in frame.columns}
    first = int(frame.index[0].timestamp()) // (60 * shape.step_min)
    limit = None
    if shape.published:
        index = pd.DatetimeIndex(frame.index)
        limits = [known_until(zone, channel, index) for channel, _ in shape.published]
        limit = np.min(np.stack(limits), axis=0)
        if shape.lead:
            limit = np.concatenate([np.full(shape.lead, -1, dtype=np.int64), limit[: -shape.lead]])
    return _series(columns, len(frame), first, shape, limit)


def from_ring(ring: RingView, shape: InputShape, first: int, last: int) -> PriceSeries:
    """Return the series of slots ``first`` to ``last`` (exclusive), and the published values of the day after them.

    Args:
        ring: Holds the channels of ``shape``.
        shape: The zone's channels, step and clock.
        first: Index of the first slot.
        last: Index after the last slot.
    """
    measured, ahead = _channels(shape.sides, shape.flows, shape.published)
    values = ring.windows(measured + ahead, first, last + shape.per_day)
    columns = {name: channel_values[: last - first] for name, channel_values in zip(measured, values, strict=False)}
    columns |= zip(ahead, values[len(measured) :], strict=True)
    return _series(columns, last - first, first, shape, None)


@lru_cache(maxsize=64)
def _channels(
    sides: tuple[str, ...], flows: tuple[str, ...], published: Terms
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the channels of prices, sides and flows, and those that are published ahead."""
    measured = {PRICE, *flows, *(name for name in sides if name != NET), *(NET_LOAD_CHANNELS if NET in sides else ())}
    return tuple(sorted(measured)), tuple(channel for channel, _ in published)


def _series(
    columns: Mapping[str, Floats], n: int, first_index: int, shape: InputShape, limit: Ints | None
) -> PriceSeries:
    sides = np.full((len(shape.sides), n), np.nan)
    for j, name in enumerate(shape.sides):
        values = _net_load(columns) if name == NET else columns[name]
        sides[j, shape.lead :] = values[: n - shape.lead]
    flows = np.full((len(shape.flows), n), np.nan)
    for j, name in enumerate(shape.flows):
        flows[j, shape.lead :] = columns[name][: n - shape.lead]
    published = None
    if shape.published:
        published = np.zeros((1, columns[shape.published[0][0]].size))
        for channel, sign in shape.published:
            published[0] += sign * columns[channel]
    return series(
        columns[PRICE],
        sides,
        flows=flows,
        first_index=first_index,
        step_min=shape.step_min,
        time_zone=shape.time_zone,
        published=published,
        limit=limit,
    )


def _net_load(columns: Mapping[str, Floats]) -> Floats:
    out = columns[LOAD].copy()
    for name in (SOLAR, WIND):
        if name in columns and np.isfinite(columns[name]).any():
            out -= columns[name]
    return out


def _side_names(frame: pd.DataFrame, per_day: int) -> tuple[str, ...]:
    have = _with_values(frame, (LOAD, WIND, SOLAR, IMBALANCE), per_day)
    net = (NET,) if LOAD in have and (WIND in have or SOLAR in have) else ()
    return (*(name for name in have if name == LOAD), *net, *(name for name in have if name == IMBALANCE))


def _with_values(frame: pd.DataFrame, names: tuple[str, ...], per_day: int) -> tuple[str, ...]:
    """Return the names whose channels have values in most slots of the last 90 days."""
    recent = frame.iloc[-_RECENT_DAYS * per_day :]
    return tuple(name for name in names if name in recent and bool(recent[name].notna().mean() > 0.5))
