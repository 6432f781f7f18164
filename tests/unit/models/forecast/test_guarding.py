"""The guard in the forecast step: what a forged value does to messages and alerts, also after a restart."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from models.forecast.guarding import widened
from models.forecast.reducer import ForecastReducer
from models.history import telemetry
from models.served import ServedModel
from tests import guard_world
from vpp.domain import LOAD, NET_LOAD, Quality
from vpp.messages import Alert, Cause, Forecast, Message, Promotion, SlotClosed, encode
from vpp.streams.reducer import Origin, Output

ORIGIN = Origin("telemetry", 0, 0)
ATTACKED, SLOTS, DAYS = 100, 6, 8
MODEL = ServedModel("m", "s", "TOWN", guard_world.STEP_MIN, None, None, guard=guard_world.guard())


def messages(add_mw: float = 120.0) -> list[Message]:
    begin = guard_world.after_training()
    rows = guard_world.frame()
    rows = rows.loc[: begin + timedelta(days=DAYS)]
    rows = rows.loc[begin - timedelta(days=30) :]
    sent: list[Message] = [Promotion(zone="TOWN", available_at=begin, model_id="m", sha256="s")]
    live = 0
    for message in telemetry(rows, guard_world.zone(), begin):
        if not isinstance(message, SlotClosed):
            continue
        if not message.history:
            live += 1
        if ATTACKED <= live - 1 < ATTACKED + SLOTS and add_mw:
            values = {**message.values, LOAD: (message.values[LOAD] or 0.0) + add_mw}
            values["meter_mw"] = (message.values["meter_mw"] or 0.0) + add_mw
            net = (message.net_load_mw or 0.0) + add_mw
            message = msgspec.structs.replace(message, values=values, net_load_mw=net)
        sent.append(message)
    return sent


def run(sent: list[Message], restart_at: int | None = None) -> tuple[list[Output], ForecastReducer, object]:
    reducer = ForecastReducer(guard_world.zone(), load_model=lambda *_: MODEL)
    state = reducer.initial("TOWN")
    kept: dict[str, bytes] = {}
    done: list[Output] = []
    for at, message in enumerate(sent):
        state, outputs = reducer.step(state, message, ORIGIN)
        done += outputs
        for name, value in reducer.changes(state).items():
            if value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
        if at == restart_at:
            state = reducer.load("TOWN", kept.get)
    return done, reducer, state


@pytest.fixture(scope="module")
def attacked() -> list[Output]:
    return run(messages())[0]


def forecasts(outputs: list[Output]) -> list[Forecast]:
    return [output.message for output in outputs if isinstance(output.message, Forecast)]


def test_a_forged_slot_carries_what_was_measured_what_is_used_and_why(attacked: list[Output]) -> None:
    said = forecasts(attacked)[ATTACKED]
    assert said.verdict is not None
    assert said.verdict.cause is Cause.ATTACK_FORGED
    assert said.verdict.suspect == LOAD
    assert said.trust == {LOAD: 0.0}
    assert abs((said.observation.values[LOAD] or 0.0) - (said.used[LOAD] or 0.0)) > 60.0
    assert said.used_net_load_mw == said.used[NET_LOAD]
    assert said.believed.net_load_mw == said.used[NET_LOAD]
    assert said.believed.quality[LOAD] == Quality.DISTRUSTED


def test_a_calm_slot_says_nothing_of_trust(attacked: list[Output]) -> None:
    calm = [said for said in forecasts(attacked)[:ATTACKED] if said.verdict is None and not said.trust]
    assert len(calm) > ATTACKED // 2
    assert b"verdict" not in encode(calm[0])
    assert calm[0].believed is calm[0].observation


def test_an_episode_has_one_alert_when_it_starts_and_one_when_it_ends(attacked: list[Output]) -> None:
    alerts = [output.message for output in attacked if isinstance(output.message, Alert)]
    since = forecasts(attacked)[ATTACKED].slot
    own = [alert for alert in alerts if alert.topic == "guard" and f"{since:%Y%m%dT%H}" in alert.alert_id]
    assert {(alert.alert_id, alert.slot) for alert in own} == {(own[0].alert_id, own[0].slot)}
    assert {alert.severity for alert in own} == {"critical"}
    assert own[0].ended_at is None
    assert own[-1].ended_at is not None
    assert own[-1].ended_at > own[-1].slot
    assert own[-1].values.keys() > own[0].values.keys()
    assert own[-1].values["moved_mwh"] == pytest.approx(120.0 * SLOTS, rel=0.4)


def test_a_replay_and_a_restart_in_the_middle_of_an_attack_give_the_same_bytes(attacked: list[Output]) -> None:
    sent = messages()
    live = next(at for at, message in enumerate(sent) if isinstance(message, SlotClosed) and not message.history)
    again, _, _ = run(sent, restart_at=live + ATTACKED + 2)
    assert [encode(output.message) for output in again] == [encode(output.message) for output in attacked]


def test_a_missing_channel_is_said_to_be_missing_and_nothing_enters_in_its_place() -> None:
    sent = messages(0.0)
    at = next(n for n, message in enumerate(sent) if isinstance(message, SlotClosed) and not message.history) + 50
    whole = sent[at]
    assert isinstance(whole, SlotClosed)
    sent[at] = msgspec.structs.replace(whole, values={**whole.values, LOAD: None}, net_load_mw=None)
    said = next(said for said in forecasts(run(sent[: at + 1])[0]) if said.slot == whole.slot)
    assert said.verdict is not None
    assert said.verdict.cause is Cause.LATE_OR_MISSING
    assert said.used == {}
    assert said.believed is said.observation


def test_quantiles_of_a_quarantine_are_those_of_a_longer_horizon_and_never_narrower() -> None:
    width = np.array([1.0, 2.0, 3.0, 2.5])
    mean = np.array([10.0, 11.0, 12.0, 13.0])
    levels = np.linspace(-0.5, 0.5, 7)
    wide = widened(mean[:, None] + width[:, None] * levels, mean, np.arange(1, 5), 2)
    assert wide[:, -1] - wide[:, 0] == pytest.approx([3.0, 2.5, 3.0, 2.5])


def test_a_value_that_is_only_held_near_its_forecast_is_a_message_too() -> None:
    verdicts = []
    for add_mw in (10.0, 15.0, 20.0, 25.0, 30.0):
        outputs, _, _ = run(messages(add_mw))
        assert all(encode(output.message) for output in outputs)
        verdicts += [forecast.verdict for forecast in forecasts(outputs) if forecast.verdict is not None]
    assert any(not verdict.replaced and not verdict.verified for verdict in verdicts)
