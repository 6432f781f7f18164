"""Trailing out-of-sample errors of the served forecasts: spreads, volatility and adaptive conformal levels.

All are exponential means per local slot of the day and horizon, so a closed slot changes one small block of state.
An error enters only once its target time has passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from models.learners.conformal import ALL_BUT_MEDIAN, HIGHEST_LEVEL, LEAST_LEVEL, NOMINAL, LevelSteps, adapt_levels
from models.served import ErrorStart
from vpp.numerics.arrays import Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.numerics.significant_bits import round_significant
from vpp.streams.state_codec import ArrayCodec, ChangedValues, ValueKey

ABS_SHORT, ABS_LONG, SQUARE, RAMP_SQUARE, CROSS, FIRST_SQUARE, COUNT = range(7)
SLOT_FIELDS = 7
MEMORY_DAYS = np.array([14.0, 28.0, 45.0, 45.0, 45.0, 45.0])
RECENT_SLOTS = np.array([8.0, 48.0, 336.0])
GAMMA = 0.003
"""How fast levels adapt, per forecast of a half hour.

Finer steps bring more forecasts a day, but hardly more news: a day moves the levels as far. Coarser steps bring less.
"""

GROUP_BITS = 8
"""Significant bits of means by slot of the day that take one error a day: within 0.4 %, where an error moves by 2 %.

Of n errors a day each moves them by an n-th of that, so such means have log2(n) bits more (``group_bits``).
"""

_MEANS = [ABS_SHORT, ABS_LONG, SQUARE, RAMP_SQUARE, FIRST_SQUARE, COUNT]

RECENT_BITS = 12
"""Those of the means over all slots, which an error moves by less."""


def groups_per_day(per_day: int) -> int:
    """Return into how many slots of the day errors are sorted: half hours, or the zone's longer steps."""
    return min(per_day, 48)


def group_bits(per_day: int) -> int:
    """Return to how many significant bits the means by slot of the day are rounded."""
    return GROUP_BITS + math.ceil(math.log2(per_day / groups_per_day(per_day)))


@kernel
def enter_error(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    block: Floats, recent: Floats, h: int, error: float, ramp: float, first: float, memory: Floats
) -> None:
    """Enter one matured error of horizon ``h`` into its slot's ``block`` (fields, H) and into ``recent`` (4, H).

    Args:
        block: Exponential means of the slot, shape (fields, H); the last field counts entries.
        recent: Exponential means over all slots, shape (4, H); the last row counts entries.
        h: Column of the horizon.
        error: Actual minus mean, MW.
        ramp: Error of the change since the horizon before, NaN when unknown.
        first: Error of the same origin at the first horizon, NaN when unknown.
        memory: Entries that a mean of a field remembers, shape (fields,); the last three are those of ``recent``.
    """
    count = block[6, h] + 1.0
    block[6, h] = count
    size = abs(error)
    values = (size, size, error * error, ramp * ramp, error * first, first * first)
    for f in range(6):
        weight = max(1.0 / count, 1.0 / memory[f])
        if not np.isnan(values[f]):
            block[f, h] += weight * (values[f] - block[f, h])
    total = recent[3, h] + 1.0
    recent[3, h] = total
    for m in range(3):
        weight = max(1.0 / total, 1.0 / memory[6 + m])
        recent[m, h] += weight * (size - recent[m, h])


def memories(per_day: int) -> Floats:
    """Return the memory of each mean in entries, for ``enter_error``."""
    return np.concatenate([MEMORY_DAYS * (per_day / groups_per_day(per_day)), RECENT_SLOTS])


@kernel
def enter_matured(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    index: int,
    actuals: Floats,
    steps: Ints,
    origin: Ints,
    by_model: npt.NDArray[np.bool_],
    quantiles: Floats32,
    mean: Floats32,
    first_error: Floats32,
    block: Floats,
    recent: Floats,
    levels: Floats,
    gamma: Floats,
    memory: Floats,
) -> int:
    """Enter the errors of all forecasts whose target is slot ``index`` and adapt the levels; return how many.

    Args:
        index: Slot index.
        actuals: Values up to slot ``index``, which is the last, shape (n,), NaN missing.
        steps: Slots to each horizon, shape (H,).
        origin: Slot index that each waiting row holds, -1 = none, shape (origins,).
        by_model: Whether a model made each row; the errors of others are not entered, shape (origins,).
        quantiles: Forecast quantiles of each waiting row, shape (origins, H, 7).
        mean: Mean forecasts, shape (origins, H).
        first_error: Error of each row's mean at the first horizon, shape (origins,), NaN until known.
        block: Exponential means of the slot of the day, shape (fields, H); changed in place.
        recent: Exponential means over all slots, shape (4, H); changed in place.
        levels: Adapted levels, shape (H, 7); changed in place.
        gamma: Size of a step by horizon, shape (H,).
        memory: Entries that each mean remembers, shape (9,), from ``memories``.
    """
    entered = 0
    rows = origin.shape[0]
    last = actuals.shape[0] - 1
    below = np.empty(NOMINAL.shape[0], dtype=np.bool_)
    for h in range(steps.shape[0]):
        row = (index - steps[h]) % rows
        if origin[row] != index - steps[h] or not by_model[row]:
            continue
        error = actuals[last] - mean[row, h]
        ramp = error
        if h > 0:
            earlier = last - steps[h] + steps[h - 1]
            ramp = error - (actuals[earlier] - mean[row, h - 1])
        enter_error(block, recent, h, error, ramp, np.float64(first_error[row]), memory)
        for q in range(NOMINAL.shape[0]):
            below[q] = actuals[last] < quantiles[row, h, q]
        adapt_levels(levels[h], below, gamma[h], ALL_BUT_MEDIAN, LEAST_LEVEL, HIGHEST_LEVEL)
        entered += 1
    return entered


class Residuals:
    """Trailing errors of one zone's net-load model.

    ``slots``: shape (groups, fields, H), in MW and MW². ``recent``: shape (4, H). ``levels``: shape (H, 7).
    """

    def __init__(self, horizons_min: tuple[int, ...], per_day: int) -> None:
        h = len(horizons_min)
        self.slots = np.zeros((groups_per_day(per_day), SLOT_FIELDS, h))
        self.recent = np.zeros((4, h))
        self.levels = np.tile(NOMINAL, (h, 1))
        self.gamma = np.full(h, GAMMA * min(48.0 / per_day, (48.0 / per_day) ** 0.5))
        self.memory = memories(per_day)
        self._changed = ChangedValues()
        self._bits = group_bits(per_day)
        means, carry = self.slots[0, _MEANS], _carry_steps(self.slots[0], self._bits)
        self._group_codec = ArrayCodec("errors-4", means, carry, bits=self._bits)
        self._steps = LevelSteps(float(self.gamma[0]))
        self._codec = ArrayCodec("recent-errors-4", self.recent, self._steps.of(self.levels), bits=RECENT_BITS)

    def start(self, errors: ErrorStart) -> None:
        """Start from the errors at the end of a model's training."""
        if errors.slots.shape == self.slots.shape:
            self.slots[:] = errors.slots
            self.recent[:] = errors.recent
            for group in range(len(self.slots)):
                self.touch(group)

    def touch(self, group: int) -> None:
        """Mark errors of slot ``group`` as added: the changed values are rounded as in the stored state."""
        _round_block(self.slots[group], self._bits)
        round_significant(self.recent, RECENT_BITS)
        self._steps.round(self.levels)
        self._changed.mark("errors", group)

    def volatility(self, groups: Ints) -> Floats:
        """Return trailing mean absolute errors in MW, shape (5, H)."""
        out = np.empty((5, groups.shape[0]))
        _volatility(self.slots, self.recent, groups, out)
        return out

    def spreads(self, groups: Ints) -> tuple[Floats, Floats, Floats]:
        """Return ramp spread, level spread (MW) and carry of each horizon, over the target's slot and its neighbours.

        A horizon without entries takes the mean over all slots; without any the spreads are NaN.
        """
        ramp, level, carry = np.empty((3, groups.shape[0]))
        _spreads(self.slots, groups, ramp, level, carry)
        return ramp, level, carry

    def changes(self) -> Mapping[str, bytes]:
        """Return the slots of the day that changed since the last call, and count them as kept."""
        blocks = {key.name: self.slots[key.number] for key in self._changed.take()}
        return {
            name: self._group_codec.pack(block[_MEANS], _carry_steps(block, self._bits))
            for name, block in blocks.items()
        }

    def record(self) -> bytes:
        """Return the state that changes with every slot: recent errors and levels."""
        return self._codec.pack(self.recent, self._steps.of(self.levels))

    def load(self, record: bytes, get: Callable[[str], bytes | None]) -> bool:
        """Fill from kept values; False, and nothing changes, where they are of another shape.

        Args:
            record: As ``record`` returned it; empty before a model began.
            get: Reads a slot of the day by name.
        """
        steps = self._steps.of(self.levels)
        if not self._codec.unpack(record, self.recent, steps):
            return False
        self.levels[:] = self._steps.levels(steps)
        means, carry = self.slots[0, _MEANS], _carry_steps(self.slots[0], self._bits)
        for group, block in enumerate(self.slots):
            if self._group_codec.unpack(get(ValueKey("errors", group).name), means, carry):
                block[_MEANS] = means
                block[CROSS] = _cross(block, carry, self._bits)
        return True


def _round_block(block: Floats, bits: int) -> None:
    """Round the means of a slot of the day (fields, H) in place, as in the stored state."""
    round_significant(block, bits)
    block[CROSS] = _cross(block, _carry_steps(block, bits), bits)


def _carry_steps(block: Floats, bits: int) -> Ints:
    """Return CROSS, which changes its sign with the horizon, as multiples of a small part of FIRST_SQUARE."""
    part = _carry_part(block, bits)
    steps = np.divide(block[CROSS], part, out=np.zeros_like(part), where=part > 0.0)
    return np.asarray(np.rint(np.clip(steps, -(2.0**40), 2.0**40)), dtype=np.int64)


def _cross(block: Floats, carry_steps: Ints, bits: int) -> Floats:
    return np.asarray(carry_steps * _carry_part(block, bits))


def _carry_part(block: Floats, bits: int) -> Floats:
    return np.asarray(block[FIRST_SQUARE] / 2.0 ** (bits - 1))


@kernel
def near_one(slots: Floats, f: int, h: int, group: int) -> float:
    """Return field ``f`` of horizon ``h`` at a slot of the day, averaged with its neighbours.

    Slots without entries are left out; where all three have none, the mean over all slots; NaN without any.

    Args:
        slots: Means by slot of the day, shape (groups, fields, H).
        f: The field.
        h: The horizon's number.
        group: The slot of the day.
    """
    n = slots.shape[0]
    total = 0.0
    weight = 0.0
    for shift in range(-1, 2):
        g = (group + shift) % n
        if slots[g, 6, h] > 0.0:
            w = 1.0 if shift == 0 else 0.5
            total += w * slots[g, f, h]
            weight += w
    if weight > 0.0:
        return total / weight
    for g in range(n):
        if slots[g, 6, h] > 0.0:
            total += slots[g, f, h]
            weight += 1.0
    return total / weight if weight > 0.0 else np.nan


@kernel
def _volatility(slots: Floats, recent: Floats, groups: Ints, out: Floats) -> None:
    """Write mean absolute errors near the targets' slots, short and long memory, and the recent ones into ``out``."""
    for h in range(groups.shape[0]):
        out[0, h] = near_one(slots, ABS_SHORT, h, groups[h])
        out[1, h] = near_one(slots, ABS_LONG, h, groups[h])
        for m in range(3):
            out[2 + m, h] = recent[m, h] if recent[3, h] > 0.0 else np.nan


@kernel
def _spreads(slots: Floats, groups: Ints, ramp: Floats, level: Floats, carry: Floats) -> None:
    """Write roots of the mean squares near the targets' slots, and the regression on the first horizon's error."""
    for h in range(groups.shape[0]):
        level[h] = np.sqrt(near_one(slots, SQUARE, h, groups[h]))
        ramp[h] = np.sqrt(near_one(slots, RAMP_SQUARE, h, groups[h]))
        first = near_one(slots, FIRST_SQUARE, h, groups[h])
        follows = near_one(slots, CROSS, h, groups[h]) / first if h > 0 and first > 0.0 else 1.0
        carry[h] = min(max(follows, -1.0), 3.0)


@kernel
def replay_errors(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    h: int,
    steps: int,
    origin: Ints,
    group: Ints,
    errors: Floats,
    before: Floats,
    first: Floats,
    slots: Floats,
    recent: Floats,
    memory: Floats,
) -> Floats:
    """Enter the errors of horizon ``h`` in order of their targets; return the trailing errors at each origin, (5, n).

    Args:
        h: Column of the horizon in ``slots`` and ``recent``.
        steps: The horizon in slots.
        origin: Position of each origin, ascending, shape (n,).
        group: Slot of the day of the target of each origin, shape (n,).
        errors: Errors of this horizon by position of the origin, MW, NaN = none, shape (slots,).
        before: Errors of the horizon before it, as ``errors``.
        first: Errors of the first horizon, as ``errors``.
        slots: Trailing errors by slot of the day, shape (slots, fields, H), changed.
        recent: Recent errors, shape (4, H), changed.
        memory: As ``models.net_load.trailing_errors.memories``.
    """
    n = origin.shape[0]
    out = np.full((5, n), np.nan)
    entered = 0
    for i in range(n):
        while entered < n and origin[entered] + steps <= origin[i]:
            at = origin[entered]
            ramp = errors[at] - before[at]
            enter_error(slots[group[entered]], recent, h, errors[at], ramp, first[at], memory)
            entered += 1
        out[0, i] = near_one(slots, 0, h, group[i])
        out[1, i] = near_one(slots, 1, h, group[i])
        for m in range(3):
            out[2 + m, i] = recent[m, h] if recent[3, h] > 0.0 else np.nan
    while entered < n:
        at = origin[entered]
        enter_error(slots[group[entered]], recent, h, errors[at], errors[at] - before[at], first[at], memory)
        entered += 1
    return out
