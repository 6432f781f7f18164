"""The guard on a made-up zone: what it finds, what enters instead, what it costs, and that it repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.guard.closed_loop import run_guard
from models.guard.evidence import episodes, level_at, table_of
from models.guard.layout import new_buffer, state_size, view_state
from models.guard.part import guard_from_arrays
from models.guard.quarantine_kernel import (
    FAULT,
    FORGED,
    FROZEN,
    LEVEL,
    MENDED,
    REPLAYED,
    STARTED,
    SUSPECTED,
    TOTAL,
    TRUST,
    VERDICT,
)
from tests import guard_world
from vpp.numerics.arrays import Floats

START = 240


def said_of(forge: dict[str, Floats], *, moves_total: bool = True, slots: int = 30) -> tuple[Floats, Floats, Floats]:
    """Run to ``START`` slots into the test, then over forged values; return outputs, used and true values."""
    part = guard_world.guard()
    series, begin = guard_world.series()
    at = begin + START
    truth = series.window[:, at : at + slots].copy()
    for channel, values in forge.items():
        row = part.layout.names.index(channel)
        if not moves_total:
            moved = values - series.window[row, at : at + len(values)]
            series.totals[at : at + len(values), 0] += part.fit.part[0, row] * moved
        series.window[row, at : at + len(values)] = values
    text, _ = run_guard(part, series, begin, at + slots, part.start.copy())
    return text[START:], series.window[:, at : at + slots], truth


def true_load(slots: int = 6) -> Floats:
    series, begin = guard_world.series()
    return series.window[0, begin + START : begin + START + slots].copy()


def test_clean_data_cost_little() -> None:
    part = guard_world.guard()
    series, begin = guard_world.series()
    text, _ = run_guard(part, series, begin, series.window.shape[1], part.start.copy())
    weeks = len(text) / (7 * 24)
    assert (text[:, STARTED] == 1.0).sum() / weeks <= 2.0
    assert (text[:, TRUST] == 1.0).mean() > 0.8


def test_a_step_is_found_at_once_and_the_forecast_enters_instead() -> None:
    text, used, truth = said_of({"load_mw": true_load() + 120.0})
    assert text[0, STARTED] == 1.0
    assert text[0, VERDICT] == FORGED
    assert text[0, SUSPECTED] == 0.0
    assert text[0, TRUST] == 0.0
    assert np.abs(used[0, :6] - truth[0, :6]).mean() < 40.0
    assert (text[6:10, LEVEL] == 0.0).any(), "the true values after the attack are taken again"


def test_net_load_is_summed_of_what_entered() -> None:
    _, used, _ = said_of({"load_mw": true_load() + 120.0})
    assert used[3] == pytest.approx(used[0] - used[1] - used[2])


def test_a_frozen_and_a_replayed_channel_have_their_names() -> None:
    series, begin = guard_world.series()
    at = begin + START
    frozen, _, _ = said_of({"load_mw": np.full(8, series.window[0, at - 1])})
    replayed, _, _ = said_of({"load_mw": series.window[0, at - 72 : at - 64].copy()})
    assert FROZEN in frozen[:8, VERDICT]
    assert REPLAYED in replayed[:8, VERDICT]


def test_a_dead_meter_is_a_fault_of_the_sensor() -> None:
    text, _, _ = said_of({"load_mw": np.zeros(6)})
    assert text[0, VERDICT] == FAULT


def test_a_total_metered_apart_gives_the_forged_channel_and_its_true_value() -> None:
    text, used, truth = said_of({"load_mw": true_load() + 30.0}, moves_total=False)
    assert text[:6, MENDED].all()
    assert (text[:6, SUSPECTED] == 0.0).all()
    assert used[0, :6] == pytest.approx(truth[0, :6])


def test_a_forged_total_leaves_the_channels_as_they_are() -> None:
    part = guard_world.guard()
    series, begin = guard_world.series()
    at = begin + START
    truth = series.window[:, at : at + 6].copy()
    series.totals[at : at + 6, 0] += 100.0
    text, _ = run_guard(part, series, begin, at + 6, part.start.copy())
    assert (text[START:, SUSPECTED] == TOTAL).all()
    assert np.array_equal(series.window[:, at : at + 6], truth)


def test_missing_values_raise_no_alarm_and_stay_missing() -> None:
    text, used, _ = said_of({"load_mw": np.full(5, np.nan)})
    assert (text[:5, LEVEL] == 0.0).all()
    assert np.isnan(used[0, :5]).all()


def test_a_run_repeats_itself_to_the_bit_also_when_its_state_is_kept_as_bytes() -> None:
    part = guard_world.guard()
    whole, begin = guard_world.series()
    end = begin + 400
    once, _ = run_guard(part, whole, begin, end, part.start.copy())
    halves, _ = guard_world.series()
    buffer = part.start.copy()
    first, _ = run_guard(part, halves, begin, begin + 173, buffer)
    saved = np.frombuffer(buffer.tobytes(), np.float32).copy()
    second, _ = run_guard(part, halves, begin + 173, end, saved)
    assert np.array_equal(np.concatenate([first, second]), once)
    assert np.array_equal(halves.window, whole.window, equal_nan=True)


def test_the_state_is_small_and_its_arrays_are_views_of_one_buffer() -> None:
    shape = guard_world.guard().shape
    buffer = new_buffer(shape)
    assert buffer.nbytes == 4 * state_size(shape) < 8_000
    view_state(buffer, shape).usual_drift[:] = 5.0
    assert buffer[-1] == 5.0


def test_the_part_survives_its_own_arrays() -> None:
    part = guard_world.guard()
    back = guard_from_arrays(part.to_arrays())
    assert back.layout == part.layout
    assert all(np.array_equal(a, b) for a, b in zip(back.fit, part.fit, strict=True))


@given(st.lists(st.floats(0, 100), min_size=5, max_size=300), st.integers(0, 12), st.integers(1, 12))
def test_a_level_is_reached_by_no_more_episodes_than_asked(values: list[float], count: int, dwell: int) -> None:
    series = np.array(values)
    assert episodes(series, level_at(series, count, dwell), dwell) <= count


@given(st.integers(0, 2**32 - 1))
def test_evidence_grows_with_the_level(seed: int) -> None:
    values = np.abs(np.random.default_rng(seed).standard_normal(2000))
    levels, result, tail = table_of(values, 12.0, 12)
    assert (np.diff(levels) >= 0).all()
    assert (np.diff(result) >= 0).all()
    assert tail[2] >= 0.0
