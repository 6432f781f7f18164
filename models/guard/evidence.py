"""Evidence of a level: its episodes per week on clean data, with a generalised Pareto tail for rare ones."""

from __future__ import annotations

import numpy as np

from vpp.numerics.arrays import Floats
from vpp.numerics.compiled import kernel

KNOTS = 40
TAIL_PER_WEEK = 1.5
DWELL_HOURS = 6
_MOST_FORM = 0.4


@kernel
def episodes(values: Floats, level: float, dwell: int) -> int:
    """Return the number of episodes of ``values`` at or above ``level``, at most one per ``dwell`` slots."""
    count, free = 0, 0
    for t in range(values.shape[0]):
        if t >= free and values[t] >= level:
            count += 1
            free = t + dwell
    return count


@kernel
def episode_peaks(values: Floats, level: float, dwell: int) -> Floats:
    """Return the highest value of each episode that reaches ``level``."""
    peaks = np.empty(values.shape[0])
    n, t = 0, 0
    while t < values.shape[0]:
        if values[t] >= level:
            peak = values[t]
            for k in range(t, min(t + dwell, values.shape[0])):
                peak = max(peak, values[k])
            peaks[n] = peak
            n += 1
            t += dwell
        else:
            t += 1
    return peaks[:n].copy()


def level_at(values: Floats, count: float, dwell: int) -> float:
    """Return the smallest level that is reached by at most ``count`` episodes."""
    ordered = np.unique(values[~np.isnan(values)])
    if ordered.size == 0:
        return np.inf
    low, high = 0, ordered.size - 1
    if episodes(values, ordered[high], dwell) > count:
        return float(np.nextafter(ordered[high], np.inf))
    while low < high:
        middle = (low + high) // 2
        if episodes(values, ordered[middle], dwell) <= count:
            high = middle
        else:
            low = middle + 1
    return float(ordered[low])


def table_of(values: Floats, weeks: float, dwell: int) -> tuple[Floats, Floats, Floats]:
    """Return knots (levels, evidence) and the tail (threshold, scale, shape) of one member on clean data.

    Up to the level met ``TAIL_PER_WEEK`` times a week the evidence is counted, beyond it follows
    ``e = e_u + log10(1 + k (x - u) / s) / k``: a generalised Pareto tail of the episodes' peaks, fitted by probability
    weighted moments (Hosking and Wallis 1987), 0 <= k <= 0.4. A scale of -1: values repeat too much for a tail.
    """
    clean = values[~np.isnan(values)]
    levels, evidence = np.full(KNOTS, np.nan), np.full(KNOTS, np.nan)
    if clean.size < 10 * dwell:
        return np.full(KNOTS, np.inf), np.full(KNOTS, -1.5), np.array([np.inf, 0.0, 0.0])
    most = max(weeks * TAIL_PER_WEEK, 4.0)
    start = level_at(values, most, dwell)
    shares = np.linspace(0.3, 1.0, KNOTS)
    body = clean[clean <= start]
    levels = np.quantile(body, shares) if body.size else np.full(KNOTS, start)
    levels[-1] = start
    evidence = np.array([-np.log10(max(episodes(values, level, dwell), 0.5) / weeks) for level in levels])
    peaks = episode_peaks(values, start, dwell) - start
    if peaks.size < 8 or np.unique(peaks).size < 6:
        return levels, np.maximum.accumulate(evidence), np.array([start, -1.0, 0.0])
    peaks = np.sort(peaks)
    mean = float(peaks.mean())
    ranks = (np.arange(peaks.size) + 0.65) / peaks.size
    weighted = float(((1.0 - ranks) * peaks).mean())
    form = 2.0 - mean / (mean - 2.0 * weighted) if mean > 2.0 * weighted else 0.0
    form = float(np.clip(form, 0.0, _MOST_FORM))
    scale = mean * (1.0 - form)
    return levels, np.maximum.accumulate(evidence), np.array([start, max(scale, 1e-9), form])
