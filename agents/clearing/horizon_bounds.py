"""Bounds of each asset over the horizon before optimisation: its possible and its required power."""

from __future__ import annotations

import numpy as np

from agents.assets.registry import type_of
from agents.clearing.penalties import LEVEL_NODES, deviations
from agents.clearing.problem import ClearingProblem
from vpp.numerics.arrays import Floats


def worst_excess(problem: ClearingProblem) -> Floats:
    """Return the MW (N,) by which net load exceeds the import cap in the worst node of its error, at least 0."""
    worst = problem.level_sd_mw * float(deviations(LEVEL_NODES)[-1])
    worst[0] = problem.cap_margin_mw
    return np.maximum(problem.net_mw + worst - problem.zone.limits.import_cap_mw, 0.0)


def curtailable_power(problem: ClearingProblem) -> Floats:
    """Return the MW that each load may shed and each renewable may be cut by, shape (A, N), at least 0."""
    limits = np.zeros((len(problem.assets), problem.steps))
    above = worst_excess(problem)
    for i, asset in enumerate(problem.assets):
        if problem.state.available[i]:
            limits[i] = type_of(asset).curtailable_mw(problem, i, above)
    return limits


def first_power(problem: ClearingProblem, row: int, given_mw: float) -> float:
    """Return an available asset's power at h = 0 (MW) if it is fixed to ``given_mw``: within physical limits."""
    return float(type_of(problem.assets[row]).held_mw(problem, row, np.array([given_mw]))[0])


def binding_values(problem: ClearingProblem) -> Floats:
    """Return the power that is fixed before the plan, shape (A, N), NaN where the plan is free.

    Only the contiguous fixed values from h = 0 are binding, within physical limits; an unavailable asset has 0 after
    them.
    """
    values = np.full((len(problem.assets), problem.steps), np.nan)
    for i, asset in enumerate(problem.assets):
        fixed_mw = problem.bands.fixed_mw[i]
        missing = np.isnan(fixed_mw)
        count = int(missing.argmax()) if missing.any() else len(missing)
        if count:
            values[i, :count] = type_of(asset).held_mw(problem, i, fixed_mw[:count])
        if not problem.state.available[i]:
            values[i, count:] = 0.0
    return values
