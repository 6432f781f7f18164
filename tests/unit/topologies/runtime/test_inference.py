"""The forecast worker and the inference worker together: records on the wire, signed, each step as it is deployed."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from agents.orders.zone_change import ChangeAuthority, sealed
from models.forecast.inference import feature_row, infer
from models.forecast.reducer import ForecastReducer
from models.forecast.remote import RemoteForecastReducer
from tests.worlds.forecasts.feature_rows import made_rows
from tests.worlds.forecasts.forecast_world import LIVE, forested_world
from topologies.runtime.in_process import MemoryState
from topologies.runtime.inference import InferenceStep
from topologies.runtime.reducers import make_reducer
from topologies.runtime.runner import Runner
from vpp.fleet.schema import Zone
from vpp.messages import (
    Alert,
    AlertCode,
    DeadLetter,
    Decoder,
    FeatureRow,
    Forecast,
    Message,
    SlotClosed,
    ZoneChange,
    encode,
)
from vpp.settings import Settings
from vpp.settings.signing import SigningSettings
from vpp.streams.kafka import WireRecord, wire_record
from vpp.streams.reducer import Origin, Output
from vpp.streams.signatures import signer_of, verifier_of
from vpp.streams.topics import FEATURES, TELEMETRY

ZONE = forested_world().zone.zone
HOUR, PATIENCE = timedelta(hours=1), timedelta(minutes=1)
AT = datetime(2021, 3, 8, tzinfo=UTC)


@pytest.fixture
def settings() -> Settings:
    return Settings(inference="remote", signing=SigningSettings(key=SecretStr("k" * 32)))


def test_a_row_goes_out_and_its_answer_makes_the_forecast(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    world = forested_world()
    monkeypatch.setattr("models.registry.registry.Registry.load", lambda *_: world.model)
    zone = world.zone.zone
    runner = Runner(
        "forecast",
        {zone: world.zone}.get,
        lambda one: make_reducer("forecast", one, settings),
        verifier=verifier_of(settings),
    )
    step = InferenceStep(settings, lambda *_: world.model, {zone: world.zone}.get)
    state, asked, made = MemoryState(), list[WireRecord](), list[Any]()

    def feed(record: WireRecord) -> None:
        for output in runner.process(record.value, record.key, Origin("telemetry", 0, 0, AT), state, record.headers):
            if output.topic == FEATURES.name:
                asked.append(wire_record(output, signer_of(settings, "forecast"), "vpp."))
            else:
                made.append(output.message)

    for message in (world.promotion, *world.messages(world.frame.iloc[-500:])):
        feed(wire_record(Output(TELEMETRY.name, message), signer_of(settings, "telemetry"), "vpp."))
        if asked:
            break
    (row,) = asked
    assert made == []
    (answer,) = step.answer(row.value, row.key, Origin("features", 0, 0, AT), 0, row.headers)
    assert answer.topic == TELEMETRY.name
    feed(answer)
    forecasts = [message for message in made if isinstance(message, Forecast)]
    assert [one.net_load.source for one in forecasts if one.net_load] == ["model"]
    assert step.last_slot == {zone: forecasts[0].slot}


def test_a_row_that_the_forecast_step_did_not_sign_is_a_dead_letter(settings: Settings) -> None:
    zone = forested_world().zone
    step = InferenceStep(settings, lambda *_: forested_world().model, {zone.zone: zone}.get)
    slot = SlotClosed(zone=zone.zone, slot=AT, step_min=30, values={}, net_load_mw=None)
    answer, alert = step.answer(encode(slot), zone.zone.encode(), Origin("features", 0, 7, AT), 0, [])
    assert Decoder(Alert)(alert.value).code is AlertCode.RECORD_UNSIGNED
    letter = Decoder(DeadLetter)(answer.value)
    assert (answer.topic, letter.reason, letter.offset) == ("dlq", "unsigned", 7)
    assert step.dead_letters == 1


def test_a_failure_inside_is_a_dead_letter_and_not_the_end(settings: Settings) -> None:
    def broken(*_: str) -> Any:
        raise RuntimeError("out of memory")

    world = forested_world()
    ((slot, read),) = made_rows(world, 1)
    row = Output(FEATURES.name, feature_row(world.model, slot, read))
    record = wire_record(row, signer_of(settings, "forecast"), "vpp.")
    (answer,) = InferenceStep(settings, broken, lambda _: None).answer(
        record.value, record.key, Origin("features", 0, 0), 0, record.headers
    )
    assert (answer.topic, Decoder(DeadLetter)(answer.value).reason) == ("dlq", "failed")


class BrokenForecast(ForecastReducer):
    """A forecast step that fails on one slot, in one method."""

    def __init__(self, method: str, slot: datetime) -> None:
        world = forested_world()
        super().__init__(world.zone, load_model=lambda *_: world.model)
        whole = getattr(self, method)

        def fail(state: Any, closed: SlotClosed, *rest: Any) -> Any:
            if closed.slot == slot:
                raise RuntimeError("a bug")
            return whole(state, closed, *rest)

        setattr(self, method, fail)


@pytest.mark.parametrize("method", ["enter", "row", "issue"])
@pytest.mark.parametrize("answered", [True, False])
def test_a_held_message_that_fails_is_a_dead_letter_and_the_zone_goes_on(method: str, answered: bool) -> None:
    world = forested_world()
    live = [LIVE + n * HOUR for n in range(5)]
    sent = list(world.messages(world.frame.loc[: live[-1]].iloc[-500:]))
    local = BrokenForecast(method, live[2])
    runner = Runner("forecast", {ZONE: world.zone}.get, lambda one: RemoteForecastReducer(one, local, PATIENCE))
    state, asked, made = MemoryState(), list[FeatureRow](), list[Any]()

    def feed(offset: int, message: Message, at: datetime = AT) -> None:
        for output in runner.process(encode(message), ZONE.encode(), Origin("telemetry", 0, offset, at), state):
            if isinstance(output.message, FeatureRow):
                asked.append(output.message)
            else:
                made.append(output.message)

    for offset, message in enumerate((*sent[:400], world.promotion, *sent[400:])):
        feed(offset, message, AT if answered else AT + offset * HOUR)
    while answered and asked:
        feed(10_000, infer(asked.pop(0), lambda *_: world.model))
    (letter,) = [message for message in made if isinstance(message, DeadLetter)]
    assert (letter.reason, letter.detail) == ("failed", "RuntimeError: a bug")
    failed = sent[letter.offset - 1]
    assert isinstance(failed, SlotClosed)
    assert failed.slot == live[2]
    assert base64.b64decode(letter.raw) == encode(failed)
    forecasts = [message.slot for message in made if isinstance(message, Forecast)]
    assert forecasts == [live[0], live[1], live[3], live[4]][: 4 if answered else 3]
    assert runner.dead_letters == 1


@pytest.mark.parametrize("is_forged", [False, True], ids=["genuine", "forged"])
@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
def test_a_change_of_the_zone_waits_for_the_slots_before_it(is_forged: bool, restarts: bool) -> None:
    world = forested_world()
    live = [LIVE + n * HOUR for n in range(4)]
    sent = list(world.messages(world.frame.loc[: live[-1]].iloc[-500:]))
    key = b"k" * 32
    authority = ChangeAuthority(key=key)
    limits = world.zone.limits.model_copy(update={"import_cap_mw": world.zone.limits.import_cap_mw * 0.5})
    config = world.zone.model_copy(update={"limits": limits}).model_dump(mode="json")
    change = ZoneChange(zone=ZONE, at=AT, config=config, principal="ann", reason="storm")
    if not is_forged:
        change = authority.admit(sealed(change, key))
    state, asked, made = MemoryState(), list[FeatureRow](), list[Any]()
    zones: list[Zone] = []

    def make(zone: Zone) -> RemoteForecastReducer:
        zones.append(zone)
        return RemoteForecastReducer(zone, ForecastReducer(zone, load_model=lambda *_: world.model), PATIENCE)

    def new_runner() -> Runner:
        return Runner("forecast", {ZONE: world.zone}.get, make, authority=authority)

    runner = new_runner()

    def feed(offset: int, message: Message) -> None:
        for output in runner.process(encode(message), ZONE.encode(), Origin("telemetry", 0, offset, AT), state):
            if isinstance(output.message, FeatureRow):
                asked.append(output.message)
            else:
                made.append(output.message)

    first = next(n for n, one in enumerate(sent) if isinstance(one, SlotClosed) and one.slot == live[1])
    last = next(n for n, one in enumerate(sent) if isinstance(one, SlotClosed) and one.slot == live[2])
    for offset, message in enumerate(
        (world.promotion, *sent[: first + 1], change, *sent[first + 1 : last + 1], change)
    ):
        feed(offset, message)
    assert not [one for one in made if isinstance(one, ZoneChange | DeadLetter)]
    if restarts:
        runner = new_runner()
    while asked:
        feed(10_000, infer(asked.pop(0), lambda *_: world.model))
    shown = [
        "change" if isinstance(one, ZoneChange) else "refused" if isinstance(one, DeadLetter) else one.slot
        for one in made
        if isinstance(one, ZoneChange | DeadLetter | Forecast)
    ]
    if is_forged:
        assert shown == [live[0], live[1], "refused", live[2], "refused"]
        assert zones[-1] == world.zone
    else:
        assert shown == [live[0], live[1], "change", live[2], "refused"], "the same change is accepted once"
        assert zones[-1].limits == limits
