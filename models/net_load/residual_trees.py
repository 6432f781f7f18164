"""Boosted trees on the residual of the linear stages, in units of the forecast's own width.

The mean of horizon h is ``linear_h + weight_h · width_h · f(x_h)``, where f is the ensemble of the group that h belongs
to and x holds what a ridge cannot use: levels and changes of the last hours, the errors that have just come true, and
the path and the width of the forecast itself. A weight is what cross-validation on out-of-sample forecasts gave it, 0
where the trees gained nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from features.feature_spec import FeatureSpec
from models.learners.boosted_trees import Trees
from vpp.numerics.arrays import Floats, Floats32, Ints

ERROR_STEPS = np.array([1, 2, 4, 12])
"""Steps ahead whose newest errors the trees read, and at which they see the forecast's path."""

GROUPS_MIN = (30, 60, 180, 360)
"""Longest horizon of each group with an ensemble of its own; beyond the last there are no trees."""

INPUT_NAMES = (
    *(f"error of the forecast {k} steps before" for k in ERROR_STEPS),
    *(f"forecast change to step {k}" for k in ERROR_STEPS),
    "forecast change",
    "forecast change of the last step",
    "what published values add to the forecast",
    "width of the forecast",
)
"""What the trees read besides columns of the feature table, in order."""


class TreesVerdict(StrEnum):
    """Whether the trees are used, and why not if they are not."""

    ACTIVE = "active"
    NO_GAIN = "no_gain"
    SHORT_HISTORY = "short_history"


def horizon_places(horizons_min: tuple[int, ...], step_min: int) -> Ints:
    """Return the number of the horizon of each of ``ERROR_STEPS``, -1 if there is none, shape (4,)."""
    minutes = [int(k) * step_min for k in ERROR_STEPS]
    return np.array([horizons_min.index(m) if m in horizons_min else -1 for m in minutes], dtype=np.int64)


def horizons_read(spec: FeatureSpec) -> int:
    """Return the number of first horizons whose forecasts are needed to train the trees."""
    groups = horizon_groups(spec.horizons_min)
    return int(max((groups >= 0).sum(), horizon_places(spec.horizons_min, spec.step_min).max() + 1))


def horizon_groups(horizons_min: tuple[int, ...]) -> Ints:
    """Return the number of each horizon's group, -1 beyond the last, shape (H,)."""
    group = np.searchsorted(np.array(GROUPS_MIN), np.array(horizons_min), side="left")
    return np.where(group < len(GROUPS_MIN), group, -1)


@dataclass(frozen=True, slots=True)
class OwnInputs:
    """What the trees read besides the feature table, for n rows, in MW.

    ``errors``, ``path``: shape (4, n) or (4, 1), at ``ERROR_STEPS``, NaN = unknown. ``linear``, ``before``, ``first``,
    ``width``: shape (n,): forecast change, that of the horizon before, that of stage A alone, width of the forecast.
    """

    errors: Floats
    path: Floats
    linear: Floats
    before: Floats
    first: Floats
    width: Floats

    def beside(self, table: Floats | Floats32) -> Floats32:
        """Return the inputs of the trees, shape (n, columns + 12), after the columns of the table (columns, n)."""
        columns = len(table)
        out = np.empty((table.shape[1], columns + len(INPUT_NAMES)), dtype=np.float32)
        out[:, :columns] = table.T
        out[:, columns : columns + 4] = self.errors.T
        out[:, columns + 4 : columns + 8] = self.path.T
        linear_inputs = (self.linear, self.linear - self.before, self.linear - self.first, self.width)
        for n, values in enumerate(linear_inputs, start=columns + 8):
            out[:, n] = values
        return out


@dataclass(frozen=True, slots=True)
class ResidualTrees:
    """See the module text.

    ``columns``: those of the feature table that the trees read. ``ensembles``: by number of the group, of those with a
    weight. ``weight``, ``gain``: shape (H,); the gain is the share of the mean absolute error that the trees at this
    weight saved in cross-validation, 0 if they have none. ``days``: of out-of-sample forecasts to learn from.
    ``use``: numbers of the horizons with a weight. ``near_weight``: weights of the horizons that may have one.
    """

    horizons_min: tuple[int, ...]
    step_min: int
    columns: Ints
    ensembles: Mapping[int, Trees]
    weight: Floats
    gain: Floats
    days: int
    verdict: TreesVerdict
    use: Ints = field(init=False)
    near_weight: list[float] = field(init=False)
    _places: Ints = field(init=False)
    _members: tuple[tuple[Trees, slice], ...] = field(init=False)

    def __post_init__(self) -> None:
        use = np.flatnonzero(self.weight > 0.0)
        group = horizon_groups(self.horizons_min)[use]
        ends = np.searchsorted(group, np.arange(len(GROUPS_MIN) + 1))
        members = tuple((trees, slice(int(ends[g]), int(ends[g + 1]))) for g, trees in self.ensembles.items())
        object.__setattr__(self, "use", use)
        near = horizon_groups(self.horizons_min) >= 0
        object.__setattr__(self, "near_weight", self.weight[near].tolist())
        object.__setattr__(self, "_places", horizon_places(self.horizons_min, self.step_min))
        object.__setattr__(self, "_members", members)

    @staticmethod
    def none(spec: FeatureSpec, days: int, verdict: TreesVerdict) -> ResidualTrees:
        """Return trees without effect: all weights are 0.

        Args:
            spec: The feature table.
            days: Days of out-of-sample forecasts to learn from.
            verdict: Why the trees are not used.
        """
        nothing = np.zeros(len(spec.horizons_min))
        return ResidualTrees(spec.horizons_min, spec.step_min, spec.columns("T"), {}, nothing, nothing, days, verdict)

    def inputs(self, rows: Floats, errors: Floats, first: Floats, linear: Floats, width: Floats) -> Floats32:
        """Return the inputs of the horizons ``use`` for one origin, shape (len(use), columns + 12).

        Args:
            rows: Features, shape (features, H).
            errors: Newest errors of the forecasts of ``ERROR_STEPS`` ahead, MW, NaN = unknown, shape (4,).
            first: Change that stage A predicts, MW, shape (H,).
            linear: Change that all linear stages predict, MW, shape (H,).
            width: Width of the forecast, MW, shape (H,).
        """
        use = self.use
        path = np.where(self._places >= 0, linear[self._places], np.nan)
        before = np.where(use > 0, linear[use - 1], 0.0)
        own_inputs = OwnInputs(errors[:, None], path[:, None], linear[use], before, first[use], width[use])
        return own_inputs.beside(rows[self.columns[:, None], use])

    def correction(self, rows: Floats, errors: Floats, first: Floats, linear: Floats, width: Floats) -> Floats:
        """Return the correction of the change by the trees, MW, shape (H,).

        Args:
            rows: Features, shape (features, H).
            errors: Newest errors of the forecasts of ``ERROR_STEPS`` ahead, MW, NaN = unknown, shape (4,).
            first: Change that stage A predicts, MW, shape (H,).
            linear: Change that all linear stages predict, MW, shape (H,).
            width: Width of the forecast, MW, shape (H,).
        """
        out = np.zeros(len(linear))
        if len(self.use):
            table = self.inputs(rows, errors, first, linear, width)
            for trees, part in self._members:
                use = self.use[part]
                out[use] = self.weight[use] * width[use] * trees.predict(table[part]).astype(np.float64)
        return out

    def contributions(
        self, h: int, rows: Floats, errors: Floats, first: Floats, linear: Floats, width: Floats
    ) -> Floats:
        """Return each input's contribution at horizon number ``h``, MW, shape (columns + 13,); the last is a constant.

        Exact SHAP values, weighted as ``correction`` weighs them.

        Args:
            h: Number of the horizon, one of ``use``.
            rows: Features, shape (features, H).
            errors: Newest errors of the forecasts of ``ERROR_STEPS`` ahead, MW, NaN = unknown, shape (4,).
            first: Change that stage A predicts, MW, shape (H,).
            linear: Change that all linear stages predict, MW, shape (H,).
            width: Width of the forecast, MW, shape (H,).
        """
        n = int(np.searchsorted(self.use, h))
        row = self.inputs(rows, errors, first, linear, width)[n : n + 1]
        trees = next(trees for trees, part in self._members if part.start <= n < part.stop)
        return np.asarray(self.weight[h] * width[h] * trees.contributions(row)[0])

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the trees as arrays and XGBoost's JSON; ``facts`` has the rest."""
        arrays: dict[str, np.ndarray[Any, Any] | bytes] = {"tree_weight": self.weight, "tree_gain": self.gain}
        return arrays | {f"trees_{g}": trees.raw for g, trees in self.ensembles.items()}

    def facts(self) -> dict[str, Any]:
        """Return days and verdict, as JSON values."""
        return {"days": self.days, "verdict": self.verdict.value}


def trees_from_arrays(arrays: Mapping[str, Any], facts: Mapping[str, Any], spec: FeatureSpec) -> ResidualTrees:
    """Return the trees that ``ResidualTrees.to_arrays`` wrote.

    Args:
        arrays: By name; other arrays are ignored.
        facts: As ``ResidualTrees.facts``.
        spec: The feature table.
    """
    columns = spec.columns("T")
    names = {g: f"trees_{g}" for g in range(len(GROUPS_MIN))}
    width = len(columns) + len(INPUT_NAMES)
    return ResidualTrees(
        spec.horizons_min,
        spec.step_min,
        columns,
        {g: Trees(bytes(arrays[name]), width) for g, name in names.items() if name in arrays},
        arrays["tree_weight"],
        arrays["tree_gain"],
        int(facts["days"]),
        TreesVerdict(facts["verdict"]),
    )
