"""The forecast step: telemetry in, one forecast per closed slot out, and the scores of past ones as actuals arrive."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
import numpy.typing as npt

from features.calendar import MINUTE, Calendar
from features.compute import RingFeatures
from models.forecast import fallbacks
from models.forecast.messages import price_message, quantiles_message, spreads_message
from models.forecast.ramp_alarm import RampAlarm
from models.forecast.scoring import drift_alert, jump_alert, mature, score, skill_message
from models.forecast.state import ForecastState, load_state, new_state, state_changes
from models.net_load.trailing_errors import groups_per_day
from models.price.contract import MODEL, PriceForecast, with_published
from models.price.fallback import fallback as price_fallback
from models.price.series import series as price_series
from models.served import ServedModel
from vpp.domain import NET_LOAD, PRICE, Target, horizons_min
from vpp.errors import MessageError, ModelError
from vpp.fleet.schema import Zone
from vpp.messages import (
    Alert,
    Correction,
    End,
    Forecast,
    Message,
    PriceOutlook,
    Promotion,
    Publication,
    Quantiles,
    SlotClosed,
    Spreads,
)
from vpp.streams.reducer import Load, Origin, Output
from vpp.streams.topics import ALERTS, FORECASTS, SKILL

MIN_HISTORY_DAYS = 15.0
_NOW = np.zeros(1, dtype=np.int64)
LoadModel = Callable[[str, str], ServedModel]

_PRICE_ERROR_DECIMALS = 4


class ForecastReducer:
    """Forecasts net load and price of one zone. See the module text.

    Args:
        zone: Its configuration.
        load_model: Finds a promoted model by id and sha256; raises ``ModelError``.
        skill_window: Scored forecasts per horizon in the live skill.
        min_history_days: Net load of this many days must be known before a model speaks.
        targets: What to forecast; a backtest of one target leaves the other out.

    Invariants:
        - Every live slot yields exactly one forecast, in order; a history slot fills state only.
        - Nothing enters a forecast before its ``available_at``; an error enters only once its target time has passed.
    """

    def __init__(
        self,
        zone: Zone,
        *,
        load_model: LoadModel,
        skill_window: int = 336,
        min_history_days: float = MIN_HISTORY_DAYS,
        targets: frozenset[Target] = frozenset(Target),
    ) -> None:
        self._zone = zone
        self._step = zone.step
        self._load_model = load_model
        self._min_history = int(min_history_days * self._step.per_day)
        self._targets = targets
        self._horizons = horizons_min(zone.step_min)
        self._steps = np.array(self._horizons, dtype=np.int64) // zone.step_min
        self._skill_days = max(1, round(skill_window / self._step.per_day))
        self._decimals = zone.region_scale.decimals
        self._calendar = Calendar(zone)
        self._ramps = RampAlarm(zone)
        self._groups = groups_per_day(self._step.per_day)
        self._group_day: int | None = None
        self._group_table = np.empty(0, dtype=np.int64)

    def initial(self, zone: str) -> ForecastState:
        """Return the state of a zone that nothing is known of."""
        return new_state(self._step, self._horizons, self._skill_days)

    def load(self, zone: str, get: Load) -> ForecastState:
        """Return the state kept for this zone, or the initial one."""
        return load_state(self.initial(zone), get) or self.initial(zone)

    def changes(self, state: ForecastState) -> Mapping[str, bytes | None]:
        """Return what changed since the last call."""
        return state_changes(state)

    def step(self, state: ForecastState, message: Message, origin: Origin) -> tuple[ForecastState, list[Output]]:
        """Return the state after one message of ``vpp.telemetry`` and what it yields.

        Raises:
            MessageError: The message is none that the topic carries, or of another step than the zone's.
        """
        match message:
            case SlotClosed():
                return state, self._close(state, message)
            case Publication():
                self._check_step(message.step_min, divides=True)
                state.head.held.append(message)
                state.head_dirty = True
                return state, []
            case Promotion():
                return state, self._promote(state, message)
            case Correction():
                self._check_step(message.step_min)
                index = self._step.index(message.slot)
                self._write(state, index, {**message.values, NET_LOAD: message.net_load_mw})
                return state, [Output(FORECASTS.name, message)]
            case End():
                return state, self._end(state, message)
            case _:
                raise MessageError(f"{type(message).__name__} is no telemetry", reason="schema")

    def _check_step(self, step_min: int, *, divides: bool = False) -> None:
        if step_min != self._step.minutes and not (divides and step_min % self._step.minutes == 0):
            raise MessageError(f"step {step_min} min, but the zone's is {self._step.minutes}", reason="step")

    def _write(self, state: ForecastState, index: int, values: Mapping[str, float | None]) -> None:
        for channel, value in values.items():
            state.ring.put(channel, index, value)

    def _close(self, state: ForecastState, slot: SlotClosed) -> list[Output]:
        self._check_step(slot.step_min)
        index = self._step.index(slot.slot)
        head = state.head
        if head.last is not None and index <= head.last:
            return []
        head.last = index
        state.head_dirty = True
        state.ring.advance(index)
        self._write(state, index, {**slot.values, NET_LOAD: slot.net_load_mw})
        self._publish_due(state, slot.slot + self._step.delta)
        jump = self._score(state, index)
        if slot.history:
            return []
        outputs = [Output(FORECASTS.name, self._forecast(state, slot, index))]
        ramp = self._ramps.alert(state.ring, state.waiting[Target.NET_LOAD.value], index, slot.slot)
        outputs += [Output(ALERTS.name, alert) for alert in (jump, ramp) if alert is not None]
        head.last_live = index
        if (index + 1) % self._step.per_day == 0:
            outputs += self._skill(state, index)
        return outputs

    def _publish_due(self, state: ForecastState, now: datetime) -> None:
        """Write the publications whose time has come into the ring; a value is used from its ``available_at`` on."""
        due = [p for p in state.head.held if p.available_at <= now]
        if not due:
            return
        state.head.held = [p for p in state.head.held if p.available_at > now]
        for publication in due:
            repeat = publication.step_min // self._step.minutes
            first = self._step.index(publication.first_slot)
            for channel, values in publication.series.items():
                for i, value in enumerate(values):
                    for j in range(repeat):
                        state.ring.put(channel, first + i * repeat + j, value)

    def _score(self, state: ForecastState, index: int) -> Alert | None:
        """Score what was forecast of slot ``index``; return an alert where its net load is absurd."""
        jump = None
        day, steps = index // self._step.per_day, self._steps
        net_load, price = state.ring.get(NET_LOAD, index), state.ring.get(PRICE, index)
        if not math.isnan(net_load):
            name = Target.NET_LOAD.value
            waiting = state.waiting[name]
            jump = jump_alert(self._zone, index, net_load, steps, waiting)
            score(index, net_load, steps, waiting, state.scores[name].of_day(day))
            actuals = state.ring.window(NET_LOAD, index - int(steps[-1]), index + 1)
            mature(index, actuals, steps, waiting, state.residuals, int(self._groups_of(index, _NOW)[0]))
        if not math.isnan(price):
            name = Target.PRICE.value
            waiting = state.waiting[name]
            score(index, price, steps, waiting, state.scores[name].of_day(day))
            state.price_levels.adapt(index, price, steps, waiting)
        return jump

    def _groups_of(self, first: int, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the slots of the local day, as trailing errors are sorted, of the slots ``first + steps``."""
        day = first // self._step.per_day
        if self._group_day != day:
            last = (day + 3) * self._step.per_day
            minutes = self._calendar.table(day * self._step.per_day, last)[MINUTE]
            self._group_table = (minutes * self._groups // 1440).astype(np.int64)
            self._group_day = day
        return self._group_table[first - day * self._step.per_day + steps]

    def _forecast(self, state: ForecastState, slot: SlotClosed, index: int) -> Forecast:
        groups = self._groups_of(index, self._steps)
        net, spreads, slope, reason = None, None, None, None
        if Target.NET_LOAD in self._targets:
            net, spreads, slope, reason = self._net_load(state, index, groups)
        price, outlook = self._price(state, index) if Target.PRICE in self._targets else (None, None)
        return Forecast(
            zone=slot.zone,
            slot=slot.slot,
            step_min=slot.step_min,
            observation=slot,
            horizon_min=list(self._horizons),
            net_load=net,
            price=price,
            ramp_mw_per_min=slope,
            spreads=spreads,
            outlook=outlook,
            spec_hash=_spec_hash(state, net),
            reason=reason,
        )

    def _net_load(
        self, state: ForecastState, index: int, groups: npt.NDArray[np.int64]
    ) -> tuple[Quantiles | None, Spreads | None, float | None, str | None]:
        now = state.ring.get(NET_LOAD, index)
        served, reason = self._ready(state, index, now)
        waiting = state.waiting[Target.NET_LOAD.value]
        if served is not None and served.net_load is not None and state.features is not None:
            rows = state.features.rows(state.ring, index)
            made = served.net_load.forecast(rows, now, state.residuals, groups)
            ramp, level, carry = state.residuals.spreads(groups)
            waiting.put(index, now, made.quantiles, made.mean, by_model=True)
            source, model_id, quantiles, mean = MODEL, served.model_id, made.quantiles, made.mean
        else:
            fell = fallbacks.fallback(state.ring, index, self._steps)
            if fell is None:
                return None, None, None, "no net load of the last six hours is known"
            waiting.put(index, now, fell.quantiles, fell.mean, by_model=False)
            source, model_id, quantiles, mean = fell.source, fell.source, fell.quantiles, fell.mean
            ramp, level, carry = fell.ramp_sd, fell.level_sd, fell.carry
        spreads = spreads_message(ramp, level, carry, self._decimals)
        slope = None if np.isnan(now) else round(float(mean[0] - now) / self._horizons[0], self._decimals + 2)
        return quantiles_message(source, model_id, quantiles, mean, self._decimals), spreads, slope, reason

    def _ready(self, state: ForecastState, index: int, now: float) -> tuple[ServedModel | None, str | None]:
        """Return the model when it can speak, else the reason why it cannot."""
        if state.served is None:
            self._fetch(state)
        served = state.served
        if served is None or served.net_load is None:
            return None, "no model is in force" if state.head.model is None else "the model in force cannot be loaded"
        if np.isnan(now):
            return None, "net load of the closed slot is missing"
        known = state.ring.window(NET_LOAD, index - self._min_history + 1, index + 1)
        if 2 * np.count_nonzero(~np.isnan(known)) < self._min_history:
            return None, "too little history for the model"
        return served, None

    def _price(self, state: ForecastState, index: int) -> tuple[Quantiles | None, PriceOutlook | None]:
        if state.served is None:
            self._fetch(state)
        made = self._price_forecast(state, index)
        quantiles = price_message(made, "" if state.served is None else state.served.model_id)
        if quantiles is None:
            return None, None
        now = state.ring.get(PRICE, index)
        state.waiting[Target.PRICE.value].put(index, now, made.quantiles, made.mean, by_model=made.takes_levels)
        return quantiles, made.outlook()

    def _price_forecast(self, state: ForecastState, index: int) -> PriceForecast:
        if state.served is not None and state.served.price is not None:
            return state.served.price.forecast(state.ring, index, state.price_levels.levels)
        first = index - 16 * self._step.per_day
        data = price_series(
            state.ring.window(PRICE, first, index + 1),
            np.empty((0, index + 1 - first)),
            first_index=first,
            step_min=self._step.minutes,
            time_zone=self._zone.time_zone,
        )
        name, quantiles, mean = price_fallback(data, self._steps)
        known = state.ring.window(PRICE, index + 1, index + 1 + int(self._steps[-1]))[self._steps - 1]
        made = PriceForecast(name, quantiles, mean, self._horizons, known, {name: mean})
        return with_published(made, known)

    def _promote(self, state: ForecastState, message: Promotion) -> list[Output]:
        wanted = (message.model_id, message.sha256)
        if state.head.model == wanted:
            return []
        state.head.model = wanted
        state.head_dirty = True
        state.served = None
        error = self._fetch(state)
        if error is None:
            return []
        alert = Alert(
            zone=message.zone,
            slot=message.available_at,
            alert_id=f"{message.zone}-model-{message.model_id}",
            severity="critical",
            topic="model",
            text=f"model {message.model_id} cannot be served: {error}",
        )
        return [Output(ALERTS.name, alert)]

    def _fetch(self, state: ForecastState) -> ModelError | None:
        """Load the model in force; on failure the fallbacks serve until the next promotion or restart."""
        if state.head.model is None or state.served_for == state.head.model:
            return None
        state.served_for = state.head.model
        try:
            served = self._load_model(*state.head.model)
            if served.zone != self._zone.zone:
                raise ModelError(f"it was made for zone {served.zone}, not for {self._zone.zone}")
            if served.step_min != self._step.minutes:
                raise ModelError(f"it was made for {served.step_min} min steps, the zone's are {self._step.minutes}")
        except ModelError as error:
            return error
        state.served = served
        if served.net_load is not None:
            state.features = RingFeatures(served.net_load.spec, self._calendar)
            if not state.head.started:
                state.residuals.start(served.net_load.errors)
                state.head.started = True
                state.head_dirty = True
        return None

    def _skill(self, state: ForecastState, index: int) -> list[Output]:
        outputs: list[Output] = []
        for name, board in state.scores.items():
            window = board.window(index // self._step.per_day)
            skill = skill_message(
                self._zone.zone, self._step.start(index), name, self._horizons, window, self._error_decimals(name)
            )
            outputs += [] if skill is None else [Output(SKILL.name, skill)]
            drift = self._drift(state, name, index)
            outputs += [] if drift is None else [Output(ALERTS.name, drift)]
        return outputs

    def _drift(self, state: ForecastState, name: str, index: int) -> Alert | None:
        """Judge the day that ends with ``index``; only where a model speaks, and only whole days."""
        model = state.served if name == Target.PRICE.value or state.served is None else state.served.net_load
        if model is None or (index + 1) % self._step.per_day:
            return None
        day, board = index // self._step.per_day, state.scores[name]
        return drift_alert(
            self._zone.zone,
            self._step.start(index),
            name,
            self._horizons,
            day=board.of_day(day),
            before=board.sums_of(day - 1),
            window=board.window(day),
            decimals=self._error_decimals(name),
        )

    def _error_decimals(self, name: str) -> int:
        """Return the decimals of an error of this target: two more than the net load has, four for prices."""
        return self._decimals + 2 if name == Target.NET_LOAD.value else _PRICE_ERROR_DECIMALS

    def _end(self, state: ForecastState, message: End) -> list[Output]:
        outputs: list[Output] = []
        last = state.head.last_live
        if last is not None and not state.head.ended and (last + 1) % self._step.per_day:
            outputs += self._skill(state, last)
        state.head.ended = True
        state.head_dirty = True
        end = End(zone=message.zone, producer="forecast", last_slot=message.last_slot)
        return [*outputs, *(Output(topic.name, end) for topic in (FORECASTS, SKILL, ALERTS))]


def _spec_hash(state: ForecastState, net: Quantiles | None) -> str | None:
    """Return the hash of the features behind a net-load forecast, None where no model made it."""
    part = None if state.served is None else state.served.net_load
    return part.spec.hash if part is not None and net is not None and net.source == MODEL else None
