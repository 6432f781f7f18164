"""Forecasts of each channel separately, and errors in their own standard deviations.

A window holds one row per channel (the primary one first) and one for net load, oldest slot first; ``at`` is the
position of the slot that is judged, ``index`` its number since 1970, by which the rings of the state are addressed.
``context`` has the rows group of the local day, day class, special day, local time minus UTC (slots).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.guard.layout import Shape, State
from vpp.numerics.arrays import Bools, Floats, Floats32
from vpp.numerics.compiled import kernel

WIDTH = 1.25
"""A mean absolute error times this is a standard deviation, for a normal error."""

CLIP = 6.0
FACTORS = 7
SCALE_DAYS = 28.0
SPECIAL_WIDTH = 1.5


class Fit(NamedTuple):
    """What is learned: channel forecasts, floors of the scales and the tables of evidence.

    ``mean``, ``sd``: (S, inputs). ``beta``: (S, 2, terms), without and with the published forecast; ``usable``: (S, 2).
    ``floor``: smallest scale by row, MW. ``ramp``: (H, H, H), inverse correlation of the primary channel's errors at
    the first n + 1 horizons. ``given``: (2, inputs) regression of the load's error on its supply. ``tolerance``: MW by
    balance; ``part``: (balances, channels), signs of the channels in it. ``levels``, ``evidence``: (members + decks,
    knots); ``tail``: (members + decks, 3) threshold, scale, shape.
    ``added``, ``single``: members of the decks. ``offset``: of the decks. ``alarm``: score of an alarm. ``rate``: share
    of the budget by deck, episodes a week. ``most``: highest evidence by deck that the clean past supports.
    """

    mean: Floats
    sd: Floats
    beta: Floats
    usable: Bools
    floor: Floats
    ramp: Floats
    given: Floats
    tolerance: Floats
    part: Floats
    levels: Floats
    evidence: Floats
    tail: Floats
    added: Bools
    single: Bools
    offset: Floats
    alarm: Floats
    rate: Floats
    most: Floats


@kernel(error_model="numpy")
def _shifted(context: Floats, position: int, target: int) -> int:
    """Return the position at the same local time as ``target`` on the day of ``position``."""
    return position + int(context[3, target] - context[3, position])


@kernel(error_model="numpy")
def fill_inputs(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, published: Floats, context: Floats, at: int, row: int, ahead: int, shape: Shape, out: Floats
) -> bool:
    """Write the inputs of one forecast and return whether the published forecast of its target is known.

    Args:
        window: Channel values by row and position, shape (rows, slots), MW, NaN missing.
        published: Published forecasts of the rows, shape (rows, slots), NaN unknown.
        context: Rows of ``context_of`` by position, shape (4, slots).
        at: Position of the slot in ``window``.
        row: Row of the channel.
        ahead: Slots from origin to target.
        shape: Sizes and rows of the guard.
        out: Inputs, shape (inputs,); written in place.
    """
    values, n = window[row], 0
    now = values[at]
    for j in shape.lags:
        out[n] = now - values[at - j] if at >= j else np.nan
        n += 1
    for d in shape.days:
        u = at + ahead - d * shape.per_day
        out[n] = np.nan
        if u >= 0:
            u = _shifted(context, u, at + ahead)
            if ahead <= u <= at:
                out[n] = values[u] - values[u - ahead]
        n += 1
    for c in range(shape.channels):
        out[n] = window[c, at]
        out[n + 1] = window[c, at] - window[c, at - 1] if at >= 1 else np.nan
        out[n + 2] = window[c, at - 1] - window[c, at - 2] if at >= 2 else np.nan
        n += 3
    outside = published[row]
    out[n] = outside[at + ahead] - outside[at]
    out[n + 1] = now - outside[at]
    out[n + 2] = values[at - 1] - outside[at - 1] if at >= 1 else np.nan
    out[n + 3] = values[at - shape.per_day] - outside[at - shape.per_day] if at >= shape.per_day else np.nan
    return not (np.isnan(out[n]) or np.isnan(out[n + 1]))


@kernel(error_model="numpy")
def factors(group: int, day_class: int, groups: int, out: Floats) -> None:
    """Write what each input is multiplied with: 1, two harmonics of the local time, Saturday, Sunday or holiday.

    Args:
        group: Group of the local day.
        day_class: 0 workday, 1 Saturday, 2 Sunday or holiday.
        groups: Groups of a day.
        out: Factors, shape (7,); written in place.
    """
    angle = 2.0 * np.pi * (group + 0.5) / groups
    out[0] = 1.0
    out[1], out[2] = np.sin(angle), np.cos(angle)
    out[3], out[4] = np.sin(2.0 * angle), np.cos(2.0 * angle)
    out[5], out[6] = 1.0 if day_class == 1 else 0.0, 1.0 if day_class == 2 else 0.0


@kernel(error_model="numpy")
def forecast(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, published: Floats, context: Floats, at: int, s: int, shape: Shape, fit: Fit, work: Floats
) -> float:
    """Return the forecast of stream ``s`` from position ``at`` (MW), NaN if there is none.

    Args:
        window: Channel values by row and position, shape (rows, slots), MW, NaN missing.
        published: Published forecasts of the rows, shape (rows, slots), NaN unknown.
        context: Rows of ``context_of`` by position, shape (4, slots).
        at: Position of the slot in ``window``.
        s: Number of the stream (a channel and a horizon).
        shape: Sizes and rows of the guard.
        fit: What was learned.
        work: Scratch space for the inputs, shape (inputs,), overwritten.
    """
    row, ahead = shape.row[s], shape.ahead[s]
    inputs = work[: fit.mean.shape[1]]
    is_complete = fill_inputs(window, published, context, at, row, ahead, shape, inputs)
    variant = 1 if is_complete and fit.usable[s, 1] else 0
    if np.isnan(window[row, at]) or not fit.usable[s, variant]:
        return np.nan
    target = at + ahead
    group, day_class = int(context[0, target]), int(context[1, target])
    times = np.empty(FACTORS)
    factors(group, day_class, shape.groups, times)
    beta = fit.beta[s, variant]
    total, n = 0.0, inputs.shape[0]
    for j in range(n):
        z = (inputs[j] - fit.mean[s, j]) / fit.sd[s, j]
        if np.isnan(z):
            continue
        z = min(max(z, -CLIP), CLIP)
        for k in range(FACTORS):
            total += beta[j * FACTORS + k] * z * times[k]
    return float(window[row, at] + total + beta[n * FACTORS + group * 3 + day_class])


@kernel(error_model="numpy")
def near(scale: Floats32, group: int) -> float:
    """Return a scale at a slot of the day, a half of its own and a quarter of each neighbour's."""
    n = scale.shape[0]
    return float(0.5 * scale[group] + 0.25 * (scale[(group - 1) % n] + scale[(group + 1) % n]))


@kernel(error_model="numpy")
def width_of(s: int, row: int, group: int, special: float, state: State, fit: Fit) -> float:
    """Return the standard deviation (MW) expected of an error of stream ``s``.

    Args:
        s: Number of the stream (a channel and a horizon).
        row: Row of the channel.
        group: Group of the local day.
        special: 1 on a special day (``context_of``), where errors are expected to be larger; else 0.
        state: Windows and waiting forecasts of the guard.
        fit: What was learned.
    """
    ratio = min(max(state.ratio[s], 0.5), 3.0)
    size = max(near(state.scale[s], group) * np.sqrt(ratio), fit.floor[row])
    return float(WIDTH * size * (SPECIAL_WIDTH if special > 0.0 else 1.0))


@kernel(error_model="numpy")
def _error(window: Floats, at: int, index: int, s: int, shape: Shape, state: State) -> float:
    """Return measured minus forecast of the slot, of stream ``s``."""
    ring = state.waiting.shape[1]
    return float(window[shape.row[s], at] - state.waiting[s, (index - shape.ahead[s]) % ring])


@kernel(error_model="numpy")
def standardised(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, context: Floats, at: int, index: int, s: int, shape: Shape, state: State, fit: Fit
) -> float:
    """Return the error of stream ``s`` at the slot in standard deviations; NaN if its origin is not trusted.

    Args:
        window: Channel values by row and position, shape (rows, slots), MW, NaN missing.
        context: Rows of ``context_of`` by position, shape (4, slots).
        at: Position of the slot in ``window``.
        index: Slot index at ``at``.
        s: Number of the stream (a channel and a horizon).
        shape: Sizes and rows of the guard.
        state: Windows and waiting forecasts of the guard.
        fit: What was learned.
    """
    if state.trusted[(index - shape.ahead[s]) % state.trusted.shape[0]] == 0.0:
        return np.nan
    width = width_of(s, shape.row[s], int(context[0, at]), context[2, at], state, fit)
    return float(_error(window, at, index, s, shape, state) / width)
