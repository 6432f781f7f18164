"""Ramp events of a backtest: hits, misses and false alarms of forecasts of large changes of net load."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.learners.order_statistics import between
from vpp.fleet.scale import significant
from vpp.numerics.arrays import Bools, Floats

EVENT_SHARE = 0.1
ALARM_SHARE = 0.93
HOURS = (1, 2, 3, 4, 5, 6)
PAST_DAYS = 365


def event_threshold(past: Floats, steps: int) -> float | None:
    """Return the size (MW) that the largest tenth of changes over ``steps`` slots reaches, None without changes.

    Linear between order statistics, to the bits of ``np.quantile``, which takes five times as long.

    Args:
        past: Net load in earlier slots, MW, shape (n,), NaN if missing.
        steps: Slots from one value to the other.
    """
    changes = np.abs(past[steps:] - past[:-steps])
    finite = changes[np.isfinite(changes)]
    if not finite.size:
        return None
    place = (finite.size - 1) * (1.0 - EVENT_SHARE)
    low = int(place)
    share, high = place - low, min(low + 1, finite.size - 1)
    finite.partition((low, high))
    return float(between(finite[low], finite[high], share))


def score_events(expected: Floats, actual: Floats, threshold_mw: float) -> dict[str, Any]:
    """Return scores of expected changes as warnings: ``pod``, ``far``, ``csi``, None if undefined, and counts.

    An event is an actual change of at least the threshold, up or down. An alarm is an expected change of at least 93 %
    of it; it is a hit when an event of the same direction follows. POD = hits / events, FAR = false alarms / alarms,
    CSI = hits / (events + false alarms).

    Args:
        expected: Expected changes, shape (n,), MW; NaN if there is no forecast.
        actual: Actual values, shape (n,); NaN if missing. Pairs with a NaN are left out.
        threshold_mw: Size of an event.
    """
    is_known = np.isfinite(expected) & np.isfinite(actual)
    expected, actual = expected[is_known], actual[is_known]
    event, alarm = np.abs(actual) >= threshold_mw, np.abs(expected) >= ALARM_SHARE * threshold_mw
    scores = alarm_scores(alarm, expected > 0.0, event, actual > 0.0)
    return {**scores, "threshold_mw": significant(threshold_mw)}


def alarm_scores(alarm: Bools, is_rise: Bools, event: Bools, rose: Bools) -> dict[str, Any]:
    """Return POD, FAR and CSI of alarms, None if undefined, and counts.

    Args:
        alarm: Whether one was raised, shape (n,).
        is_rise: Whether the alarm was of a rise, shape (n,).
        event: Whether a ramp occurred, shape (n,).
        rose: Whether net load rose, shape (n,).
    """
    hits = int((event & alarm & (is_rise == rose)).sum())
    events, alarms = int(event.sum()), int(alarm.sum())
    return {
        "pod": _ratio(hits, events),
        "far": _ratio(alarms - hits, alarms),
        "csi": _ratio(hits, events + alarms - hits),
        "events": events,
        "alarms": alarms,
    }


def _ratio(part: int, total: int) -> float | None:
    return round(part / total, 4) if total else None
