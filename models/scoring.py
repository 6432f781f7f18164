"""What happens to waiting forecasts when the actual of a slot arrives, and the skill that is published of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import numpy.typing as npt
from numba import njit

from models.residuals import Residuals, adapt_levels, enter_error
from models.scores import ABS, ABS_PERSISTENCE, COVERED, LEVELS, PINBALL, N, Waiting, score_rows
from vpp.messages import Skill

Array = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def mature(
    index: int,
    actuals: Array,
    steps: Indices,
    *,
    waiting: Waiting,
    sums: Array,
    residuals: Residuals | None,
    group: int,
) -> None:
    """Score all forecasts of slot ``index`` and, for net load, enter their errors.

    Args:
        index: The closed slot.
        actuals: Its actual and those before it, back to the farthest origin; the last entry is the slot itself.
        steps: Horizons in slots.
        waiting: Forecasts that wait.
        sums: Scores of the day, shape (H, 5), added to.
        residuals: Trailing errors to enter into, or None.
        group: Slot of the local day.
    """
    score_rows(index, actuals[-1], steps, waiting.origin, waiting.now, waiting.quantiles, LEVELS, sums)
    if residuals is None:
        return
    first_row = (index - int(steps[0])) % waiting.rows
    if waiting.origin[first_row] == index - steps[0] and waiting.by_model[first_row]:
        waiting.set_first_error(first_row, float(actuals[-1] - waiting.mean[first_row, 0]))
    entered = _enter(
        index, actuals, steps, waiting.origin, waiting.by_model, waiting.quantiles, waiting.mean, waiting.first_error,
        residuals.slots[group], residuals.recent, residuals.levels, residuals.gamma, residuals.memory, LEVELS,
    )  # fmt: skip
    if entered:
        residuals.touch(group)


@njit(cache=True)
def _enter(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    index: int,
    actuals: Array,
    steps: Indices,
    origin: Indices,
    by_model: npt.NDArray[np.bool_],
    quantiles: Floats32,
    mean: Floats32,
    first_error: Floats32,
    block: Array,
    recent: Array,
    levels: Array,
    gamma: Array,
    memory: Array,
    nominal: Array,
) -> int:
    entered = 0
    rows = origin.shape[0]
    last = actuals.shape[0] - 1
    below = np.empty(nominal.shape[0], dtype=np.bool_)
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
        for q in range(nominal.shape[0]):
            below[q] = actuals[last] < quantiles[row, h, q]
        adapt_levels(levels[h], below, gamma[h], nominal)
        entered += 1
    return entered


def skill_messages(
    zone: str, slot: datetime, target: str, horizons_min: tuple[int, ...], sums: Array
) -> Iterator[Skill]:
    """Yield one message per horizon that has scores; ``sums`` has shape (H, 5)."""
    for horizon, row in zip(horizons_min, sums, strict=True):
        n = int(row[N])
        if n == 0:
            continue
        yield Skill(
            zone=zone,
            slot=slot,
            target=target,
            horizon_min=horizon,
            n=n,
            mae=round(float(row[ABS] / n), 4),
            mae_persistence=round(float(row[ABS_PERSISTENCE] / n), 4),
            pinball=round(float(row[PINBALL] / n), 4),
            coverage_90=round(float(row[COVERED] / n), 4),
        )
