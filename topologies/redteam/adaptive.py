"""An attacker with full knowledge of the guard: its members, tables and alarm, and the true value of the slot.

Greedy: in each slot it takes the largest bias in its direction, up to 15 % of load, whose score stays ``MARGIN`` below
the alarm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from models.guard.closed_loop import run_guard
from models.guard.quarantine_kernel import LEVEL, SCORE
from models.guard.series import Series
from topologies.redteam.detection import CleanRun
from vpp.numerics.arrays import Floats

MARGIN = 0.3
MOST_SHARE, LEAST_SHARE = 0.15, -0.1
CANDIDATES, HALVINGS = 26, 4


@dataclass(frozen=True)
class Reach:
    """What the attacker reaches undetected: bias by start and slot (MW), and whether an alarm came anyway."""

    bias: Floats
    alarmed: Floats
    net_mw: float

    def at_end_pct(self) -> float:
        """Return the mean size of the bias in the last slot, % of mean net load."""
        return 100.0 * float(np.abs(self.bias[:, -1]).mean()) / self.net_mw

    def mean_pct(self) -> float:
        """Return the mean size of the bias over the attack, % of mean net load."""
        return 100.0 * float(np.abs(self.bias).mean()) / self.net_mw


def reach(run: CleanRun, numbers: list[int], hours: int, seed: int) -> Reach:
    """Let the attacker forge load for ``hours`` at the starts ``numbers``, net load and totals moved along.

    Args:
        run: The clean run.
        numbers: Numbers of the starts.
        hours: Length of the attack.
        seed: Seed of the signs.
    """
    part = run.parts[0]
    slots = hours * 60 // part.layout.step.minutes
    biases, alarmed = np.zeros((len(numbers), slots)), np.zeros(len(numbers))
    for i, number in enumerate(numbers):
        sign = 1.0 if np.random.default_rng((seed, number)).random() < 0.5 else -1.0
        biases[i], alarmed[i] = _greedy(run, number, slots, sign)
    net = run.truth[part.shape.net, run.begin :]
    return Reach(biases, alarmed, float(np.nanmean(np.abs(net))))


def _greedy(run: CleanRun, number: int, slots: int, sign: float) -> tuple[Floats, bool]:
    part, start = run.parts[run.part_of[number]], run.starts[number]
    begin, ahead = max(start - part.layout.window, 0), part.layout.longest
    end = min(start + slots, run.truth.shape[1])
    window = run.series.window[:, begin:end].copy()
    window[:, start - begin :] = run.truth[:, start:end]
    buffer, bias_mw, alarmed = run.states[number].copy(), np.zeros(slots), False
    series = run.series

    def judged(at: int, bias: float, keep: bool) -> tuple[float, bool]:
        low = max(at - part.layout.window, 0)
        buffer_window = window if keep else window[:, low : at + 1].copy()
        place = at if keep else at - low
        buffer_window[0, place] += bias
        state = buffer if keep else buffer.copy()
        offset = begin if keep else begin + low
        piece = Series(
            series.first + offset,
            buffer_window,
            series.published[:, offset : begin + at + 1 + ahead],
            series.context[:, offset : begin + at + 1 + ahead],
            series.supply[offset : begin + at + 1],
            series.totals[offset : begin + at + 1],
        )
        outputs, _ = run_guard(part, piece, place, place + 1, state)
        return float(outputs[0, SCORE]), bool(outputs[0, LEVEL] > 0.0)

    def scored(at: int, bias: float) -> float:
        return judged(at, sign * bias, keep=False)[0]

    limit = float(part.fit.alarm[0]) - MARGIN
    for k in range(end - start):
        at = start - begin + k
        size = abs(float(window[0, at]))
        bias_mw[k] = sign * _largest(size, limit, partial(scored, at))
        alarmed = judged(at, bias_mw[k], keep=True)[1] or alarmed
    return bias_mw, alarmed


def _largest(size: float, limit: float, score: Callable[[float], float]) -> float:
    """Return the largest bias whose score stays below the limit, else that of the least score."""
    tried = np.linspace(MOST_SHARE * size, LEAST_SHARE * size, CANDIDATES)
    scores = []
    for n, bias in enumerate(tried):
        scores.append(score(float(bias)))
        if scores[-1] > limit:
            continue
        low, high = float(bias), float(tried[max(n - 1, 0)])
        for _ in range(HALVINGS):
            middle = (low + high) / 2.0
            low, high = (middle, high) if score(middle) <= limit else (low, middle)
        return low
    return float(tried[int(np.argmin(scores))])
