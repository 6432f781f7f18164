"""The feature kernel: computes the feature table for one origin slot, or for many, from channel values by slot.

Training replays it over a whole history, serving calls it on the ring: parity by construction. NaN means missing and
stays; a value that was not yet known at the origin (``limits``) is NaN too, so no feature can look ahead.
Rolling statistics go over the values twice (mean first, then deviations), which keeps them exact to rounding at any
level; when minimum and maximum agree the deviation is 0.
"""

from __future__ import annotations

import math

import numpy as np

from features import calendar as cal_fields
from features.feature_spec import Op
from features.kernel_calendar import calendar_column
from features.kernel_reads import (
    at,
    clear_sky,
    last_published,
    leaf,
    night_level,
    rolling,
    same_class_days,
    slot_mean,
    window_mean,
)
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

_DAY_CLASS = cal_fields.DAY_CLASS

SIMILAR_SEARCH_DAYS = 42
SIMILAR_FOUND = 12

VALUE, CHANGE, MEAN, STD, MIN, MAX = int(Op.VALUE), int(Op.CHANGE), int(Op.MEAN), int(Op.STD), int(Op.MIN), int(Op.MAX)
MEAN_GAP, POSITION, GRADIENT, PATH = int(Op.MEAN_GAP), int(Op.POSITION), int(Op.GRADIENT), int(Op.PATH)
RATIO, CLEARNESS, LAST_PUBLISHED_GAP = int(Op.RATIO), int(Op.CLEARNESS), int(Op.LAST_PUBLISHED_GAP)
PRODUCT, SEASON, SEASON_MEAN, SIMILAR = int(Op.PRODUCT), int(Op.SEASON), int(Op.SEASON_MEAN), int(Op.SIMILAR)
SIMILAR_STEP, SPLIT_SEASON, SPLIT_CHANGE = int(Op.SIMILAR_STEP), int(Op.SPLIT_SEASON), int(Op.SPLIT_CHANGE)
CLEAR_GAP, CLEAR_CHANGE = int(Op.CLEAR_GAP), int(Op.CLEAR_CHANGE)
SLOT_MEAN, SLOT_MEAN_GAP, SLOT_MEAN_CHANGE = int(Op.SLOT_MEAN), int(Op.SLOT_MEAN_GAP), int(Op.SLOT_MEAN_CHANGE)
AHEAD, AHEAD_CHANGE, AHEAD_STEP, AHEAD_GAP = int(Op.AHEAD), int(Op.AHEAD_CHANGE), int(Op.AHEAD_STEP), int(Op.AHEAD_GAP)
SCALED_AHEAD, AHEAD_RATIO, AHEAD_SQUARE = int(Op.SCALED_AHEAD), int(Op.AHEAD_RATIO), int(Op.AHEAD_SQUARE)
SUM, TARGET_PRODUCT = int(Op.SUM), int(Op.TARGET_PRODUCT)
KNOWN = int(Op.KNOWN)
CALENDAR = int(Op.CALENDAR)
HORIZON = int(Op.HORIZON)


@leaf
def _origin_column(  # noqa: C901, PLR0912, PLR0913, PLR0917 - a compiled kernel takes plain arrays
    op: int,
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    x: int,
    z: int,
    a: int,
    b: int,
    origins: Ints,
    day: int,
    out: Floats,
) -> None:
    """Compute one feature of the origin slots."""
    for n in range(origins.shape[0]):
        t = origins[n]
        limit = limits[n]
        now = at(data, base, low, limit, x, t)
        if op == VALUE:
            out[n] = now
        elif op == CHANGE:
            out[n] = now - at(data, base, low, limit, x, t - a)
        elif op == PATH:
            before = at(data, base, low, limit, x, t - b * day) - at(data, base, low, limit, x, t - a - b * day)
            out[n] = now - at(data, base, low, limit, x, t - a) - before
        elif op == RATIO:
            other = at(data, base, low, limit, z, t)
            out[n] = now / other if other != 0.0 else np.nan
            if a > 0:
                other = at(data, base, low, limit, z, t - a)
                out[n] -= at(data, base, low, limit, x, t - a) / other if other != 0.0 else np.nan
        elif op == CLEARNESS:
            night = night_level(data, base, low, limit, x, t, a, day)
            sky = clear_sky(data, base, low, limit, x, t, t, a, day, night)
            out[n] = min(now / sky, 1.5) if sky > 0.0 else (0.0 if sky == 0.0 else np.nan)
        elif op == LAST_PUBLISHED_GAP:
            out[n] = last_published(data, base, low, limit, x, t, day) - at(data, base, low, limit, z, t)
        elif op == MEAN:
            out[n] = window_mean(data, base, low, limit, x, t, a)
        elif op == MEAN_GAP:
            out[n] = window_mean(data, base, low, limit, x, t, a) - now
        else:
            lowest, highest, spread, slope = rolling(data, base, low, limit, x, t, a)
            if op == STD:
                out[n] = spread
            elif op == MIN:
                out[n] = lowest
            elif op == MAX:
                out[n] = highest
            elif op == POSITION:
                out[n] = (now - lowest) / (highest - lowest) if highest != lowest else 0.5
            else:
                out[n] = slope


@leaf
def _ahead_column(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    op: int,
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    x: int,
    z: int,
    a: int,
    origins: Ints,
    steps: Ints,
    divisor: Floats,
    out: Floats,
) -> None:
    """Compute one feature of what is published for the target slots; ``divisor`` is an earlier column."""
    for n in range(origins.shape[0]):
        t = origins[n]
        target = t + steps[n]
        limit = limits[n]
        ahead = at(data, base, low, limit, x, target)
        if op == AHEAD:
            out[n] = ahead
        elif op == KNOWN:
            out[n] = 0.0 if math.isnan(ahead) else 1.0
        elif op == AHEAD_CHANGE:
            out[n] = ahead - at(data, base, low, limit, x, t)
        elif op == AHEAD_STEP:
            out[n] = at(data, base, low, limit, x, target + a) - ahead
        elif op == AHEAD_GAP:
            out[n] = ahead - at(data, base, low, limit, z, t)
        elif op == AHEAD_SQUARE:
            out[n] = ahead * ahead
        elif op == AHEAD_RATIO:
            out[n] = ahead / divisor[n] if divisor[n] > 0.0 else np.nan
        else:
            now = at(data, base, low, limit, z, t)
            published = at(data, base, low, limit, x, t)
            factor = np.nan if math.isnan(now + published) else 1.0
            if published > 0.0:
                factor = min(max(now / published, 0.0), 3.0)
            out[n] = ahead * factor - now


@leaf
def _past_column(  # noqa: PLR0912, PLR0913, PLR0917 - a compiled kernel takes plain arrays
    op: int,
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    x: int,
    a: int,
    origins: Ints,
    steps: Ints,
    day: int,
    cal: Floats,
    cal_first: int,
    out: Floats,
) -> None:
    """Compute one feature of what happened at the targets' slot on earlier days."""
    now_too = np.nan
    for n in range(origins.shape[0]):
        t = origins[n]
        target = t + steps[n]
        limit = limits[n]
        fresh = n == 0 or t != origins[n - 1]
        if op in (SEASON, SPLIT_SEASON, SPLIT_CHANGE):
            if op != SEASON:
                i = target - cal_first
                back = day if op == SPLIT_CHANGE else a * day
                if i < back or cal[_DAY_CLASS, i - back] == cal[_DAY_CLASS, i]:
                    out[n] = 0.0
                    continue
            if op == SPLIT_CHANGE:
                out[n] = at(data, base, low, limit, x, t) - at(data, base, low, limit, x, t - a)
            else:
                before = at(data, base, low, limit, x, t - a * day)
                out[n] = at(data, base, low, limit, x, target - a * day) - before
        elif op in (CLEAR_CHANGE, CLEAR_GAP):
            if fresh:
                night = night_level(data, base, low, limit, x, t, a, day)
                now_too = clear_sky(data, base, low, limit, x, t, t, a, day, night)
            sky = clear_sky(data, base, low, limit, x, target, t, a, day, night)
            if op == CLEAR_CHANGE:
                out[n] = sky - now_too
            else:
                now = at(data, base, low, limit, x, t)
                out[n] = (min(now / now_too, 1.5) if now_too > 0.0 else 0.0) * sky - now
        else:
            mean = slot_mean(data, base, low, limit, x, target, t, a, day)
            if op == SLOT_MEAN_GAP:
                mean -= at(data, base, low, limit, x, t)
            elif op == SLOT_MEAN_CHANGE:
                if fresh:
                    now_too = slot_mean(data, base, low, limit, x, t, t, a, day)
                mean -= now_too
            out[n] = mean


@leaf
def _similar_column(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    op: int,
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    x: int,
    a: int,
    b: int,
    origins: Ints,
    steps: Ints,
    day: int,
    similar: Ints,
    out: Floats,
) -> None:
    """Compute one feature that averages over earlier weeks or over days of the targets' class."""
    most = a if op == SIMILAR else b
    for n in range(origins.shape[0]):
        t = origins[n]
        ahead = 0 if op == SIMILAR_STEP else steps[n]
        behind = a if op == SIMILAR_STEP else 0
        limit = limits[n]
        total = 0.0
        count = 0
        for m in range(b if op == SEASON_MEAN else similar.shape[1]):
            shift = (m + 1) * a * day if op == SEASON_MEAN else similar[n, m] * day
            if shift == 0:
                break
            value = at(data, base, low, limit, x, t - shift + ahead) - at(data, base, low, limit, x, t - shift - behind)
            if not math.isnan(value):
                total += value
                count += 1
                if count == most:
                    break
        out[n] = total / count if count > 0 else np.nan
        if op == SIMILAR_STEP:
            out[n] -= at(data, base, low, limit, x, t) - at(data, base, low, limit, x, t - a)


@kernel
def fill_origins(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    code: Ints, data: Floats, base: int, low: int, limits: Ints, origins: Ints, step_min: int, out: Floats
) -> None:
    """Compute the columns that depend on the origin alone.

    ``limits``: shape (origins, series). ``out``: shape (features, origins); its first rows are filled.

    Args:
        code: The spec as numbers, shape (features, 8): operation, two series, two parameters, two rows, 1 = by target.
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (origins, series).
        origins: Slot indices of the origins, shape (origins,).
        step_min: Length of a slot in minutes.
        out: Result, shape (features, origins); written in place.
    """
    day = 1440 // step_min
    for f in range(code.shape[0]):
        if code[f, 7] == 1:
            break
        op = code[f, 0]
        if op == PRODUCT:
            out[f] = out[code[f, 5]] * out[code[f, 6]]
        else:
            _origin_column(
                op, data, base, low, limits, code[f, 1], code[f, 2], code[f, 3], code[f, 4], origins, day, out[f]
            )


@kernel
def fill_targets(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    code: Ints,
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    cal: Floats,
    cal_first: int,
    origins: Ints,
    steps: Ints,
    step_min: int,
    out: Floats,
) -> None:
    """Compute the rows of ``out`` (features, pairs) that depend on the targets; the origin rows are filled already.

    Args:
        code: The spec as numbers, shape (features, 8): operation, two series, two parameters, two rows, 1 = by target.
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (origins, series).
        cal: Calendar table, shape (rows, slots).
        cal_first: Slot index of the calendar's column 0.
        origins: Slot indices of the origins, shape (origins,).
        steps: Slots from each origin to its target, shape (pairs,).
        step_min: Length of a slot in minutes.
        out: Result, shape (features, pairs); the origin rows are filled, the rest is written in place.
    """
    day = 1440 // step_min
    similar = same_class_days(cal, cal_first, origins, steps, day, SIMILAR_SEARCH_DAYS, SIMILAR_FOUND)
    for f in range(code.shape[0]):
        if code[f, 7] == 0:
            continue
        op = code[f, 0]
        x, z, a, b = code[f, 1], code[f, 2], code[f, 3], code[f, 4]
        if op == SUM:
            out[f] = out[code[f, 5]] + out[code[f, 6]]
        elif op == TARGET_PRODUCT:
            out[f] = out[code[f, 5]] * out[code[f, 6]]
        elif op >= CALENDAR:
            calendar_column(op, cal, cal_first, a, b, origins, steps, step_min, out[f])
        elif op >= AHEAD:
            _ahead_column(op, data, base, low, limits, x, z, a, origins, steps, out[max(code[f, 5], 0)], out[f])
        elif op in (SIMILAR, SEASON_MEAN, SIMILAR_STEP):
            _similar_column(op, data, base, low, limits, x, a, b, origins, steps, day, similar, out[f])
        else:
            _past_column(op, data, base, low, limits, x, a, origins, steps, day, cal, cal_first, out[f])


@kernel
def fill_row(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    code: Ints,
    n_origin: int,
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    cal: Floats,
    cal_first: int,
    t: int,
    horizons: Ints,
    step_min: int,
    out: Floats,
) -> None:
    """Compute all features for every horizon of one origin.

    ``limits``: shape (1, series). ``out``: shape (features, horizons).

    Args:
        code: The spec as numbers, shape (features, 8): operation, two series, two parameters, two rows, 1 = by target.
        n_origin: Number of features that depend on the origin alone; they come first.
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (1, series).
        cal: Calendar table, shape (rows, slots).
        cal_first: Slot index of the calendar's column 0.
        t: Slot index of the origin.
        horizons: Slots from the origin to each target, shape (H,).
        step_min: Length of a slot in minutes.
        out: Result, shape (features, H); written in place.
    """
    pairs = horizons.shape[0]
    first = np.empty((n_origin, 1))
    fill_origins(code[:n_origin], data, base, low, limits, np.array([t]), step_min, first)
    for f in range(n_origin):
        out[f] = first[f, 0]
    origins = np.full(pairs, t)
    every = np.empty((pairs, limits.shape[1]), dtype=np.int64)
    every[:] = limits[0]
    fill_targets(code, data, base, low, every, cal, cal_first, origins, horizons, step_min, out)
