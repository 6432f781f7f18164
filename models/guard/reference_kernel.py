"""The reference value of a channel in quarantine, and the test whether a measured value agrees with it again."""

from __future__ import annotations

import numpy as np

from models.guard.channel_kernel import WIDTH, Fit, near, width_of
from models.guard.layout import Shape, State
from models.guard.member_kernel import given_error
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

RELEASE_SIGMA, WITNESS_SIGMA = 2.5, 3.0
PUBLISHED_SIGMA, PUBLISHED_SHARE = 1.5, 0.5
ALL = -1

ACTIVE, SUSPECT, AGE, IS_HARD, KIND, HELD, BALANCED = range(7)
"""Fields of a quarantine: on or off, channel (-1: all), slots since the last trusted value, whether values are
replaced, verdict, slots judged, whether an independent total contradicts."""


@kernel(error_model="numpy")
def flying(index: int, c: int, shape: Shape, state: State) -> float:
    """Return the one-step forecast of channel ``c`` for the slot, MW.

    Args:
        index: Number of the slot.
        c: Channel.
        shape: Layout of channels and forecasts.
        state: State of the zone.
    """
    value: float = np.float64(state.waiting[shape.first[c], (index - 1) % state.waiting.shape[1]])
    return value


@kernel(error_model="numpy")
def aged_width(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    context: Floats, at: int, c: int, age: float, shape: Shape, state: State, fit: Fit
) -> float:
    """Return the standard deviation (MW) of a forecast of channel ``c`` that is ``age`` slots old.

    Args:
        context: Group, calendar and scale of each slot, as ``judge`` takes them.
        at: Column of the slot in ``context``.
        c: Channel.
        age: Age of the forecast (slots).
        shape: Layout of channels and forecasts.
        state: State of the zone.
        fit: What was fitted on clean data.
    """
    low, high = shape.first[c], shape.first[c]
    for s in range(shape.first[c], shape.last[c] + 1):
        if shape.ahead[s] <= age:
            low = s
        high = s
        if shape.ahead[s] >= age:
            break
    group = int(context[0, at])
    first = width_of(low, c, group, context[2, at], state, fit)
    if high == low:
        return first
    share = (age - shape.ahead[low]) / (shape.ahead[high] - shape.ahead[low])
    return float(first + share * (width_of(high, c, group, context[2, at], state, fit) - first))


@kernel(error_model="numpy")
def reference(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    window: Floats, supply: Floats, context: Floats, at: int, index: int, c: int, shape: Shape, state: State, fit: Fit
) -> tuple[float, float, bool]:
    """Return the expected value of channel ``c``, its standard deviation (MW), and whether it comes from a witness.

    The flying forecast; for the primary channel what the other supply of the zone says of its change, where that is a
    witness, within ``WITNESS_SIGMA`` of the flying forecast.

    Args:
        window: Channel values and net load by row and position, shape (rows, slots), MW; NaN is missing.
        supply: Values of the companions at the slot, shape (companions,), MW.
        context: Group, calendar and scale of each slot, as ``judge`` takes them.
        at: Column of the slot in ``window`` and ``context``.
        index: Number of the slot.
        c: Channel.
        shape: Layout of channels and forecasts.
        state: State of the zone.
        fit: What was fitted on clean data.
    """
    q = state.quarantine
    due, width = flying(index, c, shape, state), aged_width(context, at, c, q[AGE], shape, state, fit)
    if c > 0 or q[SUSPECT] != 0.0 or fit.given.shape[1] == 0:
        return due, width, False
    witness = window[0, at] - given_error(window, supply, at, index, 0, shape, state, fit)
    if np.isnan(witness) or np.isnan(due):
        return due, width, False
    own_width = width_of(shape.row.shape[0], 0, int(context[0, at]), context[2, at], state, fit) * np.sqrt(q[AGE])
    most = WITNESS_SIGMA * width
    return float(due + min(max(witness - due, -most), most)), float(min(own_width, width)), True


@kernel(error_model="numpy")
def _is_published(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, published: Floats, context: Floats, at: int, index: int, shape: Shape, state: State, fit: Fit
) -> bool:
    """Whether the primary channel lies at its published forecast, and its flying forecast far from it."""
    group = int(context[0, at])
    due = published[0, at] + near(state.bias, group)
    size = max(near(state.gap_scale, group) * np.sqrt(min(max(state.gap_ratio[0], 0.5), 3.0)), fit.floor[0])
    off, distance = abs(window[0, at] - due), abs(flying(index, 0, shape, state) - due)
    return bool(off < PUBLISHED_SIGMA * WIDTH * size and off < PUBLISHED_SHARE * distance)


@kernel(error_model="numpy")
def agrees(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    window: Floats,
    published: Floats,
    supply: Floats,
    context: Floats,
    at: int,
    index: int,
    shape: Shape,
    state: State,
    fit: Fit,
) -> bool:
    """Whether each suspect channel is near its flying forecast, its witness or the published forecast.

    Args:
        window: Channel values and net load by row and position, shape (rows, slots), MW; NaN is missing.
        published: Published forecasts of the same rows, shape (rows, slots), MW; NaN if there is none.
        supply: Values of the companions at the slot, shape (companions,), MW.
        context: Group, calendar and scale of each slot, as ``judge`` takes them.
        at: Column of the slot in ``window`` and ``context``.
        index: Number of the slot.
        shape: Layout of channels and forecasts.
        state: State of the zone.
        fit: What was fitted on clean data.
    """
    q, checked = state.quarantine, False
    for c in range(shape.channels):
        if q[SUSPECT] == ALL or q[SUSPECT] == c:
            due, width = flying(index, c, shape, state), aged_width(context, at, c, q[AGE], shape, state, fit)
            near_it = abs(window[c, at] - due) < RELEASE_SIGMA * width
            if not near_it:
                due, width, _ = reference(window, supply, context, at, index, c, shape, state, fit)
                near_it = abs(window[c, at] - due) < RELEASE_SIGMA * width
            if not near_it and not (c == 0 and _is_published(window, published, context, at, index, shape, state, fit)):
                return False
            checked = True
    return checked
