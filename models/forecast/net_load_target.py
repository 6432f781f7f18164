"""Net load as a forecast target: levels in MW, ramp and level spreads, ramps ahead and their alarm."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from features.calendar import MINUTE, Calendar
from models.forecast import fallbacks
from models.forecast.guarding import widened
from models.forecast.messages import quantiles_message, ramps_message, spreads_message
from models.forecast.ramp_alarm import RampAlarm
from models.forecast.scoring import jump_alert, mature, score
from models.forecast.state import ForecastState
from models.net_load.residual_trees import ERROR_STEPS, horizon_places
from models.net_load.trailing_errors import groups_per_day
from models.price.contract import MODEL
from models.served import NetLoadForecast, NetLoadRow, ServedModel, Silence
from vpp.domain import NET_LOAD, Target, horizons_min
from vpp.fleet.schema import Zone
from vpp.messages import Alert
from vpp.numerics.arrays import Floats

_NOW = np.zeros(1, dtype=np.int64)
_NO_MODEL = Silence("no model is in force")
_LOST_MODEL = Silence("the model in force cannot be loaded")


class NetLoadTarget:
    """Forecasts net load by the model in force, else by a named fallback.

    Args:
        zone: Its configuration.
        calendar: The zone's calendar.
        min_history_days: Net load of this many days must be known before a model is used.
    """

    target = Target.NET_LOAD
    judged_horizons = slice(0, 1)

    def __init__(self, zone: Zone, calendar: Calendar, min_history_days: float) -> None:
        self._zone = zone
        self._step = zone.step
        self._calendar = calendar
        self._min_history = int(min_history_days * self._step.per_day)
        self._horizons = horizons_min(zone.step_min)
        self._steps = np.array(self._horizons, dtype=np.int64) // zone.step_min
        self._places = horizon_places(self._horizons, zone.step_min)
        self._ramps = RampAlarm(zone)
        self._limit_mw = zone.limits.ramp_limit_mw / zone.share.factor
        self._decimals = zone.region_scale.forecast_decimals
        self.error_decimals = zone.region_scale.decimals + 2
        self._groups = groups_per_day(self._step.per_day)
        self._group_day: int | None = None
        self._group_table = np.empty(0, dtype=np.int64)

    def issue(self, state: ForecastState, index: int) -> dict[str, Any]:
        """Return quantiles, spreads and slope, the hash of the features read, and why no model spoke."""
        return self.calibrate(state, index, self._predict(state, self.row(state, index)))

    def row(self, state: ForecastState, index: int) -> NetLoadRow | Silence:
        """Return the model's input for the closed slot ``index``, or why no model can be used."""
        now = state.ring.get(NET_LOAD, index)
        if state.served is None or state.served.net_load is None or state.features is None:
            return _NO_MODEL if state.head.model is None else _LOST_MODEL
        if np.isnan(now):
            return Silence("net load of the closed slot is missing")
        history = state.ring.window(NET_LOAD, index - self._min_history + 1, index + 1)
        if 2 * np.count_nonzero(~np.isnan(history)) < self._min_history:
            return Silence("too little history for the model")
        groups = self._groups_of(index, self._steps)
        return NetLoadRow(
            rows=state.features.rows(state.ring, index),
            now_mw=now,
            levels=state.residuals.levels,
            volatility=state.residuals.volatility(groups),
            groups=groups,
            newest=state.waiting[self.target.value].newest_errors(index, now, ERROR_STEPS, self._places),
        )

    def calibrate(self, state: ForecastState, index: int, predicted: NetLoadForecast | Silence) -> dict[str, Any]:
        """Return the fields of ``Forecast`` from the model's result, or from a fallback without one.

        Args:
            state: The zone's state; the forecast waits in it for its errors.
            index: The closed slot.
            predicted: The model's result for the row of this slot.
        """
        now = state.ring.get(NET_LOAD, index)
        groups, waiting = self._groups_of(index, self._steps), state.waiting[self.target.value]
        reason: str | None = None
        spec_hash: str | None = None
        weight: list[float] | None = None
        served = state.served
        if isinstance(predicted, NetLoadForecast) and served is not None and served.net_load is not None:
            ramp, level, carry = state.residuals.spreads(groups)
            source, model_id, quantiles, mean = MODEL, served.model_id, predicted.quantiles, predicted.mean
            weight = predicted.xgboost_weight
            if state.judged is not None and state.judged.is_distrusted:
                age = 1 if state.judged.is_witnessed else state.judged.age
                quantiles = widened(quantiles, mean, self._steps, age)
                level = level * _widening(predicted.quantiles, quantiles)
            spec_hash = served.net_load.spec.hash
        else:
            reason = (predicted if isinstance(predicted, Silence) else _LOST_MODEL).reason
            fell = fallbacks.fallback(state.ring, index, self._steps)
            if fell is None:
                return {"reason": "no net load of the last six hours is known"}
            source, model_id, quantiles, mean = fell.source, fell.source, fell.quantiles, fell.mean
            ramp, level, carry = fell.ramp_sd, fell.level_sd, fell.carry
        if state.judged is not None and state.judged.is_distrusted:
            waiting.put(index, math.nan, quantiles, mean, by_model=False)
        else:
            waiting.put(index, now, quantiles, mean, by_model=source == MODEL)
        state.large_ramps.renew(state.ring, index)
        ramps = None
        if not math.isnan(now):
            steps = state.step_changes.forecast(state.ring, index, quantiles, mean, ramp, self._limit_mw)
            ramps = ramps_message(state.large_ramps, quantiles, now, steps, self._decimals)
        slope = None if np.isnan(now) else round(float(mean[0] - now) / self._horizons[0], self.error_decimals)
        return {
            "net_load": quantiles_message(source, model_id, quantiles, mean, self._decimals, weight),
            "ramp_mw_per_min": slope,
            "spreads": spreads_message(ramp, level, carry, self._decimals),
            "ramps": ramps,
            "spec_hash": spec_hash,
            "reason": reason,
        }

    def alert(self, state: ForecastState, index: int, slot: datetime) -> Alert | None:
        """Return the ramp alarm, where one is due."""
        return self._ramps.alert(state.large_ramps, state.waiting[self.target.value], index, slot)

    def score(self, state: ForecastState, index: int) -> Alert | None:
        """Score the forecasts of slot ``index`` and enter their errors; return an alert where the actual is absurd.

        What the guard does not believe scores and teaches nothing, nor do forecasts that were made of it.
        """
        net_load = state.ring.get(NET_LOAD, index)
        if math.isnan(net_load) or (state.judged is not None and state.judged.is_distrusted):
            return None
        steps, waiting = self._steps, state.waiting[self.target.value]
        jump = jump_alert(self._zone, index, net_load, steps, waiting)
        score(index, net_load, steps, waiting, state.scores[self.target.value].of_day(index // self._step.per_day))
        actuals = state.ring.window(NET_LOAD, index - int(steps[-1]), index + 1)
        state.large_ramps.enter(state.ring, index, net_load, waiting)
        group = self._groups_of(index, _NOW)
        ramp_sd, _, _ = state.residuals.spreads(np.repeat(group, steps.size))
        state.step_changes.enter(state.ring, index, waiting, ramp_sd)
        mature(index, actuals, steps, waiting, state.residuals, int(group[0]))
        return jump

    def model(self, served: ServedModel | None) -> object | None:
        """Return the net-load part of the model in force."""
        return None if served is None else served.net_load

    def _predict(self, state: ForecastState, row: NetLoadRow | Silence) -> NetLoadForecast | Silence:
        if isinstance(row, Silence) or state.served is None or state.served.net_load is None:
            return row if isinstance(row, Silence) else _LOST_MODEL
        return state.served.net_load.forecast(row)

    def _groups_of(self, first: int, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the slots of the local day, as trailing errors are sorted, of the slots ``first + steps``."""
        day = first // self._step.per_day
        if self._group_day != day:
            last = (day + 3) * self._step.per_day
            minutes = self._calendar.table(day * self._step.per_day, last)[MINUTE]
            self._group_table = (minutes * self._groups // 1440).astype(np.int64)
            self._group_day = day
        return self._group_table[first - day * self._step.per_day + steps]


def _widening(before: Floats, after: Floats) -> Floats:
    """Return the ratio of the outer quantiles' widths after and before, shape (H,); 1 without a width before."""
    width_mw = before[:, -1] - before[:, 0]
    return np.divide(after[:, -1] - after[:, 0], width_mw, out=np.ones_like(width_mw), where=width_mw > 0)
