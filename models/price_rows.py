"""Rows of the level-updated profile: one table for training, walk-forward and serving, read from the past alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numba import njit

from models.price_profile import (
    BLOCKS,
    ProfileSettings,
    day_profile,
    feature_count,
    lag_steps,
    level_row,
    mean_steps,
    scale_of,
    side_steps,
    smoothing,
)
from models.price_view import Flags, Floats, Ints, local_minutes

_DAY = 1440


@dataclass(frozen=True, slots=True)
class Series:
    """Prices and side series of consecutive slots, with their local clock.

    ``prices``: shape (n,), NaN missing. ``sides``: shape (n_side, n). ``minutes``: local clock of each slot and of the
    24 hours after the last one, shape (n + slots in a day,). ``published``: shape (n_published, n or more), values that
    are known ahead; ``known``: shape (n,), the last position of them that is known when each slot has closed.
    ``slots``, ``days``: slot of the local day and number of the local day, for each entry of ``minutes``.
    """

    prices: Floats
    sides: Floats
    minutes: Ints
    slots: Ints
    days: Ints
    step_min: int
    published: Floats
    known: Ints


def series(
    prices: Floats,
    sides: Floats,
    *,
    first_index: int,
    step_min: int,
    time_zone: str,
    published: Floats | None = None,
    known: Ints | None = None,
) -> Series:
    """Return prices and side series with the local clock of their slots; ``first_index`` is the first slot's index.

    Without ``known`` all that ``published`` holds counts as known.
    """
    last = first_index + prices.size + _DAY // step_min
    minutes, slots, days = _clock(first_index, last, step_min, time_zone)
    published = np.empty((0, prices.size)) if published is None else published
    known = np.full(prices.size, published.shape[1], dtype=np.int64) if known is None else known
    own = np.ascontiguousarray(prices), np.ascontiguousarray(sides)
    return Series(*own, minutes, slots, days, step_min, published, known)


def _clock(first: int, last: int, step_min: int, time_zone: str) -> tuple[Ints, Ints, Ints]:
    """Return local minutes, slots of the day and days of the slots ``first`` to ``last`` (exclusive)."""
    per_day = _DAY // step_min
    day = first // per_day
    skip = first - day * per_day
    minutes, slots, days = _clock_of_days(day, -(-last // per_day), step_min, time_zone)
    inside = slice(skip, skip + last - first)
    return minutes[inside], slots[inside], days[inside]


@lru_cache(maxsize=16)
def _clock_of_days(first_day: int, last_day: int, step_min: int, time_zone: str) -> tuple[Ints, Ints, Ints]:
    """Return the same of whole UTC days, so that the slots of a day share them."""
    per_day = _DAY // step_min
    minutes = local_minutes(first_day * per_day, last_day * per_day, step_min=step_min, time_zone=time_zone)
    days = minutes // _DAY
    return minutes, (minutes - days * _DAY) // step_min, days


@dataclass(frozen=True, slots=True)
class LevelRows:
    """Features of n origins and what turns scaled deviations back into prices at their H horizons.

    ``features`` (n, K); ``base`` (n, H) the profile at the target; ``spread`` (n, H) its mean absolute deviation there;
    ``scale`` (n,); ``block`` (n,) 4-hour block of the origin; ``origins`` (n,) positions in the series. A row without
    any price in its profile days has NaN scale.
    """

    features: Floats
    base: Floats
    spread: Floats
    scale: Floats
    block: Ints
    origins: Ints

    def every(self, stride: int) -> LevelRows:
        """Return every ``stride``-th row, the first included."""
        return self.take(np.arange(self.origins.size) % stride == 0)

    def take(self, keep: Flags) -> LevelRows:
        """Return the rows where ``keep`` is true."""
        return LevelRows(
            self.features[keep], self.base[keep], self.spread[keep], self.scale[keep], self.block[keep],
            self.origins[keep],
        )  # fmt: skip


@njit(cache=True)
def _fill(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    prices: Floats,
    sides: Floats,
    slots: Ints,
    days: Ints,
    origins: Ints,
    steps: Ints,
    n_slots: int,
    half_width: int,
    level_days: int,
    cap: float,
    lags: Ints,
    means: Ints,
    side_means: Ints,
    features: Floats,
    base_out: Floats,
    spread_out: Floats,
    scale_out: Floats,
) -> None:
    """Write the rows of one profile."""
    day = -1
    n_side = sides.shape[0]
    side_base = np.zeros((n_side, n_slots))
    side_scale = np.ones(n_side)
    base = np.zeros(n_slots)
    spread = np.zeros(n_slots)
    scale = np.nan
    for row in range(origins.size):
        t = origins[row]
        if days[t] != day:
            day = days[t]
            first = np.searchsorted(days, day - level_days)
            last = np.searchsorted(days, day)
            base, spread, overall = day_profile(prices, slots, first, last, n_slots, half_width, cap)
            scale = scale_of(overall, base)
            for j in range(n_side):
                own, _, own_overall = day_profile(sides[j], slots, first, last, n_slots, half_width, np.inf)
                side_base[j] = own
                side_scale[j] = scale_of(own_overall, own)
        scale_out[row] = scale
        if np.isnan(scale):
            continue
        level_row(
            prices, sides, slots, t, base, scale, side_base, side_scale, cap, lags, means, side_means, features[row]
        )
        for h in range(steps.size):
            s = slots[t + steps[h]]
            base_out[row, h] = base[s]
            spread_out[row, h] = spread[s]


@njit(cache=True)
def _fill_bank(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    prices: Floats,
    sides: Floats,
    slots: Ints,
    days: Ints,
    origins: Ints,
    steps: Ints,
    n_slots: int,
    half_width: int,
    level_days: Ints,
    caps: Floats,
    lags: Ints,
    means: Ints,
    side_means: Ints,
    features: Floats,
    base: Floats,
    spread: Floats,
    scale: Floats,
) -> None:
    """Write the rows of all profiles, the first axis of the arrays that are filled."""
    for k in range(level_days.size):
        _fill(
            prices, sides, slots, days, origins, steps, n_slots, half_width, level_days[k], caps[k], lags, means,
            side_means, features[k], base[k], spread[k], scale[k],
        )  # fmt: skip


def level_rows(data: Series, origins: Ints, steps: Ints, settings: ProfileSettings) -> LevelRows:
    """Return the rows of the given origins.

    Args:
        data: Prices and side series.
        origins: Positions of the last closed slots in ``data.prices``, ascending.
        steps: Horizons in slots, at most one day.
        settings: Days of the profile and the clip of prices.

    Invariants:
        - A row reads ``prices`` and ``sides`` only up to its origin.
    """
    return bank_rows(data, origins, steps, (settings,))[0]


def bank_rows(data: Series, origins: Ints, steps: Ints, bank: tuple[ProfileSettings, ...]) -> list[LevelRows]:
    """Return the rows of several profiles in one call; see ``level_rows``."""
    n_slots, shape = _DAY // data.step_min, (len(bank), origins.size)
    features = np.zeros((*shape, feature_count(data.step_min, data.sides.shape[0])))
    base, spread = np.full((*shape, steps.size), np.nan), np.full((*shape, steps.size), np.nan)
    scale = np.full(shape, np.nan)
    block = data.minutes[origins] % _DAY // (_DAY // BLOCKS)
    _fill_bank(
        data.prices, data.sides, data.slots, data.days, origins, steps, n_slots, smoothing(data.step_min),
        *_of_bank(bank), lag_steps(data.step_min), mean_steps(data.step_min), side_steps(data.step_min), features, base,
        spread, scale,
    )  # fmt: skip
    return [LevelRows(features[k], base[k], spread[k], scale[k], block, origins) for k in range(len(bank))]


@lru_cache(maxsize=64)
def _of_bank(bank: tuple[ProfileSettings, ...]) -> tuple[Ints, Floats]:
    days = np.array([settings.level_days for settings in bank], dtype=np.int64)
    return days, np.array([settings.cap_per_mwh for settings in bank])


def targets(data: Series, rows: LevelRows, steps: Ints) -> Floats:
    """Return the actual prices at each origin's horizons, shape (n, H); NaN where missing or after the series."""
    at = rows.origins[:, None] + steps[None, :]
    inside = at < data.prices.size
    return np.where(inside, data.prices[np.minimum(at, data.prices.size - 1)], np.nan)


def scaled(prices: Floats, rows: LevelRows, settings: ProfileSettings, clip: float = 6.0) -> Floats:
    """Return prices (n, H) as clipped scaled deviations from each row's profile."""
    capped = np.clip(prices, -settings.cap_per_mwh, settings.cap_per_mwh)
    return np.clip((capped - rows.base) / rows.scale[:, None], -clip, clip)
