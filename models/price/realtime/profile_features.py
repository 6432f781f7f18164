"""Rows of the level-updated profile: one table for training, walk-forward and serving, read from the past alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.price.profile import (
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
from models.price.series import PriceSeries
from vpp.numerics.arrays import Bools, Floats, Ints
from vpp.numerics.compiled import kernel

_DAY = 1440


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

    def take(self, keep: Bools) -> LevelRows:
        """Return the rows where ``keep`` is true."""
        return LevelRows(
            self.features[keep], self.base[keep], self.spread[keep], self.scale[keep], self.block[keep],
            self.origins[keep],
        )  # fmt: skip


class DayProfiles:
    """The profiles of one local day, of which every slot of the day makes use.

    ``base``, ``spread``: shape (profiles, slots in a day). ``scale``: shape (profiles,). ``side_base``: shape
    (profiles, sides, slots in a day). ``side_scale``: shape (profiles, sides).

    Args:
        bank: Settings of the profiles.
        n_side: Number of side series.
        step_min: Slot length in minutes.

    Invariants:
        - ``seen`` holds the bits of all values that made the profiles, so they serve again only where these are the
          same; ``day`` is the local day that they are for, and the number of its past slots.
    """

    def __init__(self, bank: tuple[ProfileSettings, ...], n_side: int, step_min: int) -> None:
        n, n_slots = len(bank), _DAY // step_min
        self.level_days = np.array([settings.level_days for settings in bank], dtype=np.int64)
        self.caps = np.array([settings.cap_per_mwh for settings in bank])
        self.base, self.spread, self.scale = np.empty((n, n_slots)), np.empty((n, n_slots)), np.empty(n)
        self.side_base, self.side_scale = np.empty((n, n_side, n_slots)), np.empty((n, n_side))
        self.day = np.full(2, -1, dtype=np.int64)
        self.seen = np.empty((1 + n_side, (int(self.level_days.max()) + 1) * n_slots), dtype=np.int64)


@kernel
def _make_profiles(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    prices: Floats,
    sides: Floats,
    slots: Ints,
    days: Ints,
    day: int,
    half_width: int,
    level_days: Ints,
    caps: Floats,
    base: Floats,
    spread: Floats,
    scale: Floats,
    side_base: Floats,
    side_scale: Floats,
) -> None:
    """Write the profiles of a local day: each from its own number of days before it."""
    n_slots = base.shape[1]
    last = int(np.searchsorted(days, day))
    for k in range(level_days.size):
        first = int(np.searchsorted(days, day - level_days[k]))
        own, own_spread, overall = day_profile(prices, slots, first, last, n_slots, half_width, caps[k])
        base[k], spread[k], scale[k] = own, own_spread, scale_of(overall, own)
        for j in range(sides.shape[0]):
            own, _, overall = day_profile(sides[j], slots, first, last, n_slots, half_width, np.inf)
            side_base[k, j], side_scale[k, j] = own, scale_of(overall, own)


@kernel
def _is_new(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    prices: Ints, sides: Ints, days: Ints, day: int, longest: int, window: Ints, seen: Ints
) -> bool:
    """Return whether the values of the days before ``day`` are other ones than those in ``seen``; keep them there."""
    first, last = np.searchsorted(days, day - longest), np.searchsorted(days, day)
    count = last - first
    changed = (day ^ window[0]) | (count ^ window[1])
    for s in range(seen.shape[0]):
        now, before = (prices if s == 0 else sides[s - 1])[first:last], seen[s, :count]
        for i in range(count):
            changed |= now[i] ^ before[i]
        if changed:
            before[:] = now
    window[0], window[1] = day, count
    return bool(changed)


@kernel
def _fill(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    prices: Floats,
    sides: Floats,
    slots: Ints,
    days: Ints,
    day: int,
    origins: Ints,
    steps: Ints,
    half_width: int,
    level_days: Ints,
    caps: Floats,
    lags: Ints,
    means: Ints,
    side_means: Ints,
    day_base: Floats,
    day_spread: Floats,
    day_scale: Floats,
    side_base: Floats,
    side_scale: Floats,
    features: Floats,
    base: Floats,
    spread: Floats,
    scale: Floats,
) -> None:
    """Write the rows of all profiles, the first axis of the arrays that are filled; ``day``: that of the profiles."""
    for row in range(origins.size):
        t = origins[row]
        if days[t] != day:
            day = days[t]
            _make_profiles(
                prices, sides, slots, days, day, half_width, level_days, caps, day_base, day_spread, day_scale,
                side_base, side_scale,
            )  # fmt: skip
        for k in range(level_days.size):
            scale[k, row] = day_scale[k]
            if np.isnan(day_scale[k]):
                continue
            level_row(
                prices, sides, slots, t, day_base[k], day_scale[k], side_base[k], side_scale[k], caps[k], lags, means,
                side_means, features[k, row],
            )  # fmt: skip
            for h in range(steps.size):
                s = slots[t + steps[h]]
                base[k, row, h] = day_base[k, s]
                spread[k, row, h] = day_spread[k, s]


def level_rows(data: PriceSeries, origins: Ints, steps: Ints, settings: ProfileSettings) -> LevelRows:
    """Return the rows of the given origins.

    Args:
        data: Prices and side series.
        origins: Positions of the last closed slots in ``data.prices``, ascending.
        steps: Horizons in slots, at most one day.
        settings: Days of the profile and the clip of prices.

    Invariants:
        - A row reads ``prices`` and ``sides`` only up to its origin.
    """
    return _rows(data, origins, steps, DayProfiles((settings,), len(data.sides), data.step_min), -1)[0]


def bank_rows(data: PriceSeries, steps: Ints, profiles: DayProfiles) -> list[LevelRows]:
    """Return the row of the last slot of ``data`` for each profile of a bank, as ``level_rows`` makes it.

    Args:
        data: Prices and side series, back to the first day of the longest profile.
        steps: Horizons in slots, at most one day.
        profiles: Those of the slot before, which serve again where nothing has changed but the slot.
    """
    last = data.prices.size - 1
    day, bits = int(data.days[last]), (data.prices.view(np.int64), data.sides.view(np.int64))
    changed = _is_new(*bits, data.days, day, profiles.level_days.max(), profiles.day, profiles.seen)
    return _rows(data, np.array([last]), steps, profiles, -1 if changed else day)


def _rows(data: PriceSeries, origins: Ints, steps: Ints, profiles: DayProfiles, day: int) -> list[LevelRows]:
    """Return the rows of each profile; ``day``: the local day that ``profiles`` holds, -1 = none."""
    step, shape = data.step_min, (profiles.caps.size, origins.size)
    features = np.zeros((*shape, feature_count(step, data.sides.shape[0])))
    base, spread = np.full((*shape, steps.size), np.nan), np.full((*shape, steps.size), np.nan)
    scale = np.empty(shape)
    _fill(
        data.prices, data.sides, data.slots, data.days, day, origins, steps, smoothing(step), profiles.level_days,
        profiles.caps, lag_steps(step), mean_steps(step), side_steps(step), profiles.base, profiles.spread,
        profiles.scale, profiles.side_base, profiles.side_scale, features, base, spread, scale,
    )  # fmt: skip
    block = data.minutes[origins] % _DAY // (_DAY // BLOCKS)
    return [LevelRows(features[k], base[k], spread[k], scale[k], block, origins) for k in range(shape[0])]


def spread_out(origins: Ints, stride: int, per_day: int) -> Bools:
    """Return which origins to keep, one in ``stride``: others each day, so that every slot of the day is there."""
    return np.asarray((origins + origins // per_day) % stride == 0)


def targets(data: PriceSeries, rows: LevelRows, steps: Ints) -> Floats:
    """Return the actual prices at each origin's horizons, shape (n, H); NaN where missing or after the series."""
    at = rows.origins[:, None] + steps[None, :]
    inside = at < data.prices.size
    return np.where(inside, data.prices[np.minimum(at, data.prices.size - 1)], np.nan)


def scaled(prices: Floats, rows: LevelRows, settings: ProfileSettings, clip: float = 6.0) -> Floats:
    """Return prices (n, H) as clipped scaled deviations from each row's profile."""
    capped = np.clip(prices, -settings.cap_per_mwh, settings.cap_per_mwh)
    return np.clip((capped - rows.base) / rows.scale[:, None], -clip, clip)
