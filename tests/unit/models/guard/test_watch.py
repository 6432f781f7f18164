"""The guard's state is kept in rows, so that a slot writes what it changed."""

import numpy as np

from models.guard.layout import kept_rows, state_size, view_state
from models.guard.watch import GuardRecord, Watch
from tests import guard_world


def watch() -> Watch:
    part = guard_world.guard()
    made = Watch()
    made.take(part)
    made.buffer, made.last = part.start.copy(), 5
    return made


def buffer_of(made: Watch) -> np.ndarray:
    assert made.buffer is not None
    return made.buffer


def test_every_value_of_a_state_stands_in_one_row() -> None:
    shape = guard_world.guard().shape
    order, starts = kept_rows(shape)
    assert np.array_equal(np.sort(order), np.arange(state_size(shape)))
    assert len(starts) == 1 + shape.groups + int(shape.ahead.max()) + 1


def test_a_slot_writes_the_rows_that_it_changed() -> None:
    made, shape = watch(), guard_world.guard().shape
    assert len(made.changes()) == shape.groups + int(shape.ahead.max()) + 1
    assert made.changes() == {}
    state = view_state(buffer_of(made), shape)
    state.scale[:, 3], state.late[0, 2], state.ratio[0] = 7.0, 1.0, 3.0
    before = made.record()
    assert set(made.changes()) == {"guard:4", f"guard:{1 + shape.groups + 2}"}
    assert made.record() != before


def test_a_state_reads_back_to_the_bit() -> None:
    made = watch()
    buffer_of(made)[::7] = np.nan
    kept = made.changes()
    again = Watch()
    again.load(made.record(), kept.get)
    assert again.changes() == {}
    assert again.record() == made.record()
    again.take(guard_world.guard())
    assert (again.last, buffer_of(again).tobytes()) == (5, buffer_of(made).tobytes())
    assert again.changes() == {}


def test_a_state_that_was_kept_as_a_whole_is_read() -> None:
    made, again = watch(), Watch()
    record = GuardRecord(5, buffer_of(made).tobytes())
    again.load(record, lambda _: None)
    assert again.record() == record
    again.take(guard_world.guard())
    assert np.array_equal(buffer_of(again), buffer_of(made), equal_nan=True)
    assert again.changes() == made.changes()


def test_a_state_without_one_of_its_rows_is_left_out() -> None:
    made, again = watch(), Watch()
    kept = dict(made.changes())
    del kept["guard:9"]
    again.load(made.record(), kept.get)
    again.take(guard_world.guard())
    assert again.buffer is None
    assert again.record() is None
