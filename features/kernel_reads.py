"""Reads of series in the kernel: one value, a rolling window, the target's slot on earlier days.

``data`` has shape (series, capacity); slot i stands in column ``i - base``, or ``i - base - capacity`` where that is
past the end (``base`` is a multiple of the capacity at or before ``low``). ``low`` is the first slot that may be read,
``limits[s]`` the last slot of series s that was known at the origin.
"""

from __future__ import annotations

import numpy as np

from features.calendar import DAY_CLASS
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

_DAY_CLASS = DAY_CLASS

# Counting references to array arguments costs 30 ns a call, ten times what these functions do. They allocate nothing,
# so they go without.
leaf = kernel(_nrt=False)

NIGHT_SHARE = 1e-4


@leaf
def sum_series(
    channels: Floats,
    rows: Ints,
    signs: Floats,
    first: int,
    last: int,
    out: Floats,
) -> None:
    """Write the series of columns ``first`` to ``last`` (exclusive) into ``out``: sums of signed channel values.

    ``rows[s, j]`` and ``signs[s, j]`` name the channels that series s sums; row -1 ends the list.

    Args:
        channels: Channel values, shape (channels, slots), NaN missing.
        rows: Channels that each series sums, shape (series, most); -1 ends a list.
        signs: Sign of each of them, same shape.
        first: First column.
        last: Last column, exclusive.
        out: Result, shape (series, slots); written in place.
    """
    for s in range(rows.shape[0]):
        for column in range(first, last):
            total = 0.0
            for j in range(rows.shape[1]):
                if rows[s, j] < 0:
                    break
                total += signs[s, j] * channels[rows[s, j], column]
            out[s, column] = total


@leaf
def at(
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    s: int,
    i: int,
) -> float:
    """Return series ``s`` at slot ``i``, NaN when it is missing, out of reach or not yet known.

    Args:
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (series,).
        s: Row of the series.
        i: Slot index.
    """
    if i < low or i > limits[s]:
        return np.nan
    column = i - base
    if column >= data.shape[1]:
        column -= data.shape[1]
    value: float = data[s, column]
    return value


@leaf
def window_mean(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    s: int,
    t: int,
    width: int,
) -> float:
    """Return the mean over ``(t - width, t]``; missing values are left out, NaN when more than half are missing.

    Args:
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (series,).
        s: Row of the series.
        t: Slot index of the origin.
        width: Slots of the window.
    """
    count = 0
    total = 0.0
    for i in range(t - width + 1, t + 1):
        value = at(data, base, low, limits, s, i)
        if not np.isnan(value):
            count += 1
            total += value
    return total / count if 2 * count >= width else np.nan


@leaf
def rolling(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    s: int,
    t: int,
    width: int,
) -> tuple[float, float, float, float]:
    """Return minimum, maximum, standard deviation and slope per step over ``(t - width, t]``.

    The deviation is the population's. Missing values are left out; all NaN when more than half are missing. Two passes:
    the mean, then deviations from it with the rest of the first pass removed (Chan, Golub, LeVeque 1983).

    Args:
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (series,).
        s: Row of the series.
        t: Slot index of the origin.
        width: Slots of the window.
    """
    count = 0
    total = 0.0
    lowest = np.inf
    highest = -np.inf
    place = 0.0
    for i in range(t - width + 1, t + 1):
        value = at(data, base, low, limits, s, i)
        if not np.isnan(value):
            count += 1
            total += value
            place += i - t
            lowest = min(lowest, value)
            highest = max(highest, value)
    if 2 * count < width:
        return np.nan, np.nan, np.nan, np.nan
    if lowest == highest:
        return lowest, highest, 0.0, 0.0
    mean = total / count
    middle = place / count
    squares = 0.0
    remainder = 0.0
    cross = 0.0
    spread = 0.0
    for i in range(t - width + 1, t + 1):
        value = at(data, base, low, limits, s, i)
        if not np.isnan(value):
            off = value - mean
            offset = (i - t) - middle
            squares += off * off
            remainder += off
            cross += offset * off
            spread += offset * offset
    variance = (squares - remainder * remainder / count) / count
    return lowest, highest, np.sqrt(max(variance, 0.0)), cross / spread


@leaf
def slot_mean(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    s: int,
    target: int,
    t: int,
    days: int,
    day: int,
) -> float:
    """Return the mean of series ``s`` at the slot of ``target`` over the last ``days`` days that are past.

    Missing days are left out; NaN when fewer than a third are there.

    Args:
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (series,).
        s: Row of the series.
        target: Slot index of the target.
        t: Slot index of the origin.
        days: Days to look back.
        day: Slots of a day.
    """
    total = 0.0
    count = 0
    for d in range(1, days + 1):
        i = target - d * day
        if i <= t:
            value = at(data, base, low, limits, s, i)
            if not np.isnan(value):
                total += value
                count += 1
    if 3 * count < days:
        return np.nan
    return total / count


@leaf
def night_level(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    s: int,
    t: int,
    days: int,
    day: int,
) -> float:
    """Return the value of series ``s`` below which a slot counts as night: a share of its peak, NaN without a peak.

    The share, ``NIGHT_SHARE``, is above the noise of a meter at night, for a region and for a roof alike. The peak is
    read every half hour.

    Args:
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (series,).
        s: Row of the series.
        t: Slot index of the origin.
        days: Days to look back.
        day: Slots of a day.
    """
    peak = np.nan
    stride = max(day // 48, 1)
    for k in range(days * day // stride):
        value = at(data, base, low, limits, s, t - k * stride)
        if not np.isnan(value) and not value <= peak:
            peak = value
    return peak * NIGHT_SHARE


@leaf
def clear_sky(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    s: int,
    target: int,
    t: int,
    days: int,
    day: int,
    night: float,
) -> float:
    """Return the maximum of series ``s`` at the slot of ``target`` over the last ``days`` days, NaN when none is there.

    Below ``night`` the slot counts as night: 0.

    Args:
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (series,).
        s: Row of the series.
        target: Slot index of the target.
        t: Slot index of the origin.
        days: Days to look back.
        day: Slots of a day.
        night: As ``night_level``, in the unit of the series.
    """
    highest = np.nan
    for d in range(days + 1):
        i = target - d * day
        if i <= t:
            value = at(data, base, low, limits, s, i)
            if not np.isnan(value) and not value <= highest:
                highest = value
    if highest < night:
        return 0.0
    return highest


@leaf
def last_published(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    data: Floats,
    base: int,
    low: int,
    limits: Ints,
    s: int,
    t: int,
    day: int,
) -> float:
    """Return series ``s`` at the last slot of the next three days for which it is published; NaN when there is none.

    Args:
        data: Series values as a ring, shape (series, slots), NaN missing.
        base: Slot index of column 0.
        low: First slot index that may be read.
        limits: Last slot index that each series may be read at, shape (series,).
        s: Row of the series.
        t: Slot index of the origin.
        day: Slots of a day.
    """
    for i in range(min(t + 3 * day, limits[s]), t, -1):
        value = at(data, base, low, limits, s, i)
        if not np.isnan(value):
            return value
    return np.nan


@kernel
def same_class_days(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    cal: Floats,
    cal_first: int,
    origins: Ints,
    steps: Ints,
    day: int,
    search: int,
    most: int,
) -> Ints:
    """Return the days back to earlier days of the targets' day class, shape (targets, most); 0 fills unused places.

    Args:
        cal: Calendar table, shape (rows, slots).
        cal_first: Slot index of the calendar's column 0.
        origins: Slot indices of the origins, shape (origins,).
        steps: Slots from each origin to its target, shape (pairs,).
        day: Slots of a day.
        search: Days to search back.
        most: Days to return for each target.
    """
    out = np.zeros((origins.shape[0], most), dtype=np.int64)
    for n in range(origins.shape[0]):
        i = origins[n] + steps[n] - cal_first
        count = 0
        for d in range(1, search + 1):
            j = i - d * day
            if j < 0 or count == most:
                break
            if cal[_DAY_CLASS, j] == cal[_DAY_CLASS, i]:
                out[n, count] = d
                count += 1
    return out
