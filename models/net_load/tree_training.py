"""Fits the trees on out-of-sample forecasts of the last year, and sets the weight of each horizon."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from features.feature_spec import FeatureSpec
from models.learners.boosted_trees import Trees, fit_trees
from models.net_load.interval_training import ForwardPaths
from models.net_load.residual_trees import (
    ERROR_STEPS,
    GROUPS_MIN,
    OwnInputs,
    ResidualTrees,
    TreesVerdict,
    horizon_groups,
    horizon_places,
)
from vpp.numerics.arrays import Bools, Floats, Floats32, Ints

MIN_DAYS = 150
ROUNDS, DEPTH = 150, 4
GROUP_ROWS = 24_000
MIN_LEAF_SHARE = 0.02
"""Neighbouring origins tell nearly the same, so a leaf needs a share of all rows and not a number of them."""

WEIGHTS = np.array([0.0, 0.25, 0.5])
MIN_GAIN = 0.001
FOLDS = 4
GAP_DAYS = 2
CLIP_WIDTHS = 8.0
"""Farther errors count as so far: squares of bounded errors do as well as absolute ones and train faster."""


class TreeRows:
    """Rows of the feature table for out-of-sample forecasts, evenly thinned, by horizon; for horizons with trees.

    Args:
        spec: The feature table.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self._columns = spec.columns("T")
        self._per_day = 1440 // spec.step_min
        self._group = horizon_groups(spec.horizons_min)
        sizes = np.bincount(self._group[self._group >= 0], minlength=len(GROUPS_MIN))
        self._stride = np.maximum(1, -(-sizes * 365 * self._per_day // GROUP_ROWS))
        self._parts: list[list[tuple[Ints, Floats32]]] = [[] for _ in self._group]

    def add(self, h: int, origins: Ints, rows: Floats) -> None:
        """Keep a batch of one horizon.

        Args:
            h: Number of the horizon.
            origins: Slot index of each origin, shape (n,).
            rows: Features, shape (features, n).
        """
        if self._group[h] >= 0:
            stride = int(self._stride[self._group[h]])
            # The days move the offset on, so each horizon meets every slot of the day.
            take = np.flatnonzero((origins + origins // self._per_day) % stride == h % stride)
            self._parts[h].append((origins[take], np.ascontiguousarray(rows[self._columns][:, take], dtype=np.float32)))

    def joined(self, h: int, after: int) -> tuple[Ints, Floats32]:
        """Return origins (n,) and table (columns, n) of one horizon from slot ``after`` on, and drop older rows.

        Args:
            h: Number of the horizon.
            after: First slot.
        """
        parts = self._parts[h] = [part for part in self._parts[h] if len(part[0]) and part[0][-1] >= after]
        if not parts:
            return np.empty(0, dtype=np.int64), np.empty((len(self._columns), 0), dtype=np.float32)
        origins, table = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts], axis=1)
        return origins[origins >= after], table[:, origins >= after]


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of one group: inputs (n, columns + 12), number of the horizon, origin, error and width in MW."""

    inputs: Floats32
    horizon: Ints
    origin: Ints
    error: Floats
    width: Floats


def fit_residual_trees(rows: TreeRows, paths: ForwardPaths, spec: FeatureSpec) -> ResidualTrees:
    """Return the trees of a zone, with no weight where its history is too short or they gain nothing.

    Of each horizon the weight is chosen that has the least absolute error over the folds of a cross-validation in whole
    spans of time; a gain below 0.1 % counts as none. The trees that serve are then fitted on all rows.

    Args:
        rows: Rows of the feature table for the forecasts.
        paths: The forecasts and their errors.
        spec: The feature table.
    """
    per_day, group_of = 1440 // spec.step_min, horizon_groups(spec.horizons_min)
    groups = {g: _group(rows, paths, spec, np.flatnonzero(group_of == g)) for g in sorted({*group_of.tolist()} - {-1})}
    origins = np.concatenate([np.empty(0, dtype=np.int64), *(group.origin for group in groups.values())])
    days = int(origins.max() - origins.min()) // per_day if origins.size else 0
    if days < MIN_DAYS:
        return ResidualTrees.none(spec, days, TreesVerdict.SHORT_HISTORY)
    weight, gain = np.zeros((2, len(group_of)))
    ensembles = {}
    for g, group in groups.items():
        _judge(group, per_day, weight, gain)
        if weight[group_of == g].any():
            ensembles[g] = _fit(group, np.ones(len(group.error), dtype=np.bool_))
    verdict = TreesVerdict.ACTIVE if ensembles else TreesVerdict.NO_GAIN
    return ResidualTrees(spec.horizons_min, spec.step_min, spec.columns("T"), ensembles, weight, gain, days, verdict)


def _group(rows: TreeRows, paths: ForwardPaths, spec: FeatureSpec, horizons: Ints) -> _Group:
    """Return the rows of some horizons, of which forecast, error and width are known."""
    places = horizon_places(spec.horizons_min, spec.step_min)
    parts = []
    for h in horizons.tolist():
        origins, table = rows.joined(h, paths.after)
        at = origins - paths.after
        usable = np.isfinite(paths.error[h, at]) & np.isfinite(paths.width[h, at])
        origins, table, at = origins[usable], table[:, usable], at[usable]
        own_inputs = OwnInputs(
            errors=np.stack([_at(paths.error, place, at - k) for place, k in zip(places, ERROR_STEPS, strict=True)]),
            path=np.stack([_at(paths.linear, place, at) for place in places]),
            linear=paths.linear[h, at],
            before=_at(paths.linear, h - 1, at) if h else np.zeros(len(at)),
            first=paths.first[h, at],
            width=paths.width[h, at],
        )
        parts.append((own_inputs.beside(table), np.full(len(at), h), origins, paths.error[h, at], paths.width[h, at]))
    return _Group(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _at(values: Floats, h: int, at: Ints) -> Floats:
    """Return values of horizon ``h`` at positions ``at``, NaN if there is none."""
    is_known = (at >= 0) if h >= 0 else np.zeros(len(at), dtype=np.bool_)
    return np.where(is_known, values[h, np.maximum(at, 0)], np.nan)


def _fit(group: _Group, use: Bools) -> Trees:
    target = np.clip(group.error[use] / group.width[use], -CLIP_WIDTHS, CLIP_WIDTHS)
    inputs, leaf = np.ascontiguousarray(group.inputs[use]), MIN_LEAF_SHARE * len(target)
    return fit_trees(inputs, target, rounds=ROUNDS, depth=DEPTH, min_rows=leaf)


def _judge(group: _Group, per_day: int, weight: Floats, gain: Floats) -> None:
    """Enter weight and gain of the group's horizons."""
    edges = np.linspace(group.origin.min(), group.origin.max() + 1, FOLDS + 1)
    gap = GAP_DAYS * per_day
    added = np.zeros(len(group.error))
    for low, high in itertools.pairwise(edges):
        inside = (group.origin >= low) & (group.origin < high)
        outside = (group.origin < low - gap) | (group.origin >= high + gap)
        leaves = _fit(group, outside).predict(np.ascontiguousarray(group.inputs[inside]))
        added[inside] = group.width[inside] * leaves.astype(np.float64)
    for h in np.unique(group.horizon).tolist():
        of_horizon = group.horizon == h
        costs = np.array([np.abs(group.error[of_horizon] - w * added[of_horizon]).mean() for w in WEIGHTS])
        best = int(np.argmin(costs))
        saved = 1.0 - costs[best] / costs[0] if costs[0] > 0.0 else 0.0
        if saved >= MIN_GAIN:
            weight[h], gain[h] = WEIGHTS[best], saved
