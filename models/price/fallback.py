"""Prices without a model: the same-slot profile at today's level, else the last price, with spreads of past errors."""

from __future__ import annotations

import numpy as np

from models.price.contract import FALLBACK_LAST_PRICE, FALLBACK_PROFILE, NO_PRICE
from models.price.profile import day_profile, smoothing
from models.price.series import PriceSeries
from vpp.domain import QUANTILE_LEVELS
from vpp.numerics.arrays import Floats, Ints

_PROFILE_DAYS = 3.0
DAY_GAP = 0.7
FADE_PER_HALF_HOUR = 0.85
_LEVELS = np.array(QUANTILE_LEVELS)


def fallback(data: PriceSeries, steps: Ints) -> tuple[str, Floats, Floats]:
    """Forecast from the window alone: the profile where it holds three days of prices, else the last price.

    Args:
        data: Prices up to the last closed slot.
        steps: Horizons in slots, shape (H,).

    Returns:
        The fallback's name, quantiles (H, 7) and mean (H,); all NaN (and ``none``) where the window has no price.
    """
    has_price = np.isfinite(data.prices)
    if has_price.sum() >= _PROFILE_DAYS * (1440 // data.step_min):
        return _profile(data, steps)
    if has_price.any():
        return _last_price(data.prices[has_price], steps)
    return NO_PRICE, np.full((steps.size, _LEVELS.size), np.nan), np.full(steps.size, np.nan)


def _profile(data: PriceSeries, steps: Ints) -> tuple[str, Floats, Floats]:
    n, slots = data.prices.size, data.slots
    base, spread, overall = day_profile(
        data.prices, slots, 0, n, 1440 // data.step_min, smoothing(data.step_min), np.inf
    )
    at = slots[n - 1 + steps]
    error = data.prices - base[slots[:n]]
    relative = error / np.maximum(spread[slots[:n]], 0.1 * overall + 1e-9)
    z = np.quantile(relative[np.isfinite(relative)], _LEVELS)
    mean = base[at] + _level(error, steps, data.step_min)
    quantiles = mean[:, None] + np.maximum(spread[at], 0.1 * overall + 1e-9)[:, None] * z
    return FALLBACK_PROFILE, np.sort(quantiles, axis=1), mean


def _level(error: Floats, steps: Ints, step_min: int) -> Floats:
    """Return the deviation of prices from their profile at each horizon: yesterday's, and the latest one with decay."""
    day = error[-(1440 // step_min) :]
    finite = day[np.isfinite(day)]
    if not finite.size:
        return np.zeros(steps.size)
    gap = DAY_GAP * float(finite.mean())
    return np.asarray(gap + (float(finite[-1]) - gap) * FADE_PER_HALF_HOUR ** (steps * (step_min / 30.0)))


def _last_price(prices: Floats, steps: Ints) -> tuple[str, Floats, Floats]:
    last = float(prices[-1])
    moves = np.abs(np.diff(prices))
    one_step = float(moves.mean()) if moves.size else 0.1 * abs(last)
    z = np.array([-1.645, -1.282, -0.674, 0.0, 0.674, 1.282, 1.645])
    # The width of a random walk; prices revert within hours, so it stops growing after a dozen slots.
    width = 1.25 * one_step * np.sqrt(np.minimum(steps, 12).astype(float))
    mean = np.full(steps.size, last)
    return FALLBACK_LAST_PRICE, mean[:, None] + width[:, None] * z, mean
