"""Judges one slot and decides the value to use; ``models.guard.learning_kernel`` learns from it.

A value that raises an alarm is held to two standard deviations of its reference: its channel's flying forecast (one
step, made of what entered before), or what other supply of the zone says of it. From the score ``HARD`` above the alarm
on (``SPECIAL_HARD`` on holidays and the like, when habits change) the reference enters in its place, unless other
supply confirms the change; a slow attack that reaches that score is rolled back to its onset. A channel is released by
one slot that agrees with its flying forecast, at the width of a forecast as old as the quarantine, with its witness or
with the published forecast, or after a day, as a change that the model must follow.
"""

from __future__ import annotations

import numpy as np

from models.guard.budget_kernel import spend
from models.guard.channel_kernel import Fit, standardised, width_of
from models.guard.deck_kernel import IDENTITY, decks, score_of, silence
from models.guard.layout import DECKS, SEEN, VARIANCE_SLOTS, Shape, State
from models.guard.learning_kernel import issue, learn
from models.guard.member_kernel import (
    BALANCE,
    CHANGE_6,
    DAY_REPEAT,
    FAR,
    GAP,
    GIVEN_SUPPLY,
    GIVEN_SUPPLY_FAR,
    LEVEL_6,
    MEMBERS,
    NEXT,
    RAMP,
    REPEAT,
    SECOND_NEXT,
    SLOW,
    THIRD_NEXT,
    VARIANCE,
    longest_repeat,
    members,
)
from models.guard.reference_kernel import (
    ACTIVE,
    AGE,
    ALL,
    BALANCED,
    HELD,
    IS_HARD,
    KIND,
    SUSPECT,
    agrees,
    flying,
    reference,
)
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

HARD, SPECIAL_HARD = 0.6, 1.2
SOFT_SIGMA = 2.0
SLOW_LEAD = 0.2
REJUDGED_SLOTS = 4
LONGEST_DAYS = 1

SCORE, TRUST, LEVEL, ROLLBACK, SUSPECTED, VERDICT, STARTED, ENDED, LEADER, MENDED, WITNESSED = range(11)
OUTPUTS = 11
"""What ``judge`` writes: score, trust, 0 calm / 1 held / 2 replaced, slots rolled back, suspect channel (-1 all, -2
none, -3 the independent total), verdict, whether an episode starts or ends, the deck that leads, whether the value is
the one that an independent total implies, whether other supply says the values that stand in place."""

NO_VERDICT, FORGED, REPLAYED, FROZEN, REGIME, FAULT = range(6)
NONE, TOTAL = -2, -3


@kernel(error_model="numpy")
def _sum_net(window: Floats, at: int, shape: Shape) -> None:
    """Write the net load of the channel values."""
    if shape.net == 0:
        return
    total = 0.0
    for c in range(shape.channels):
        total += shape.signs[c] * window[c, at]
    window[shape.net, at] = total


@kernel(error_model="numpy")
def _mend(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, totals: Floats, context: Floats, at: int, index: int, shape: Shape, state: State, fit: Fit
) -> int:
    """Put the value that an independent total implies in place of the one that it contradicts; return its channel.

    The channel is the part whose own forecast gains most by it; where none gains, the total itself is wrong.
    """
    mended = NONE
    for b in range(totals.shape[0]):
        if not abs(totals[b]) > fit.tolerance[b]:
            continue
        best, gain = TOTAL, 0.0
        for c in range(shape.channels):
            if fit.part[b, c] == 0.0:
                continue
            now = abs(standardised(window, context, at, index, shape.first[c], shape, state, fit))
            value = window[c, at]
            window[c, at] = value - fit.part[b, c] * totals[b]
            then = abs(standardised(window, context, at, index, shape.first[c], shape, state, fit))
            window[c, at] = value
            if now - then > gain:
                best, gain = c, now - then
        if best >= 0:
            window[best, at] -= fit.part[b, best] * totals[b]
            mended = best
        elif mended == NONE:
            mended = TOTAL
    return mended


@kernel(error_model="numpy")
def _verdict(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    window: Floats,
    context: Floats,
    at: int,
    index: int,
    member_levels: Floats,
    levels: Floats,
    leader: int,
    suspect: int,
    shape: Shape,
    state: State,
    fit: Fit,
) -> int:
    """Return the verdict that the evidence supports."""
    c = max(suspect, 0)
    now, before = state.seen[c, index % SEEN], state.seen[c, (index - 1) % SEEN]
    due = flying(index, c, shape, state)
    width = width_of(shape.first[c], c, int(context[0, at]), context[2, at], state, fit)
    if (now == 0.0 and abs(due) > 6.0 * width) or abs(now - due) > max(0.5 * abs(due), 20.0 * width):
        return FAULT
    if now == before and now != 0.0 and suspect <= 0 and levels[REPEAT] >= 2.0:
        return FROZEN
    if (levels[REPEAT] >= 3.0 and member_levels[REPEAT] > 0.0) or (
        levels[DAY_REPEAT] >= 2.0 and member_levels[DAY_REPEAT] > 0.0
    ):
        return REPLAYED
    if leader == IDENTITY or member_levels[LEVEL_6] > 0.0 or member_levels[CHANGE_6] > 0.0:
        return FROZEN if member_levels[CHANGE_6] > member_levels[LEVEL_6] else REPLAYED
    if suspect == 0 and levels[GIVEN_SUPPLY] < 2.0 and levels[GIVEN_SUPPLY] < 0.5 * levels[NEXT] and levels[NEXT] > 1.8:
        return REGIME
    return FORGED


@kernel(error_model="numpy")
def _suspect(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, at: int, index: int, member_levels: Floats, leader: int, shape: Shape, state: State
) -> int:
    """Return the channel with the most evidence; all where each channel has some, or all repeat."""
    load = max(
        member_levels[NEXT],
        member_levels[FAR],
        member_levels[VARIANCE],
        member_levels[GAP],
        member_levels[RAMP],
        member_levels[GIVEN_SUPPLY],
        member_levels[GIVEN_SUPPLY_FAR],
    )
    load = max(load, member_levels[SLOW])
    if shape.channels == 1:
        return 0
    second = max(member_levels[SECOND_NEXT], member_levels[SECOND_NEXT + 1])
    third = max(member_levels[THIRD_NEXT], member_levels[THIRD_NEXT + 1])
    if leader == IDENTITY:
        for c in range(1, shape.channels):
            last = 8 * shape.per_day
            repeat = longest_repeat(window, at, index, c, shape.per_day, last, shape.per_day, state)
            if repeat >= 3.0 and state.seen[c, index % SEEN] != 0.0:
                return ALL
        return ALL if max(second, third) > 0.0 else 0
    if load > 0.5 and second > 0.5 and (third > 0.5 or shape.channels == 2):
        return ALL
    if load >= max(second, third):
        return 0
    return 1 if second >= third else 2


@kernel(error_model="numpy")
def _onset(member_levels: Floats, leader: int, onset: int, shape: Shape, state: State) -> int:
    """Return the number of slots since a slow attack on the primary channel began, 0 if it is not slow."""
    slow = max(member_levels[FAR], member_levels[RAMP], member_levels[GAP])
    if state.quarantine[SUSPECT] > 0.0 or leader == IDENTITY or slow <= member_levels[NEXT] + SLOW_LEAD:
        return 0
    if member_levels[RAMP] >= max(member_levels[FAR], member_levels[GAP]) and onset > 0:
        return onset
    return int(shape.ahead[shape.last[0]])


@kernel(error_model="numpy")
def _roll_back(window: Floats, at: int, index: int, n: int, shape: Shape, state: State) -> int:
    """Write the primary channel's forecasts issued ``n`` slots ago over the values since; return how many."""
    ring = state.waiting.shape[1]
    issued = (index - n) % ring
    for j in range(1, n):
        k = 0
        while shape.ahead[k] < j:
            k += 1
        value = np.float64(state.waiting[k, issued])
        if shape.ahead[k] > j and k > 0:
            share = (j - shape.ahead[k - 1]) / (shape.ahead[k] - shape.ahead[k - 1])
            value = state.waiting[k - 1, issued] + share * (value - state.waiting[k - 1, issued])
        place = at - n + j
        if not (np.isnan(value) or np.isnan(window[0, place])):
            window[0, place] = value
            _sum_net(window, place, shape)
        state.trusted[(index - n + j) % ring] = 0.0
        state.recent[:, (index - n + j) % VARIANCE_SLOTS] = np.nan
        state.late[:, (index - n + j) % ring] = np.nan
    return n - 1


@kernel(error_model="numpy")
def judge(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - a compiled kernel takes plain arrays
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
    member_levels: Floats,
    out: Floats,
) -> None:
    """Judge the values at ``at``, replace rejected ones, learn, and make the next forecasts.

    Args:
        window: Values by row, shape (rows, slots); changed at ``at`` and, on a rollback, before it.
        published: Published forecasts by row, shape (rows, slots and six hours).
        supply: Values of the companions at the slot, shape (companions,), MW.
        totals: Error of each balance at the slot: its parts less the independent total, MW, shape (balances,).
        context: See ``models.guard.channel_kernel``; as long as ``published``.
        at: Position of the slot.
        index: Its number.
        shape: The zone's constants.
        state: Changed.
        fit: What was learned.
        member_levels: Evidence by member, shape (MEMBERS,), written.
        out: Verdict of the slot, shape (OUTPUTS,), written; see ``OUTPUTS``.
    """
    q = state.quarantine
    for c in range(shape.channels):
        state.seen[c, index % SEEN] = window[c, at]
    out[:] = 0.0
    out[SUSPECTED], out[TRUST] = NONE, 1.0
    mended = _mend(window, totals, context, at, index, shape, state, fit)
    _sum_net(window, at, shape)
    levels, fused = np.empty(MEMBERS), np.empty(DECKS)
    onset = members(window, published, supply, totals, context, at, index, shape, state, fit, levels)
    decks(levels, shape, fit, member_levels, fused)
    score, leader = score_of(fused, state.patience, state.spent, shape.per_day, fit)
    alarm, trusted = fit.alarm[0], True
    was = q[ACTIVE] == 1.0
    if was:
        q[AGE] += 1.0
        q[HELD] += 1.0
        repeats = leader == IDENTITY and score >= alarm
        if not repeats and agrees(window, published, supply, context, at, index, shape, state, fit):
            q[ACTIVE] = 0.0
        elif q[HELD] > LONGEST_DAYS * shape.per_day:
            q[ACTIVE], q[KIND] = 0.0, REGIME
    elif score >= alarm:
        q[ACTIVE], q[AGE], q[HELD], q[IS_HARD] = 1.0, 1.0, 1.0, 0.0
        silence(leader, state.patience)
        q[SUSPECT] = _suspect(window, at, index, member_levels, leader, shape, state)
    if q[ACTIVE] == 1.0:
        trusted = False
        if q[HELD] <= REJUDGED_SLOTS + 1:
            suspect = int(q[SUSPECT])
            kind = _verdict(window, context, at, index, member_levels, levels, leader, suspect, shape, state, fit)
            if not was or kind in (REPLAYED, FROZEN) or q[KIND] == REGIME:
                q[KIND] = kind
        hard = SPECIAL_HARD if context[2, at] > 0.0 else HARD
        if score >= alarm + hard and q[IS_HARD] == 0.0 and q[KIND] != REGIME:
            q[IS_HARD] = 1.0
            n = _onset(member_levels, leader, onset, shape, state)
            if n > 0 and at > n and state.trusted[(index - n) % state.trusted.shape[0]] == 1.0:
                q[AGE] = n
                out[ROLLBACK] = _roll_back(window, at, index, n, shape, state)
                issue(window, published, context, at - 1, index - 1, shape, state, fit)
        witnessed = _replace(window, supply, context, at, index, shape, state, fit)
        out[WITNESSED] = 1.0 if witnessed else 0.0
    dwell = int(shape.ahead[shape.last[0]])
    spend(state.spent, q[ACTIVE] == 1.0 and not was, leader, dwell, shape.per_day, fit)
    margin = score - alarm
    out[SCORE], out[LEADER] = score, leader
    if q[ACTIVE] == 1.0:
        out[LEVEL] = 2.0 if q[IS_HARD] == 1.0 else 1.0
        out[TRUST] = 0.0 if q[IS_HARD] == 1.0 else max(0.5 - 0.5 * max(margin, 0.0) / HARD, 0.0)
        out[SUSPECTED], out[VERDICT] = q[SUSPECT], q[KIND]
    elif mended != NONE:
        out[LEVEL], out[TRUST], out[MENDED] = 2.0, 0.0, 1.0
        out[SUSPECTED], out[VERDICT], out[SCORE] = mended, FORGED, max(score, alarm + member_levels[BALANCE])
    else:
        out[TRUST] = min(1.0, 0.5 - 0.5 * margin) if margin > -1.0 else 1.0
    now = q[ACTIVE] == 1.0 or mended != NONE
    before = was or q[BALANCED] == 1.0
    out[STARTED] = 1.0 if now and not before else 0.0
    out[ENDED] = 1.0 if before and not now else 0.0
    if out[ENDED] == 1.0:
        out[VERDICT], out[SUSPECTED] = q[KIND], q[SUSPECT] if was else NONE
    q[BALANCED] = 1.0 if mended != NONE else 0.0
    learn(window, published, supply, context, at, index, trusted, shape, state, fit)
    issue(window, published, context, at, index, shape, state, fit)


@kernel(error_model="numpy")
def _replace(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    window: Floats, supply: Floats, context: Floats, at: int, index: int, shape: Shape, state: State, fit: Fit
) -> bool:
    """Put each suspect channel's reference in its place, or hold it near, and sum net load again.

    Returns:
        Whether the value comes from a witness.
    """
    q, witnessed = state.quarantine, True
    for c in range(shape.channels):
        if not (q[SUSPECT] == ALL or q[SUSPECT] == c) or np.isnan(window[c, at]):
            continue
        due, width, is_witness = reference(window, supply, context, at, index, c, shape, state, fit)
        if np.isnan(due):
            continue
        witnessed = witnessed and is_witness
        if q[IS_HARD] == 1.0:
            window[c, at] = due
        else:
            most = SOFT_SIGMA * width
            window[c, at] = due + min(max(window[c, at] - due, -most), most)
    _sum_net(window, at, shape)
    return witnessed
