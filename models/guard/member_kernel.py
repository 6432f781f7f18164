"""Evidence members of one slot.

Sources: scaled residuals; matched filter for a ramp of unknown onset (Van Trees 1968).
"""

from __future__ import annotations

import numpy as np

from models.guard.channel_kernel import SCALE_DAYS, SPECIAL_WIDTH, WIDTH, Fit, near, standardised, width_of
from models.guard.layout import SEEN, VARIANCE_SLOTS, Shape, State
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

(
    NET_NEXT,
    NET_FAR,
    NET_VARIANCE,
    NEXT,
    FAR,
    VARIANCE,
    SHORT_VARIANCE,
    GAP,
    RAMP,
    GIVEN_SUPPLY,
    GIVEN_SUPPLY_FAR,
    SECOND_NEXT,
    SECOND_MIDDLE,
    THIRD_NEXT,
    THIRD_MIDDLE,
    LEVEL_3,
    LEVEL_6,
    CHANGE_6,
    REPEAT,
    DAY_REPEAT,
    SLOW,
    BALANCE,
) = range(22)
MEMBERS = 22

OLDEST_SAME_DAYS, MOST_EQUAL = 8, 6
DRIFT_DAYS, DRIFT_CAP = 16, 3.0


@kernel(error_model="numpy")
def _ramp(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, context: Floats, at: int, index: int, shape: Shape, state: State, fit: Fit
) -> tuple[float, int]:
    """Return the largest ``|a' R^-1 z| / sqrt(a' R^-1 a)`` over onsets n, and its onset.

    ``z``: standardised errors of the forecasts issued n slots ago; ``a``: those of a ramp that began then.
    """
    best, onset = np.nan, 0
    z, a = np.empty(shape.horizons), np.empty(shape.horizons)
    for k in range(1, shape.horizons):
        n = shape.ahead[k]
        if at < n or state.trusted[(index - n) % state.trusted.shape[0]] == 0.0:
            continue
        for j in range(k + 1):
            back = n - shape.ahead[j]
            width = width_of(j, 0, int(context[0, at - back]), context[2, at - back], state, fit)
            issued = state.waiting[j, (index - n) % state.waiting.shape[1]]
            z[j] = (window[0, at - back] - issued) / width
            a[j] = shape.ahead[j] / n / width
        top = bottom = 0.0
        for i in range(k + 1):
            for j in range(k + 1):
                top += a[i] * fit.ramp[k, i, j] * z[j]
                bottom += a[i] * fit.ramp[k, i, j] * a[j]
        score = abs(top) / np.sqrt(bottom)
        if not np.isnan(score) and not score <= best:
            best, onset = score, n
    return best, onset


@kernel(error_model="numpy")
def _seen(window: Floats, at: int, index: int, row: int, back: int, state: State) -> float:
    """Return the measured value of a channel ``back`` slots ago, even if it was replaced."""
    if back < SEEN:
        value: float = np.float64(state.seen[row, (index - back) % SEEN])
        return value
    return float(window[row, at - back])


@kernel(error_model="numpy")
def _same_level(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, at: int, index: int, slots: int, shape: Shape, state: State, unit: float, changes: bool
) -> float:
    """Return ``-ln(rms / unit + 0.02)`` of the best match of the last slots with those 1 to 8 whole days before.

    With ``changes`` of the changes from slot to slot: high when a value stands nearly still.
    """
    best = np.inf
    for d in range(0 if changes else 1, 1 if changes else OLDEST_SAME_DAYS + 1):
        total, lag = 0.0, 1 if changes else d * shape.per_day
        for k in range(slots):
            total += (_seen(window, at, index, 0, k, state) - _seen(window, at, index, 0, k + lag, state)) ** 2
        best = min(best, total) if not np.isnan(total) else best
    return -np.log(np.sqrt(best / slots) / unit + 0.02) if np.isfinite(best) else np.nan


@kernel(error_model="numpy")
def longest_repeat(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, at: int, index: int, row: int, first: int, last: int, every: int, state: State
) -> float:
    """Return the number of newest values (at most ``MOST_EQUAL``) that equal those ``first`` to ``last`` slots before.

    Args:
        window: Channel values by row and position, shape (rows, slots), MW, NaN missing.
        at: Position of the slot in ``window``.
        index: Slot index at ``at``.
        row: Row of the channel.
        first: Smallest lag in slots.
        last: Largest lag in slots, inclusive.
        every: Slots between the lags.
        state: Windows and waiting forecasts of the guard.
    """
    longest = 0
    now = _seen(window, at, index, row, 0, state)
    for lag in range(first, last + 1, every):
        if _seen(window, at, index, row, lag, state) != now:
            continue
        n = 1
        while n < MOST_EQUAL and (
            _seen(window, at, index, row, n, state) == _seen(window, at, index, row, n + lag, state)
        ):
            n += 1
        longest = max(longest, n)
        if longest == MOST_EQUAL:
            break
    return float(longest)


@kernel(error_model="numpy")
def _drifts(window: Floats, published: Floats, at: int, shape: Shape) -> tuple[float, float]:
    """Return how far the mean of the last day lies from its reference, without sign, and the same a day ago (MW).

    The reference is the published forecast, less the mean deviation from it 7 to 15 days before, where it is known,
    else the load a week before.
    """
    day = shape.per_day
    gap, gaps = np.zeros(DRIFT_DAYS), np.zeros(DRIFT_DAYS)
    load, loads = np.zeros(DRIFT_DAYS), np.zeros(DRIFT_DAYS)
    for d in range(DRIFT_DAYS):
        for k in range(at - d * day, at - (d + 1) * day, -1):
            value = window[0, k]
            if not np.isnan(value):
                load[d], loads[d] = load[d] + value, loads[d] + 1.0
                off = value - published[0, k]
                if not np.isnan(off):
                    gap[d], gaps[d] = gap[d] + off, gaps[d] + 1.0
    return _drift(gap, gaps, load, loads, 0, day), _drift(gap, gaps, load, loads, 1, day)


@kernel(error_model="numpy")
def _drift(gap: Floats, gaps: Floats, load: Floats, loads: Floats, d: int, day: int) -> float:
    """Return the drift ``d`` days ago of sums by day, newest first, and how many values are in them."""
    far, n_far = gap[d + 7 : d + 15].sum(), gaps[d + 7 : d + 15].sum()
    if gaps[d] > day // 2 and n_far > day:
        return float(abs(gap[d] / gaps[d] - far / n_far))
    if loads[d] > day // 2 and loads[d + 7] > day // 2:
        return float(abs(load[d] / loads[d] - load[d + 7] / loads[d + 7]))
    return np.nan


@kernel(error_model="numpy")
def given_inputs(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    window: Floats, supply: Floats, at: int, index: int, ahead: int, s: int, shape: Shape, state: State, out: Floats
) -> None:
    """Write the regressors of the change of load over ``ahead`` slots: its forecast, channels, other supply.

    Args:
        window: Channel values by row and position, shape (rows, slots), MW, NaN missing.
        supply: Other supply at the slot, shape (companions,), MW.
        at: Position of the slot in ``window``.
        index: Slot index at ``at``.
        ahead: Slots from origin to target.
        s: Number of the stream (a channel and a horizon).
        shape: Sizes and rows of the guard.
        state: Windows and waiting forecasts of the guard.
        out: Inputs, shape (inputs,); written in place.
    """
    ring = state.waiting.shape[1]
    issued = (index - ahead) % ring
    out[0] = state.waiting[s, issued] - window[0, at - ahead]
    out[1] = state.waiting[shape.first[shape.net] if ahead == 1 else shape.last[shape.net], issued]
    out[1] -= window[shape.net, at - ahead]
    for c in range(1, shape.channels):
        out[1 + c] = window[c, at] - window[c, at - ahead]
    for k in range(shape.companions):
        out[1 + shape.channels + k] = supply[k] - state.companions[k, issued]
    out[1 + shape.channels + shape.companions] = 1.0


@kernel(error_model="numpy")
def given_error(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, supply: Floats, at: int, index: int, member: int, shape: Shape, state: State, fit: Fit
) -> float:
    """Return measured load minus what its forecast and the other supply together say, MW.

    Args:
        window: Channel values by row and position, shape (rows, slots), MW, NaN missing.
        supply: Other supply at the slot, shape (companions,), MW.
        at: Position of the slot in ``window``.
        index: Slot index at ``at``.
        member: 0: over the shortest horizon, 1: over the longest.
        shape: Sizes and rows of the guard.
        state: Windows and waiting forecasts of the guard.
        fit: What was learned.
    """
    if fit.given.shape[1] == 0:
        return np.nan
    s = shape.first[0] if member == 0 else shape.last[0]
    ahead = shape.ahead[s]
    work = np.empty(fit.given.shape[1])
    given_inputs(window, supply, at, index, ahead, s, shape, state, work)
    total = 0.0
    for j in range(work.shape[0]):
        total += fit.given[member, j] * work[j]
    return float(window[0, at] - window[0, at - ahead] - total)


@kernel(error_model="numpy")
def members(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - a compiled kernel takes plain arrays
    window: Floats,
    published: Floats,
    supply: Floats,
    totals: Floats,
    context: Floats,
    at: int,
    index: int,
    shape: Shape,
    state: State,
    fit: Fit,
    out: Floats,
) -> int:
    """Write the level of every member, NaN if it has none, and return the onset of the most likely ramp.

    Args:
        window: Channel values by row and position, shape (rows, slots), MW, NaN missing.
        published: Published forecasts of the rows, shape (rows, slots), NaN unknown.
        supply: Other supply at the slot, shape (companions,), MW.
        totals: Error of each balance at the slot, shape (balances,), MW.
        context: Rows of ``context_of`` by position, shape (4, slots).
        at: Position of the slot in ``window``.
        index: Slot index at ``at``.
        shape: Sizes and rows of the guard.
        state: Windows and waiting forecasts of the guard.
        fit: What was learned.
        out: Level of each member, shape (members,); written in place.
    """
    out[:] = np.nan
    group, special = int(context[0, at]), context[2, at]
    ring = state.trusted.shape[0]
    for member, row in ((0, 0), (1, shape.net)):
        if member == 1 and shape.net == 0:
            continue
        z = standardised(window, context, at, index, shape.first[row], shape, state, fit)
        far = standardised(window, context, at, index, shape.last[row], shape, state, fit)
        short, total, n, wide = 0.0, 0.0, 0, 0
        for k in range(VARIANCE_SLOTS):
            past = z if k == 0 else np.float64(state.recent[member, (index - k) % VARIANCE_SLOTS])
            if not np.isnan(past):
                total, wide = total + min(past * past, 36.0), wide + 1
                if k < 4:
                    short, n = short + min(past * past, 36.0), n + 1
        if member == 0:
            out[NEXT], out[FAR] = abs(z), abs(far)
            out[VARIANCE] = total / wide if wide >= 6 else np.nan
            out[SHORT_VARIANCE] = short / n if n >= 2 else np.nan
        else:
            out[NET_NEXT], out[NET_FAR] = abs(z), abs(far)
            out[NET_VARIANCE] = short / n if n >= 2 else np.nan
    for c in range(1, shape.channels):
        place = SECOND_NEXT if c == 1 else THIRD_NEXT
        out[place] = abs(standardised(window, context, at, index, shape.first[c], shape, state, fit))
        out[place + 1] = abs(standardised(window, context, at, index, shape.middle[c], shape, state, fit))
    gap = window[0, at] - published[0, at] - state.bias[group]
    size = max(near(state.gap_scale, group) * np.sqrt(min(max(state.gap_ratio[0], 0.5), 3.0)), fit.floor[0])
    out[GAP] = abs(gap) / (WIDTH * size * (SPECIAL_WIDTH if special > 0.0 else 1.0))
    out[RAMP], onset = _ramp(window, context, at, index, shape, state, fit)
    for member in range(2):
        s = shape.row.shape[0] + member
        back = 1 if member == 0 else shape.ahead[shape.last[0]]
        if state.trusted[(index - back) % ring] == 1.0:
            error = given_error(window, supply, at, index, member, shape, state, fit)
            out[GIVEN_SUPPLY + member] = abs(error) / width_of(s, 0, group, special, state, fit)
    if at >= OLDEST_SAME_DAYS * shape.per_day + 6:
        unit = width_of(0, 0, group, 0.0, state, fit)
        out[LEVEL_3] = _same_level(window, at, index, 3, shape, state, unit, False)
        out[LEVEL_6] = _same_level(window, at, index, 6, shape, state, unit, False)
        out[CHANGE_6] = _same_level(window, at, index, 6, shape, state, unit, True)
        last = OLDEST_SAME_DAYS * shape.per_day
        out[REPEAT] = longest_repeat(window, at, index, 0, 1, last, 1, state)
        out[DAY_REPEAT] = longest_repeat(window, at, index, 0, shape.per_day, last, shape.per_day, state)
    if at >= DRIFT_DAYS * shape.per_day:
        now, before = _drifts(window, published, at, shape)
        if not np.isnan(before) and state.trusted[(index - 1) % ring] == 1.0:
            usual = state.usual_drift[0]
            entering = before if usual == 0.0 else min(before, DRIFT_CAP * usual)
            share = 1.0 if usual == 0.0 else 1.0 / (SCALE_DAYS * shape.per_day)
            state.usual_drift[0] = usual + (entering - usual) * share
        out[SLOW] = now / max(np.float64(state.usual_drift[0]), fit.floor[0])
    for b in range(totals.shape[0]):
        off = abs(totals[b]) / fit.tolerance[b]
        if not np.isnan(off) and not off <= out[BALANCE]:
            out[BALANCE] = off
    return onset
