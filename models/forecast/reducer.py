"""The forecast step: telemetry in, one forecast per closed slot out, and the scores of past ones as actuals arrive."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from features.calendar import Calendar
from features.compute import RingFeatures
from models.forecast.completeness import READY_SHARE, lags_of
from models.forecast.guarding import check_release, follow, release_quarantine
from models.forecast.net_load_target import NetLoadTarget
from models.forecast.price_target import PriceTarget
from models.forecast.scoring import drift_alert, retraining_alert, skill_message
from models.forecast.state import EACH_SLOT, ForecastState, load_state, new_state, state_changes
from models.forecast.target import TargetForecaster
from models.served import NetLoadForecast, NetLoadRow, ServedModel, Silence
from vpp.domain import NET_LOAD, PRICE, Target, horizons_min
from vpp.errors import MessageError, ModelError
from vpp.fleet.schema import Zone
from vpp.messages import (
    Alert,
    AlertCode,
    AlertEffect,
    Correction,
    End,
    Forecast,
    Inference,
    KnownLags,
    Message,
    Order,
    Promotion,
    Publication,
    SlotClosed,
)
from vpp.streams.reducer import Load, Origin, Output
from vpp.streams.topics import ALERTS, FORECASTS, SKILL

MIN_HISTORY_DAYS = 15.0
LoadModel = Callable[[str, str], ServedModel]
RefuseOrder = Callable[[Order, Origin], list[Output]]
"""Verifies an admitted order where it acts; returns what its refusal yields, nothing if it may act."""


class ForecastReducer:
    """Forecasts net load and price of one zone. See the module text.

    Args:
        zone: Its configuration.
        load_model: Finds a promoted model by id and sha256; raises ``ModelError``.
        skill_window: Scored forecasts per horizon in the live skill.
        min_history_days: Net load of this many days must be known before a model is used.
        targets: What to forecast; a backtest of one target leaves the other out.
        ready_share: Share of a target's lags (0-1) that must be there before policies bid on its forecast.
        refuse_order: Verifies orders to the guard.

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
        ready_share: float = READY_SHARE,
        refuse_order: RefuseOrder = lambda *_: [],
    ) -> None:
        self._zone = zone
        self._step = zone.step
        self._load_model = load_model
        self._targets = targets
        self._ready_share = ready_share
        self._refuse_order = refuse_order
        self._horizons = horizons_min(zone.step_min)
        self._skill_days = max(1, round(skill_window / self._step.per_day))
        self._calendar = Calendar(zone)
        self._net_load = NetLoadTarget(zone, self._calendar, min_history_days)
        self._forecasters: tuple[TargetForecaster, ...] = (self._net_load, PriceTarget(zone))

    def initial(self, zone: str) -> ForecastState:
        """Return the state of a zone before its first message."""
        return new_state(self._step, self._horizons, self._skill_days)

    def load(self, zone: str, get: Load) -> ForecastState:
        """Return the state kept for this zone, or the initial one."""
        return load_state(self.initial(zone), get) or self.initial(zone)

    def changes(self, state: ForecastState) -> Mapping[str, bytes | None]:
        """Return the state values that changed since the last call."""
        return state_changes(state)

    def step(self, state: ForecastState, message: Message, origin: Origin) -> tuple[ForecastState, list[Output]]:
        """Return the state after one message of ``vpp.telemetry`` and its outputs.

        Raises:
            MessageError: The message type does not belong to the topic, or its step differs from the zone's.
        """
        self.check(message)
        match message:
            case SlotClosed():
                return state, self._close(state, message)
            case Publication():
                state.head.held.append(message)
                state.changed.mark(EACH_SLOT)
                return state, []
            case Promotion():
                return state, self._promote(state, message)
            case Order():
                return state, self._order(state, message, origin)
            case Correction():
                index = self._step.index(message.slot)
                self._write(state, index, {**message.values, NET_LOAD: message.net_load_mw})
                state.changed.mark(EACH_SLOT)
                return state, [Output(FORECASTS.name, message)]
            case End():
                return state, self._end(state, message)
            case _:
                return state, []

    def check(self, message: Message) -> None:
        """Refuse what ``step`` cannot take.

        Raises:
            MessageError: The message type does not belong to the topic, or its step differs from the zone's, or an
                order that is not for the guard.
        """
        match message:
            case SlotClosed() | Correction():
                self._check_step(message.step_min)
            case Publication():
                self._check_step(message.step_min, divides=True)
            case Order():
                check_release(message)
            case Promotion() | Inference() | End():
                pass
            case _:
                raise MessageError(f"{type(message).__name__} is not telemetry", reason="schema")

    def _order(self, state: ForecastState, order: Order, origin: Origin) -> list[Output]:
        refused = self._refuse_order(order, origin)
        if refused:
            return refused
        alert = release_quarantine(state.head, self._step, order)
        state.changed.mark(EACH_SLOT)
        return [] if alert is None else [Output(ALERTS.name, alert)]

    def proof(self, state: ForecastState) -> dict[str, KnownLags]:
        """Return the completeness of each target's lags at the last closed slot; None before the first.

        A price that is published for the next slot needs no past to be bid on.
        """
        return self._lags(state, state.restored_to)

    def _lags(self, state: ForecastState, restored_to: int | None) -> dict[str, KnownLags]:
        index = state.head.last
        if index is None:
            return {}
        begun = None if state.head.episode is None else state.head.episode.since
        proofs = {}
        for target in sorted(self._targets):
            lags = lags_of(
                state.ring,
                target.channel,
                index,
                stands_in=begun if target is Target.NET_LOAD else None,
                restored_to=restored_to,
                ready_share=self._ready_share,
            )
            if target is Target.PRICE and not math.isnan(state.ring.get(PRICE, index + 1)):
                lags = msgspec.structs.replace(lags, ready=True)
            proofs[target.value] = lags
        return proofs

    def _check_step(self, step_min: int, *, divides: bool = False) -> None:
        if step_min != self._step.minutes and not (divides and step_min % self._step.minutes == 0):
            raise MessageError(f"step {step_min} min, but the zone's is {self._step.minutes}", reason="step")

    def _write(self, state: ForecastState, index: int, values: Mapping[str, float | None]) -> None:
        for channel, value in values.items():
            state.ring.put(channel, index, value)

    def _close(self, state: ForecastState, slot: SlotClosed) -> list[Output]:
        alerts = self.enter(state, slot)
        return [] if alerts is None else self.issue(state, slot, alerts)

    def enter(self, state: ForecastState, slot: SlotClosed) -> list[Alert] | None:
        """Add a closed slot and score its forecasts; return alerts, or None if no forecast is due."""
        index = self._step.index(slot.slot)
        head = state.head
        if head.last is not None and index <= head.last:
            return None
        head.last = index
        state.changed.mark(EACH_SLOT)
        state.ring.advance(index)
        self._write(state, index, {**slot.values, NET_LOAD: slot.net_load_mw})
        self._publish_due(state, slot.slot + self._step.delta)
        if state.served is None:
            self._fetch(state)
        is_released = head.release_at(index) is not None
        state.judged = state.watch.judge(state.ring, index, slot.values, self._calendar, released=is_released)
        alerts = self._score(state, index)
        return None if slot.history else alerts

    def row(self, state: ForecastState, slot: SlotClosed) -> NetLoadRow | Silence:
        """Return the input of the net-load model for the slot added last, or why no model can be used."""
        return self._net_load.row(state, self._step.index(slot.slot))

    def issue(
        self,
        state: ForecastState,
        slot: SlotClosed,
        alerts: list[Alert],
        predicted: NetLoadForecast | Silence | None = None,
    ) -> list[Output]:
        """Return the forecast from the slot entered last, and all that comes with it.

        Args:
            state: The zone's state.
            slot: The slot.
            alerts: What ``enter`` returned.
            predicted: Result of the net-load model for this slot's row, or why there is none; None: computed here.
        """
        index, head, judged = self._step.index(slot.slot), state.head, state.judged
        release = head.release_at(index)
        state.changed.mark(EACH_SLOT)
        outputs: list[Output] = []
        forecast = self._forecast(state, slot, index, predicted)
        if judged is not None:
            verdict, episode_alerts, restored = follow(state, self._step, slot, judged)
            alerts += episode_alerts
            outputs += [Output(FORECASTS.name, correction) for correction in restored]
            if judged.trust or judged.used or verdict is not None:
                forecast = msgspec.structs.replace(
                    forecast, used=judged.used, trust=dict(judged.trust), verdict=verdict
                )
        incomplete = {
            target: lags
            for target, lags in self._lags(state, None).items()
            if lags.known < lags.asked and getattr(forecast, target) is not None
        }
        if incomplete or release is not None:
            released_by = None if release is None else release.order_id
            forecast = msgspec.structs.replace(forecast, lags=incomplete, released_by=released_by)
        outputs.append(Output(FORECASTS.name, forecast))
        alerts += [a for f in self._forecasters if (a := f.alert(state, index, slot.slot)) is not None]
        outputs += [Output(ALERTS.name, alert) for alert in alerts]
        head.last_live = index
        if (index + 1) % self._step.per_day == 0:
            outputs += self._skill(state, index)
        return outputs

    def _publish_due(self, state: ForecastState, now: datetime) -> None:
        """Write the publications whose time has come into the ring; a value is used from its ``available_at`` on.

        Series of one publication have one length: None pads them, and leaves what was published of that slot before.
        """
        due = [p for p in state.head.held if p.available_at <= now]
        if not due:
            return
        state.head.held = [p for p in state.head.held if p.available_at > now]
        for publication in due:
            repeat = publication.step_min // self._step.minutes
            first = self._step.index(publication.first_slot)
            for channel, values in publication.series.items():
                for i, value in enumerate(values):
                    if value is None:
                        continue
                    for j in range(repeat):
                        state.ring.put(channel, first + i * repeat + j, value)

    def _score(self, state: ForecastState, index: int) -> list[Alert]:
        """Score the forecasts of slot ``index``; return alerts of implausible values."""
        alerts = [forecaster.score(state, index) for forecaster in self._forecasters]
        return [alert for alert in alerts if alert is not None]

    def _forecast(
        self, state: ForecastState, slot: SlotClosed, index: int, predicted: NetLoadForecast | Silence | None
    ) -> Forecast:
        if state.served is None and self._targets:
            self._fetch(state)
        fields: dict[str, Any] = {"net_load": None, "price": None, "ramp_mw_per_min": None}
        for forecaster in self._forecasters:
            if forecaster.target not in self._targets:
                continue
            if forecaster is self._net_load and predicted is not None:
                fields |= self._net_load.calibrate(state, index, predicted)
            else:
                fields |= forecaster.issue(state, index)
        return Forecast(
            zone=slot.zone,
            slot=slot.slot,
            step_min=slot.step_min,
            observation=slot,
            horizon_min=list(self._horizons),
            **fields,
        )

    def _promote(self, state: ForecastState, message: Promotion) -> list[Output]:
        identity = (message.model_id, message.sha256)
        outputs = [Output(ALERTS.name, retraining_alert(message))] if message.cause == "drift" else []
        if state.head.model == identity:
            return outputs
        state.head.model = identity
        state.changed.mark(EACH_SLOT)
        state.served = None
        error = self._fetch(state)
        if error is None:
            return outputs
        alert = Alert(
            zone=message.zone,
            slot=message.available_at,
            alert_id=f"{message.zone}-model-{message.model_id}",
            severity="critical",
            topic="model",
            code=AlertCode.MODEL_UNUSABLE,
            effect=AlertEffect.FALLBACK_FORECAST,
            text=f"model {message.model_id} cannot be served: {error}",
        )
        return [*outputs, Output(ALERTS.name, alert)]

    def _fetch(self, state: ForecastState) -> ModelError | None:
        """Load the model in force; on failure the fallbacks serve until the next promotion or restart."""
        if state.head.model is None or state.served_for == state.head.model:
            return None
        state.served_for = state.head.model
        try:
            served = self._load_model(*state.head.model)
            if served.zone != self._zone.zone:
                raise ModelError(f"it was trained for zone {served.zone}, not for {self._zone.zone}")
            if served.step_min != self._step.minutes:
                raise ModelError(f"it was made for {served.step_min} min steps, the zone's are {self._step.minutes}")
        except ModelError as error:
            return error
        state.served = served
        state.price_cache = None if served.price is None else served.price.new_cache()
        state.watch.take(served.guard)
        if served.net_load is not None:
            state.features = RingFeatures(served.net_load.spec, self._calendar)
            if not state.head.started:
                state.residuals.start(served.net_load.errors)
                state.head.started = True
                state.changed.mark(EACH_SLOT)
        return None

    def _skill(self, state: ForecastState, index: int) -> list[Output]:
        outputs: list[Output] = []
        for forecaster in self._forecasters:
            name = forecaster.target.value
            window = state.scores[name].window(index // self._step.per_day)
            skill = skill_message(
                self._zone.zone, self._step.start(index), name, self._horizons, window, forecaster.error_decimals
            )
            outputs += [] if skill is None else [Output(SKILL.name, skill)]
            drift = self._drift(state, forecaster, index)
            outputs += [] if drift is None else [Output(ALERTS.name, drift)]
        return outputs

    def _drift(self, state: ForecastState, forecaster: TargetForecaster, index: int) -> Alert | None:
        """Judge the day that ends with ``index``: only forecasts of a model, and only whole days."""
        if forecaster.model(state.served) is None or (index + 1) % self._step.per_day:
            return None
        name, day = forecaster.target.value, index // self._step.per_day
        board = state.scores[name]
        return drift_alert(
            self._zone.zone,
            self._step.start(index),
            name,
            self._horizons,
            day=board.of_day(day),
            before=board.sums_of(day - 1),
            window=board.window(day),
            judged=forecaster.judged_horizons,
            decimals=forecaster.error_decimals,
        )

    def _end(self, state: ForecastState, message: End) -> list[Output]:
        outputs: list[Output] = []
        last = state.head.last_live
        if last is not None and not state.head.ended and (last + 1) % self._step.per_day:
            outputs += self._skill(state, last)
        state.head.ended = True
        state.changed.mark(EACH_SLOT)
        end = End(zone=message.zone, producer="forecast", last_slot=message.last_slot)
        return [*outputs, *(Output(topic.name, end) for topic in (FORECASTS, SKILL, ALERTS))]
