"""The forecast step with remote inference: sends the row of a slot, and continues with the model's answer.

A forecast rests on the errors of those before it, so one row at a time is under way. What arrives meanwhile is held in
the state and taken in its order. Answers arrive on the same topic as telemetry: one log decides what the step does, so
a replay gives the same bits, also where an answer came late.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from models.forecast.inference import feature_row, forecast_in
from models.forecast.reducer import ForecastReducer
from models.forecast.state import ForecastState
from models.guard.watch import Judgement
from models.served import NetLoadForecast, Silence
from vpp.domain import horizons_min
from vpp.fleet.schema import Zone
from vpp.messages import Alert, Inference, InferenceFailure, KnownLags, Message, SlotClosed, Telemetry
from vpp.streams.reducer import HeldMessage, Load, Origin, Output
from vpp.streams.state_codec import ChangedValues, ValueKey, pack, unpack
from vpp.streams.topics import FEATURES, TELEMETRY

_QUEUE = "queue"
_WAITING = "queued"
_SILENCE = {
    InferenceFailure.MODEL_MISSING: Silence("remote inference does not find the model in force"),
    InferenceFailure.OTHER_FEATURES: Silence("remote inference has another version of the features"),
}


class RowUnderWay(msgspec.Struct, frozen=True):
    """A row under way: its slot as it was entered, its place in the log, and when it was asked for by the broker."""

    slot: SlotClosed
    judged: Judgement | None
    alerts: list[Alert]
    receipt: str
    at: datetime | None
    partition: int
    offset: int


class Queue(msgspec.Struct, frozen=True):
    """The row under way, and the number of the first message that waits behind it."""

    row: RowUnderWay | None = msgspec.field(name="asked")
    first: int


class WaitingMessage(msgspec.Struct, frozen=True):
    """A message that waits behind a row, and its place in the log."""

    message: Telemetry
    partition: int
    offset: int
    appended_at: datetime | None


@dataclass
class RemoteState:
    """State of one zone: that of the step itself, the row under way, and the messages that wait behind it.

    ``predicted`` is what the net-load model says of the row, or why it is silent, once that is settled. ``first`` is
    the number of the first message that waits.
    """

    forecast: ForecastState
    row: RowUnderWay | None = None
    predicted: NetLoadForecast | Silence | None = None
    first: int = 0
    waiting: deque[WaitingMessage] = field(default_factory=deque)
    changed: ChangedValues = field(default_factory=ChangedValues)


class RemoteForecastReducer:
    """Runs the forecast step of one zone with a net-load model that answers from elsewhere. See the module text.

    Args:
        zone: The zone's configuration.
        local: The step.
        patience: How long an answer may take by the broker's time; a record after that gives the slot a fallback.

    Invariants:
        - The outputs but the rows are those of ``local`` alone, bit for bit, where every answer comes in time.
        - Messages wait only while a row is under way, until the caller has them released.
        - Every live slot yields exactly one forecast, in order; a late or repeated answer changes nothing.
    """

    def __init__(self, zone: Zone, local: ForecastReducer, patience: timedelta) -> None:
        self._horizons = len(horizons_min(zone.step_min))
        self._local = local
        self._patience = patience
        self._late = Silence(f"remote inference did not answer within {patience.total_seconds():g} s")

    def initial(self, zone: str) -> RemoteState:
        """Return the state of a zone before its first message."""
        return RemoteState(self._local.initial(zone))

    def load(self, zone: str, get: Load) -> RemoteState:
        """Return the state kept for this zone, or the initial one."""
        state = RemoteState(self._local.load(zone, get))
        queue = unpack(get(_QUEUE), Queue, _QUEUE)
        if queue is not None:
            state.row, state.first = queue.row, queue.first
            numbers = itertools.count(queue.first)
            while (message := unpack(get(_waiting(next(numbers))), WaitingMessage, _WAITING)) is not None:
                state.waiting.append(message)
        return state

    def changes(self, state: RemoteState) -> Mapping[str, bytes | None]:
        """Return the state values that changed since the last call."""
        out: dict[str, bytes | None] = dict(self._local.changes(state.forecast))
        for key in state.changed.take():
            value: Queue | WaitingMessage | None = None
            if key.kind == _QUEUE:
                value = None if state.row is None and not state.waiting else Queue(state.row, state.first)
            elif 0 <= key.number - state.first < len(state.waiting):
                value = state.waiting[key.number - state.first]
            out[key.name] = None if value is None else pack(value, key.kind)
        return out

    def proof(self, state: RemoteState) -> dict[str, KnownLags]:
        """Return the completeness of each target's lags, as ``ForecastReducer.proof``."""
        return self._local.proof(state.forecast)

    def step(self, state: RemoteState, message: Message, origin: Origin) -> tuple[RemoteState, list[Output]]:
        """Return the state after one message of ``vpp.telemetry`` and its outputs.

        Raises:
            MessageError: The message type does not belong to the topic, or its step differs from the zone's.
        """
        self._local.check(message)
        row = state.row
        if isinstance(message, Inference):
            if row is not None and message.receipt == row.receipt:
                state.predicted = self._forecast_of(message)
            return state, []
        if row is None:
            return self._take(state, message, origin, origin.appended_at)
        self.hold(state, message, origin)  # type: ignore[arg-type]  # checked above
        return state, []

    def is_holding(self, state: RemoteState) -> bool:
        """Return whether a row is under way."""
        return state.row is not None

    def hold(self, state: RemoteState, message: Telemetry, origin: Origin) -> None:
        """Keep a message behind the row under way; one that comes too late for the answer settles the row."""
        state.changed.mark(_WAITING, state.first + len(state.waiting))
        state.waiting.append(WaitingMessage(message, origin.partition, origin.offset, origin.appended_at))
        at = None if state.row is None else state.row.at
        if at is not None and origin.appended_at is not None and origin.appended_at - at > self._patience:
            state.predicted = self._late

    def release(self, state: RemoteState) -> tuple[RemoteState, HeldMessage[RemoteState] | None]:
        """Return the slot of the row under way once the model's word on it is there, then what waits behind it."""
        row, predicted = state.row, state.predicted
        if row is not None:
            if predicted is None:
                return state, None
            state.row = state.predicted = None
            state.changed.mark(_QUEUE)
            place = Origin(TELEMETRY.name, row.partition, row.offset)
            return state, HeldMessage(row.slot, place, lambda state, _: self._issue(state, row, predicted))
        if not state.waiting:
            return state, None
        state.changed.mark(_WAITING, state.first)
        state.changed.mark(_QUEUE)
        waiting = state.waiting.popleft()
        state.first += 1
        place = Origin(TELEMETRY.name, waiting.partition, waiting.offset, waiting.appended_at)
        return state, HeldMessage(
            waiting.message, place, lambda state, at: self._take(state, waiting.message, place, at.appended_at)
        )

    def _forecast_of(self, answer: Inference) -> NetLoadForecast | Silence:
        return _SILENCE[answer.failure] if answer.failure is not None else forecast_in(answer, self._horizons)

    def _issue(
        self, state: RemoteState, row: RowUnderWay, predicted: NetLoadForecast | Silence
    ) -> tuple[RemoteState, list[Output]]:
        state.forecast.judged = row.judged
        return state, self._local.issue(state.forecast, row.slot, row.alerts, predicted)

    def _take(
        self, state: RemoteState, message: Message, origin: Origin, asked_at: datetime | None
    ) -> tuple[RemoteState, list[Output]]:
        """Apply a message while no row is under way; a resulting row is requested at ``asked_at``."""
        if not isinstance(message, SlotClosed):
            return state, self._local.step(state.forecast, message, origin)[1]
        alerts = self._local.enter(state.forecast, message)
        if alerts is None:
            return state, []
        row, served = self._local.row(state.forecast, message), state.forecast.served
        if isinstance(row, Silence):
            return state, self._local.issue(state.forecast, message, alerts, row)
        assert served is not None  # it has read the row
        request = feature_row(served, message.slot, row)
        state.row = RowUnderWay(
            slot=message,
            judged=state.forecast.judged,
            alerts=alerts,
            receipt=request.receipt,
            at=asked_at,
            partition=origin.partition,
            offset=origin.offset,
        )
        state.changed.mark(_QUEUE)
        return state, [Output(FEATURES.name, request)]


def _waiting(number: int) -> str:
    return ValueKey(_WAITING, number).name
