"""Rows of the level-updated profile: one table for training, walk-forward and serving, from past values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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
            self.features[keep],
            self.base[keep],
            self.spread[keep],
            self.scale[keep],
            self.block[keep],
            self.origins[keep],
        )


class ProfileBank(NamedTuple):
    """Settings of a bank of profiles, each of shape (profiles,): days before the local day, clip of prices per MWh."""

    level_days: Ints
    caps: Floats


class ProfileArrays(NamedTuple):
    """A bank's profiles of one local day.

    ``base``, ``spread``: shape (profiles, slots in a day). ``scale``: shape (profiles,). ``side_base``: shape
    (profiles, sides, slots in a day). ``side_scale``: shape (profiles, sides).
    """

    base: Floats
    spread: Floats
    scale: Floats
    side_base: Floats
    side_scale: Floats


class SlotSeries(NamedTuple):
    """Prices (n,) and side series (sides, n) by slot, with the slot of the local day and the local day of each (n,)."""

    prices: Floats
    sides: Floats
    slots: Ints
    days: Ints


class Lookback(NamedTuple):
    """Slots that features look back: single prices, means of prices, means of side series."""

    lags: Ints
    means: Ints
    side_means: Ints


class BankRows(NamedTuple):
    """Rows of all profiles, as in ``LevelRows``, with the profile as first axis."""

    features: Floats
    base: Floats
    spread: Floats
    scale: Floats


class DayProfiles:
    """The profiles of one local day, of which every slot of the day makes use.

    Args:
        bank: Settings of the profiles.
        n_side: Number of side series.
        step_min: Slot length in minutes.

    Invariants:
        - ``made_of`` holds the bytes of all values that made the profiles of local day ``day``, so they serve again
          only where these are the same.
    """

    def __init__(self, bank: tuple[ProfileSettings, ...], n_side: int, step_min: int) -> None:
        n, n_slots = len(bank), _DAY // step_min
        self.bank = ProfileBank(
            np.array([settings.level_days for settings in bank], dtype=np.int64),
            np.array([settings.cap_per_mwh for settings in bank]),
        )
        self.arrays = ProfileArrays(
            base=np.empty((n, n_slots)),
            spread=np.empty((n, n_slots)),
            scale=np.empty(n),
            side_base=np.empty((n, n_side, n_slots)),
            side_scale=np.empty((n, n_side)),
        )
        self.day = -1
        self.made_of = b""

    def serves(self, data: PriceSeries, day: int) -> bool:
        """Return whether the profiles are those of local day ``day``; if not, note the values that make them."""
        first, last = np.searchsorted(data.days, [day - self.bank.level_days.max(), day])
        values = data.prices[first:last].tobytes() + data.sides[:, first:last].tobytes()
        is_same = self.day == day and self.made_of == values
        self.day, self.made_of = day, values
        return is_same


@kernel
def _make_profiles(series: SlotSeries, day: int, half_width: int, bank: ProfileBank, profiles: ProfileArrays) -> None:
    """Write the profiles of a local day: each from its own number of days before it."""
    n_slots = profiles.base.shape[1]
    last = int(np.searchsorted(series.days, day))
    for k in range(bank.level_days.size):
        first = int(np.searchsorted(series.days, day - bank.level_days[k]))
        base, spread, overall = day_profile(series.prices, series.slots, first, last, n_slots, half_width, bank.caps[k])
        profiles.base[k], profiles.spread[k], profiles.scale[k] = base, spread, scale_of(overall, base)
        for j in range(series.sides.shape[0]):
            base, _, overall = day_profile(series.sides[j], series.slots, first, last, n_slots, half_width, np.inf)
            profiles.side_base[k, j], profiles.side_scale[k, j] = base, scale_of(overall, base)


@kernel
def _fill(  # noqa: PLR0913, PLR0917 - a compiled kernel takes arguments by position
    series: SlotSeries,
    day: int,
    origins: Ints,
    steps: Ints,
    half_width: int,
    bank: ProfileBank,
    lookback: Lookback,
    profiles: ProfileArrays,
    rows: BankRows,
) -> None:
    """Write the rows of all profiles.

    Args:
        series: Prices and side series.
        day: The local day that ``profiles`` are of, -1 = none.
        origins: Positions of the last closed slots.
        steps: Horizons in slots.
        half_width: Slots on each side that a profile is smoothed over.
        bank: Settings of the profiles.
        lookback: What the features look back at.
        profiles: Changed where an origin lies on another day.
        rows: Written.
    """
    for row in range(origins.size):
        t = origins[row]
        if series.days[t] != day:
            day = series.days[t]
            _make_profiles(series, day, half_width, bank, profiles)
        for k in range(bank.level_days.size):
            rows.scale[k, row] = profiles.scale[k]
            if np.isnan(profiles.scale[k]):
                continue
            level_row(
                series.prices,
                series.sides,
                series.slots,
                t,
                profiles.base[k],
                profiles.scale[k],
                profiles.side_base[k],
                profiles.side_scale[k],
                bank.caps[k],
                lookback.lags,
                lookback.means,
                lookback.side_means,
                rows.features[k, row],
            )
            for h in range(steps.size):
                s = series.slots[t + steps[h]]
                rows.base[k, row, h] = profiles.base[k, s]
                rows.spread[k, row, h] = profiles.spread[k, s]


def level_rows(data: PriceSeries, origins: Ints, steps: Ints, settings: ProfileSettings) -> LevelRows:
    """Return the rows of the given origins.

    Args:
        data: Prices and side series.
        origins: Positions of the last closed slots in ``data.prices``, shape (n,), ascending.
        steps: Horizons in slots, shape (H,), at most one day.
        settings: Days of the profile and the clip of prices.

    Invariants:
        - A row reads ``prices`` and ``sides`` only up to its origin.
    """
    return _rows(data, origins, steps, DayProfiles((settings,), len(data.sides), data.step_min), -1)[0]


def bank_rows(data: PriceSeries, steps: Ints, profiles: DayProfiles) -> list[LevelRows]:
    """Return the row of the last slot of ``data`` for each profile of a bank, as ``level_rows`` makes it.

    Args:
        data: Prices and side series, back to the first day of the longest profile.
        steps: Horizons in slots, shape (H,), at most one day.
        profiles: Those of the slot before, which serve again where nothing has changed but the slot.
    """
    last = data.prices.size - 1
    day = int(data.days[last])
    return _rows(data, np.array([last]), steps, profiles, day if profiles.serves(data, day) else -1)


def _rows(data: PriceSeries, origins: Ints, steps: Ints, profiles: DayProfiles, day: int) -> list[LevelRows]:
    """Return the rows of each profile; ``day``: the local day that ``profiles`` holds, -1 = none."""
    step, shape = data.step_min, (len(profiles.bank.caps), origins.size)
    rows = BankRows(
        features=np.zeros((*shape, feature_count(step, data.sides.shape[0]))),
        base=np.full((*shape, steps.size), np.nan),
        spread=np.full((*shape, steps.size), np.nan),
        scale=np.empty(shape),
    )
    series = SlotSeries(data.prices, data.sides, data.slots, data.days)
    lookback = Lookback(lag_steps(step), mean_steps(step), side_steps(step))
    _fill(series, day, origins, steps, smoothing(step), profiles.bank, lookback, profiles.arrays, rows)
    block = data.minutes[origins] % _DAY // (_DAY // BLOCKS)
    return [
        LevelRows(rows.features[k], rows.base[k], rows.spread[k], rows.scale[k], block, origins)
        for k in range(shape[0])
    ]


def spread_out(origins: Ints, stride: int, per_day: int) -> Bools:
    """Return the origins to keep, one in ``stride``, shifted each day so that every slot of the day occurs."""
    return np.asarray((origins + origins // per_day) % stride == 0)


def targets(data: PriceSeries, rows: LevelRows, steps: Ints) -> Floats:
    """Return the actual prices at each origin's horizons, shape (n, H); NaN if missing or after the series."""
    at = rows.origins[:, None] + steps[None, :]
    inside = at < data.prices.size
    return np.where(inside, data.prices[np.minimum(at, data.prices.size - 1)], np.nan)


def scaled(prices: Floats, rows: LevelRows, settings: ProfileSettings, clip: float = 6.0) -> Floats:
    """Return prices (n, H) as clipped scaled deviations from each row's profile.

    Args:
        prices: Per MWh, shape (n, H), NaN missing.
        rows: Profile level and scale of each origin, n rows.
        settings: Settings of the profile; gives the cap of prices.
        clip: Largest size of the result.
    """
    capped = np.clip(prices, -settings.cap_per_mwh, settings.cap_per_mwh)
    return np.clip((capped - rows.base) / rows.scale[:, None], -clip, clip)
