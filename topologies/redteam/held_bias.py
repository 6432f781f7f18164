"""A bias that an attacker holds for a week: the share of weeks in which the guard alarms, by the size of the bias.

Load moves by a share of mean net load within six hours and stays there; net load and totals move along. The size 0
gives the share of weeks with an alarm on data without an attack.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.guard.quarantine_kernel import LEVEL
from topologies.redteam.detection import ATTACK_HOURS, CleanRun, forged_run
from vpp.numerics.arrays import Floats
from vpp.progress import Progress

HELD_PCT = (0.0, 3.0, 6.0, 9.0, 12.0)
"""Sizes, % of mean net load."""
HELD_HOURS = 168
HELD_STARTS = 40


def held_biases(
    run: CleanRun, seed: int, progress: Progress, sizes_pct: tuple[float, ...] = HELD_PCT
) -> list[dict[str, Any]]:
    """Return for each size ``size_pct``, ``alarmed_pct``, ``median_h`` (None: no alarm) and ``n``; none without weeks.

    Args:
        run: The clean run; a start counts if its week is whole and has no alarm just before it.
        seed: Seed of the signs.
        progress: Called with the share done (0-1) and the name of the current part.
        sizes_pct: Sizes, % of mean net load.
    """
    step_min = run.parts[0].layout.step.minutes
    slots, moving = HELD_HOURS * 60 // step_min, ATTACK_HOURS * 60 // step_min
    net_mw = float(np.nanmean(np.abs(run.truth[run.parts[0].shape.net, run.begin :])))
    usable = [n for n, start in enumerate(run.starts) if _is_whole(run, start, slots)]
    numbers = usable[:: max(len(usable) // HELD_STARTS, 1)][:HELD_STARTS]
    share = np.minimum(np.arange(1, slots + 1) / moving, 1.0)
    rows = []
    for k, size_pct in enumerate(sizes_pct if numbers else ()):
        progress(k / len(sizes_pct), f"a bias of {size_pct:g} % held for a week")
        hours = [_first_alarm_h(run, number, size_pct / 100.0 * net_mw * share, seed) for number in numbers]
        alarms = [hour for hour in hours if hour is not None]
        rows.append(
            {
                "size_pct": size_pct,
                "alarmed_pct": round(100.0 * len(alarms) / len(hours), 1),
                "median_h": round(float(np.median(alarms)), 1) if alarms else None,
                "n": len(hours),
            }
        )
    return rows


def _is_whole(run: CleanRun, start: int, slots: int) -> bool:
    whole = start + slots < run.truth.shape[1] and np.isfinite(run.truth[:, start : start + slots]).all()
    return bool(whole) and not run.outputs[start - run.begin - 1, LEVEL] > 0.0


def _first_alarm_h(run: CleanRun, number: int, bias_mw: Floats, seed: int) -> float | None:
    """Return the hours from the start to the first alarm."""
    start = run.starts[number]
    sign = 1.0 if np.random.default_rng((seed, number)).random() < 0.5 else -1.0
    forged = {0: run.truth[0, start : start + len(bias_mw)] + sign * bias_mw}
    alarms = np.flatnonzero(forged_run(run, number, forged, moves_total=True)[:, LEVEL] > 0.0)
    return (float(alarms[0]) + 1.0) * run.parts[0].layout.step.minutes / 60.0 if alarms.size else None
