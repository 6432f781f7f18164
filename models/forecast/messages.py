"""Forecast arrays for messages: rounded, without NaN."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from models.forecast.ramp_probability import LargeRamps, beyond
from models.forecast.step_changes import Steps
from models.price.contract import PriceForecast
from vpp.domain import QUANTILE_NAMES
from vpp.fleet.scale import significant
from vpp.messages import Quantiles, RampOutlook, Spreads
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

_PRICE_PARTS = 100.0
_PUBLISHED_DECIMALS = 3
_PROBABILITY_DECIMALS = 3
_CARRY_PARTS = 1000.0
_WHOLE_BELOW = 2.0**53
_MEDIAN = QUANTILE_NAMES.index("q50")
_SHOWN = [QUANTILE_NAMES.index(name) for name in ("q10", "q50", "q90")]


def quantiles_message(
    source: str,
    model_id: str,
    quantiles: Floats,
    mean: Floats,
    decimals: int,
    xgboost_weight: list[float] | None = None,
) -> Quantiles:
    """Return the message of net-load quantiles (H, 7) and mean (H,), MW, written to ``decimals``.

    Args:
        source: ``model`` or the name of a fallback.
        model_id: Model or fallback.
        quantiles: Shape (H, 7), MW.
        mean: Shape (H,), MW.
        decimals: Decimals of forecasts in the zone's power scale (``PowerScale.forecast_decimals``).
        xgboost_weight: Of the first horizons; None without a model.
    """
    rounded = _as_lists(_rounded(quantiles, mean, 10.0**decimals), decimals)
    return _message(source, model_id, rounded, xgboost_weight)


def _as_lists(rounded: Floats, decimals: int) -> list[list[float]]:
    """Return rows of rounded values as lists; whole numbers without a point, as JSON has them."""
    whole = decimals <= 0 and (np.abs(rounded) < _WHOLE_BELOW).all()
    rows: list[list[float]] = (rounded.astype(np.int64) if whole else rounded).tolist()
    return rows


def _message(
    source: str, model_id: str, rounded: list[list[float]], xgboost_weight: list[float] | None = None
) -> Quantiles:
    *columns, mean = rounded
    levels: dict[str, Any] = dict(zip(QUANTILE_NAMES, columns, strict=True))
    return Quantiles(
        source=source,
        model_id=model_id,
        mean=None if mean == columns[_MEDIAN] else mean,
        xgboost_weight=xgboost_weight,
        **levels,
    )


def price_message(price: PriceForecast, model_id: str, published_prices: Floats) -> Quantiles | None:
    """Return the message of a price forecast, or None if it has no basis.

    Args:
        price: The forecast, published prices in place.
        model_id: Model in force, empty if there is none.
        published_prices: Published price of each horizon, shape (H,), NaN if there is none.
    """
    rounded = _rounded(price.quantiles, price.mean, _PRICE_PARTS)
    if not np.isfinite(rounded).all():
        return None
    unknown = np.flatnonzero(np.isnan(published_prices))
    published = int(unknown[0]) if unknown.size else published_prices.size
    message = _message(price.source, model_id or price.source, rounded[:, published:].tolist())
    median = np.round(published_prices[:published], _PUBLISHED_DECIMALS).tolist() + message.q50
    return msgspec.structs.replace(message, q50=median, published=published)


def ramps_message(ramps: LargeRamps, quantiles: Floats, now_mw: float, steps: Steps, decimals: int) -> RampOutlook:
    """Return the message of ramps; the lists of large ones are empty while their sizes are not known.

    Args:
        ramps: Sizes of large ramps and the alarm's level.
        quantiles: Levels, shape (H, 7), MW.
        now_mw: Net load of the closed slot.
        steps: The steps ahead.
        decimals: As for ``quantiles_message``.
    """
    low, median, high = _as_lists(np.round(steps.quantiles[:, _SHOWN].T, decimals), decimals)
    large: dict[str, list[float]] = {}
    if not np.isnan(ramps.sizes).any():
        rise, fall = np.round(beyond(quantiles, now_mw, ramps.sizes), _PROBABILITY_DECIMALS).tolist()
        (sizes,) = _as_lists(np.round(ramps.sizes[None], decimals), decimals)
        large = {"large_mw": sizes, "p_rise": rise, "p_fall": fall}
    return RampOutlook(
        alarm_level=ramps.alarm_level,
        limit_mw=significant(steps.limit_mw),
        step_q10_mw=low,
        step_mw=median,
        step_q90_mw=high,
        p_limit=np.round(steps.beyond, _PROBABILITY_DECIMALS).tolist(),
        **large,
    )


def spreads_message(ramp_sd: Floats, level_sd: Floats, carry: Floats, decimals: int) -> Spreads:
    """Return the message of spreads (H,), MW, written to ``decimals``, and carry (H,).

    Args:
        ramp_sd: Standard deviation of the ramp to each horizon, MW, shape (H,).
        level_sd: Standard deviation of the level at each horizon, MW, shape (H,).
        carry: Regression of each horizon's error on the error at the first, no unit, shape (H,).
        decimals: As for ``quantiles_message``.
    """
    rounded = _rounded_spreads(ramp_sd, level_sd, carry, 10.0**decimals)
    ramp, level = _as_lists(rounded[:2], decimals)
    return Spreads(ramp_sd_mw=ramp, level_sd_mw=level, carry=rounded[2].tolist())


@kernel(error_model="numpy")
def _nearest(value: float, parts: float) -> float:
    """Return the nearest multiple of ``1 / parts``, to the bits of ``np.round``."""
    nearest: float = np.rint(value * parts) / parts
    return nearest


@kernel(error_model="numpy")
def _rounded(quantiles: Floats, mean: Floats, parts: float) -> Floats:
    """Return quantiles (H, 7) and mean (H,) as multiples of ``1 / parts``, one row each, shape (8, H)."""
    horizons, levels = quantiles.shape
    out = np.empty((levels + 1, horizons))
    for h in range(horizons):
        for q in range(levels):
            out[q, h] = _nearest(quantiles[h, q], parts)
        out[levels, h] = _nearest(mean[h], parts)
    return out


@kernel(error_model="numpy")
def _rounded_spreads(ramp_sd: Floats, level_sd: Floats, carry: Floats, parts: float) -> Floats:
    """Return spreads as multiples of ``1 / parts`` and carry to 0.001, shape (3, H)."""
    out = np.empty((3, ramp_sd.shape[0]))
    for h in range(ramp_sd.shape[0]):
        out[0, h] = _nearest(ramp_sd[h], parts)
        out[1, h] = _nearest(level_sd[h], parts)
        out[2, h] = _nearest(carry[h], _CARRY_PARTS)
    return out
