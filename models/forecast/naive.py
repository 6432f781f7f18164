"""Naive forecasts in the form of the stream, as a baseline of the model."""

from __future__ import annotations

import msgspec
import numpy as np

from models.forecast.fallbacks import naive
from models.forecast.messages import quantiles_message, spreads_message
from vpp.messages import Forecast
from vpp.numerics.arrays import Floats

PAST_DAYS = 31


def naive_forecast(forecast: Forecast, past: Floats, *, lag_days: int, decimals: int) -> Forecast:
    """Return ``forecast`` with a naive net load and the spreads of that one's own past errors.

    Args:
        forecast: Gives slot, observation and horizons.
        past: Net load up to and with the slot, MW, shape (n,), NaN if missing; the last ``PAST_DAYS`` are read.
        lag_days: 0: persistence; 7: now plus the change of the same slots a week ago.
        decimals: Decimals of forecasts in the zone's power scale.
    """
    day = 1440 // forecast.step_min
    steps = np.array(forecast.horizon_min, dtype=np.int64) // forecast.step_min
    issued = naive(past[-(PAST_DAYS * day) :], steps, day, lag_days * day)
    if issued is None:
        return msgspec.structs.replace(forecast, net_load=None, spreads=None, reason="net load is missing")
    return msgspec.structs.replace(
        forecast,
        net_load=quantiles_message(issued.source, issued.source, issued.quantiles, issued.mean, decimals),
        spreads=spreads_message(issued.ramp_sd, issued.level_sd, issued.carry, decimals),
        reason=None,
    )
