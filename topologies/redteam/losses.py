"""What attacks cost: the injections of the bench through the plant, with the guard and without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from models.registry.artifact import assemble
from models.registry.registry import identified
from models.registry.trainer import Trainer
from models.served import ServedModel
from topologies.redteam.adaptive import reach
from topologies.redteam.detection import ATTACK_HOURS, CleanRun
from topologies.redteam.money import Errors, MoneyBench, PlantStart
from topologies.sources.attacks import ALL_CHANNELS, Attack, forge
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats
from vpp.progress import Progress, part_of

MODEL_DAYS = 400
"""History that the net-load model learns from: a year and what features look back."""

RANGE_SHARE = 0.2
"""What a range check lets an attacker do where no guard is; his swings set the scale for the adaptive one."""


@dataclass(frozen=True)
class Losses:
    """Mean money lost by attack, with the guard and without, and what the guard costs on clean data (%)."""

    by_attack: dict[str, tuple[float, float]]
    adaptive: tuple[float, float] | None
    clean_cost: dict[str, float]


NO_LOSSES = Losses({}, None, {})


class LossBench:
    """Settles attacks at some of the starts of a clean run.

    Args:
        zone: The zone.
        frame: With net load; the clean history.
        run: The clean run of the guard.
        base: Position in ``frame`` of the first slot of ``run.series``.
        train_to: End of the rows that the net-load model learns from.
        seed: Seed of signs and noise.
    """

    def __init__(
        self, zone: Zone, frame: pd.DataFrame, run: CleanRun, base: int, *, train_to: datetime, seed: int
    ) -> None:
        self._zone = zone
        self._frame = frame
        self._run = run
        self._base = base
        self._train_to = train_to
        self._seed = seed
        self._slots = ATTACK_HOURS * 60 // zone.step.minutes
        self._channels = run.parts[0].layout.channels

    def losses(self, attacks: Sequence[Attack], n: int, progress: Progress) -> Losses:
        """Return what ``n`` injections of each attack cost.

        Args:
            attacks: Attacks on telemetry.
            n: Starts that are settled.
            progress: Called with the share done (0-1) and the name of the current part.

        Raises:
            DataError: There is too little history to train a model of net load.
        """
        run, base = self._run, self._base
        bench = MoneyBench(self._zone, self._frame, self._model(part_of(progress, 0.0, 0.2)))
        every = max(len(run.starts) // n, 1)
        numbers = list(range(every // 2, len(run.starts), every))[:n]
        places = [base + run.starts[number] for number in numbers]
        starts, guarded = bench.walk(places, guarded=True, progress=part_of(progress, 0.2, 0.35))
        _, unguarded = bench.walk(places, guarded=False, progress=part_of(progress, 0.35, 0.45))
        usable = [number for number in numbers if base + run.starts[number] in starts]
        clean = {
            number: bench.pnl(starts[base + run.starts[number]], {}, self._slots, guarded=True) for number in usable
        }
        by_attack: dict[str, tuple[float, float]] = {}
        adaptive = None
        for k, attack in enumerate(attacks if usable else ()):
            progress(0.45 + 0.5 * k / len(attacks), f"money: {attack.name}")
            lost = np.zeros(2)
            for number in usable:
                start, forged = starts[base + run.starts[number]], self._forged(attack, number)
                for i, is_guarded in enumerate((True, False)):
                    lost[i] += clean[number] - bench.pnl(start, forged, self._slots, guarded=is_guarded)
            by_attack[attack.name] = (float(lost[0] / len(usable)), float(lost[1] / len(usable)))
        if usable:
            progress(0.95, "money: adaptive")
            adaptive = self._adaptive(bench, usable, starts, clean)
        return Losses(by_attack, adaptive, _cost(guarded, unguarded))

    def _model(self, progress: Progress) -> ServedModel:
        """Train net load on the rows before the test and put the guard of the run beside it."""
        since = pd.Timestamp(self._train_to) - pd.Timedelta(days=MODEL_DAYS)
        rows = self._frame.loc[self._frame.index >= since]
        parts, metadata = Trainer(self._zone, progress).train(rows, self._train_to, price=False, guard=False)
        served = assemble(parts, identified(parts, metadata))
        return ServedModel(
            served.model_id,
            served.sha256,
            served.zone,
            served.step_min,
            served.net_load,
            None,
            served.metadata,
            self._run.parts[0],
        )

    def _forged(self, attack: Attack, number: int) -> dict[str, Floats]:
        """Return the forged values by channel of one injection, independent totals included."""
        run, start = self._run, self._run.starts[number]
        rng = np.random.default_rng((self._seed, number))
        sign = 1.0 if rng.random() < 0.5 else -1.0
        names = self._channels if attack.channel == ALL_CHANNELS else (attack.channel,)
        forged = {
            name: forge(
                attack, run.truth[self._channels.index(name)], start, self._slots, self._zone.step.per_day, sign, rng
            )
            for name in names
        }
        return forged | (self._totals(start, forged) if attack.moves_total else {})

    def _totals(self, start: int, forged: dict[str, Floats]) -> dict[str, Floats]:
        """Return the independent totals as they move along with their forged parts."""
        place = self._base + start
        totals = {}
        for balance in self._zone.balances:
            parts = {name: sign for name, sign in balance.parts.items() if name in forged}
            if balance.total in self._frame and parts:
                moved = sum(sign * (forged[name] - self._true(name, place)) for name, sign in parts.items())
                totals[balance.total] = self._true(balance.total, place) + moved
        return totals

    def _true(self, channel: str, place: int) -> Floats:
        values: Floats = self._frame[channel].to_numpy(dtype=np.float64)[place : place + self._slots]
        return values

    def _adaptive(
        self, bench: MoneyBench, numbers: list[int], starts: dict[int, PlantStart], clean: dict[int, float]
    ) -> tuple[float, float]:
        """Return money lost to the adaptive attacker, and without a guard to one who swings within a range check."""
        reached = reach(self._run, numbers, ATTACK_HOURS, self._seed)
        swings = np.where(np.arange(self._slots) % 2 == 0, 1.0, -1.0)
        lost = np.zeros(2)
        for i, number in enumerate(numbers):
            first = self._run.starts[number]
            truth = self._run.truth[0, first : first + self._slots]
            for n, values in enumerate((truth + reached.bias[i], truth * (1.0 + RANGE_SHARE * swings))):
                forged = {self._channels[0]: values}
                forged |= self._totals(first, forged)
                start = starts[self._base + first]
                lost[n] += clean[number] - bench.pnl(start, forged, self._slots, guarded=n == 0)
        return float(lost[0] / len(numbers)), float(lost[1] / len(numbers))


def _cost(with_it: Errors, without: Errors) -> dict[str, float]:
    """Return by how many per cent the guard changes the mean absolute error on clean data."""
    if not with_it.count.size:
        return {}
    a, b = with_it.total / np.maximum(with_it.count, 1), without.total / np.maximum(without.count, 1)
    change = 100.0 * (a / np.where(b > 0, b, math.nan) - 1.0)
    return {"mae_one_step_pct": round(float(change[0]), 3), "mae_mean_pct": round(float(np.nanmean(change)), 3)}
