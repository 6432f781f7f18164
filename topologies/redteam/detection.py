"""Detection of attacks by the guard: injections into copies of its state, one in each part of the test."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.guard.closed_loop import run_guard
from models.guard.evidence import DWELL_HOURS
from models.guard.part import GuardPart
from models.guard.quarantine_kernel import LEVEL, STARTED, SUSPECTED, VERDICT
from models.guard.series import Series
from topologies.sources.attacks import ALL_CHANNELS, Attack, forge
from vpp.numerics.arrays import Floats, Floats32

ATTACK_HOURS = 6


@dataclass(frozen=True)
class CleanRun:
    """The guard over the clean test: series as it let them in, its outputs and its state at each start.

    ``truth``: window as measured. ``outputs``: of the guard by slot from position ``begin``. ``states``: by start.
    """

    parts: tuple[GuardPart, ...]
    series: Series
    truth: Floats
    begin: int
    outputs: Floats
    starts: tuple[int, ...]
    states: tuple[Floats32, ...]
    part_of: tuple[int, ...]

    @property
    def weeks(self) -> float:
        """Length of the test in weeks."""
        return len(self.outputs) / (7.0 * self.parts[0].shape.per_day)

    def false_episodes(self) -> list[int]:
        """Return the slots (from ``begin``) at which an episode began, six hours apart at least."""
        dwell = DWELL_HOURS * 60 // self.parts[0].layout.step.minutes
        starts: list[int] = []
        for slot in np.flatnonzero(self.outputs[:, STARTED] == 1.0).tolist():
            if not starts or slot >= starts[-1] + dwell:
                starts.append(slot)
        return starts


def run_clean(
    parts: Sequence[GuardPart], edges: Sequence[int], series: Series, begin: int, end: int, starts: Sequence[int]
) -> CleanRun:
    """Run the guard over the clean test and keep its state at every start.

    Args:
        parts: Guards in the order in which they come into force; each begins with the state that training left, its
            quarantine taken over.
        edges: Position from which each is in force, the first at ``begin``.
        series: Values of the zone; replaced values are written in place.
        begin: First slot of the test.
        end: End (exclusive).
        starts: Positions whose state before the slot is kept, ascending.
    """
    truth, outputs = series.window.copy(), []
    buffer, states, part_of = parts[0].start.copy(), [], []
    marks = sorted({begin, *edges, *starts, end})
    current = 0
    start_set = set(starts)
    for a, b in itertools.pairwise(marks):
        if a in edges[1:]:
            current = list(edges).index(a)
            buffer = parts[current].start.copy()
        if a in start_set:
            states.append(buffer.copy())
            part_of.append(current)
        outputs.append(run_guard(parts[current], series, a, b, buffer)[0])
    return CleanRun(
        tuple(parts), series, truth, begin, np.concatenate(outputs), tuple(starts), tuple(states), tuple(part_of)
    )


def choose_starts(truth: Floats, begin: int, end: int, n: int, slots: int, rng: np.random.Generator) -> list[int]:
    """Return a random start in each of ``n`` equal parts of the test, moved to the nearest whose values are all there.

    A part in which some value is always missing has no start.

    Args:
        truth: Channel values as measured, MW, shape (rows, slots).
        begin: First slot of the test.
        end: Its end, exclusive.
        n: Number of parts, fewer where the test has fewer slots.
        slots: Slots of an attack.
        rng: Chooses the starts.
    """
    last = end - slots
    if last <= begin:
        return []
    edges = np.linspace(begin, last, min(n, last - begin) + 1).astype(int)
    missing = np.cumsum(np.pad(~np.isfinite(truth).all(axis=0), (1, 0)))
    starts = []
    for a, b in itertools.pairwise(edges.tolist()):
        drawn = int(rng.integers(a, b))
        whole = [at for at in range(a, b) if missing[at + slots] == missing[at - 1]]
        if whole:
            starts.append(min(whole, key=lambda at: abs(at - drawn)))
    return starts


@dataclass(frozen=True)
class Detection:
    """One attack against all starts: minutes to the first alarm (NaN: not found), suspects and verdicts at it."""

    attack: Attack
    minutes: Floats
    suspects: tuple[int, ...]
    verdicts: tuple[int, ...]

    @property
    def tpr(self) -> float:
        """Share found."""
        return float(np.isfinite(self.minutes).mean()) if self.minutes.size else 0.0


def inject(run: CleanRun, attack: Attack, seed: int) -> Detection | None:
    """Return when the guard finds one attack at each start; None if the zone has no such channel."""
    layout, shape = run.parts[0].layout, run.parts[0].shape
    names = layout.channels
    if attack.channel != ALL_CHANNELS and attack.channel not in names:
        return None
    rows = range(len(names)) if attack.channel == ALL_CHANNELS else [names.index(attack.channel)]
    slots = ATTACK_HOURS * 60 // layout.step.minutes
    minutes, suspects, verdicts = [], [], []
    for number, start in enumerate(run.starts):
        rng = np.random.default_rng((seed, number))
        sign = 1.0 if rng.random() < 0.5 else -1.0
        if run.outputs[start - run.begin - 1, LEVEL] > 0.0:
            continue
        forged = {row: forge(attack, run.truth[row], start, slots, shape.per_day, sign, rng) for row in rows}
        part = run.parts[run.part_of[number]]
        outputs = forged_run(run, number, forged, attack.moves_total)
        at = np.flatnonzero(outputs[:, LEVEL] > 0.0)
        minutes.append((at[0] + 1.0) * part.layout.step.minutes if at.size else np.nan)
        if at.size:
            settled = min(int(at[0]) + 1, slots - 1)
            shown_at = settled if outputs[settled, LEVEL] > 0.0 else int(at[0])
            suspects.append(int(outputs[shown_at, SUSPECTED]))
            verdicts.append(int(outputs[shown_at, VERDICT]))
    return Detection(attack, np.array(minutes), tuple(suspects), tuple(verdicts))


def forged_run(run: CleanRun, number: int, forged: dict[int, Floats], moves_total: bool, after: int = 0) -> Floats:
    """Return the guard's judgements of the forged slots at one start, and of ``after`` true slots after them.

    Args:
        run: The clean run.
        number: Number of the start.
        forged: Forged values by row, MW, shape (slots,).
        moves_total: Whether the attacker moves independent totals along.
        after: True slots behind the forged ones.
    """
    return forged_series(run, number, forged, moves_total, after)[0]


def forged_series(
    run: CleanRun, number: int, forged: dict[int, Floats], moves_total: bool, after: int = 0
) -> tuple[Floats, Floats]:
    """Return the guard's judgements of the forged slots, and the values that it accepts, shape (rows, slots).

    Args:
        run: The clean run.
        number: Number of the start.
        forged: Forged values by row, MW, shape (slots,).
        moves_total: Whether the attacker moves independent totals along.
        after: True slots behind the forged ones.
    """
    part, start = run.parts[run.part_of[number]], run.starts[number]
    slots = len(next(iter(forged.values())))
    begin = max(start - part.layout.window, 0)
    end = start + slots + after
    series = run.series
    piece = Series(
        series.first + begin,
        series.window[:, begin:end].copy(),
        series.published[:, begin : end + part.layout.longest],
        series.context[:, begin : end + part.layout.longest],
        series.supply[begin:end],
        series.totals[begin:end].copy(),
    )
    at = start - begin
    piece.window[:, at:] = run.truth[:, start:end]
    for row, values in forged.items():
        moved = values - piece.window[row, at : at + slots]
        piece.window[row, at : at + slots] = values
        if not moves_total:
            for b in range(piece.totals.shape[1]):
                piece.totals[at : at + slots, b] += part.fit.part[b, row] * moved
    outputs, _ = run_guard(part, piece, at, at + slots + after, run.states[number].copy())
    return outputs, piece.window[:, at:]
