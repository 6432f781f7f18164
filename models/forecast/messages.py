"""Forecast arrays as they stand in messages: rounded, without NaN."""

from __future__ import annotations

import numpy as np

from models.price.contract import PriceForecast
from vpp.domain import QUANTILE_NAMES
from vpp.messages import Quantiles, Spreads
from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel


def quantiles_message(source: str, model_id: str, quantiles: Floats, mean: Floats) -> Quantiles:
    """Return the message of quantiles (H, 7) and mean (H,)."""
    return _message(source, model_id, _rounded(quantiles, mean))


def _message(source: str, model_id: str, rounded: Floats) -> Quantiles:
    *columns, mean = rounded.tolist()
    return Quantiles(source=source, model_id=model_id, mean=mean, **dict(zip(QUANTILE_NAMES, columns, strict=True)))


def price_message(price: PriceForecast, model_id: str) -> Quantiles | None:
    """Return the message of a price forecast, or None where it has no basis."""
    rounded = _rounded(price.quantiles, price.mean)
    return _message(price.source, model_id or price.source, rounded) if np.isfinite(rounded).all() else None


def spreads_message(ramp_sd: Floats, level_sd: Floats, carry: Floats) -> Spreads:
    """Return the message of spreads (H,) and carry (H,)."""
    ramp, level, follows = _rounded_spreads(ramp_sd, level_sd, carry).tolist()
    return Spreads(ramp_sd_mw=ramp, level_sd_mw=level, carry=follows)


@kernel(error_model="numpy")
def _nearest(value: float, parts: float) -> float:
    """Return the nearest multiple of ``1 / parts``, to the bits of ``np.round``."""
    nearest: float = np.rint(value * parts) / parts
    return nearest


@kernel(error_model="numpy")
def _rounded(quantiles: Floats, mean: Floats) -> Floats:
    """Return quantiles (H, 7) and mean (H,) to 0.01, one row each, shape (8, H)."""
    horizons, levels = quantiles.shape
    out = np.empty((levels + 1, horizons))
    for h in range(horizons):
        for q in range(levels):
            out[q, h] = _nearest(quantiles[h, q], 100.0)
        out[levels, h] = _nearest(mean[h], 100.0)
    return out


@kernel(error_model="numpy")
def _rounded_spreads(ramp_sd: Floats, level_sd: Floats, carry: Floats) -> Floats:
    """Return spreads to 0.01 and carry to 0.0001, shape (3, H)."""
    out = np.empty((3, ramp_sd.shape[0]))
    for h in range(ramp_sd.shape[0]):
        out[0, h] = _nearest(ramp_sd[h], 100.0)
        out[1, h] = _nearest(level_sd[h], 100.0)
        out[2, h] = _nearest(carry[h], 10000.0)
    return out
