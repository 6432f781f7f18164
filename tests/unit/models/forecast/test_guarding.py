"""The guard in the forecast step: what a forged value does to messages and alerts, also after a restart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from models.forecast.guarding import widened
from models.forecast.reducer import ForecastReducer
from models.forecast.state import Episode
from models.history import telemetry
from models.served import ServedModel
from tests import guard_world
from topologies.runtime.reducers import make_reducer
from vpp.domain import LOAD, NET_LOAD, Quality
from vpp.messages import (
    Alert,
    AlertCode,
    AlertEffect,
    Cause,
    Correction,
    Forecast,
    Message,
    Order,
    Promotion,
    SlotClosed,
    encode,
)
from vpp.settings import load_settings
from vpp.streams.reducer import Origin, Output

ORIGIN = Origin("telemetry", 0, 0)
ATTACKED, SLOTS, DAYS = 100, 6, 8
BEGIN = guard_world.after_training()
MODEL = ServedModel("m", "s", "TOWN", guard_world.STEP_MIN, None, None, guard=guard_world.guard())


def messages(add_mw: float = 120.0, slots: int = SLOTS) -> list[Message]:
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
        if ATTACKED <= live - 1 < ATTACKED + slots and add_mw:
            values = {**message.values, LOAD: (message.values[LOAD] or 0.0) + add_mw}
            values["meter_mw"] = (message.values["meter_mw"] or 0.0) + add_mw
            net = (message.net_load_mw or 0.0) + add_mw
            message = msgspec.structs.replace(message, values=values, net_load_mw=net)
        sent.append(message)
    return sent


def run(sent: list[Message], restart_at: int | None = None) -> tuple[list[Output], ForecastReducer, object]:
    reducer = ForecastReducer(guard_world.zone(), load_model=lambda *_: MODEL)
    state = reducer.initial("TOWN")
    saved_state: dict[str, bytes] = {}
    done: list[Output] = []
    for at, message in enumerate(sent):
        state, outputs = reducer.step(state, message, ORIGIN)
        done += outputs
        for name, value in reducer.changes(state).items():
            if value is None:
                saved_state.pop(name, None)
            else:
                saved_state[name] = value
        if at == restart_at:
            state = reducer.load("TOWN", saved_state.get)
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
    calm = [forecast for forecast in forecasts(attacked)[:ATTACKED] if forecast.verdict is None and not forecast.trust]
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
    said = next(forecast for forecast in forecasts(run(sent[: at + 1])[0]) if forecast.slot == whole.slot)
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


def test_the_text_of_an_alert_agrees_with_its_effect_and_names_no_code(attacked: list[Output]) -> None:
    # A step that stays is first kept out and then taken as real: all effects of an episode.
    outputs = [*attacked, *run(messages(slots=200))[0]]
    guard = [o.message for o in outputs if isinstance(o.message, Alert) and o.message.topic == "guard"]
    assert {AlertEffect.FORECAST_USED, AlertEffect.USED_AS_REAL} <= {alert.effect for alert in guard}
    for alert in guard:
        assert not [code.value for code in AlertCode if "_" in code.value and code.value in alert.text], alert.text
        if alert.ended_at is None:
            assert ("the forecast is used" in alert.text) == (alert.effect is AlertEffect.FORECAST_USED), alert.text


def with_release(attacked: list[Output], **given: Any) -> tuple[list[Message], int]:
    """Return messages with an order, twice, in the third slot of the attack; and where the next slot is."""
    sent = messages()
    live = [n for n, message in enumerate(sent) if isinstance(message, SlotClosed) and not message.history]
    at = live[ATTACKED + 3]
    slot = forecasts(attacked)[ATTACKED + 2].slot
    guard = (o.message for o in attacked if isinstance(o.message, Alert) and o.message.topic == "guard")
    alert = next(alert for alert in guard if alert.slot == forecasts(attacked)[ATTACKED].slot)
    fields: dict[str, Any] = {"cancels": alert.alert_id, "expires_at": slot + timedelta(hours=12), **given}
    order = Order(
        zone="TOWN",
        order_id="o1",
        action="release_quarantine",
        principal="ann",
        reason="meter read",
        issued_at=slot,
        **fields,
    )
    return [*sent[:at], order, order, *sent[at : live[ATTACKED + 40]]], at


def test_a_released_quarantine_ends_and_measured_values_are_used_and_settled(attacked: list[Output]) -> None:
    sent, at = with_release(attacked)
    outputs = run(sent)[0]
    made = forecasts(outputs)
    before, after, later = made[ATTACKED + 2], made[ATTACKED + 3], made[-1]
    assert before.used
    assert before.verdict is not None
    assert (after.released_by, after.used, after.verdict) == ("o1", {}, None)
    assert later.released_by is None
    guard = [o.message for o in outputs if isinstance(o.message, Alert) and o.message.topic == "guard"]
    ended = next(alert for alert in guard if alert.ended_at == after.slot)
    assert "ann released it by order o1" in ended.text
    assert ended.effect is AlertEffect.USED_AS_REAL
    corrected = [o.message for o in outputs if isinstance(o.message, Correction)]
    measured = {message.slot: message.net_load_mw for message in sent if isinstance(message, SlotClosed)}
    assert {one.slot: one.net_load_mw for one in corrected} == {
        made[n].slot: measured[made[n].slot] for n in (ATTACKED, ATTACKED + 1, ATTACKED + 2)
    }
    restarted = run(sent, restart_at=at + 4)[0]
    assert [encode(output.message) for output in restarted] == [encode(output.message) for output in outputs]


def test_an_order_to_another_quarantine_releases_nothing(attacked: list[Output]) -> None:
    sent, at = with_release(attacked, cancels="TOWN-guard-19700101T0000")
    outputs = run(sent[: at + 4])[0]
    refused = [o for o in outputs if isinstance(o.message, Alert) and o.message.code is AlertCode.ORDER_REFUSED]
    assert len(refused) == 2
    rest = [encode(output.message) for output in outputs if output not in refused]
    assert rest == [encode(output.message) for output in attacked][: len(rest)]


@pytest.mark.parametrize("key", [None, "k" * 40])
def test_a_forged_order_releases_nothing(key: str | None) -> None:
    reducer = make_reducer("forecast", guard_world.zone(), load_settings({"data_dir": ".", "approval_key": key}))
    state = reducer.initial("TOWN")
    state.head.episode = Episode(0, "attack_forged", LOAD)
    wish: dict[str, Any] = {"action": "release_quarantine", "cancels": "TOWN-guard-19700101T0000", "approved_by": "ann"}
    wish["expires_at"] = BEGIN + timedelta(hours=1)
    forged = Order(zone="TOWN", order_id="o1", principal="eve", reason="-", issued_at=BEGIN, **wish)
    for order in (forged, msgspec.structs.replace(forged, verdict="accepted")):
        _, outputs = reducer.step(state, order, ORIGIN)
        if order.verdict == "accepted" and key is None:
            assert outputs == []
            assert state.head.release is not None
        else:
            assert [output.topic for output in outputs] == ["alerts", "dlq"]
            assert state.head.release is None
