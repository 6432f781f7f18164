"""The change of net load over each step ahead, with a distribution of its own; a reducer in stream state.

The difference of neighbouring levels' forecasts is a poor forecast of a step: each level is right on average, but their
difference also holds what their errors do not share. So the step is c + b (m - c), with m that difference, c the mean
change of the same step in the last two weeks, and b (0 to 1) the regression of what came, less c, on m - c, over past
forecasts of the horizon. Quantile q of a step is that plus s z(q): s is the spread of the errors of m at the horizon
and the time of day (``models.net_load.trailing_errors``), and z(q) follows past errors over s.

z adapts with every step that came (``models.learners.conformal``). The first step is the first level less the closed
slot, so its quantiles are that level's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.ring import SlotRing
from models.forecast.waiting_forecasts import WaitingForecasts
from models.learners.conformal import ALL_BUT_MEDIAN, adapt_levels
from vpp.domain import NET_LOAD, Step
from vpp.numerics.arrays import Bools, Floats, Floats32, Ints
from vpp.numerics.compiled import kernel
from vpp.numerics.quantile_distribution import cumulative
from vpp.numerics.significant_bits import round_significant
from vpp.streams.state_codec import ArrayCodec

SEASON_DAYS = 14
MEMORY_DAYS = 60.0
GAMMA = 0.001
"""How far z moves per step that came; there are dozens of them in every slot."""

SUM_BITS = 18
"""Significant bits that are kept: sums fade by a part in some thousand with each slot."""

PRIOR = 20.0
"""Weight of b = 1 before anything came, in squared spreads."""

HUBER = 2.0
"""Errors beyond so many spreads weigh less, so a faulty reading does not set b."""

_NORMAL = np.array([-1.6449, -1.2816, -0.6745, 0.0, 0.6745, 1.2816, 1.6449])
_cumulative = kernel(cumulative)


@dataclass(frozen=True, slots=True)
class Steps:
    """The step that ends at each horizon.

    ``quantiles``: shape (H, 7), MW. ``beyond``: shape (H,), probability of passing the limit. ``limit_mw``: over one
    slot.
    """

    quantiles: Floats
    beyond: Floats
    limit_mw: float


class StepChanges:
    """What past steps taught.

    ``sums``: shape (H, 2), sums of (m - c)² and of (m - c) times what came less c, in squared spreads; they fade with a
    time constant of ``MEMORY_DAYS``. ``z``: shape (7,).

    Args:
        horizons_min: The H horizons.
        step: Slot length.
    """

    def __init__(self, horizons_min: tuple[int, ...], step: Step) -> None:
        self._per_day = step.per_day
        self._steps = np.array(horizons_min, dtype=np.int64) // step.minutes
        self._gaps = np.diff(self._steps, prepend=0)
        self._keep = 1.0 - 1.0 / (MEMORY_DAYS * step.per_day)
        self._gamma = GAMMA * min(1.0, 48.0 / step.per_day)
        self._sums = np.zeros((self._steps.size, 2))
        self._z = _NORMAL.copy()
        self._has_begun = False
        self._codec = ArrayCodec("step-changes-3", self._sums.T, self._z, bits=SUM_BITS)

    def forecast(
        self, ring: SlotRing, index: int, quantiles: Floats, mean: Floats, ramp_sd: Floats, limit_mw: float
    ) -> Steps:
        """Return the steps ahead of slot ``index``, whose net load is known.

        Args:
            ring: Holds the net load of the past days.
            index: The closed slot.
            quantiles: Levels, shape (H, 7), MW.
            mean: Expected levels, shape (H,).
            ramp_sd: Spread of the errors of their differences, shape (H,).
            limit_mw: Limit of the change over a slot; over a longer step it is as many times that.
        """
        past = self._past(ring, index)
        out = np.empty_like(quantiles)
        _forecast(past, self._per_day, self._steps, self._gaps, quantiles, mean, ramp_sd, self._sums, self._z, out)
        return Steps(out, _beyond(out, limit_mw * self._gaps), limit_mw)

    def enter(self, ring: SlotRing, index: int, waiting: WaitingForecasts, ramp_sd: Floats) -> None:
        """Add the net load of slot ``index``: learn from the forecasts of the steps that end with it.

        Args:
            ring: Holds the net load up to the slot.
            index: The slot.
            waiting: Forecasts of net load.
            ramp_sd: Spread of the errors of differences at this time of day, shape (H,).
        """
        _enter(
            index,
            self._past(ring, index),
            self._per_day,
            self._steps,
            self._gaps,
            waiting.origin,
            waiting.by_model,
            waiting.mean,
            ramp_sd,
            self._sums,
            self._z,
            self._keep,
            self._gamma,
        )
        round_significant(self._sums, SUM_BITS)
        round_significant(self._z, SUM_BITS)
        self._has_begun = True

    def _past(self, ring: SlotRing, index: int) -> Floats:
        return ring.window(NET_LOAD, index + 1 - (SEASON_DAYS + 1) * self._per_day, index + 1)

    def record(self) -> bytes:
        """Return the learned values as bytes; empty before the first step."""
        return self._codec.pack(self._sums.T, self._z) if self._has_begun else b""

    def load(self, record: bytes) -> None:
        """Fill from what ``record`` returned; values of another shape are left out."""
        self._has_begun = self._codec.unpack(record, self._sums.T, self._z)


@kernel
def _season(past: Floats, per_day: int, ahead: int, gap: int) -> float:
    """Return the mean change over the step of ``gap`` slots that ends ``ahead`` slots on, on past days; NaN if none."""
    total, count = 0.0, 0
    for days in range(1, SEASON_DAYS + 1):
        end = past.shape[0] - 1 + ahead - days * per_day
        if end < past.shape[0] and end - gap >= 0:
            change = past[end] - past[end - gap]
            if not np.isnan(change):
                total += change
                count += 1
    return total / count if count > 0 else np.nan


@kernel
def _shrunk(change: float, season: float, sums: Floats) -> float:
    if np.isnan(season):
        return change
    share: float = min(max((PRIOR + sums[1]) / (PRIOR + sums[0]), 0.0), 1.0)
    return season + share * (change - season)


@kernel
def _forecast(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    past: Floats,
    per_day: int,
    steps: Ints,
    gaps: Ints,
    quantiles: Floats,
    mean: Floats,
    ramp_sd: Floats,
    sums: Floats,
    z: Floats,
    out: Floats,
) -> None:
    for q in range(z.shape[0]):
        out[0, q] = quantiles[0, q] - past[-1]
    for h in range(1, steps.shape[0]):
        season = _season(past, per_day, steps[h], gaps[h])
        change = _shrunk(mean[h] - mean[h - 1], season, sums[h])
        for q in range(z.shape[0]):
            out[h, q] = change + ramp_sd[h] * z[q]


@kernel
def _beyond(quantiles: Floats, limit: Floats) -> Floats:
    out = np.empty(limit.shape[0])
    for h in range(limit.shape[0]):
        inside = _cumulative(quantiles[h], limit[h]) - _cumulative(quantiles[h], -limit[h])
        out[h] = min(max(1.0 - inside, 0.0), 1.0)
    return out


@kernel
def _enter(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    index: int,
    past: Floats,
    per_day: int,
    steps: Ints,
    gaps: Ints,
    origin: Ints,
    by_model: Bools,
    mean: Floats32,
    ramp_sd: Floats,
    sums: Floats,
    z: Floats,
    keep: float,
    gamma: float,
) -> None:
    rows = origin.shape[0]
    sums *= keep
    for h in range(1, steps.shape[0]):
        row = (index - steps[h]) % rows
        net_load_change = past[-1] - past[past.shape[0] - 1 - gaps[h]]
        season = _season(past, per_day, 0, gaps[h])
        spread = ramp_sd[h]
        is_scored = origin[row] == index - steps[h] and by_model[row] and spread > 0.0
        if not is_scored or np.isnan(net_load_change + season):
            continue
        change = np.float64(mean[row, h]) - np.float64(mean[row, h - 1])
        if np.isnan(change):
            continue
        error = (net_load_change - _shrunk(change, season, sums[h])) / spread
        weight = min(1.0, HUBER / max(abs(error), 1e-12))
        x, y = (change - season) / spread, (net_load_change - season) / spread
        sums[h, 0] += weight * x * x
        sums[h, 1] += weight * x * y
        adapt_levels(z, error < z, gamma, ALL_BUT_MEDIAN, -np.inf, np.inf)
