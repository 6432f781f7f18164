"""The level-updated price profile: the usual shape of the day, shifted by the day so far (real-time markets).

Symbols: ``base[s]`` is the mean price of slot of day s over the last ``level_days`` local days, smoothed along the day;
``sc`` is the mean of ``|p - base|`` over the same days; a deviation is ``(p - base) / sc``. Linear in the deviations of
the last three days (and of load, net load and imbalance volume where the zone has them), a ridge predicts the
deviation at every horizon; a second ridge corrects it by the 4-hour block of the origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

BLOCKS = 6
_PRICE_LAGS_MIN = (0, 1, 2)
_MEANS_MIN = (120, 360, 720, 1440, 4320)
_SHORT_MEANS_MIN = (15, 30, 60)
_SIDE_MEANS_MIN = (240, 1440)


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """Settings of one level-updated profile.

    ``cap_per_mwh`` clips prices both ways before anything is learned of them, so a few spikes do not make the
    profile; ``ridge`` and ``block_ridge`` are penalties in units of observations.
    """

    level_days: int = 28
    fit_days: int = 365
    cap_per_mwh: float = 1000.0
    ridge: float = 50.0
    block_ridge: float = 4.0


@lru_cache(maxsize=64)
def lag_steps(step_min: int) -> Ints:
    """Return the lags of the price deviation in slots: the last three slots."""
    return np.array(_PRICE_LAGS_MIN, dtype=np.int64) * (1 if step_min <= 60 else 60 // step_min)


@lru_cache(maxsize=64)
def mean_steps(step_min: int) -> Ints:
    """Return the windows of the mean price deviation in slots, shortest first; short ones only below 30 min."""
    minutes = (_SHORT_MEANS_MIN if step_min < 30 else ()) + _MEANS_MIN
    return np.array([max(2, m // step_min) for m in minutes], dtype=np.int64)


@lru_cache(maxsize=64)
def side_steps(step_min: int) -> Ints:
    """Return the windows of the mean deviation of load, net load and imbalance volume in slots."""
    return np.array([max(2, m // step_min) for m in _SIDE_MEANS_MIN], dtype=np.int64)


def feature_count(step_min: int, n_side: int) -> int:
    """Return the number of columns that ``level_rows`` makes for ``n_side`` side series."""
    return 1 + 3 + len(mean_steps(step_min)) + 2 + n_side * (1 + len(side_steps(step_min)))


def smoothing(step_min: int) -> int:
    """Return the half width of the circular smoothing along the day in slots: about half an hour, none at 60 min."""
    return 0 if step_min >= 60 else max(1, 15 // step_min)


@kernel
def day_profile(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    values: Floats, slots: Ints, first: int, last: int, n_slots: int, half_width: int, cap: float
) -> tuple[Floats, Floats, float]:
    """Return the profile of the slots of ``[first, last)``, its spread per slot of day, and its overall spread.

    Args:
        values: One value per slot, shape (n,); NaN is skipped.
        slots: Slot of the local day of each value, 0 to ``n_slots - 1``, shape (n,).
        first: First index that counts.
        last: One past the last index that counts.
        n_slots: Slots in 24 hours.
        half_width: Half width of the circular mean along the day, in slots.
        cap: Values are clipped to plus and minus this.

    Returns:
        ``base`` (n_slots), mean absolute deviation per slot of day (n_slots) and overall; NaN if nothing is known.
    """
    total = np.zeros(n_slots)
    count = np.zeros(n_slots)
    grand = 0.0
    n = 0.0
    for i in range(first, last):
        value = values[i]
        if np.isnan(value):
            continue
        value = min(max(value, -cap), cap)
        total[slots[i]] += value
        count[slots[i]] += 1.0
        grand += value
        n += 1.0
    base = np.full(n_slots, np.nan)
    spread = np.full(n_slots, np.nan)
    if n == 0.0:
        return base, spread, np.nan
    for s in range(n_slots):
        top = 0.0
        below = 0.0
        for k in range(-half_width, half_width + 1):
            j = (s + k) % n_slots
            top += total[j]
            below += count[j]
        base[s] = top / below if below > 0.0 else grand / n
    deviation = np.zeros(n_slots)
    overall = 0.0
    for i in range(first, last):
        value = values[i]
        if np.isnan(value):
            continue
        d = abs(min(max(value, -cap), cap) - base[slots[i]])
        deviation[slots[i]] += d
        overall += d
    overall /= n
    for s in range(n_slots):
        top = 0.0
        below = 0.0
        for k in range(-half_width - 1, half_width + 2):
            j = (s + k) % n_slots
            top += deviation[j]
            below += count[j]
        spread[s] = top / below if below > 0.0 else overall
    return base, spread, overall


@kernel
def scale_of(spread: float, base: Floats) -> float:
    """Return the scale of deviations: the spread, floored at 2 % of the mean level so that a flat price divides."""
    level = 0.02 * float(np.mean(np.abs(base)))
    return max(spread, level, 0.01)


@kernel
def deviation(value: float, level: float, scale: float, cap: float, clip: float) -> float:
    """Return the clipped scaled deviation of one value, NaN if it is missing.

    Args:
        value: Price per MWh, NaN missing.
        level: Price per MWh that the profile expects.
        scale: Size of a usual deviation, per MWh, above 0.
        cap: Prices are cut to this size first, per MWh.
        clip: Largest size of the result.
    """
    if np.isnan(value):
        return np.nan
    d = (min(max(value, -cap), cap) - level) / scale
    return min(max(d, -clip), clip)


@kernel
def _mean_deviation(  # noqa: PLR0917
    values: Floats, slots: Ints, t: int, width: int, base: Floats, scale: float, cap: float, clip: float
) -> float:
    total = 0.0
    n = 0.0
    for i in range(max(0, t - width + 1), t + 1):
        d = deviation(values[i], base[slots[i]], scale, cap, clip)
        if not np.isnan(d):
            total += d
            n += 1.0
    return total / n if n > 0.0 else 0.0


@kernel
def _last_deviation(  # noqa: PLR0917
    values: Floats, slots: Ints, t: int, base: Floats, scale: float, cap: float, clip: float
) -> float:
    for i in range(t, max(-1, t - 6), -1):
        d = deviation(values[i], base[slots[i]], scale, cap, clip)
        if not np.isnan(d):
            return d
    return 0.0


@kernel
def level_row(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    prices: Floats,
    sides: Floats,
    slots: Ints,
    t: int,
    base: Floats,
    scale: float,
    side_base: Floats,
    side_scale: Floats,
    cap: float,
    lags: Ints,
    means: Ints,
    side_means: Ints,
    out: Floats,
) -> None:
    """Write the features of origin ``t`` to ``out``: 1, price deviations, side deviations.

    A missing value is replaced by the last one within six slots, else by no deviation.

    Args:
        prices: Price per slot, shape (n,).
        sides: Side series, shape (n_side, n).
        slots: Slot of the local day, shape (n,).
        t: Index of the last closed slot.
        base: Price profile of the origin's day, shape (slots in a day,).
        scale: Scale of price deviations, per MWh.
        side_base: Profiles of the side series, shape (n_side, slots in a day).
        side_scale: Their scales, shape (n_side,).
        cap: Clip of prices.
        lags: As ``lag_steps``.
        means: As ``mean_steps``.
        side_means: As ``side_steps``.
        out: Row to fill, shape (``feature_count``,).
    """
    out[0] = 1.0
    k = 1
    for lag in lags:
        out[k] = _last_deviation(prices, slots, t - lag, base, scale, cap, 3.0)
        k += 1
    for width in means:
        out[k] = _mean_deviation(prices, slots, t, width, base, scale, cap, 3.0)
        k += 1
    out[k] = _last_deviation(prices, slots, t, base, scale, cap, 6.0) - out[1]
    short = _mean_deviation(prices, slots, t, means[0], base, scale, cap, 3.0)
    out[k + 1] = _mean_deviation(prices, slots, t, means[0], base, scale, cap, 6.0) - short
    k += 2
    for j in range(sides.shape[0]):
        out[k] = _last_deviation(sides[j], slots, t, side_base[j], side_scale[j], np.inf, 3.0)
        k += 1
        for width in side_means:
            out[k] = _mean_deviation(sides[j], slots, t, width, side_base[j], side_scale[j], np.inf, 3.0)
            k += 1


@dataclass(frozen=True, slots=True)
class LevelModel:
    """Ridge coefficients from level features to scaled deviations.

    ``pooled``: shape (K, H); ``blocks``: shape (6, K, H), added in the origin's 4-hour block of the local day.
    """

    pooled: Floats
    blocks: Floats

    def predict(self, rows: Floats, block: Ints) -> Floats:
        """Return scaled deviations, shape (n, H), for feature rows (n, K) whose origins lie in ``block`` (n,)."""
        return _predict(rows, block, self.pooled, self.blocks)


@kernel
def _predict(rows: Floats, block: Ints, pooled: Floats, blocks: Floats) -> Floats:
    """Return each row times the pooled coefficients and those of its block; sums run over the columns in order."""
    out = np.zeros((rows.shape[0], pooled.shape[1]))
    for n in range(rows.shape[0]):
        block_weights = blocks[block[n]]
        for k in range(rows.shape[1]):
            for h in range(out.shape[1]):
                out[n, h] += rows[n, k] * (pooled[k, h] + block_weights[k, h])
    return out


def fit_level(rows: Floats, targets: Floats, block: Ints, settings: ProfileSettings) -> LevelModel:
    """Fit the pooled ridge and its correction by block.

    Args:
        rows: Features, shape (n, K).
        targets: Clipped scaled deviations, shape (n, H); NaN (missing or not yet matured) is skipped per horizon.
        block: 4-hour block of each origin, shape (n,).
        settings: Penalties.
    """
    pooled = _ridge(rows, targets, settings.ridge)
    residual = targets - rows @ pooled
    blocks = np.zeros((BLOCKS, *pooled.shape))
    for b in range(BLOCKS):
        inside = block == b
        if inside.sum() > 10:
            blocks[b] = _ridge(rows[inside], residual[inside], settings.block_ridge)
    return LevelModel(pooled, blocks)


def _ridge(X: Floats, Y: Floats, penalty: float) -> Floats:
    valid = np.isfinite(Y)
    complete = valid.all(axis=1)
    gram = X[complete].T @ X[complete]
    cross = X[complete].T @ Y[complete]
    out = np.empty((X.shape[1], Y.shape[1]))
    diagonal = penalty * np.eye(X.shape[1])
    other_rows, rest_y, rest_valid = X[~complete], Y[~complete], valid[~complete]
    if not rest_valid.any():
        return np.asarray(np.linalg.solve(gram + diagonal, cross), dtype=np.float64)
    for h in range(Y.shape[1]):
        rows = other_rows[rest_valid[:, h]]
        own_gram = gram + rows.T @ rows + diagonal
        out[:, h] = np.linalg.solve(own_gram, cross[:, h] + rows.T @ rest_y[rest_valid[:, h], h])
    return out
