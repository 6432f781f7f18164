"""The price part of a real-time market: the level-updated profile and its spreads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.price_fallback import fallback
from models.price_profile import LevelModel, ProfileSettings, fit_level
from models.price_rows import LevelRows, Series, level_rows, scaled, series, targets
from models.price_spread import SpreadModel, fit_spread, spread_columns
from models.price_view import MODEL, Flags, Floats, Ints, PriceForecast, RingView, with_published
from vpp.domain import LOAD, NET_LOAD_CHANNELS, PRICE, QUANTILE_LEVELS, horizons_min
from vpp.fleet import Zone

_DAY = 1440
_LEVELS = np.array(QUANTILE_LEVELS)
_BLOCK_DAYS = 28
_FORWARD_DAYS = 364
_SPREAD_DAYS = 182
_MAX_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a part must know of its zone: step, local clock, the side series it was fitted with, price limits."""

    step_min: int
    time_zone: str
    sides: tuple[str, ...]
    floor_per_mwh: float
    cap_per_mwh: float

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
        """The forecast horizons in slots."""
        return np.array(self.horizon_min, dtype=np.int64) // self.step_min

    def clip(self, prices: Floats) -> Floats:
        """Return prices within the market's floor and cap."""
        return np.clip(prices, self.floor_per_mwh, self.cap_per_mwh)


@dataclass(frozen=True, slots=True)
class RealTimePart:
    """Level-updated profile, spreads and the named experts of one zone."""

    shape: Shape
    settings: ProfileSettings
    level: LevelModel
    spread: SpreadModel

    def forecast(self, ring: RingView, slot_index: int, levels: Floats = _LEVELS) -> PriceForecast:
        """Return the forecast issued when ``slot_index`` closed.

        Args:
            ring: Values up to that slot; a price that it holds of a later slot is published and stands as it is.
            slot_index: Index of the last closed slot.
            levels: Levels that stand for the nominal ones, shape (7,) or (H, 7), as a calibrator adapts them.
        """
        shape, steps = self.shape, self.shape.steps
        first = slot_index - (self.settings.level_days + 2) * shape.per_day
        data = _from_ring(ring, shape, first, slot_index + 1)
        recent = data.prices[-shape.per_day :]
        rows = level_rows(data, np.array([data.prices.size - 1]), steps, self.settings)
        experts = _naive_experts(data, steps)
        if not np.isfinite(recent).any() or not np.isfinite(rows.scale[0]):
            name, quantiles, mean = fallback(data, steps)
        else:
            mean = _prices(self.level, rows, shape)[0]
            columns = spread_columns(rows.features, rows.spread, rows.scale)
            errors = self.spread.quantiles(columns, rows.scale, levels)[0]
            name, quantiles = MODEL, shape.clip(mean[:, None] + errors)
            experts = {"level_profile": mean, "profile": rows.base[0], **experts}
        known = ring.window(PRICE, slot_index + 1, slot_index + 1 + int(steps[-1]))[steps - 1]
        return with_published(PriceForecast(name, quantiles, mean, shape.horizon_min, known, experts), known)

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the part as arrays and one JSON value."""
        meta = {"kind": "real_time", "shape": asdict(self.shape), "settings": asdict(self.settings)}
        return {
            "meta": json.dumps(meta, sort_keys=True).encode(),
            "level.pooled": self.level.pooled,
            "level.blocks": self.level.blocks,
            "spread.coefficients": self.spread.coefficients,
            "spread.table": self.spread.table,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> RealTimePart:
        """Return the part that ``to_arrays`` wrote."""
        shape = Shape(**{**meta["shape"], "sides": tuple(meta["shape"]["sides"])})
        return cls(
            shape,
            ProfileSettings(**meta["settings"]),
            LevelModel(np.asarray(arrays["level.pooled"]), np.asarray(arrays["level.blocks"])),
            SpreadModel(np.asarray(arrays["spread.coefficients"]), np.asarray(arrays["spread.table"])),
        )


def fit_real_time(frame: pd.DataFrame, zone: Zone) -> RealTimePart | None:
    """Fit on all of ``frame``; None where it holds less than four weeks of prices after the profile's first days.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: Gives step, time zone and price limits.
    """
    settings = ProfileSettings()
    shape = Shape(
        zone.step_min, zone.time_zone, _side_names(frame), zone.market.price_floor_per_mwh,
        zone.market.price_cap_per_mwh,
    )  # fmt: skip
    data = _from_frame(frame, shape)
    n = data.prices.size
    span = (settings.fit_days + _FORWARD_DAYS) * shape.per_day
    stride = max(1, -(-min(n, span) // (2 * _MAX_ROWS)))
    origins = np.arange(max(n - span, 7 * shape.per_day), n - 1, stride, dtype=np.int64)
    if origins.size < _BLOCK_DAYS * shape.per_day // stride:
        return None
    rows = level_rows(data, origins, shape.steps, settings)
    rows = rows.take(np.isfinite(rows.scale))
    actual = targets(data, rows, shape.steps)
    forward = _walk_forward(rows, actual, shape, settings)
    keep: Flags = np.asarray(np.isfinite(forward).all(axis=1))
    if keep.sum() < shape.per_day // stride:
        return None
    recent = rows.take(keep)
    spread = fit_spread(
        actual[keep] - forward[keep],
        spread_columns(recent.features, recent.spread, recent.scale),
        recent.scale,
        _SPREAD_DAYS * shape.per_day // stride,
    )
    last = rows.origins >= n - settings.fit_days * shape.per_day
    own = rows.take(last)
    level = fit_level(own.features, scaled(actual[last], own, settings), own.block, settings)
    return RealTimePart(shape, settings, level, spread)


def _walk_forward(rows: LevelRows, actual: Floats, shape: Shape, settings: ProfileSettings) -> Floats:
    """Forecast each four weeks by a fit on the rows before whose targets had passed; NaN before the first fit."""
    out = np.full(actual.shape, np.nan)
    goal = scaled(actual, rows, settings)
    block, last = _BLOCK_DAYS * shape.per_day, int(rows.origins[-1])
    begin = last - min(_FORWARD_DAYS * shape.per_day, (last - int(rows.origins[0])) * 2 // 3)
    for start in range(begin, last + 1, block):
        past = (rows.origins < start) & (rows.origins >= start - settings.fit_days * shape.per_day)
        now = (rows.origins >= start) & (rows.origins < start + block)
        if past.sum() < 100 or not now.any():
            continue
        matured = np.where((rows.origins[past][:, None] + shape.steps[None, :]) < start, goal[past], np.nan)
        model = fit_level(rows.features[past], matured, rows.block[past], settings)
        out[now] = _prices(model, rows.take(now), shape)
    return out


def _prices(model: LevelModel, rows: LevelRows, shape: Shape) -> Floats:
    return shape.clip(rows.base + rows.scale[:, None] * model.predict(rows.features, rows.block))


def _naive_experts(data: Series, steps: Ints) -> dict[str, Floats]:
    last, per_day = data.prices.size - 1, _DAY // data.step_min
    return {"yesterday": data.prices[last + steps - per_day], "last_week": data.prices[last + steps - 7 * per_day]}


def _side_names(frame: pd.DataFrame) -> tuple[str, ...]:
    names = ["net_load"] if {LOAD, "wind_mw"} <= set(frame.columns) or {LOAD, "solar_mw"} <= set(frame.columns) else []
    wanted = [LOAD, *names, "niv_mwh"]
    recent = frame.iloc[-90 * _DAY :]
    return tuple(n for n in wanted if n == "net_load" or (n in frame and recent[n].notna().mean() > 0.5))


def _from_frame(frame: pd.DataFrame, shape: Shape) -> Series:
    columns = {name: frame[name].to_numpy(dtype=float) for name in frame.columns}
    first = int(frame.index[0].timestamp()) // (60 * shape.step_min)
    return _series(columns, len(frame), first, shape)


def _from_ring(ring: RingView, shape: Shape, first: int, last: int) -> Series:
    names = (PRICE, *NET_LOAD_CHANNELS, *(n for n in shape.sides if n not in (LOAD, "net_load")))
    columns = {name: ring.window(name, first, last) for name in names}
    return _series(columns, last - first, first, shape)


def _series(columns: Mapping[str, Floats], n: int, first_index: int, shape: Shape) -> Series:
    sides = np.full((len(shape.sides), n), np.nan)
    for j, name in enumerate(shape.sides):
        sides[j] = _net_load(columns) if name == "net_load" else columns[name]
    return series(columns[PRICE], sides, first_index=first_index, step_min=shape.step_min, time_zone=shape.time_zone)


def _net_load(columns: Mapping[str, Floats]) -> Floats:
    out = columns[LOAD].copy()
    for name in NET_LOAD_CHANNELS[1:]:
        if name in columns and np.isfinite(columns[name]).any():
            out -= columns[name]
    return out
