"""Forecast arrays as they stand in messages: rounded, without NaN."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.price_view import PriceForecast
from vpp.domain import QUANTILE_NAMES
from vpp.messages import Quantiles, Spreads

Array = npt.NDArray[np.float64]


def quantiles_message(source: str, model_id: str, quantiles: Array, mean: Array, digits: int = 2) -> Quantiles:
    """Return the message of quantiles (H, 7) and mean (H,)."""
    columns = np.round(quantiles.T, digits).tolist()
    return Quantiles(
        source=source,
        model_id=model_id,
        mean=np.round(mean, digits).tolist(),
        **dict(zip(QUANTILE_NAMES, columns, strict=True)),
    )


def price_message(price: PriceForecast, model_id: str) -> Quantiles | None:
    """Return the message of a price forecast, or None where it has no basis."""
    if not np.isfinite(price.quantiles).all() or not np.isfinite(price.mean).all():
        return None
    return quantiles_message(price.source, model_id or price.source, price.quantiles, price.mean)


def spreads_message(ramp_sd: Array, level_sd: Array, carry: Array) -> Spreads:
    """Return the message of spreads (H,) and carry (H,)."""
    return Spreads(
        ramp_sd_mw=np.round(ramp_sd, 2).tolist(),
        level_sd_mw=np.round(level_sd, 2).tolist(),
        carry=np.round(carry, 4).tolist(),
    )
