"""Fits the price part of a real-time market from a zone's history."""

from __future__ import annotations

import numpy as np
import pandas as pd

from models.price.error_quantiles import fit_spread, spread_columns
from models.price.profile import ProfileSettings, fit_level
from models.price.realtime.inputs import InputShape, from_frame
from models.price.realtime.median import WIDE_CLIP, fit_median, median_columns
from models.price.realtime.model import BankLevel, RealTimePart, level_prices
from models.price.realtime.next_slot import NextModel, fit_next
from models.price.realtime.profile_features import LevelRows, level_rows, scaled, spread_out, targets
from models.price.realtime.storage_value import ValueModel, ValueSettings, fit_value
from models.price.realtime.trees import BoostModel, BoostSettings, anchors_of, fit_boost
from models.price.series import PriceSeries
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Bools, Floats, Ints
from vpp.numerics.storage_dp import UnitBattery

_BLOCK_DAYS = 28
_FORWARD_DAYS = 546
_SPREAD_DAYS = 182
_MAX_ROWS = 40_000
_FIRST_DAYS = 7

PROFILE = ProfileSettings()
BOOST = BoostSettings()
VALUE = ValueSettings()
MARGIN = ValueSettings(depth=4, min_child=50.0, margin=True)
BANK = (
    ProfileSettings(level_days=14, fit_days=90),
    ProfileSettings(level_days=14, fit_days=365, cap_per_mwh=300.0),
    ProfileSettings(level_days=7, fit_days=180),
)
"""Profiles beside ``PROFILE``: quicker to follow a change, less moved by spikes."""


def fit_real_time(
    frame: pd.DataFrame,
    zone: Zone,
    *,
    keep: BoostModel | None = None,
    boost: BoostSettings = BOOST,
    keep_value: ValueModel | None = None,
    keep_margin: ValueModel | None = None,
    keep_first: NextModel | None = None,
) -> RealTimePart | None:
    """Fit on all of ``frame``; None if it holds less than about six weeks of prices.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: Gives step, time zone and price limits.
        keep: Trees of an earlier fit of the same zone that are to serve on; None: fit new ones.
        boost: Settings of new trees.
        keep_value: Opportunity values of an earlier fit that are to serve on; None: fit new ones.
        keep_margin: Likewise, of their margins over the next slot's price.
        keep_first: Trees of the next slot's price of an earlier fit; None: fit new ones. There are neither of the last
            two where the price is known when a slot is decided.
    """
    shape = InputShape.of(zone, frame)
    data = from_frame(frame, zone, shape)
    n, settings = data.prices.size, PROFILE
    span = (settings.fit_days + _FORWARD_DAYS) * shape.per_day
    stride = max(1, -(-min(n, span) // _MAX_ROWS))
    origins = np.arange(max(n - span, _FIRST_DAYS * shape.per_day), n - 1, dtype=np.int64)
    origins = origins[spread_out(origins, stride, shape.per_day)]
    if origins.size < _BLOCK_DAYS * shape.per_day // stride:
        return None
    rows = level_rows(data, origins, shape.steps, settings)
    rows = rows.take(np.isfinite(rows.scale))
    if rows.origins.size == 0:
        return None
    actual = targets(data, rows, shape.steps)
    forward = _walk_forward(rows, actual, shape, settings)
    complete: Bools = np.asarray(np.isfinite(forward).all(axis=1))
    if complete.sum() < shape.per_day // stride:
        return None
    recent, before, actual_prices = rows.take(complete), forward[complete], actual[complete]
    model = keep or fit_boost(data, recent, before, actual_prices, shape, boost)
    # Errors after the trees' correction would be too narrow: the trees have seen all but the last of them.
    columns = spread_columns(recent.features, recent.spread, recent.scale)
    spread = fit_spread(actual_prices - before, columns, recent.scale, _SPREAD_DAYS * shape.per_day // stride)
    last: Bools = np.asarray(rows.origins >= n - settings.fit_days * shape.per_day)
    newest_rows = rows.take(last)
    level = fit_level(newest_rows.features, scaled(actual[last], newest_rows, settings), newest_rows.block, settings)
    far = scaled(actual[last], newest_rows, settings, WIDE_CLIP)
    median = fit_median(median_columns(data, newest_rows), far, shape.steps, anchors_of(shape.horizon_min))
    battery = UnitBattery.of(zone)
    value = keep_value or fit_value(data, recent, before, shape, model.anchors, battery, settings=VALUE)
    bank = tuple(_bank_level(data, origins, shape, setting) for setting in BANK)
    first, margin = keep_first, keep_margin
    if shape.lead == 0:
        first = first or fit_next(data, recent, before, actual_prices, shape)
        margin = margin or fit_value(data, recent, before, shape, model.anchors, battery, settings=MARGIN)
    return RealTimePart(shape, settings, level, median, model, spread, bank, value, first, margin)


def _bank_level(data: PriceSeries, origins: Ints, shape: InputShape, settings: ProfileSettings) -> BankLevel:
    """Fit one profile of the bank on the last ``fit_days`` of origins."""
    recent = origins[origins >= data.prices.size - settings.fit_days * shape.per_day]
    rows = level_rows(data, recent, shape.steps, settings)
    rows = rows.take(np.isfinite(rows.scale))
    goal = scaled(targets(data, rows, shape.steps), rows, settings)
    return BankLevel(settings, fit_level(rows.features, goal, rows.block, settings))


def _walk_forward(rows: LevelRows, actual: Floats, shape: InputShape, settings: ProfileSettings) -> Floats:
    """Forecast each four weeks by a fit on the rows before whose targets had passed; NaN before the first fit."""
    out = np.full(actual.shape, np.nan)
    goal = scaled(actual, rows, settings)
    block, last = _BLOCK_DAYS * shape.per_day, int(rows.origins[-1])
    begin = last - min(_FORWARD_DAYS * shape.per_day, (last - int(rows.origins[0])) * 2 // 3)
    for start in range(begin, last + 1, block):
        past: Bools = np.asarray(
            (rows.origins < start) & (rows.origins >= start - settings.fit_days * shape.per_day), dtype=np.bool_
        )
        now: Bools = np.asarray((rows.origins >= start) & (rows.origins < start + block), dtype=np.bool_)
        if past.sum() < 100 or not now.any():
            continue
        matured = np.where((rows.origins[past][:, None] + shape.steps[None, :]) < start, goal[past], np.nan)
        model = fit_level(rows.features[past], matured, rows.block[past], settings)
        out[now] = level_prices(model, rows.take(now), shape)
    return out
