import math
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.derived_series import MAX_DEPTH_DAYS, depth_days
from features.ring import FUTURE_DAYS, SlotRing
from vpp.domain import Step
from vpp.streams.state_codec import pack

STEP = Step(60)
DAY = 24
START = 18_628 * DAY


def ring(depth: int = 3, shallow: int = 1) -> SlotRing:
    return SlotRing(STEP, lambda name: {"deep": depth, "shallow": shallow}.get(name, 0), max_days=depth)


def kept(made: SlotRing, store: dict[str, bytes]) -> dict[str, bytes]:
    for name, value in made.changes().items():
        if value is None:
            store.pop(name, None)
        else:
            store[name] = value
    return store


def test_a_gap_is_nan_and_a_late_value_lands_in_its_own_slot() -> None:
    made = ring()
    made.advance(START)
    made.put("deep", START, 1.0)
    made.advance(START + 3)
    made.put("deep", START + 3, 4.0)
    made.put("deep", START + 1, 2.0)
    np.testing.assert_array_equal(made.window("deep", START, START + 4), [1.0, 2.0, np.nan, 4.0])


def test_a_duplicate_overwrites_itself_and_writes_nothing_new() -> None:
    made = ring()
    made.advance(START)
    made.put("deep", START, 1.0)
    assert made.changes() != {}
    made.put("deep", START, 1.0)
    assert made.changes() == {}
    made.put("deep", START, None)
    assert math.isnan(made.get("deep", START))


def test_a_stamp_changes_with_a_value_of_its_channels_and_not_with_others() -> None:
    made = ring()
    made.advance(START)
    made.put("deep", START, 1.0)
    made.put("shallow", START, 1.0)
    before = made.stamp(("deep", "other"))
    made.put("shallow", START, 2.0)
    made.put("deep", START, 1.0)
    assert made.stamp(("deep", "other")) == before
    made.put("deep", START, 2.0)
    assert made.stamp(("deep", "other")) != before
    before = made.stamp(("deep",))
    made.advance(START + DAY)
    assert made.stamp(("deep",)) != before


def test_a_channel_that_no_feature_reads_is_not_kept() -> None:
    made = ring()
    assert not made.put("other", START, 1.0)
    assert made.rows == {}


def test_only_the_changed_day_and_depth_is_written() -> None:
    made = ring()
    made.advance(START)
    made.put("deep", START, 1.0)
    made.put("shallow", START, 1.0)
    made.changes()
    made.put("deep", START + 1, 2.0)
    assert sorted(made.changes()) == [f"ring:3.{START // DAY}"]


def test_published_values_reach_days_ahead_and_no_further() -> None:
    made = ring()
    made.advance(START)
    last = START + (FUTURE_DAYS + 1) * DAY - 1
    assert made.put("deep", last, 1.0)
    assert not made.put("deep", last + 1, 1.0)


def test_values_older_than_their_depth_are_gone() -> None:
    made = ring()
    for t in range(START, START + 6 * DAY):
        made.advance(t)
        made.put("deep", t, float(t))
        made.put("shallow", t, float(t))
    head_day = START // DAY + 5
    assert not math.isnan(made.get("shallow", (head_day - 1) * DAY))
    assert math.isnan(made.get("shallow", (head_day - 1) * DAY - 1))
    assert not math.isnan(made.get("deep", (head_day - 3) * DAY))
    assert math.isnan(made.get("deep", (head_day - 3) * DAY - 1))
    assert not made.put("shallow", (head_day - 2) * DAY, 1.0)


def test_a_jump_past_the_whole_ring_leaves_nothing_behind() -> None:
    made = ring()
    made.advance(START)
    made.put("deep", START, 1.0)
    far = START + 1000 * DAY
    made.advance(far)
    assert np.isnan(made.window("deep", far - 3 * DAY, far + 4 * DAY)).all()


def test_expired_days_are_deleted_from_the_state() -> None:
    made, store = ring(), dict[str, bytes]()
    for t in range(START, START + 6 * DAY):
        made.advance(t)
        made.put("deep", t, 1.0)
        made.put("shallow", t, 1.0)
        kept(made, store)
    days = sorted(name for name in store if name.startswith("ring:"))
    head_day = START // DAY + 5
    assert days == sorted(
        [f"ring:1.{d}" for d in (head_day - 1, head_day)] + [f"ring:3.{d}" for d in range(head_day - 3, head_day + 1)]
    )


def test_state_of_another_layout_counts_as_none() -> None:
    made = ring()
    made.advance(START)
    made.put("deep", START, 1.0)
    store = kept(made, {})
    assert not ring(depth=4).load(made.record(), store.get)
    assert not SlotRing(STEP, lambda _: 0, max_days=3).load(made.record(), store.get)
    broken = ring()
    chunks_lost = {name: raw if name == "channels" else b"\x07garbage" for name, raw in store.items()}
    assert broken.load(made.record(), chunks_lost.get)
    assert math.isnan(broken.get("deep", START))
    assert not ring().load(made.record(), dict.fromkeys(store, b"\x07garbage").get)


def test_a_record_that_names_the_channels_is_read() -> None:
    made = ring()
    made.advance(START)
    made.put("deep", START, 1.0)
    store = kept(made, {})
    del store["channels"]
    older = msgspec.structs.replace(made.record(), channels=["deep"])
    again = ring()
    assert again.load(older, store.get)
    assert again.get("deep", START) == 1.0
    assert set(again.changes()) == {"channels"}


def test_rows_keep_their_numbers_over_restarts() -> None:
    made, store = ring(), dict[str, bytes]()
    for t in (START, START + DAY):
        made.advance(t)
        made.put("shallow", t, 1.0)
        made.put("deep", t, 2.0)
        kept(made, store)
        fresh = ring()
        assert fresh.load(made.record(), store.get)
        made = fresh
    assert made.window("deep", START, START + DAY + 1)[[0, -1]].tolist() == [2.0, 2.0]
    assert made.get("shallow", START + DAY) == 1.0


def test_a_zone_of_great_britain_takes_at_most_64_kb(data_dir: Path) -> None:
    frame = pd.read_csv(data_dir / "gb_30min_2019_2023.csv.gz", skiprows=range(1, 30_000), nrows=56 * 48)
    made = SlotRing(Step(30), depth_days, max_days=MAX_DEPTH_DAYS)
    net = frame.load_mw - frame.solar_mw - frame.wind_mw
    columns = {"price_per_mwh": frame.price, "net_load_mw": net} | {name: frame[name] for name in frame.columns[2:]}
    first, store = START // DAY * 48, dict[str, bytes]()
    for t in range(len(frame)):
        made.advance(first + t)
        for name, values in columns.items():
            made.put(name, first + t, values[t])
        kept(made, store)
    assert len(made.rows) >= 10
    assert sum(map(len, store.values())) + len(pack(made.record(), "ring")) <= 64_000


moves = st.lists(
    st.tuples(
        st.sampled_from(["deep", "shallow"]),
        st.integers(-3 * DAY, 3 * DAY),
        st.one_of(st.none(), st.floats(-1e12, 1e12)),
        st.integers(0, 40),
    ),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(moves)
def test_a_ring_that_was_saved_and_loaded_in_between_holds_the_same(events: list[tuple[str, int, float, int]]) -> None:
    steady, restarted, store = ring(), ring(), dict[str, bytes]()
    head = START
    for channel, offset, value, ahead in events:
        head += ahead
        for made in (steady, restarted):
            made.advance(head)
            made.put(channel, head + offset, value)
        kept(restarted, store)
        fresh = ring()
        assert fresh.load(restarted.record(), store.get)
        restarted = fresh
    for channel in ("deep", "shallow"):
        span = (head - 8 * DAY, head + 8 * DAY)
        np.testing.assert_array_equal(steady.window(channel, *span), restarted.window(channel, *span))


@pytest.mark.parametrize("first", [START - 2, START + 5 * DAY])
def test_a_window_across_the_seam_reads_in_order(first: int) -> None:
    made = ring()
    for t in range(START, START + 12 * DAY):
        made.advance(t)
        made.put("deep", t, float(t))
    newest = made.head or 0
    window = made.window("deep", newest - 2 * DAY, newest + 1)
    np.testing.assert_array_equal(window, np.arange(newest - 2 * DAY, newest + 1, dtype=float))
    assert np.isnan(made.window("deep", first - 30 * DAY, first - 29 * DAY)).all()
