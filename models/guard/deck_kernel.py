"""The evidence of the members, and the decks that fuse it; all counted in episodes a week on clean data.

Sources: adding evidence (Fisher's method, with clipped terms); generalised Pareto tails of declustered peaks (Davison
and Smith 1990).
"""

from __future__ import annotations

import numpy as np

from models.guard.channel_kernel import Fit
from models.guard.layout import DECKS, Shape
from models.guard.member_kernel import DAY_REPEAT, LEVEL_3, MEMBERS, SLOW
from vpp.numerics.arrays import Floats, Floats32
from vpp.numerics.compiled import kernel

ADDED, SINGLE, IDENTITY, PATIENT = range(4)
FLOOR, CAP = -1.5, 3.0
UNSEEN, MOST_UNSEEN = 0.5, 2.0
"""Evidence for each unit by which a level exceeds all of the clean past, and at most, where levels are few numbers."""

PATIENT_DAYS = 3
SILENT_DAYS = 7
REARM = 0.5


@kernel(error_model="numpy")
def evidence_of(value: float, n: int, fit: Fit) -> float:
    """Return -log10 of the episodes a week that clean data have at this level of table ``n``; NaN gives the floor."""
    if np.isnan(value):
        return FLOOR
    start, scale, form = fit.tail[n]
    if scale > 0.0 and value > start:
        reach = (value - start) / scale
        beyond = np.log10(1.0 + form * reach) / form if form > 0.0 else reach / np.log(10.0)
        return float(fit.evidence[n, -1] + beyond)
    levels, evidence = fit.levels[n], fit.evidence[n]
    if value <= levels[0]:
        return FLOOR
    if value >= levels[-1]:
        beyond = min(UNSEEN * (value - levels[-1]), MOST_UNSEEN) if scale < 0.0 else 0.0
        return float(evidence[-1] + beyond)
    k = np.searchsorted(levels, value)
    step = levels[k] - levels[k - 1]
    share = (value - levels[k - 1]) / step if step > 0.0 else 1.0
    return float(evidence[k - 1] + (evidence[k] - evidence[k - 1]) * share)


@kernel(error_model="numpy")
def decks(levels: Floats, shape: Shape, fit: Fit, member_levels: Floats, out: Floats) -> None:
    """Write the evidence of each member into ``member_levels`` and the level of each deck into ``out``.

    Args:
        levels: Level of each member, shape (members,), NaN = none.
        shape: Sizes and rows of the guard.
        fit: What was learned.
        member_levels: Evidence of each member, shape (members,); written in place.
        out: Level of each deck, shape (decks,); written in place.
    """
    for n in range(MEMBERS):
        member_levels[n] = evidence_of(levels[n], n, fit)
    out[:] = np.nan
    total, best, repeat = 0.0, FLOOR, FLOOR
    for n in range(MEMBERS):
        if fit.added[n]:
            total += min(max(member_levels[n], FLOOR), CAP)
        if fit.single[n]:
            best = max(best, member_levels[n])
        if LEVEL_3 <= n <= DAY_REPEAT:
            repeat = max(repeat, member_levels[n])
    out[ADDED], out[SINGLE], out[IDENTITY], out[PATIENT] = total, best, repeat, member_levels[SLOW]


@kernel(error_model="numpy")
def score_of(levels: Floats, patience: Floats32, spent: Floats32, per_day: int, fit: Fit) -> tuple[float, int]:
    """Return the score of the decks' levels and the deck that leads.

    The patient deck moves over days, so it counts only while it is at its highest of ``PATIENT_DAYS``. One drift is one
    episode: after an alarm that it raised (``silence``), it counts again when it has fallen ``REARM`` below the alarm,
    or after ``SILENT_DAYS``.

    Args:
        levels: Level of each deck, shape (decks,).
        patience: Highest evidence of the patient deck and the slots since, shape (2,); changed in place.
        spent: How much the budget lowers each deck, powers of ten, shape (decks + 1,).
        per_day: Slots of a day.
        fit: Tables, offsets.
    """
    best, leader = -np.inf, 0
    for d in range(DECKS):
        e = min(evidence_of(levels[d], MEMBERS + d, fit), fit.most[d]) + fit.offset[d] - spent[d]
        if d == PATIENT:
            if patience[0] == np.inf:
                patience[1] += 1.0
                if e < fit.alarm[0] - REARM or patience[1] > SILENT_DAYS * per_day:
                    patience[0], patience[1] = e, 0.0
                continue
            if e > patience[0] or patience[1] > PATIENT_DAYS * per_day:
                patience[0], patience[1] = e, 0.0
            else:
                patience[1] += 1.0
                continue
        if e > best:
            best, leader = e, d
    return best, leader


@kernel(error_model="numpy")
def silence(leader: int, patience: Floats32) -> None:
    """Let the patient deck be silent after an alarm that it raised."""
    if leader == PATIENT:
        patience[0], patience[1] = np.inf, 0.0
