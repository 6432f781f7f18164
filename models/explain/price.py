"""Contributions of inputs to a price forecast, from the usual price of its slot, per MWh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from models.explain.price_dayahead import day_ahead_parts
from models.explain.price_realtime import CONSTANT, real_time_parts
from models.forecast.reducer import ForecastReducer
from models.history import telemetry, with_net_load
from models.price.contract import MODEL, PricePart
from models.price.dayahead.model import DayAheadPart
from models.price.realtime.model import RealTimePart
from models.served import ServedModel
from vpp.domain import PRICE, Target, horizons_min, iso
from vpp.errors import DataError, ModelError
from vpp.fleet.schema import Zone
from vpp.streams.reducer import Origin

PUBLISHED = "published price"
LIMITS = "market's price limits"
_ROUNDING_PER_MWH = 0.01
_ORIGIN = Origin("explain", 0, 0)


@dataclass(frozen=True, slots=True)
class PriceExplanation:
    """One price forecast taken apart; contributions are per MWh by plain name, largest size first.

    ``forecast_per_mwh = usual_per_mwh + Σ contributions``: the expected price, which differs from the published median
    where errors are skewed. The usual price is the mean of the same slot on recent days.
    """

    slot: datetime
    horizon_min: int
    usual_per_mwh: float
    forecast_per_mwh: float
    contributions: tuple[tuple[str, float], ...]


def explain_price_at(
    part: PricePart, frame: pd.DataFrame, zone: Zone, slot: datetime, horizon_min: int
) -> PriceExplanation:
    """Explain the price that ``part`` forecasts when ``slot`` closes, from a history frame.

    Args:
        part: The price part of a served model.
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing; 45 days before ``slot``.
        zone: Its configuration.
        slot: The closed slot.
        horizon_min: The horizon.

    Raises:
        DataError: The slot is not in the frame, no model spoke then, or there is no such horizon.
        ModelError: The part is of a kind that has no contributions to show.
    """
    rows = with_net_load(frame, zone)
    if PRICE not in rows or pd.Timestamp(slot) not in rows.index:
        raise DataError(f"{zone.zone} has no price at {iso(slot)}", hint="choose a slot inside the data")
    reducer = ForecastReducer(zone, load_model=_no_model, targets=frozenset[Target]())
    state = reducer.initial(zone.zone)
    for message in telemetry(rows, zone, slot, slot + zone.step.delta):
        state, _ = reducer.step(state, message, _ORIGIN)
    index = zone.step.index(slot)
    horizons = horizons_min(zone.step_min)
    if horizon_min not in horizons:
        raise DataError(f"no horizon of {horizon_min} min", hint=f"one of {horizons}")
    h = horizons.index(horizon_min)
    issued = part.forecast(state.ring, index)
    if issued.source != MODEL:
        raise DataError("too few prices are known: the forecast is the fallback's", hint="choose a later --at")
    forecast = float(issued.mean[h])
    published = float(state.ring.get(PRICE, index + horizon_min // zone.step_min))
    if np.isfinite(published):
        usual, parts = _usual(rows, slot, horizon_min), {}
        parts[PUBLISHED] = forecast - usual
    elif isinstance(part, RealTimePart):
        usual, parts = real_time_parts(part, state.ring, index, h)
    elif isinstance(part, DayAheadPart):
        usual, parts = day_ahead_parts(part, state.ring, index, horizon_min)
    else:
        raise ModelError(f"a {type(part).__name__} has no contributions to show")
    remainder = forecast - usual - sum(parts.values())
    remainder_name = CONSTANT if abs(remainder) < _ROUNDING_PER_MWH else LIMITS
    parts[remainder_name] = parts.get(remainder_name, 0.0) + remainder
    ordered = tuple(sorted(((n, v) for n, v in parts.items() if v != 0.0), key=lambda item: -abs(item[1])))
    return PriceExplanation(slot, horizon_min, usual, forecast, ordered)


def _usual(rows: pd.DataFrame, slot: datetime, horizon_min: int) -> float:
    """Return the mean price of the target's slot of the day over the last week; 0 if none is known."""
    target = pd.Timestamp(slot) + pd.Timedelta(minutes=horizon_min)
    values = rows[PRICE].reindex([target - pd.Timedelta(days=days) for days in range(1, 8)]).to_numpy(dtype=float)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else 0.0


def _no_model(model_id: str, sha256: str) -> ServedModel:
    raise ModelError(f"no model {model_id}")
