"""The test before a promotion: the new model and the active one forecast the same recent origins, unseen by both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.backtest import Backtest, BacktestOptions, replay_model
from models.history import with_net_load
from models.registry.artifact import assemble
from models.registry.registry import identified
from models.registry.trainer import Trainer
from models.served import ServedModel
from vpp.domain import QUANTILE_LEVELS, Target, iso
from vpp.errors import DataError
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats
from vpp.progress import Progress, no_progress

HOLDOUT_DAYS = 28
MIN_HOLDOUT_DAYS = 7
DRAWS = 2000
BLOCK_DAYS = 2
CONFIDENCE = 0.9
FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One target; losses are mean pinball losses relative to persistence's error, so horizons weigh alike.

    ``gain``: share of the loss that the challenger saves. ``better``: share of bootstrap draws in which it saves any.
    """

    days: int
    loss: float
    loss_in_force: float
    gain: float
    better: float

    @property
    def is_better(self) -> bool:
        """Whether the challenger is better in at least nine of ten draws."""
        return self.better >= CONFIDENCE

    @property
    def is_worse(self) -> bool:
        """Whether the challenger is worse in at least nine of ten draws."""
        return self.better <= 1.0 - CONFIDENCE and self.gain < 0.0


@dataclass(frozen=True, slots=True)
class PromotionVerdict:
    """Whether to promote, and why, in words.

    ``against``: id of the model in force, or ``fallback``. ``since``, ``until``: the origins that were compared, None
    where nothing could be. ``by_target``: the comparison of each target that the zone has.
    """

    promote: bool
    reason: str
    against: str
    since: datetime | None = None
    until: datetime | None = None
    by_target: Mapping[str, Comparison] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the verdict as plain values, as a version's metadata hold it."""
        return {
            "promote": self.promote,
            "reason": self.reason,
            "against": self.against,
            "since": None if self.since is None else iso(self.since),
            "until": None if self.until is None else iso(self.until),
            "targets": {
                name: {
                    "days": c.days,
                    "loss": c.loss,
                    "loss_in_force": c.loss_in_force,
                    "gain": c.gain,
                    "better": c.better,
                }
                for name, c in self.by_target.items()
            },
        }


def judge(
    frame: pd.DataFrame,
    zone: Zone,
    in_force: ServedModel | None,
    until: datetime,
    progress: Progress = no_progress,
    *,
    challenger: ServedModel | None = None,
    min_days: int = MIN_HOLDOUT_DAYS,
) -> PromotionVerdict:
    """Compare a newly trained model with the model in force, on recent days that neither was trained on.

    The challenger is a model trained as the new one is, but on the rows before those days only. They are the last four
    weeks, or the last half of the age of the model in force where that is less, but at least ``min_days``. To be
    promoted the challenger must be better at one target and worse at none.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: Its configuration.
        in_force: The model that a new one would replace; None: the named fallbacks serve.
        until: End of the data (exclusive, aware UTC).
        progress: Called with the share done (0-1) and the name of the current part.
        challenger: A model that was trained so some time ago; the days since its training are compared, at most four
            weeks. None: one is trained here.
        min_days: Fewest days of a comparison.
    """
    against = FALLBACK if in_force is None else in_force.model_id
    if challenger is None:
        days, why_not = _holdout(frame, in_force, until, min_days)
    else:
        age = (until - datetime.fromisoformat(str(challenger.metadata["until"]))).days
        days, why_not = min(age, HOLDOUT_DAYS), f"the challenger has not seen the last {age} days, too few to compare"
    if days < min_days:
        return PromotionVerdict(False, why_not, against)
    begin = until - timedelta(days=days)
    if challenger is None:
        try:
            parts, metadata = Trainer(zone, lambda share, text: progress(0.6 * share, text)).train(frame, begin)
        except DataError:
            return PromotionVerdict(
                False, f"there are too few rows before the last {days} days to train a challenger on", against
            )
        challenger = assemble(parts, identified(parts, metadata))
    comparisons = _contest(frame, zone, (challenger, in_force), begin, until, progress)
    if not comparisons:
        return PromotionVerdict(False, f"the last {days} days hold neither net load nor price", against)
    return _verdict(comparisons, against, days, begin, until)


def _contest(
    frame: pd.DataFrame,
    zone: Zone,
    models: tuple[ServedModel, ServedModel | None],
    begin: datetime,
    until: datetime,
    progress: Progress,
) -> dict[str, Comparison]:
    """Return the comparison of the challenger and the model in force by target, where both forecast anything."""
    rows = with_net_load(frame, zone)
    comparisons = {}
    for n, target in enumerate(_targets(rows, begin, until)):
        options = BacktestOptions(target, begin, begin, until, None)
        runs = []
        for m, model in enumerate(models):
            progress(0.6 + 0.2 * n + 0.1 * m, f"comparing {target.value.replace('_', ' ')}")
            runs.append(replay_model(rows, zone, options, model))
        losses = daily_losses(*runs)
        if not np.isnan(losses[0] + losses[1]).all():
            comparisons[target.value] = compare(*losses)
    return comparisons


def _holdout(frame: pd.DataFrame, in_force: ServedModel | None, until: datetime, min_days: int) -> tuple[int, str]:
    """Return the number of days that neither was trained on, and an explanation if they are too few."""
    if in_force is None:
        days = (until - frame.index[0].to_pydatetime()).days // 4
        return min(days, HOLDOUT_DAYS), f"{days * 4} days of history are too few to hold some back for a comparison"
    age = (until - datetime.fromisoformat(str(in_force.metadata["until"]))).days
    why_not = (
        f"the model in force knows all but the last {max(age, 0)} days; {2 * min_days} days that it has not seen are "
        "needed to compare"
    )
    return min(age // 2, HOLDOUT_DAYS), why_not


def _targets(rows: pd.DataFrame, begin: datetime, until: datetime) -> list[Target]:
    inside = rows.loc[(rows.index >= pd.Timestamp(begin)) & (rows.index < pd.Timestamp(until))]
    return [target for target in Target if target.channel in inside and inside[target.channel].notna().any()]


def _verdict(
    comparisons: dict[str, Comparison], against: str, days: int, begin: datetime, until: datetime
) -> PromotionVerdict:
    better = [name for name, c in comparisons.items() if c.is_better]
    worse = [name for name, c in comparisons.items() if c.is_worse]
    summary = "; ".join(
        f"{name.replace('_', ' ')}: loss {abs(c.gain):.1%} {'lower' if c.gain >= 0 else 'higher'}, "
        f"better in {c.better:.0%} of draws"
        for name, c in comparisons.items()
    )
    rival = "the fallback" if against == FALLBACK else against
    return PromotionVerdict(
        bool(better) and not worse,
        f"{summary} (against {rival} on {days} days that neither has seen)",
        against,
        begin,
        until,
        comparisons,
    )


def daily_losses(challenger: Backtest, in_force: Backtest) -> tuple[Floats, Floats]:
    """Return both runs' mean pinball losses of each day, NaN if none is known; shape (days,) each.

    Each horizon is divided by persistence's mean error; only forecasts that both made are counted.
    """
    actual, now = challenger.actual.astype(float), challenger.now.astype(float)
    gaps = [actual[:, :, None] - run.quantiles.astype(float) for run in (challenger, in_force)]
    levels = np.array(QUANTILE_LEVELS)
    losses = [np.maximum(levels * gap, (levels - 1.0) * gap).mean(axis=2) for gap in gaps]
    is_known = ~np.isnan(losses[0]) & ~np.isnan(losses[1])
    unit = _mean(np.abs(actual - now[:, None]))
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(unit > 0, 1.0 / unit, np.nan)
    day = (challenger.origins - challenger.origins[0]).days.to_numpy()
    out = []
    for loss in losses:
        relative = np.where(is_known, loss, np.nan) * scale
        out.append(np.array([_mean(relative[day == d].reshape(-1, 1))[0] for d in range(int(day[-1]) + 1)]))
    return out[0], out[1]


def _mean(values: Floats) -> Floats:
    """Return the mean of the known values in each column, NaN without any."""
    finite = ~np.isnan(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def compare(challenger: Floats, in_force: Floats, seed: int = 1) -> Comparison:
    """Compare two series of daily losses by a moving-block bootstrap of their difference (Künsch 1989), seeded.

    Args:
        challenger: Daily losses, shape (days,).
        in_force: Daily losses of the model in force on the same days, shape (days,); at least one day is known of both.
        seed: Of the draws.
    """
    is_known = ~np.isnan(challenger) & ~np.isnan(in_force)
    difference = (in_force - challenger)[is_known]
    days = len(difference)
    block = min(BLOCK_DAYS, days)
    chance = np.random.default_rng(seed)
    starts = chance.integers(0, days - block + 1, size=(DRAWS, -(-days // block)))
    drawn = difference[(starts[:, :, None] + np.arange(block)).reshape(DRAWS, -1)[:, :days]]
    better = float((drawn.mean(axis=1) > 0.0).mean())
    loss, before = float(challenger[is_known].mean()), float(in_force[is_known].mean())
    return Comparison(days, round(loss, 6), round(before, 6), round(1.0 - loss / before, 6), round(better, 4))
