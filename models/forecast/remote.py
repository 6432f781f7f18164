"""The forecast step with remote inference: asks what the net-load model says of a slot, and goes on with the answer.

A forecast rests on the errors of those before it, so one row at a time is under way. What arrives meanwhile is held in
the state and taken in its order. Answers arrive on the same topic as telemetry: one log decides what the step does, so
a replay gives the same bits, also where an answer came late.
"""

from __future__ import annotations

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
from vpp.streams.reducer import Load, Origin, Output
from vpp.streams.state_codec import ChangedValues, ValueKey, pack, unpack
from vpp.streams.topics import FEATURES

_ASKED = "asked"
_HELD = "held"
_SILENCE = {
    InferenceFailure.MODEL_MISSING: Silence("remote inference does not find the model in force"),
    InferenceFailure.OTHER_FEATURES: Silence("remote inference has another version of the features"),
}


class RowUnderWay(msgspec.Struct, frozen=True):
    """A row under way: its slot as it was entered, and the broker's time at which it was asked for (None: unknown).

    ``first_held``: number of the first message that waits behind it.
    """

    slot: SlotClosed
    judged: Judgement | None
    alerts: list[Alert]
    receipt: str
    at: datetime | None
    first_held: int


class HeldMessage(msgspec.Struct, frozen=True):
    """A message that waits behind a row, and its place in the log."""

    message: Telemetry
    partition: int
    offset: int
    appended_at: datetime | None

    def origin(self, topic: str) -> Origin:
        """Return where it came from."""
        return Origin(topic, self.partition, self.offset, self.appended_at)


@dataclass
class RemoteState:
    """State of one zone: that of the step itself, the row under way, and by number the messages that wait behind it.

    Messages wait only while a row is under way.
    """

    forecast: ForecastState
    asked: RowUnderWay | None = None
    held: dict[int, HeldMessage] = field(default_factory=dict)
    changed: ChangedValues = field(default_factory=ChangedValues)


class RemoteForecastReducer:
    """Runs the forecast step of one zone with a net-load model that answers from elsewhere. See the module text.

    Args:
        zone: The zone's configuration.
        local: The step.
        patience: How long an answer may take by the broker's time; a record after that gives the slot a fallback.

    Invariants:
        - The outputs but the rows are those of ``local`` alone, bit for bit, where every answer comes in time.
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
        state = RemoteState(self._local.load(zone, get), unpack(get(_ASKED), RowUnderWay, _ASKED))
        if state.asked is not None:
            number = state.asked.first_held
            while (held := unpack(get(ValueKey(_HELD, number).name), HeldMessage, _HELD)) is not None:
                state.held[number] = held
                number += 1
        return state

    def changes(self, state: RemoteState) -> Mapping[str, bytes | None]:
        """Return what changed since the last call."""
        out: dict[str, bytes | None] = dict(self._local.changes(state.forecast))
        for key in state.changed.take():
            value = state.asked if key.kind == _ASKED else state.held.get(key.number)
            out[key.name] = None if value is None else pack(value, key.kind)
        return out

    def proof(self, state: RemoteState) -> dict[str, KnownLags]:
        """Return how complete the past of each target is, as the step itself."""
        return self._local.proof(state.forecast)

    def step(self, state: RemoteState, message: Message, origin: Origin) -> tuple[RemoteState, list[Output]]:
        """Return the state after one message of ``vpp.telemetry`` and what it yields.

        Raises:
            MessageError: The message is none that the topic carries, or of another step than the zone's.
        """
        self._local.check(message)
        asked = state.asked
        if isinstance(message, Inference):
            if asked is None or message.receipt != asked.receipt:
                return state, []
            return state, self._go_on(state, asked, self._forecast_of(message), origin)
        if asked is None:
            return state, self._take(state, message, origin, origin.appended_at)
        number = asked.first_held + len(state.held)
        place = (origin.partition, origin.offset, origin.appended_at)
        state.held[number] = HeldMessage(message, *place)  # type: ignore[arg-type]  # checked above
        state.changed.mark(_HELD, number)
        if asked.at is None or origin.appended_at is None or origin.appended_at - asked.at <= self._patience:
            return state, []
        return state, self._go_on(state, asked, self._late, origin)

    def _forecast_of(self, answer: Inference) -> NetLoadForecast | Silence:
        return _SILENCE[answer.failure] if answer.failure is not None else forecast_in(answer, self._horizons)

    def _take(self, state: RemoteState, message: Message, origin: Origin, asked_at: datetime | None) -> list[Output]:
        """Take a message while no row is under way; a row that it leads to is asked for at ``asked_at``."""
        if not isinstance(message, SlotClosed):
            return self._local.step(state.forecast, message, origin)[1]
        alerts = self._local.enter(state.forecast, message)
        if alerts is None:
            return []
        row, served = self._local.row(state.forecast, message), state.forecast.served
        if isinstance(row, Silence):
            return self._local.issue(state.forecast, message, alerts, row)
        assert served is not None  # it has read the row
        request = feature_row(served, message.slot, row)
        first = min(state.held, default=0)
        state.asked = RowUnderWay(message, state.forecast.judged, alerts, request.receipt, asked_at, first)
        state.changed.mark(_ASKED)
        return [Output(FEATURES.name, request)]

    def _go_on(
        self, state: RemoteState, asked: RowUnderWay, predicted: NetLoadForecast | Silence, origin: Origin
    ) -> list[Output]:
        """Issue the forecast of the row under way, then take what waits until the next row is."""
        state.asked = None
        state.changed.mark(_ASKED)
        state.forecast.judged = asked.judged
        outputs = self._local.issue(state.forecast, asked.slot, asked.alerts, predicted)
        while state.held and state.asked is None:
            number = min(state.held)
            state.changed.mark(_HELD, number)
            held = state.held.pop(number)
            outputs += self._take(state, held.message, held.origin(origin.topic), origin.appended_at)
        return outputs
