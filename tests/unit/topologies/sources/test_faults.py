import itertools
from datetime import UTC, datetime, timedelta

import pytest

from topologies.sources.faults import Faults, with_faults
from vpp.messages import End, Observation

START = datetime(2025, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)


def observations(count=400, history=0):
    for i in range(count):
        yield Observation(
            zone="A",
            slot=START + i * STEP,
            values={"load_mw": 100.0 + i, "wind_mw": 10.0},
            history=i < history,
            sent_at=START + (i + 1) * STEP,
        )
    yield End(zone="A", producer="source")


def run(**rates):
    return list(with_faults(observations(), Faults(seed=1, **rates)))


def test_without_rates_nothing_changes():
    assert run() == list(observations())


def test_faults_are_the_same_for_the_same_seed():
    assert run(dropout=0.1, spike=0.1, late=0.1) == run(dropout=0.1, spike=0.1, late=0.1)


def test_history_stays_whole():
    whole = list(with_faults(observations(100, history=100), Faults.all_at(0.9)))
    assert whole == list(observations(100, history=100))


def test_a_dropout_loses_records_or_one_channel():
    sent = run(dropout=0.05)
    assert len(sent) < 401
    assert any(None in m.values.values() for m in sent[:-1])


def test_a_spike_is_five_times_the_value():
    spiked = [m for m in run(spike=0.05)[:-1] if m.values["wind_mw"] == 50.0 or m.values["load_mw"] > 500.0]
    assert 5 < len(spiked) < 50


def test_frozen_values_stand_still():
    loads = [m.values["load_mw"] for m in run(freeze=0.02)[:-1]]
    assert sum(a == b for a, b in itertools.pairwise(loads)) >= 3


def test_a_duplicate_comes_twice():
    sent = run(duplicate=0.05)
    assert 405 < len(sent) < 440
    assert sum(a == b for a, b in itertools.pairwise(sent)) == len(sent) - 401


def test_a_late_record_keeps_its_slot_and_none_is_lost():
    sent = run(late=0.1)
    assert sorted(m.slot for m in sent[:-1]) == [m.slot for m in list(observations())[:-1]]
    slots = [m.slot for m in sent[:-1]]
    assert slots != sorted(slots)
    assert isinstance(sent[-1], End)
    clocks = [m.sent_at for m in sent[:-1] if m.slot < START + 390 * STEP]
    assert clocks == sorted(clocks)


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_any_says_whether_there_are_faults(rate):
    assert Faults.all_at(rate).any == (rate > 0)
