"""Forecasts every channel at a slot, and learns windows, scales and biases from the slots that can be trusted.

The scale of a stream is the mean absolute error of its forecasts by group of slots of the day, over ``SCALE_DAYS``; an
error counts as ``ERROR_CAP`` scales at most. The bias is the mean gap to the published forecast, over ``BIAS_DAYS``.
"""

from __future__ import annotations

import numpy as np

from models.guard.channel_kernel import SCALE_DAYS, Fit, forecast, near, standardised
from models.guard.layout import VARIANCE_SLOTS, Shape, State
from models.guard.member_kernel import given_error
from vpp.numerics.arrays import Floats, Floats32
from vpp.numerics.compiled import kernel

BIAS_DAYS = 14.0
RATIO_SLOTS = 96.0
ERROR_CAP = 6.0


@kernel(error_model="numpy")
def issue(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, published: Floats, context: Floats, at: int, index: int, shape: Shape, state: State, fit: Fit
) -> None:
    """Write the forecast of every stream, made at the slot, into ``state.waiting``.

    Args:
        window: Channel values and net load by row and position, shape (rows, slots), MW; NaN is missing.
        published: Published forecasts of the same rows, shape (rows, slots), MW; NaN if there is none.
        context: Slot of the day and calendar, shape (k, slots).
        at: Column of the slot in these arrays.
        index: Index of the slot since 1970, the place in the rings of ``state``.
        shape: What is forecast, and how far ahead.
        state: The state of the zone's guard; changed in place.
        fit: The fitted model.
    """
    work = np.empty(fit.mean.shape[1])
    for s in range(shape.row.shape[0]):
        expected = forecast(window, published, context, at, s, shape, fit, work)
        state.waiting[s, index % state.waiting.shape[1]] = expected


@kernel(error_model="numpy")
def learn(  # noqa: C901, PLR0912, PLR0913, PLR0917 - a compiled kernel takes plain arrays
    window: Floats,
    published: Floats,
    supply: Floats,
    context: Floats,
    at: int,
    index: int,
    trusted: bool,
    shape: Shape,
    state: State,
    fit: Fit,
) -> None:
    """Enter the slot's errors into windows, scales and the bias.

    Args:
        window: Channel values and net load by row and position, shape (rows, slots), MW; NaN is missing.
        published: Published forecasts of the same rows, shape (rows, slots), MW; NaN if there is none.
        supply: Values of the companions at the slot, shape (companions,), MW.
        context: Slot of the day and calendar, shape (k, slots).
        at: Column of the slot in these arrays.
        index: Index of the slot since 1970, the place in the rings of ``state``.
        trusted: False enters NaN, so nothing is learnt from the slot.
        shape: What is forecast, and how far ahead.
        state: The state of the zone's guard; changed in place.
        fit: The fitted model.
    """
    ring, streams = state.waiting.shape[1], shape.row.shape[0]
    for member, row in ((0, 0), (1, shape.net)):
        z = np.nan
        if trusted:
            z = standardised(window, context, at, index, shape.first[row], shape, state, fit)
        state.recent[member, index % VARIANCE_SLOTS] = z
    for s in range(streams + 2):
        error = np.nan
        back = shape.ahead[s] if s < streams else (1 if s == streams else shape.ahead[shape.last[0]])
        if trusted and state.trusted[(index - back) % ring] == 1.0:
            if s < streams:
                error = window[shape.row[s], at] - state.waiting[s, (index - back) % ring]
            else:
                error = given_error(window, supply, at, index, s - streams, shape, state, fit)
        state.late[s, index % ring] = abs(error)
    if at >= ring - 1:
        group = int(context[0, at - ring + 1])
        per_group = max(shape.per_day // shape.groups, 1)
        for s in range(streams + 2):
            size = np.float64(state.late[s, (index + 1) % ring])
            if not np.isnan(size):
                _enter(size, state.scale[s], state.ratio, s, group, per_group)
    if at >= shape.per_day:
        then = at - shape.per_day
        group = int(context[0, then])
        per_group = max(shape.per_day // shape.groups, 1)
        size = np.float64(state.gaps[index % shape.per_day])
        if not np.isnan(size):
            _enter(size, state.gap_scale, state.gap_ratio, 0, group, per_group)
        gap = window[0, then] - published[0, then]
        if not np.isnan(gap):
            start = state.bias[group] == 0.0
            state.bias[group] += (gap - state.bias[group]) * (1.0 if start else 1.0 / (BIAS_DAYS * per_group))
    off = window[0, at] - published[0, at] - near(state.bias, int(context[0, at]))
    state.gaps[index % shape.per_day] = abs(off) if trusted else np.nan
    for k in range(shape.companions):
        state.companions[k, index % ring] = supply[k]
    state.trusted[index % ring] = 1.0 if trusted else 0.0


@kernel(error_model="numpy")
def _enter(size: float, scale: Floats32, ratio: Floats32, s: int, group: int, per_group: int) -> None:
    """Enter one absolute error into a scale by slot of the day and into how recent errors stand to it."""
    is_known = near(scale, group)
    if is_known > 0.0:
        size = min(size, ERROR_CAP * is_known)
        ratio[s] += (size / is_known - ratio[s]) / RATIO_SLOTS
    if scale[group] == 0.0:
        scale[group] = size
    scale[group] += (size - scale[group]) / (SCALE_DAYS * per_group)
