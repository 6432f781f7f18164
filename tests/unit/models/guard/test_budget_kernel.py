"""The alarm budget while the guard runs: what training could not know costs a few episodes once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.guard.budget_kernel import LEAST, MOST, STEP, spend
from models.guard.channel_kernel import Fit
from models.guard.deck_kernel import PATIENT, SILENT_DAYS, score_of, silence
from models.guard.layout import DECKS, SPENT, view_state
from models.guard.watch import Watch
from tests import guard_world

PER_DAY, DWELL = 24, 6
WEEK = 7 * PER_DAY


def fit_with(rate: list[float]) -> Fit:
    return guard_world.guard().fit._replace(rate=np.array(rate))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 6.0), st.lists(st.floats(0.02, 0.5), min_size=DECKS, max_size=DECKS))
def test_a_deck_that_alarms_too_often_on_clean_data_is_held_to_its_share(
    seed: int, times: float, rate: list[float]
) -> None:
    """Each deck exceeds the alarm ``times`` as often as in training; each decade less often by a factor of ten."""
    rng, fit, weeks = np.random.default_rng(seed), fit_with(rate), 52
    spent, counts, beyond_most = np.zeros(SPENT, dtype=np.float32), np.zeros(DECKS), np.zeros(DECKS)
    spent[DECKS] = DWELL
    chance = times * np.array(rate) / (WEEK / DWELL)
    margins = np.log10(chance / np.maximum(rng.random((weeks * WEEK // DWELL, DECKS)), 1e-12))
    for margin in margins:
        above = margin - spent[:DECKS]
        leader = int(np.argmax(above))
        started = bool(above[leader] >= 0.0)
        counts[leader] += started
        beyond_most[leader] += started * max(spent[leader] + STEP - MOST, 0.0) / STEP
        spend(spent, started, leader, DWELL, PER_DAY, fit)
        for _ in range(DWELL - 1):
            spend(spent, False, 0, DWELL, PER_DAY, fit)
        assert (spent[:DECKS] >= LEAST).all()
        assert (spent[:DECKS] <= MOST).all()
    assert (counts <= np.array(rate) * weeks + (MOST - LEAST) / STEP + 1.0 + beyond_most).all()
    assert beyond_most.sum() <= 0.15 * counts.sum() + 1.0, "at MOST the decks alarm less often than their shares allow"


def test_alarms_within_six_hours_count_once() -> None:
    fit, spent = fit_with([0.2] * DECKS), np.zeros(SPENT, dtype=np.float32)
    spent[DECKS] = DWELL
    for _ in range(DWELL):
        spend(spent, True, 1, DWELL, PER_DAY, fit)
    assert spent[1] == pytest.approx(STEP, abs=0.01)
    spend(spent, True, 1, DWELL, PER_DAY, fit)
    assert spent[1] == pytest.approx(2 * STEP, abs=0.01)


def test_a_guard_without_shares_does_not_change_its_level() -> None:
    fit, spent = fit_with([0.0] * DECKS), np.zeros(SPENT, dtype=np.float32)
    for _ in range(100):
        spend(spent, True, 0, DWELL, PER_DAY, fit)
    assert not spent.any()


def alarms_of_a_drift(highs: list[float]) -> int:
    """Count the alarms of the patient deck over these levels of drift, one a slot."""
    fit = guard_world.guard().fit
    levels, spent = np.full(DECKS, np.nan), np.zeros(SPENT, dtype=np.float32)
    patience, count = np.zeros(2, dtype=np.float32), 0
    for high in highs:
        levels[PATIENT] = high
        score, leader = score_of(levels, patience, spent, PER_DAY, fit)
        if leader == PATIENT and score >= fit.alarm[0]:
            count += 1
            silence(leader, patience)
    return count


def test_a_drift_that_grows_for_days_is_one_episode() -> None:
    growing = np.linspace(3.0, 30.0, SILENT_DAYS * PER_DAY).tolist()
    fit = guard_world.guard().fit
    fit.alarm[0], was = 0.0, fit.alarm[0]
    try:
        assert alarms_of_a_drift(growing) == 1
        assert alarms_of_a_drift([*growing[:30], -1.5, *growing[:30]]) == 2, "it fell, and came again"
    finally:
        fit.alarm[0] = was


def test_a_new_guard_has_its_whole_budget_and_a_restarted_one_what_is_left() -> None:
    part, made = guard_world.guard(), Watch()
    made.take(part)
    made.buffer = part.start.copy()
    view_state(made.buffer, part.shape).spent[:] = 0.5
    made.changes()
    kept = made.record()
    assert kept is not None
    renewed = type(part)(part.layout, part.shape, part.fit._replace(), part.start, part.last)
    made.take(renewed)
    assert made.buffer is not None
    assert not view_state(made.buffer, part.shape).spent.any()
    again = Watch()
    again.load(type(kept)(5, np.full(part.start.size, 0.5, dtype=np.float32).tobytes()), lambda _: None)
    again.take(part)
    assert again.buffer is not None
    assert (view_state(again.buffer, part.shape).spent == 0.5).all()
