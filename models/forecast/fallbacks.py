"""Net load without a model: named fallbacks, each with spreads of its own past errors, from the ring only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.ring import SlotRing
from vpp.domain import NET_LOAD, QUANTILE_LEVELS
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

PERSISTENCE = "persistence"
SEASONAL = "seasonal"

_LEVELS = np.array(QUANTILE_LEVELS)
_NORMAL = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])
_WIDEN = 1.15
_PAST_DAYS = 21
_MAX_AGE_H = 6
_MIN_ERRORS = 12


@dataclass(frozen=True, slots=True)
class Fallback:
    """A fallback's forecast of H horizons, MW; ``reason``: why no model was used."""

    source: str
    quantiles: Floats
    mean: Floats
    ramp_sd: Floats
    level_sd: Floats
    carry: Floats


def fallback(ring: SlotRing, index: int, steps: Ints) -> Fallback | None:
    """Return the best fallback for the slot ``index``, or None when no net load of the last six hours is known.

    Candidates are now plus the change of the same slots a week or a day ago, and now itself; each horizon takes the one
    whose errors of the past days at the same slots were smallest, and those errors as its spreads. ``seasonal``: some
    horizon takes a change; ``persistence``: none can.
    """
    day = ring.step.per_day
    past = ring.window(NET_LOAD, index - (_PAST_DAYS + 8) * day - int(steps[-1]), index + 1)
    positions = np.flatnonzero(~np.isnan(past[-_MAX_AGE_H * 60 // ring.step.minutes - 1 :]))
    if positions.size == 0:
        return None
    age = _MAX_AGE_H * 60 // ring.step.minutes - int(positions[-1])
    origin = past.size - 1 - age
    ahead = steps + age
    mean = np.full(len(steps), past[origin])
    errors = _errors(past, origin, ahead, day, 0)
    best = _size(errors)
    source = PERSISTENCE
    for lag in (7 * day, day):
        change = _change(past, origin, ahead, lag)
        their_errors = _errors(past, origin, ahead, day, lag)
        size = _size(their_errors)
        # With too few errors to compare, a change of the season is the better guess.
        wins = ~np.isnan(change) & ((size < best) | (np.isinf(best) & np.isinf(size) & (source == PERSISTENCE)))
        if wins.any():
            source = SEASONAL
            mean = np.where(wins, past[origin] + change, mean)
            errors = np.where(wins[None, :], their_errors, errors)
            best = np.where(wins, size, best)
    return _make(source, mean, errors, past, ahead)


def naive(past: Floats, steps: Ints, day: int, lag: int) -> Fallback | None:
    """Return one naive forecast with spreads of its own past errors; None when net load of the origin is missing.

    Args:
        past: Net load up to and with the origin, MW, shape (n,); at least a month of it for spreads by slot of the day.
        steps: Slots ahead, shape (H,), rising.
        day: Slots of a day.
        lag: 0: as now (``persistence``); else now plus the change of the same slots ``lag`` slots ago, where known.
    """
    origin = len(past) - 1
    if np.isnan(past[origin]):
        return None
    change = _change(past, origin, steps, lag) if lag else np.zeros(len(steps))
    mean = past[origin] + np.nan_to_num(change)
    return _make(SEASONAL if lag else PERSISTENCE, mean, _errors(past, origin, steps, day, lag), past, steps)


def _size(errors: Floats) -> Floats:
    """Return the root mean square of each column, infinite where fewer than ``_MIN_ERRORS`` are known."""
    finite = ~np.isnan(errors)
    count = finite.sum(axis=0)
    squares = np.where(finite, errors, 0.0) ** 2
    return np.where(count >= _MIN_ERRORS, np.sqrt(squares.sum(axis=0) / np.maximum(count, 1)), np.inf)


def _change(past: Floats, origin: int, ahead: Ints, lag: int) -> Floats:
    at = origin + ahead - lag
    inside = (at >= 0) & (at <= origin) & (origin - lag >= 0)
    return np.where(inside, past[np.clip(at, 0, origin)] - past[max(origin - lag, 0)], np.nan)


def _errors(past: Floats, origin: int, ahead: Ints, day: int, lag: int) -> Floats:
    """Return errors of the fallback at origins some days before (and the slots around), shape (origins, H)."""
    starts = np.array([origin - d * day + s for d in range(1, _PAST_DAYS + 1) for s in (-1, 0, 1)])
    ends = starts[:, None] + ahead[None, :]
    usable = (starts[:, None] - lag >= 0) & (ends <= origin)
    ends = np.clip(ends, 0, origin)
    begin = np.clip(starts, 0, origin)
    error = past[ends] - past[begin][:, None]
    if lag:
        error = error - (past[np.maximum(ends - lag, 0)] - past[np.maximum(begin - lag, 0)][:, None])
    return np.where(usable, error, np.nan)


def _make(source: str, mean: Floats, errors: Floats, past: Floats, ahead: Ints) -> Fallback:
    counts = (~np.isnan(errors)).sum(axis=0)
    if counts.min() >= _MIN_ERRORS:
        offsets, level, ramp, carry = _spreads(errors, _LEVELS)
        offsets, level, ramp = _WIDEN * offsets, _WIDEN * level, _WIDEN * ramp
    else:
        level, ramp, carry = _from_moves(past, ahead, float(mean[0]))
        offsets = _WIDEN * level[:, None] * _NORMAL
    carry[0] = 1.0
    quantiles = np.sort(mean[:, None] + offsets, axis=1)
    return Fallback(source, quantiles, mean, ramp, level, np.clip(carry, -1.0, 3.0))


@kernel
def _spreads(errors: Floats, levels: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return quantiles (H, levels), level and ramp spreads and carry (H,) of errors (origins, H); NaN is left out."""
    origins, horizons = errors.shape
    offsets = np.empty((horizons, levels.shape[0]))
    level, ramp, carry = np.zeros(horizons), np.zeros(horizons), np.ones(horizons)
    finite_errors = np.empty(origins)
    for h in range(horizons):
        count, moves = 0, 0
        squares, ramps, cross, first_squares = 0.0, 0.0, 0.0, 0.0
        for n in range(origins):
            error = errors[n, h]
            if np.isnan(error):
                continue
            finite_errors[count] = error
            count += 1
            squares += error * error
            before = errors[n, h - 1] if h > 0 else 0.0
            if not np.isnan(before):
                ramps += (error - before) ** 2
                moves += 1
            if not np.isnan(errors[n, 0]):
                cross += error * errors[n, 0]
                first_squares += errors[n, 0] ** 2
        ordered = np.sort(finite_errors[:count])
        for q in range(levels.shape[0]):
            place = levels[q] * (count - 1)
            low = int(place)
            high = min(low + 1, count - 1)
            offsets[h, q] = ordered[low] + (place - low) * (ordered[high] - ordered[low])
        level[h] = np.sqrt(squares / count)
        ramp[h] = np.sqrt(ramps / max(moves, 1))
        carry[h] = cross / first_squares if first_squares > 0.0 else 1.0
    return offsets, level, ramp, carry


def _from_moves(past: Floats, ahead: Ints, level_mw: float) -> tuple[Floats, Floats, Floats]:
    """Return spreads of a random walk with the moves seen so far; without any, a tenth of the level per root step."""
    moves = np.diff(past)
    moves = moves[~np.isnan(moves)]
    rms_mw = float(np.sqrt(np.mean(moves**2))) if moves.size >= 3 else 0.1 * abs(level_mw)
    # Moves of a load follow each other, so its spread grows faster than a random walk's at first.
    level = rms_mw * np.minimum(ahead.astype(float), 12.0) ** 0.8
    return level, np.full(len(ahead), rms_mw), np.ones(len(ahead))
