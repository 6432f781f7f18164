"""The price as a forecast target: levels per MWh, and the outlook for the trader."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np

from models.forecast.messages import price_message
from models.forecast.scoring import score
from models.forecast.state import ForecastState
from models.price.contract import PriceForecast, with_published
from models.price.fallback import fallback
from models.price.series import series
from models.served import ServedModel
from vpp.domain import PRICE, Target, horizons_min
from vpp.fleet.schema import Zone
from vpp.messages import Alert
from vpp.numerics.arrays import Floats


class PriceTarget:
    """Forecasts the price by the model in force, else by a named fallback.

    Args:
        zone: Its configuration.
    """

    target = Target.PRICE
    judged_horizons = slice(None)
    error_decimals = 4

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._step = zone.step
        self._horizons = horizons_min(zone.step_min)
        self._steps = np.array(self._horizons, dtype=np.int64) // zone.step_min

    def issue(self, state: ForecastState, index: int) -> dict[str, Any]:
        """Return quantiles and outlook; nothing if no price is known."""
        forecast = self._forecast(state, index)
        published = self._published(state, index)
        quantiles = price_message(forecast, "" if state.served is None else state.served.model_id, published)
        if quantiles is None:
            return {}
        now = state.ring.get(PRICE, index)
        # A published price is no forecast: without quantiles it is neither scored nor learned from.
        scored = np.where(np.isfinite(published)[:, None], np.nan, forecast.quantiles)
        state.waiting[self.target.value].put(index, now, scored, by_model=forecast.takes_levels)
        carried = quantiles.published if self._steps.size == self._steps[-1] else 0
        return {"price": quantiles, "outlook": forecast.outlook().shortened(self._step.minutes, carried)}

    def alert(self, state: ForecastState, index: int, slot: datetime) -> Alert | None:
        """Return None: forecast prices raise no alarm."""
        return None

    def score(self, state: ForecastState, index: int) -> Alert | None:
        """Score the forecasts of slot ``index`` and adapt the quantile levels."""
        price = state.ring.get(PRICE, index)
        if not math.isnan(price):
            waiting, board = state.waiting[self.target.value], state.scores[self.target.value]
            score(index, price, self._steps, waiting, board.of_day(index // self._step.per_day))
            state.price_levels.adapt(index, price, self._steps, waiting)
        return None

    def model(self, served: ServedModel | None) -> object | None:
        """Return the model in force; where it has no price part, its fallback is watched."""
        return served

    def _forecast(self, state: ForecastState, index: int) -> PriceForecast:
        if state.served is not None and state.served.price is not None:
            return state.served.price.forecast(state.ring, index, state.price_levels.levels, state.price_cache)
        first = index - 16 * self._step.per_day
        data = series(
            state.ring.window(PRICE, first, index + 1),
            np.empty((0, index + 1 - first)),
            first_index=first,
            step_min=self._step.minutes,
            time_zone=self._zone.time_zone,
        )
        name, quantiles, mean = fallback(data, self._steps)
        published = self._published(state, index)
        forecast = PriceForecast(name, quantiles, mean, self._horizons, published, {name: mean})
        return with_published(forecast, published)

    def _published(self, state: ForecastState, index: int) -> Floats:
        """Return the price of each horizon that was published by the close of slot ``index``, NaN elsewhere."""
        return state.ring.window(PRICE, index + 1, index + 1 + int(self._steps[-1]))[self._steps - 1]
