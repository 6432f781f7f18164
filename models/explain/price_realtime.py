"""Contributions to a real-time price forecast: the level-updated profile and the trees, exactly as blended.

A forecast is ``usual price + (1 - w) × linear + w × trees``, within the market's limits. The linear part is coefficient
× input × scale; the trees' part is their exact SHAP values at the anchor horizons, interpolated as the forecast is.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from models.price.contract import RingView
from models.price.profile import lag_steps, mean_steps, side_steps
from models.price.realtime.inputs import InputShape, from_ring
from models.price.realtime.model import RealTimePart, level_prices
from models.price.realtime.profile_features import LevelRows, level_rows
from models.price.realtime.trees import RECENT_UNITS, SIDE_UNITS, boost_table
from models.price.series import PriceSeries
from vpp.errors import DataError
from vpp.numerics.arrays import Floats

CONSTANT = "constant"
_TREE_CLIP = 6.0
_SIDE_NAMES = {"load_mw": "load", "net_load": "net load", "niv_mwh": "imbalance volume"}


def real_time_parts(part: RealTimePart, ring: RingView, slot_index: int, h: int) -> tuple[float, dict[str, float]]:
    """Return the usual price of the target's slot of the day, and what each input adds to it, per MWh.

    Args:
        part: The price part.
        ring: Values up to the slot and published values of later ones.
        slot_index: Index of the last closed slot.
        h: Number of the horizon.

    Raises:
        DataError: No price of the last day is known, so no model can be used.
    """
    shape, steps = part.shape, part.shape.steps
    first = slot_index - (part.settings.level_days + 2) * shape.per_day
    data = from_ring(ring, shape, first, slot_index + 1 + shape.lead)
    rows = level_rows(data, np.array([data.prices.size - 1]), steps, part.settings)
    if not np.isfinite(data.prices[-shape.per_day :]).any() or not np.isfinite(rows.scale[0]):
        raise DataError("no price of the last day is known: the forecast is the fallback's", hint="choose a later --at")
    level = level_prices(part.level, rows, shape)
    weight = float(part.boost.weights(steps)[h])
    usual = float(rows.base[0, h])
    out: defaultdict[str, float] = defaultdict(float)
    beta = part.level.pooled[:, h] + part.level.blocks[int(rows.block[0])][:, h]
    linear = rows.features[0] * beta * rows.scale[0]
    for name, value in zip(_level_names(shape), linear.tolist(), strict=True):
        out[name] += (1.0 - weight) * value
    if weight > 0.0:
        for name, value in zip(_tree_names(data, shape), _trees(part, data, rows, level, h).tolist(), strict=True):
            out[name] += weight * value
    return usual, dict(out)


def _trees(part: RealTimePart, data: PriceSeries, rows: LevelRows, level: Floats, h: int) -> Floats:
    """Return each column's contribution to the trees' price at horizon ``h`` per MWh, bias last, shape (K + 1,)."""
    steps, anchors = part.shape.steps, part.boost.anchors
    table = boost_table(data, rows, level, steps, anchors)
    values = part.boost.trees.contributions(table)
    total = values.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(total != 0.0, np.clip(total, -_TREE_CLIP, _TREE_CLIP) / total, 1.0)
    share = np.array([np.interp(steps[h], steps[anchors], row) for row in np.eye(anchors.size)])
    return np.asarray((share * factor) @ values * rows.scale[0])


def _level_names(shape: InputShape) -> list[str]:
    """Return names of the columns of ``level_rows``."""
    step = shape.step_min
    names = [CONSTANT, *(f"price off its usual {_ago(int(lag) * step)}" for lag in lag_steps(step))]
    names += [f"price off its usual, mean of {_span(int(width) * step)}" for width in mean_steps(step)]
    names += ["price spike now", f"price spike, mean of {_span(int(mean_steps(step)[0]) * step)}"]
    for side in shape.sides:
        name = _SIDE_NAMES.get(side, side)
        names.append(f"{name} off its usual now")
        names += [f"{name} off its usual, mean of {_span(int(width) * step)}" for width in side_steps(step)]
    return names


def _tree_names(data: PriceSeries, shape: InputShape) -> list[str]:
    """Return names of the columns of ``boost_table``, and of the bias."""
    unit = max(1, 30 // shape.step_min) * shape.step_min
    names = [
        "horizon",
        "profile's own forecast",
        "usual change to the target's slot",
        "usual spread at the target",
        "time of day",
        "time of day",
        "weekday",
        "size of price swings",
        "usual price at the target",
        "price a day before the target",
        "price two days before the target",
        "price a week before the target",
    ]
    for _ in data.published:
        names += ["published net load, change to the target", "published net load against usual days"]
    names += _level_names(shape)[1:]
    names += [f"price off its usual {_ago(k * unit)}" for k in RECENT_UNITS.tolist()]
    for side in shape.sides:
        name = _SIDE_NAMES.get(side, side)
        names += [f"{name}, change over {_span(k * unit)}" for k in SIDE_UNITS.tolist()] + [f"{name} now"]
    names += ["published net load now" for _ in data.published]
    return [*names, CONSTANT]


def _ago(minutes: int) -> str:
    return "now" if minutes == 0 else f"{_span(minutes)} ago"


def _span(minutes: int) -> str:
    return f"{minutes} min" if minutes < 60 or minutes % 60 else f"{minutes // 60} h"
