"""Whether a new model may replace the one in force: both forecast the same recent origins, which neither has seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.backtest import Backtest, BacktestOptions, replay_model
from models.bundle import assemble
from models.registry import identified
from models.served import ServedModel
from models.training import Trainer
from vpp.domain import QUANTILE_LEVELS, Target
from vpp.fleet import Zone

Array = npt.NDArray[np.float64]
Progress = Callable[[float, str], None]

HOLDOUT_DAYS = 28
DRAWS = 2000
BLOCK_DAYS = 2
CONFIDENCE = 0.9


def _quiet(share: float, text: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Result of a comparison; losses are mean pinball losses relative to persistence's error, so horizons weigh alike.

    ``gain``: share of the loss that the challenger saves. ``better``: share of bootstrap draws in which it saves any.
    """

    days: int
    loss: float
    loss_in_force: float
    gain: float
    better: float

    @property
    def promote(self) -> bool:
        """Whether the challenger is better in at least nine of ten draws."""
        return self.better >= CONFIDENCE


def judge(
    frame: pd.DataFrame, zone: Zone, in_force: ServedModel, until: datetime, progress: Progress = _quiet
) -> Verdict | None:
    """Compare a model trained up to four weeks before ``until`` with the one in force, on those four weeks.

    Args:
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing.
        zone: Its configuration.
        in_force: The model that a new one would replace.
        until: End of the data (exclusive, aware UTC).
        progress: Told the share done and what is going on.

    Returns:
        None where the two cannot be compared on net load (one of them has no such part, or the model in force was
        trained on the four weeks).
    """
    begin = until - timedelta(days=HOLDOUT_DAYS)
    if in_force.net_load is None or datetime.fromisoformat(str(in_force.metadata["until"])) > begin:
        return None
    parts, metadata = Trainer(zone, lambda share, text: progress(0.5 * share, text)).train(frame, begin, price=False)
    challenger = assemble(parts, identified(parts, metadata))
    if challenger.net_load is None:
        return None
    options = BacktestOptions(Target.NET_LOAD, begin, begin, until, None)
    runs = [replay_model(frame, zone, options, model, progress) for model in (challenger, in_force)]
    return compare(daily_loss(runs[0]), daily_loss(runs[1]))


def daily_loss(run: Backtest) -> Array:
    """Return the mean pinball loss of each day, each horizon divided by persistence's mean error; shape (days,)."""
    gap = run.actual[:, :, None].astype(float) - run.quantiles.astype(float)
    levels = np.array(QUANTILE_LEVELS)
    loss = np.maximum(levels * gap, (levels - 1.0) * gap).mean(axis=2)
    unit = np.nanmean(np.abs(run.actual - run.now[:, None]), axis=0)
    day = ((run.origins - run.origins[0]).days).to_numpy()
    relative = loss / np.where(unit > 0, unit, np.nan)
    return np.array([np.nanmean(relative[day == d]) for d in range(int(day[-1]) + 1)])


def compare(challenger: Array, in_force: Array, seed: int = 1) -> Verdict:
    """Compare two series of daily losses by a moving-block bootstrap of their difference (Künsch 1989), seeded.

    Args:
        challenger: Daily losses, shape (days,).
        in_force: The same days.
        seed: Of the draws.
    """
    known = ~np.isnan(challenger) & ~np.isnan(in_force)
    difference = (in_force - challenger)[known]
    days = len(difference)
    block = min(BLOCK_DAYS, days)
    chance = np.random.default_rng(seed)
    starts = chance.integers(0, days - block + 1, size=(DRAWS, -(-days // block)))
    drawn = difference[(starts[:, :, None] + np.arange(block)).reshape(DRAWS, -1)[:, :days]]
    better = float((drawn.mean(axis=1) > 0.0).mean())
    loss, before = float(challenger[known].mean()), float(in_force[known].mean())
    return Verdict(days, round(loss, 6), round(before, 6), round(1.0 - loss / before, 6), round(better, 4))
