"""Ramp events: thresholds of earlier data, and what counts as a hit."""

import numpy as np
import pytest

from models.forecast.ramp_events import event_threshold, score_events


def test_the_threshold_is_what_the_largest_tenth_of_changes_reaches() -> None:
    steps = np.concatenate([np.full(90, 1.0), np.full(10, -5.0)])
    past = np.cumsum(np.concatenate([[0.0], steps]))
    past[50] = np.nan
    assert event_threshold(past, 1) == pytest.approx(np.quantile([1.0] * 88 + [5.0] * 10, 0.9))
    assert event_threshold(np.full(3, np.nan), 1) is None


def test_an_alarm_in_the_wrong_direction_is_a_miss_and_a_false_alarm() -> None:
    expected = np.array([10.0, -10.0, 0.0, 9.4, np.nan])
    actual = np.array([11.0, 11.0, 12.0, 1.0, 20.0])
    result = score_events(expected, actual, 10.0)
    assert (result["events"], result["alarms"]) == (3, 3)
    assert result["pod"] == pytest.approx(1 / 3, abs=1e-4)
    assert result["far"] == pytest.approx(2 / 3, abs=1e-4)
    assert result["csi"] == pytest.approx(1 / 5)


def test_nothing_to_judge_is_none() -> None:
    result = score_events(np.zeros(4), np.zeros(4), 10.0)
    assert (result["pod"], result["far"], result["csi"]) == (None, None, None)
