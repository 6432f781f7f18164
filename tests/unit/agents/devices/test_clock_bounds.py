"""A clock that is off is corrected by what the log proves, in both directions, and a right one is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.devices.clock_bounds import BUCKET_S, BUCKETS, OFF_S, ClockBounds

EPOCH_S = 1.8e9
"""The log's time at monotonic time 0."""


def written(bounds: ClockBounds, at_s: float, *, on_the_way_s: float = 0.02, back_s: float = 0.03) -> None:
    """Note a record that is stamped ``on_the_way_s`` after it was sent."""
    bounds.note_written(EPOCH_S + at_s + on_the_way_s, at_s, at_s + on_the_way_s + back_s)


@pytest.mark.parametrize("off_s", [-3600.0, -300.0, -1.5, 1.5, 300.0, 86_400.0])
def test_a_clock_that_is_off_is_corrected_to_within_a_round_trip(off_s: float) -> None:
    bounds = ClockBounds()
    written(bounds, 10.0)
    corrected_s = off_s + bounds.correction_s(EPOCH_S + 20.0 + off_s, 20.0)
    assert abs(corrected_s) <= 0.05


def test_nothing_is_corrected_without_evidence_or_within_a_second() -> None:
    bounds = ClockBounds()
    assert bounds.correction_s(0.0, 5.0) == 0.0
    written(bounds, 10.0)
    assert bounds.correction_s(EPOCH_S + 20.0 + 0.9 * OFF_S, 20.0) == 0.0


def test_a_record_that_waited_proves_a_slow_clock_alone() -> None:
    bounds = ClockBounds()
    bounds.note_read(EPOCH_S + 100.0, read_at_s=400.0)  # it was on the way for five minutes
    assert bounds.correction_s(EPOCH_S + 400.0, 400.0) == 0.0
    assert bounds.correction_s(EPOCH_S + 400.0 + 300.0, 400.0) == 0.0
    assert bounds.correction_s(EPOCH_S + 400.0 - 900.0, 400.0) == 600.0


def test_a_log_whose_clock_is_set_is_followed() -> None:
    bounds = ClockBounds()
    written(bounds, 10.0)
    bounds.note_written(EPOCH_S + 20.0 - 500.0, 20.0, 20.1)
    assert bounds.correction_s(EPOCH_S + 21.0, 21.0) == pytest.approx(-500.0, abs=0.1)


def test_old_evidence_is_dropped_so_that_drift_does_not_add_up() -> None:
    bounds, drift = ClockBounds(), 1e-4
    for minute in range(24 * 60):
        at_s = minute * BUCKET_S
        stamped_s = EPOCH_S + at_s * (1.0 - drift)
        bounds.note_written(stamped_s, at_s, at_s + 0.05)
    slow_s = bounds.correction_s(stamped_s - 300.0, at_s)
    assert slow_s == pytest.approx(300.0, abs=2 * drift * BUCKETS * BUCKET_S + 0.1)


@given(
    off_s=st.floats(-1e5, 1e5),
    records=st.lists(
        st.tuples(st.booleans(), st.floats(0.0, 50.0), st.floats(0.0, 5.0), st.floats(0.0, 400.0)), max_size=20
    ),
)
def test_a_correction_never_makes_a_clock_worse(off_s: float, records: list[tuple[bool, float, float, float]]) -> None:
    bounds, at_s = ClockBounds(), 0.0
    for is_own, pause_s, sent_s, back_s in records:
        at_s += pause_s + sent_s + back_s
        stamped_s = EPOCH_S + at_s - back_s
        if is_own:
            bounds.note_written(stamped_s, at_s - back_s - sent_s, at_s)
        else:
            bounds.note_read(stamped_s, at_s)
    assert abs(off_s + bounds.correction_s(EPOCH_S + at_s + off_s, at_s)) <= abs(off_s) + 1e-3
