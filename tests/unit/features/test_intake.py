"""The intake closes every slot once, in order, and says what is wrong with what it got."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.intake import IntakeReducer
from features.intake_state import IntakeState
from vpp.errors import MessageError
from vpp.fleet.schema import Zone, default_zone
from vpp.messages import (
    Alert,
    AssetReading,
    Correction,
    DeadLetter,
    Deadline,
    End,
    Message,
    Observation,
    Publication,
    SlotClosed,
)
from vpp.streams.reducer import Origin, Output

T0 = datetime(2022, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
ORIGIN = Origin("telemetry.raw", 0, 0)
CHANNELS = ("load_mw", "price_per_mwh", "wind_mw")


def zone(**known: Any) -> Zone:
    return default_zone("Z", step_min=30, region_mw=1000.0, ramp_mw=20.0, channels=CHANNELS, **known)


def seen(slot: int, load: float | None = 100.0, wind: float | None = 20.0, **more: object) -> Observation:
    values = {"load_mw": load, "wind_mw": wind, "price_per_mwh": 50.0 + slot}
    return Observation(zone="Z", slot=T0 + slot * HALF_HOUR, values=values, **more)  # type: ignore[arg-type]


def feed(messages: list[Message], state: IntakeState | None = None) -> list[Message]:
    reducer = IntakeReducer(zone())
    state = state or reducer.initial("Z")
    out: list[Message] = []
    for message in messages:
        state, outputs = reducer.step(state, message, ORIGIN)
        out += [o.message for o in outputs if o.topic == "telemetry"]
    return out


def test_a_whole_slot_closes_at_once_with_net_load() -> None:
    (closed,) = feed([seen(0)])
    assert isinstance(closed, SlotClosed)
    assert closed.slot == T0
    assert closed.net_load_mw == 80.0
    assert closed.quality == {}


def test_a_channel_the_zone_has_and_that_is_missing_makes_net_load_null() -> None:
    (closed,) = feed([seen(0, wind=None)])
    assert closed.net_load_mw is None
    assert closed.quality == {"wind_mw": "missing"}


def test_a_gap_yields_empty_slots_in_order() -> None:
    out = feed([seen(0), seen(3)])
    assert [m.slot for m in out] == [T0 + i * HALF_HOUR for i in range(4)]
    assert out[1].values == {"load_mw": None, "price_per_mwh": None, "wind_mw": None}
    assert out[1].net_load_mw is None


def test_ticks_are_averaged_and_close_with_the_first_later_tick() -> None:
    def tick(second: int, load: float) -> Observation:
        return Observation(
            zone="Z", slot=T0 + timedelta(seconds=second), values={"load_mw": load, "wind_mw": 10.0}, duration_s=600
        )

    out = feed([tick(0, 90.0), tick(600, 100.0), tick(600, 100.0), tick(1200, 110.0), tick(1800, 500.0)])
    (closed,) = out
    assert closed.values["load_mw"] == 100.0
    assert closed.net_load_mw == 90.0
    assert closed.quality == {"price_per_mwh": "missing"}


@pytest.mark.parametrize("closes_with_a_row", [True, False], ids=["own row", "later tick"])
def test_the_frequency_of_ticks_is_carried_by_class_of_5_mhz(closes_with_a_row: bool) -> None:
    hertz = [50.0, 50.004, 49.4, 49.402]
    values: list[dict[str, float | None]] = [{"load_mw": 1.0, "wind_mw": 0.0, "frequency_hz": hz} for hz in hertz]
    ticks: list[Message] = [
        Observation(zone="Z", slot=T0 + timedelta(seconds=5 * n), values=row, duration_s=5)
        for n, row in enumerate(values)
    ]
    whole = Observation(zone="Z", slot=T0, values={"load_mw": 1.0, "wind_mw": 0.0, "frequency_hz": 49.99})
    later = Observation(zone="Z", slot=T0 + timedelta(hours=1), values=values[0], duration_s=5)
    closed = next(m for m in feed([*ticks, whole if closes_with_a_row else later]) if isinstance(m, SlotClosed))
    assert closed.slot == T0
    assert [share for _, share in closed.frequency_shares] == [0.5, 0.5]
    assert [hz for hz, _ in closed.frequency_shares] == pytest.approx([49.401, 50.002])
    assert closed.values["frequency_hz"] == pytest.approx(49.99 if closes_with_a_row else sum(hertz) / 4)


def test_a_repeat_is_dropped_and_a_changed_value_is_a_correction() -> None:
    out = feed([seen(0), seen(1), seen(0), seen(0, load=110.0), seen(0, load=110.0)])
    assert [type(m) for m in out] == [SlotClosed, SlotClosed, Correction]
    assert out[2].values == {"load_mw": 110.0}
    assert out[2].net_load_mw == 90.0
    assert out[2].revision == 1


def test_a_late_value_fills_a_slot_that_a_deadline_closed_empty() -> None:
    out = feed([seen(0), Deadline(zone="Z", slot=T0 + HALF_HOUR), seen(1)])
    assert [type(m) for m in out] == [SlotClosed, SlotClosed, Correction]
    assert out[2].net_load_mw == 80.0


def outputs_of(messages: list[Message]) -> list[Output]:
    reducer = IntakeReducer(zone())
    state = reducer.initial("Z")
    out: list[Output] = []
    for n, message in enumerate(messages):
        state, outputs = reducer.step(state, message, Origin("telemetry.raw", 0, n))
        out += outputs
    return out


@pytest.mark.parametrize("gap_days", [8, 20, 400])
def test_a_gap_of_any_length_loses_no_row(gap_days: int) -> None:
    after = 48 * gap_days
    out = outputs_of([seen(0), seen(1), seen(after), seen(after + 1), seen(after + 2)])
    closed = [o.message.slot for o in out if isinstance(o.message, SlotClosed)]
    assert closed == [T0 + i * HALF_HOUR for i in (0, 1, after, after + 1, after + 2)]
    assert not [o for o in out if o.topic == "dlq"]


def test_a_last_row_after_a_long_gap_is_taken_at_the_end() -> None:
    out = outputs_of([seen(0), seen(48 * 20), End(zone="Z", producer="source")])
    assert [o.message.slot for o in out if isinstance(o.message, SlotClosed)] == [T0, T0 + 48 * 20 * HALF_HOUR]


def test_one_record_from_far_ahead_becomes_a_dead_letter_when_the_next_does_not_follow_it() -> None:
    out = outputs_of([seen(0), seen(48 * 400), seen(1), seen(2)])
    assert [o.message.slot for o in out if isinstance(o.message, SlotClosed)] == [T0 + i * HALF_HOUR for i in range(3)]
    (letter,) = [o.message for o in out if isinstance(o.message, DeadLetter)]
    assert (letter.reason, letter.offset) == ("future", 1)


def test_a_long_gap_survives_a_restart_between_its_records() -> None:
    reducer = IntakeReducer(zone())
    state = reducer.initial("Z")
    kept: dict[str, bytes] = {}
    closed = []
    for message in [seen(0), seen(48 * 20), seen(48 * 20 + 1), seen(48 * 20 + 2)]:
        state = IntakeReducer(zone()).load("Z", kept.get)
        state, outputs = reducer.step(state, message, ORIGIN)
        kept |= {name: value for name, value in reducer.changes(state).items() if value is not None}
        closed += [o.message.slot for o in outputs if isinstance(o.message, SlotClosed)]
    assert closed == [T0 + i * HALF_HOUR for i in (0, 48 * 20, 48 * 20 + 1, 48 * 20 + 2)]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        pytest.param(Observation(zone="Z", slot=T0, values={}), "empty_values", id="no values"),
        pytest.param(
            Observation(zone="Z", slot=T0 + timedelta(minutes=7), values={"load_mw": 1.0}), "slot", id="off grid"
        ),
        pytest.param(seen(0, sent_at=T0 - timedelta(hours=3)), "future", id="sent before it happened"),
        pytest.param(
            Publication(zone="Z", available_at=T0, first_slot=T0, step_min=30, series={"a": [1.0], "b": []}),
            "publication",
            id="ragged publication",
        ),
    ],
)
def test_implausible_records_are_refused_with_a_reason(message: Message, reason: str) -> None:
    with pytest.raises(MessageError) as error:
        feed([message])
    assert error.value.reason == reason


def test_out_of_range_becomes_null_and_alerts_once() -> None:
    reducer = IntakeReducer(zone())
    state = reducer.initial("Z")
    alerts = []
    for slot in range(3):
        message = Observation(zone="Z", slot=T0 + slot * HALF_HOUR, values={"load_mw": 100.0, "wind_mw": -50000.0})
        state, outputs = reducer.step(state, message, ORIGIN)
        alerts += [o.message.alert_id for o in outputs if o.topic == "alerts"]
        closed = outputs[0].message
        assert closed.values["wind_mw"] is None
        assert closed.quality["wind_mw"] == "out_of_range"
    assert alerts == [
        "quality-missing-price_per_mwh-2022-01-01T00:00:00Z",
        "quality-out_of_range-wind_mw-2022-01-01T00:00:00Z",
    ]


def test_a_value_that_stands_still_for_a_day_is_marked_flat_but_a_zero_is_not() -> None:
    out = feed([seen(i, wind=0.0) for i in range(50)])
    assert out[47].quality == {}
    assert out[48].quality == {"load_mw": "flat"}
    assert out[48].values["load_mw"] == 100.0


def test_end_closes_the_open_slot_and_is_forwarded() -> None:
    tick = Observation(zone="Z", slot=T0, values={"load_mw": 1.0, "wind_mw": 0.0}, duration_s=60)
    out = feed([tick, End(zone="Z", producer="source")])
    assert isinstance(out[0], SlotClosed)
    assert out[0].quality["load_mw"] == "partial"
    assert out[1] == End(zone="Z", producer="telemetry", last_slot=T0)


slots = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from([80.0, 100.0, None]), st.booleans()), min_size=1, max_size=40
)


@given(slots, st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_restart_anywhere_changes_nothing(rows: list[tuple[int, float | None, bool]], cut: int) -> None:
    messages: list[Message] = [
        Deadline(zone="Z", slot=T0 + slot * HALF_HOUR) if deadline else seen(slot, load=load)
        for slot, load, deadline in rows
    ]

    def run(cut_at: int | None) -> list[Message]:
        reducer = IntakeReducer(zone())
        kept: dict[str, bytes] = {}
        state = reducer.initial("Z")
        out: list[Message] = []
        refused: list[str] = []
        for n, message in enumerate(messages):
            if n == cut_at:
                state = IntakeReducer(zone()).load("Z", kept.get)
            try:
                state, outputs = reducer.step(state, message, ORIGIN)
            except MessageError as error:
                refused.append(error.reason)
                continue
            for name, value in reducer.changes(state).items():
                if value is None:
                    kept.pop(name, None)
                else:
                    kept[name] = value
            out += [o.message for o in outputs]
        assert set(refused) <= {"late", "future"}
        return out

    whole = run(None)
    assert run(cut) == whole
    closed = [m.slot for m in whole if isinstance(m, SlotClosed)]
    assert closed == sorted(set(closed))


def device_tick(second: int, power: float | None, soc: float = 0.5, outcome: str | None = None) -> Observation:
    reading = AssetReading(power_mw=power, soc=soc, available=True, outcome=outcome)
    return Observation(
        zone="Z", slot=T0 + timedelta(seconds=second), values={}, assets={"bat": reading}, duration_s=1.0
    )


def test_readings_of_assets_close_nothing_and_join_their_slot_as_a_mean() -> None:
    reducer = IntakeReducer(zone())
    state = reducer.initial("Z")
    ticks = [device_tick(0, 2.0), device_tick(0, 9.0), device_tick(60, 4.0, 0.6, "clipped"), device_tick(1800, 8.0)]
    for tick in ticks:
        state, outputs = reducer.step(state, tick, ORIGIN)
        assert outputs == []
    # Kept as bytes and read again, the readings are still there.
    state = reducer.load("Z", dict(reducer.changes(state)).get)
    first, second = feed([seen(0), seen(1)], state)
    assert isinstance(first, SlotClosed)
    assert isinstance(second, SlotClosed)
    assert first.assets == {"bat": AssetReading(power_mw=3.0, soc=0.6, available=True, outcome="clipped")}
    assert second.assets["bat"].power_mw == 8.0
    assert first.net_load_mw == 80.0


def test_readings_that_come_late_or_wait_in_vain_are_refused_with_a_reason() -> None:
    reducer = IntakeReducer(zone())
    state = reducer.initial("Z")
    state, _ = reducer.step(state, seen(0), ORIGIN)
    with pytest.raises(MessageError) as late:
        reducer.step(state, device_tick(1700, 1.0), ORIGIN)
    assert late.value.reason == "late"
    for slot in range(1, 9):
        state, _ = reducer.step(state, device_tick(1800 * slot, 1.0), ORIGIN)
    with pytest.raises(MessageError) as waiting:
        reducer.step(state, device_tick(1800 * 9, 1.0), ORIGIN)
    assert waiting.value.reason == "future"


class TestPublishedBeforeTheRun:
    """What was published before the first slot is used by it: its faults are alerts, once, when the run begins."""

    PRICES = Publication(
        zone="Z",
        available_at=T0 - 11 * HALF_HOUR,
        first_slot=T0,
        step_min=60,
        series={"price_per_mwh": [50.0, 99999.0, 50.0, 99999.0]},
        history=True,
    )

    def alerts(self, *messages: Message) -> list[Alert]:
        reducer = IntakeReducer(zone())
        state = reducer.initial("Z")
        kept: dict[str, bytes | None] = {}
        raised: list[Alert] = []
        for message in messages:
            state, outputs = reducer.step(state, message, ORIGIN)
            raised += [o.message for o in outputs if isinstance(o.message, Alert)]
            kept |= reducer.changes(state)
            state = reducer.load("Z", kept.get)
        return raised

    def test_the_first_slot_raises_them_once(self) -> None:
        assert self.alerts(self.PRICES) == []
        (alert,) = self.alerts(self.PRICES, seen(0), seen(1))
        assert (alert.code, alert.channel, alert.values) == ("published_implausible", "price_per_mwh", {"values": 2.0})

    def test_a_run_that_begins_at_its_last_slot_raises_them(self) -> None:
        assert len(self.alerts(self.PRICES, seen(7))) == 1

    def test_what_was_over_before_the_run_raises_none(self) -> None:
        assert self.alerts(self.PRICES, seen(7, history=True), seen(8)) == []


def test_slots_without_a_row_before_the_run_are_history_and_those_of_the_run_are_not() -> None:
    begin = T0 + 6 * HALF_HOUR
    out = feed([seen(3, history=True, run_from=begin), seen(8)])
    assert [(m.slot - T0) // HALF_HOUR for m in out if isinstance(m, SlotClosed)] == [3, 4, 5, 6, 7, 8]
    assert [m.history for m in out if isinstance(m, SlotClosed)] == [True, True, True, False, False, False]


@pytest.mark.parametrize(
    "before", [seen(0, run_from=T0 + 99 * HALF_HOUR), seen(0, history=True, run_from=T0 + 99 * HALF_HOUR)]
)
def test_a_gap_of_a_run_that_has_begun_is_no_history_whatever_an_earlier_record_says(before: Observation) -> None:
    out = feed([before, seen(1), seen(4)])
    assert [m.history for m in out if isinstance(m, SlotClosed)][1:] == [False, False, False, False]
