"""A record from the future does not move a zone's clock: what is real keeps being closed, what is not is set aside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.clock_jump import CONFIRMING, MAX_HELD, SlotClock, free_slots
from features.intake import IntakeReducer
from vpp.domain import Step
from vpp.errors import MessageError
from vpp.fleet.schema import default_zone
from vpp.messages import Alert, AlertCode, Correction, DeadLetter, Deadline, End, Message, Observation, SlotClosed
from vpp.streams.reducer import Origin, Output

T0 = datetime(2025, 6, 2, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
SLOT = timedelta(minutes=30)
DAY = 48


def row(slot: int, load: float = 100.0) -> Observation:
    return Observation(zone="Z", slot=T0 + slot * SLOT, values={"load_mw": load}, sent_at=T0 + (slot + 1) * SLOT)


def outputs_of(records: list[tuple[float, Message]], step_min: int = 30) -> list[Output]:
    """Feed records with the broker's time of each (s), through a state that is kept as bytes at each step."""
    zone = default_zone("Z", step_min=step_min, region_mw=1000.0, ramp_mw=20.0, channels=("load_mw",))
    reducer, saved_state = IntakeReducer(zone), dict[str, bytes]()
    outputs: list[Output] = []
    for offset, (at_s, message) in enumerate(records):
        state = reducer.load("Z", saved_state.get)
        origin = Origin("telemetry.raw", 0, offset, NOW + timedelta(seconds=at_s))
        state, new = reducer.step(state, message, origin)
        saved_state |= {name: value for name, value in reducer.changes(state).items() if value is not None}
        outputs += new
    return outputs


def closed(outputs: list[Output]) -> list[int]:
    return [(o.message.slot - T0) // SLOT for o in outputs if isinstance(o.message, SlotClosed)]


def letters(outputs: list[Output]) -> list[DeadLetter]:
    return [o.message for o in outputs if isinstance(o.message, DeadLetter)]


def at_pace(slots: range, each_s: float, start_s: float = 0.0) -> list[tuple[float, Message]]:
    return [(start_s + (slot - slots.start) * each_s, row(slot)) for slot in slots]


@pytest.mark.drill("clock_jump")
@pytest.mark.parametrize("each_s", [1.0, 5.0, 1800.0])
@pytest.mark.parametrize("forged", [1, 2, CONFIRMING, 20])
def test_records_six_days_ahead_never_stop_what_is_real(each_s: float, forged: int) -> None:
    real = at_pace(range(20), each_s)
    burst = [(10 * each_s + 0.001 * n, row(6 * DAY + n, 900.0)) for n in range(forged)]
    outputs = outputs_of([*real[:11], *burst, *real[11:]])
    assert closed(outputs) == [*range(20)]
    assert [letter.reason for letter in letters(outputs)] == ["future"] * forged
    assert [letter.offset for letter in letters(outputs)] == [*range(11, 11 + forged)]
    (alert,) = [o.message for o in outputs if isinstance(o.message, Alert) and o.message.code is AlertCode.CLOCK_JUMP]
    assert alert.slot == T0 + 10 * SLOT


@pytest.mark.parametrize("each_s", [0.0, 0.001, 0.1])
@pytest.mark.parametrize("days", [1, 6, 30, 400])
def test_one_record_from_ahead_moves_no_clock_of_a_run_at_full_speed(each_s: float, days: int) -> None:
    real = at_pace(range(20), each_s)
    outputs = outputs_of([*real[:11], (10 * each_s, row(days * DAY)), *real[11:]])
    assert closed(outputs) == [*range(20)]
    assert [letter.reason for letter in letters(outputs)] == ["future"]


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(7, 2000)), max_size=12))
@settings(max_examples=25, deadline=None)
def test_real_slots_all_close_whatever_lies_between_them(forged: list[tuple[int, int]]) -> None:
    records: list[tuple[float, Message]] = at_pace(range(45), 5.0)
    records += [(5.0 * after + 0.5, row(after + ahead)) for after, ahead in forged]
    records.sort(key=lambda record: record[0])
    outputs = outputs_of(records)
    assert closed(outputs) == [*range(45)]
    assert len(letters(outputs)) == len(forged)


@pytest.mark.drill("clock_jump")
@pytest.mark.parametrize("each_s", [1.0, 1800.0])
@pytest.mark.parametrize("ahead", [2, 3, 6])
def test_many_small_jumps_move_the_clock_no_further_than_one(each_s: float, ahead: int) -> None:
    creeping = [((10 + 0.01 * (n + 1)) * each_s, row(10 + ahead * (n + 1), 900.0)) for n in range(20)]
    outputs = outputs_of([*at_pace(range(11), each_s), *creeping, *at_pace(range(11, 60), each_s, 11 * each_s)])
    assert closed(outputs) == [*range(60)]
    assert letters(outputs)
    assert all(letter.reason == "future" for letter in letters(outputs))


@pytest.mark.drill("clock_jump")
@pytest.mark.parametrize("marked", [[6 * DAY], [*range(16, 76, 6)]])
def test_a_mark_as_history_moves_no_running_clock(marked: list[int]) -> None:
    forged = [(10.1 * 1800 + n, msgspec.structs.replace(row(slot), history=True)) for n, slot in enumerate(marked)]
    later = [(10.9 * 1800, row(5 * DAY, 900.0))]
    outputs = outputs_of([*at_pace(range(11), 1800.0), *forged, *later, *at_pace(range(11, 40), 1800.0, 11 * 1800.0)])
    assert closed(outputs) == [*range(40)]
    assert letters(outputs)


@pytest.mark.parametrize("each_s", [0.001, 1800.0])
def test_a_source_that_starts_again_after_days_warms_up_with_gaps(each_s: float) -> None:
    again, days = 100 * each_s, [60, 61, 62, 63, 150, 151, 320, 321]
    warm_up = [(again + 0.001 * n, msgspec.structs.replace(row(slot), history=True)) for n, slot in enumerate(days)]
    outputs = outputs_of([*at_pace(range(11), each_s), *warm_up, *at_pace(range(322, 340), each_s, again + 1.0)])
    assert closed(outputs) == [*range(340)]
    assert not letters(outputs)


@given(
    step_min=st.sampled_from([5, 30, 60, 240]),
    each_s=st.sampled_from([0.001, 1.0, 5.0, 1800.0]),
    gaps=st.lists(st.just(1) | st.integers(1, 6), min_size=1, max_size=60),
    outages=st.lists(st.tuples(st.integers(1, 100), st.integers(1, 100)), max_size=3),
    with_ticker=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_nothing_of_a_source_with_gaps_outages_and_bursts_is_set_aside(
    step_min: int, each_s: float, gaps: list[int], outages: list[tuple[int, int]], with_ticker: bool
) -> None:
    step = timedelta(minutes=step_min)
    free = free_slots(Step(step_min))
    slots = [sum(min(gap, free) for gap in gaps[:n]) for n in range(len(gaps) + 1)]
    sent: list[tuple[float, Message]] = []
    for slot in slots:
        at = float(slot)
        for begin, length in sorted(outages):
            at = max(at, begin + length) if begin <= at < begin + length else at
        record = Observation(zone="Z", slot=T0 + slot * step, values={"load_mw": 100.0 + slot})
        sent.append((at * each_s + 1e-6 * slot, record))
    if with_ticker:
        sent += [((slot + 0.5) * each_s, Deadline(zone="Z", slot=T0 + slot * step)) for slot in range(slots[-1])]
        sent.sort(key=lambda record: record[0])
    end = max(at for at, _ in sent) + 200 * each_s
    outputs = outputs_of([*sent, (end, End(zone="Z", producer="source"))], step_min)
    assert not letters(outputs)
    used = [o.message for o in outputs if isinstance(o.message, SlotClosed | Correction)]
    assert {(m.slot - T0) // step for m in used if m.values.get("load_mw") is not None} == set(slots)
    assert [m.slot for m in used if isinstance(m, SlotClosed)] == [T0 + n * step for n in range(slots[-1] + 1)]


@pytest.mark.parametrize("missing", [{3, 7}, {*range(3, 17, 2)}, {*range(1, 40, 4)}, {*range(2, 46, 2)}])
def test_days_that_come_at_once_with_gaps_are_used_whole(missing: set[int]) -> None:
    slots = [slot for slot in range(6 * DAY) if slot % DAY not in missing]
    days: list[tuple[float, Message]] = [(86_400.0 * (slot // DAY) + 0.001 * slot, row(slot)) for slot in slots]
    outputs = outputs_of([*days, (7 * 86_400.0, row(6 * DAY))])
    used = [o.message for o in outputs if isinstance(o.message, SlotClosed) and o.message.values["load_mw"] is not None]
    assert [(message.slot - T0) // SLOT for message in used] == [*slots, 6 * DAY]
    assert not letters(outputs)


@pytest.mark.parametrize("deadlines", [14, 24])
def test_what_waits_is_used_when_the_deadlines_come_to_it(deadlines: int) -> None:
    ticker = [((slot + 0.6) * 1800, Deadline(zone="Z", slot=T0 + slot * SLOT)) for slot in range(11, deadlines)]
    waiting = [(10.1 * 1800, row(20)), (10.2 * 1800, row(21))]
    outputs = outputs_of([*at_pace(range(11), 1800.0), *waiting, *ticker, *at_pace(range(24, 30), 1800.0, 24.7 * 1800)])
    assert closed(outputs) == [*range(30)]
    values = [o.message.values["load_mw"] for o in outputs if isinstance(o.message, SlotClosed)]
    assert values[20:22] == [100.0, 100.0]
    assert not letters(outputs)


def test_a_confirmed_jump_leaves_no_lead() -> None:
    jumped = at_pace(range(300, 310), 5.0, 50.0)
    gaps: list[tuple[float, Message]] = [(100.0 + 5.0 * n, row(310 + 2 * n)) for n in range(1, 6)]
    outputs = outputs_of([*at_pace(range(10), 5.0), *jumped, *gaps])
    assert closed(outputs) == [*range(321)]
    alerts = [o.message for o in outputs if isinstance(o.message, Alert) and o.message.code is AlertCode.CLOCK_JUMP]
    assert len({alert.alert_id for alert in alerts}) == 1


def test_state_of_before_the_lead_is_read() -> None:
    raw = msgspec.msgpack.encode({"seen_s": 3.0, "advanced_s": 2.0, "slot_s": 1.0, "warming": False, "held": []})
    assert msgspec.msgpack.decode(raw, type=SlotClock) == SlotClock(3.0, 2.0, 1.0)


def test_a_source_of_every_other_slot_has_no_lead() -> None:
    outputs = outputs_of([(slot * 1800.0, row(slot)) for slot in range(0, 60, 2)])
    assert closed(outputs) == [*range(59)]
    assert not letters(outputs)


@pytest.mark.parametrize("each_s", [0.001, 1.0, 5.0, 1800.0])
def test_a_real_gap_is_taken_once_records_follow_in_sequence_and_the_old_clock_is_silent(each_s: float) -> None:
    outputs = outputs_of([*at_pace(range(10), each_s), *at_pace(range(60, 70), each_s, 10 * each_s)])
    assert closed(outputs) == [*range(70)]
    assert not letters(outputs)
    alerts = [o.message for o in outputs if isinstance(o.message, Alert) and o.message.code is AlertCode.CLOCK_JUMP]
    assert len({alert.alert_id for alert in alerts}) == 1
    assert alerts[-1].severity == "info"


def test_an_outage_that_the_broker_clock_explains_waits_for_nothing() -> None:
    outputs = outputs_of([*at_pace(range(5), 1800.0), (1800.0 * 44, row(44))])
    assert closed(outputs) == [*range(45)]
    assert not letters(outputs)
    assert not [o for o in outputs if isinstance(o.message, Alert) and o.message.code is AlertCode.CLOCK_JUMP]


def test_what_waits_is_bounded_and_lost_by_nobody() -> None:
    ahead = [(9.0 + 1e-4 * n, row(300 + n)) for n in range(MAX_HELD + 5)]
    outputs = outputs_of([*at_pace(range(10), 1.0), *ahead])
    assert closed(outputs)[-1] == 300 + MAX_HELD + 4
    assert not letters(outputs)


def test_a_large_record_from_ahead_is_refused_and_not_kept() -> None:
    large = Observation(
        zone="Z", slot=T0 + 300 * SLOT, values={f"{n:037d}_mw": -1.2345678901234567e-100 for n in range(490)}
    )
    with pytest.raises(MessageError, match="ahead") as refused:
        outputs_of([*at_pace(range(3), 1.0), (3.0, large)])
    assert refused.value.reason == "future"


def test_a_deadline_from_ahead_is_refused_and_one_of_the_next_slots_is_not() -> None:
    deadline = Deadline(zone="Z", slot=T0 + 6 * DAY * SLOT)
    with pytest.raises(MessageError) as refused:
        outputs_of([*at_pace(range(10), 5.0), (46.0, deadline)])
    assert refused.value.reason == "future"
    assert closed(outputs_of([*at_pace(range(10), 5.0), (46.0, Deadline(zone="Z", slot=T0 + 10 * SLOT))])) == [
        *range(11)
    ]


def test_an_end_right_behind_a_record_from_ahead_does_not_make_it_real() -> None:
    outputs = outputs_of([*at_pace(range(10), 5.0), (45.5, row(300)), (45.6, End(zone="Z", producer="source"))])
    assert closed(outputs) == [*range(10)]
    assert len(letters(outputs)) == 1


def test_the_warm_up_may_be_followed_by_any_slot_of_the_next_week() -> None:
    warm = [
        (0.001 * n, Observation(zone="Z", slot=T0 + n * SLOT, values={"load_mw": 1.0}, history=True)) for n in range(5)
    ]
    assert closed(outputs_of([*warm, (1.0, row(200))])) == [*range(201)]


@pytest.mark.parametrize(("minutes", "slots"), [(5, 36), (30, 6), (60, 3), (240, 2)])
def test_the_clock_moves_freely_by_some_hours_and_at_least_two_slots(minutes: int, slots: int) -> None:
    assert free_slots(Step(minutes)) == slots
