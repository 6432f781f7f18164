"""Forecasts that wait for their actuals: memory holds what is kept of them, and each horizon only while it waits."""

import numpy as np
import pytest

from models.forecast.waiting_forecasts import (
    CENTRE_BITS,
    OFFSET_BITS,
    WaitingForecasts,
    load_waiting,
    parts_of,
    waiting_changes,
)

STEPS = np.arange(1, 49)
SPREADS = np.array([-3.0, -2.0, -0.7, 0.0, 0.8, 2.1, 3.3])


def issue(waiting: WaitingForecasts, index: int, *, by_model: bool = True) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(index)
    median = chance.normal(5000.0, 900.0, size=len(STEPS))
    quantiles = median[:, None] + chance.gamma(2.0, 60.0, size=len(STEPS))[:, None] * SPREADS
    mean = median + chance.normal(0.0, 5.0, size=len(STEPS))
    waiting.put(index, float(median[0]), quantiles, mean, by_model=by_model)
    return quantiles, mean


def asked_for(waiting: WaitingForecasts, index: int) -> list[tuple[float, ...]]:
    """What slot ``index`` asks of the forecasts of it: the levels at its horizon, and the mean of the one before."""
    rows = (index - STEPS) % waiting.rows
    there = waiting.origin[rows] == index - STEPS
    return [
        (*waiting.quantiles[row, h], *waiting.mean[row, [max(h - 1, 0), h]], waiting.now[row], waiting.by_model[row])
        for h, row in enumerate(rows)
        if there[h]
    ]


def test_levels_are_close_and_never_cross() -> None:
    waiting = WaitingForecasts(STEPS)
    quantiles, mean = issue(waiting, 7)
    held, median = waiting.quantiles[7].astype(float), quantiles[:, 3]
    of_median = 2.0**-CENTRE_BITS * np.abs(median) + 1e-3
    most = of_median[:, None] + 2.0**-OFFSET_BITS * np.abs(quantiles - median[:, None])
    assert (np.abs(held - quantiles) <= most).all()
    assert (np.abs(waiting.mean[7] - mean) <= 2.0**-OFFSET_BITS * np.abs(mean - median) + of_median).all()
    assert (np.diff(held, axis=1) >= 0.0).all()


def test_a_forecast_without_a_mean_is_expected_at_its_median() -> None:
    waiting = WaitingForecasts(STEPS)
    waiting.put(3, 1.0, np.tile(SPREADS, (48, 1)), by_model=False)
    assert waiting.mean[3].tolist() == waiting.quantiles[3, :, 3].tolist() == [0.0] * 48


def test_a_saved_and_loaded_state_answers_every_later_slot_alike() -> None:
    first, second = WaitingForecasts(STEPS), WaitingForecasts(STEPS)
    kept: dict[str, bytes] = {}
    for index in range(1000, 1130):
        issue(first, index, by_model=index % 5 > 0)
        if index % 7:  # the other target has no forecast of some slots
            issue(second, index)
        first.set_first_error((index - 1) % first.rows, 0.5 * index)
        kept.update(waiting_changes([first, second]))
    assert waiting_changes([first, second]) == {}
    again, other = WaitingForecasts(STEPS), WaitingForecasts(STEPS)
    load_waiting([again, other], [first.record(), second.record()], kept.get)
    np.testing.assert_array_equal(again.first_error, first.first_error)
    for held, loaded in ((first, again), (second, other)):
        for index in range(1130, 1180):
            np.testing.assert_array_equal(asked_for(loaded, index), asked_for(held, index))
        np.testing.assert_array_equal(loaded.quantiles[1129 % held.rows], held.quantiles[1129 % held.rows])


def test_a_new_forecast_has_no_first_error_of_the_one_before_in_its_place() -> None:
    waiting = WaitingForecasts(STEPS)
    issue(waiting, 7)
    waiting.set_first_error(7, 3.0)
    issue(waiting, 7 + waiting.rows)
    assert np.isnan(waiting.first_error[7])


def test_near_horizons_are_kept_for_fewer_slots() -> None:
    parts = parts_of(STEPS)
    assert [(part.horizons.start, part.horizons.stop, part.slots) for part in parts] == [
        (0, 16, 18),
        (16, 32, 34),
        (32, 48, 49),
    ]


@pytest.mark.parametrize("steps", [[1], [1, 2], [1, 48], [24], [*range(1, 13), *range(18, 289, 6)]])
def test_any_horizons_fall_into_parts_without_a_gap(steps: list[int]) -> None:
    parts = parts_of(np.array(steps))
    assert [h for part in parts for h in range(part.horizons.start, part.horizons.stop)] == list(range(len(steps)))
    assert parts[-1].slots == steps[-1] + 1
    assert sorted(part.slots for part in parts) == [part.slots for part in parts]


def test_values_of_another_form_are_left_out() -> None:
    waiting = WaitingForecasts(STEPS)
    issue(waiting, 7)
    kept = dict(waiting_changes([waiting]))
    other = WaitingForecasts(np.arange(1, 25))
    load_waiting([other], [waiting.record()], kept.get)
    assert (other.origin == -1).all()
