"""Remote inference: the same forecasts as in the worker, whatever the order of answers, restarts and losses."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from models.forecast.inference import infer
from models.forecast.reducer import ForecastReducer
from models.forecast.remote import RemoteForecastReducer, RemoteState
from models.served import ServedModel
from tests.worlds.forecasts.forecast_world import LIVE, World, forested_world
from vpp.errors import MessageError, ModelError
from vpp.messages import (
    Correction,
    Decoder,
    End,
    FeatureRow,
    Forecast,
    Inference,
    InferenceFailure,
    Message,
    Order,
    SlotClosed,
    Telemetry,
    encode,
)
from vpp.streams.reducer import Origin, Output

PATIENCE = timedelta(seconds=60)
HISTORY = 600
START = datetime(2021, 3, 8, tzinfo=UTC)
decode_row, decode_telemetry = Decoder(FeatureRow), Decoder(Telemetry)


@pytest.fixture(scope="module")
def world() -> World:
    return forested_world()


def local(world: World) -> ForecastReducer:
    return ForecastReducer(world.zone, load_model=lambda *_: world.model)


class Remote:
    """A worker with remote inference; its rows wait in ``asked`` until ``answer`` is called."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.kept: dict[str, bytes] = {}
        self.reducer = RemoteForecastReducer(world.zone, local(world), PATIENCE)
        self.state: RemoteState = self.reducer.initial(world.zone.zone)
        self.asked: list[FeatureRow] = []
        self.outputs: list[Output] = []
        self.now = START

    def feed(self, message: Message) -> None:
        wire = decode_telemetry(encode(message))
        origin = Origin("telemetry", 0, 0, self.now)
        self.state, outputs = self.reducer.step(self.state, wire, origin)
        while True:
            self.state, held = self.reducer.release(self.state)
            if held is None:
                break
            self.state, more = held.take(self.state, origin)
            outputs += more
        for output in outputs:
            if isinstance(output.message, FeatureRow):
                self.asked.append(decode_row(encode(output.message)))
            else:
                self.outputs.append(output)
        for name, value in self.reducer.changes(self.state).items():
            if value is None:
                self.kept.pop(name, None)
            else:
                self.kept[name] = value

    def answer(self, load: Callable[[str, str], ServedModel] | None = None) -> None:
        while self.asked:
            self.feed(infer(self.asked.pop(0), load or (lambda *_: self.world.model)))

    def restart(self) -> None:
        self.reducer = RemoteForecastReducer(self.world.zone, local(self.world), PATIENCE)
        self.state = self.reducer.load(self.world.zone.zone, self.kept.get)


def everything(world: World) -> list[Message]:
    """Return three weeks of history and the live days with a gap, a correction and the end."""
    frame = world.frame.iloc[-HISTORY:].copy()
    frame.iloc[-40:-38, 0] = np.nan
    sent = world.messages(frame)
    zone = world.zone.zone
    late = Correction(zone=zone, slot=LIVE, step_min=60, values={"load_mw": 31e3}, net_load_mw=25e3, revision=1)
    return [world.promotion, *sent[:-30], late, *sent[-30:], End(zone=zone, producer="telemetry")]


@pytest.fixture(scope="module")
def expected(world: World) -> list[tuple[str, bytes]]:
    reducer = local(world)
    state = reducer.initial(world.zone.zone)
    outputs: list[Output] = []
    for message in everything(world):
        state, new = reducer.step(state, message, Origin("telemetry", 0, 0))
        outputs += new
    return wire(outputs)


def wire(outputs: Iterable[Output]) -> list[tuple[str, bytes]]:
    return [(output.topic, encode(output.message)) for output in outputs]


def forecasts(remote: Remote) -> list[Forecast]:
    return [output.message for output in remote.outputs if isinstance(output.message, Forecast)]


def live_slots(world: World, count: int) -> list[Message]:
    sent = world.messages(world.frame.iloc[-HISTORY:])
    first = next(n for n, m in enumerate(sent) if isinstance(m, SlotClosed) and not m.history)
    slots = [n for n, m in enumerate(sent) if n >= first and isinstance(m, SlotClosed)]
    return [world.promotion, *sent[: slots[count - 1] + 1]]


def test_the_outputs_are_those_of_the_worker_alone(world: World, expected: list[tuple[str, bytes]]) -> None:
    remote = Remote(world)
    for message in everything(world):
        remote.feed(message)
        remote.answer()
    assert wire(remote.outputs) == expected
    assert sum(one.net_load is not None and one.net_load.source == "model" for one in forecasts(remote)) > 50
    assert not [name for name in remote.kept if name.startswith("queue")]


def test_answers_that_come_late_and_restarts_change_no_bit(world: World, expected: list[tuple[str, bytes]]) -> None:
    remote = Remote(world)
    for number, message in enumerate(everything(world)):
        remote.feed(message)
        if number % 17 == 0:
            remote.restart()
        if number % 5 == 0:
            remote.answer()
    remote.answer()
    assert wire(remote.outputs) == expected


def test_a_repeated_or_foreign_answer_changes_nothing(world: World) -> None:
    remote = Remote(world)
    for message in live_slots(world, 2):
        remote.feed(message)
    (row,) = remote.asked
    reply = infer(row, lambda *_: world.model)
    remote.feed(msgspec.structs.replace(reply, receipt="0" * 64))
    assert forecasts(remote) == []
    remote.feed(reply)
    remote.feed(reply)
    assert len(forecasts(remote)) == 1


def test_an_answer_of_another_shape_is_refused_and_the_right_one_still_counts(world: World) -> None:
    remote = Remote(world)
    for message in live_slots(world, 1):
        remote.feed(message)
    (row,) = remote.asked
    reply = infer(row, lambda *_: world.model)
    with pytest.raises(MessageError):
        remote.feed(msgspec.structs.replace(reply, mean=reply.mean[:-8]))
    remote.answer()
    assert len(forecasts(remote)) == 1


@pytest.mark.parametrize("field", ["quantiles", "mean", "scale"])
def test_an_answer_with_a_number_that_is_not_finite_is_refused(world: World, field: str) -> None:
    remote = Remote(world)
    for message in live_slots(world, 1):
        remote.feed(message)
    (row,) = remote.asked
    reply = infer(row, lambda *_: world.model)
    broken = np.frombuffer(getattr(reply, field), dtype="<f8").copy()
    broken[-1] = np.nan
    with pytest.raises(MessageError):
        remote.feed(msgspec.structs.replace(reply, **{field: broken.tobytes()}))
    remote.answer()
    assert len(forecasts(remote)) == 1


def test_an_order_that_the_guard_cannot_take_is_refused_at_once_and_costs_no_forecast(world: World) -> None:
    remote = Remote(world)
    for message in live_slots(world, 1):
        remote.feed(message)
    order = Order(
        zone=world.zone.zone,
        order_id="o1",
        action="release_quarantine",
        issued_at=LIVE,
        principal="operator",
        reason="test",
    )
    with pytest.raises(MessageError):
        remote.feed(order)
    remote.answer()
    assert len(forecasts(remote)) == 1


def test_a_slot_without_answer_gets_a_fallback_and_the_next_one_a_chance(world: World) -> None:
    remote = Remote(world)
    *before, last = live_slots(world, 2)
    for message in before:
        remote.feed(message)
    remote.now += PATIENCE + timedelta(seconds=1)
    remote.feed(last)
    (made,) = forecasts(remote)
    assert made.net_load is not None
    assert (made.net_load.source, made.reason) == ("seasonal", "remote inference did not answer within 60 s")
    late, now = remote.asked
    remote.asked = [now, late]
    remote.answer()
    assert [one.net_load.source for one in forecasts(remote) if one.net_load] == ["seasonal", "model"]


def _missing(*_: Any) -> ServedModel:
    raise ModelError("no such model")


@pytest.mark.parametrize(
    ("spec_hash", "load", "failure"),
    [(None, _missing, InferenceFailure.MODEL_MISSING), ("other", None, InferenceFailure.OTHER_FEATURES)],
)
def test_a_model_that_is_not_there_is_a_failure_and_the_fallback_speaks(
    world: World, spec_hash: str | None, load: Any, failure: InferenceFailure
) -> None:
    remote = Remote(world)
    for message in live_slots(world, 1):
        remote.feed(message)
    if spec_hash is not None:
        remote.asked = [msgspec.structs.replace(row, spec_hash=spec_hash) for row in remote.asked]
    assert isinstance(infer(remote.asked[0], load or (lambda *_: world.model)), Inference)
    assert infer(remote.asked[0], load or (lambda *_: world.model)).failure is failure
    remote.answer(load)
    (made,) = forecasts(remote)
    assert made.net_load is not None
    assert made.net_load.source == "seasonal"
    assert made.reason is not None
    assert made.reason.startswith("remote inference")


def test_a_row_of_another_shape_is_refused(world: World) -> None:
    remote = Remote(world)
    for message in live_slots(world, 1):
        remote.feed(message)
    with pytest.raises(MessageError):
        infer(msgspec.structs.replace(remote.asked[0], rows=b"12345678"), lambda *_: world.model)
