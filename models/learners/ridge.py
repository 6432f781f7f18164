"""The linear engine: decayed, Huber-weighted ridge regressions as Gram matrices, by slot of the day or pooled.

Symbols: x standardised features with a constant 1, r the residual under the coefficients in force, s a robust scale.
Each row enters G = Σ w x xᵀ and c = Σ w x y with w = 0.5^(age / half-life) min(1, 1.3 s / |r|); the coefficients solve
(G + λ I) b = c. With one G per slot of the target, a slot borrows from its neighbours with the weights of ``kernel``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.learners.normal_equations import accumulate_groups, predict_rows, solve_groups
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

CLIP = 6.0
HUBER = 1.3
FEW_ROWS, ENOUGH_ROWS = 2.0, 8.0
"""Rows per input, neighbours counted, below which a slot borrows from all others, and from which it stands alone."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How features are standardised: columns of the feature matrix, their mean and standard deviation."""

    columns: Ints
    mean: Floats
    sd: Floats

    @staticmethod
    def of(rows: Floats, columns: Ints) -> Scaling:
        """Measure the columns of ``rows`` (features, n); a column that never changes, or is never there, reads as 0."""
        part = rows[columns]
        count = (~np.isnan(part)).sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.nansum(part, axis=1) / count
            sd = np.sqrt(np.nansum((part - mean[:, None]) ** 2, axis=1) / count)
        usable = (count >= 20) & (sd > 1e-9 * (np.abs(mean) + 1e-9))
        return Scaling(columns, np.where(usable, mean, 0.0), np.where(usable, sd, np.inf))

    def design(self, rows: Floats) -> Floats:
        """Return the design (n, columns + 1) of ``rows`` (features, n): missing is 0, outliers clipped, last is 1."""
        out = np.empty((rows.shape[1], len(self.columns) + 1))
        standardise(rows, self.columns, self.mean, self.sd, out)
        return out


@kernel
def standardise(rows: Floats, columns: Ints, mean: Floats, sd: Floats, out: Floats) -> None:
    """Write standardised columns of ``rows`` (features, n) into ``out`` (n, columns + 1).

    Args:
        rows: Shape (features, n), NaN = missing, replaced by the mean.
        columns: Rows of ``rows`` that are taken, shape (columns,).
        mean: Mean of each of them, shape (columns,).
        sd: Standard deviation of each of them, shape (columns,).
        out: Written: values clipped to ``CLIP`` deviations, then a column of 1, shape (n, columns + 1).
    """
    for j in range(columns.shape[0]):
        c = columns[j]
        for n in range(out.shape[0]):
            value = (rows[c, n] - mean[j]) / sd[j]
            if np.isnan(value):
                value = 0.0
            out[n, j] = min(max(value, -CLIP), CLIP)
    out[:, columns.shape[0]] = 1.0


@dataclass(frozen=True, slots=True)
class RidgeSettings:
    """``groups``: slots with their own coefficients, 1 = pooled. ``kernel``: weights of a slot itself, the next, ...

    ``pooled_rows``: how many rows of all slots together a slot borrows while it has few of its own per input.
    """

    half_life_days: float
    penalty: float
    groups: int = 1
    kernel: tuple[float, ...] = (1.0,)
    pooled_rows: float = 0.0
    huber: float = HUBER


class Ridge:
    """One regression. Rows are added in batches of time; ``solve`` refreshes ``coefficients`` (groups, features)."""

    def __init__(self, settings: RidgeSettings, features: int) -> None:
        self.settings = settings
        self._gram = np.zeros((settings.groups, features, features))
        self._cross = np.zeros((settings.groups, features))
        self._rows = 0.0
        self._scale = 0.0
        self._as_of_day: float | None = None
        self.coefficients: Floats | None = None

    @property
    def rows(self) -> float:
        """Decayed number of rows."""
        return self._rows

    def predict(self, design: Floats, groups: Ints) -> Floats | None:
        """Return predictions under the coefficients in force, or None before the first solve."""
        if self.coefficients is None:
            return None
        return predict_rows(design, self.coefficients, groups)

    def add(self, design: Floats, target: Floats, groups: Ints, day: Floats) -> None:
        """Add a batch of rows; the first one is weighted in two passes under its own coefficients.

        Args:
            design: Shape (n, features).
            target: Shape (n,), no NaN.
            groups: Slot of the day, shape (n,).
            day: Time of each row in days, not before those of earlier batches, shape (n,).
        """
        if len(target) == 0:
            return
        last = float(day.max())
        if self._as_of_day is not None:
            fade = 0.5 ** ((last - self._as_of_day) / self.settings.half_life_days)
            self._gram *= fade
            self._cross *= fade
            self._rows *= fade
        self._as_of_day = last
        decay = 0.5 ** ((last - day) / self.settings.half_life_days)
        if self.coefficients is None and self._scale == 0.0:
            backup = (self._gram.copy(), self._cross.copy(), self._rows)
            weight = decay
            for _ in range(2):
                self._gram, self._cross, self._rows = backup[0].copy(), backup[1].copy(), backup[2]
                self._enter(design, target, groups, weight)
                self.solve()
                residual = target - self._predicted(design, groups)
                self._scale = max(1.4826 * float(np.median(np.abs(residual))), 1e-9)
                weight = decay * _huber(residual, self.settings.huber * self._scale)
            self._gram, self._cross, self._rows = backup
        else:
            weight = decay * _huber(target - self._predicted(design, groups), self.settings.huber * self._scale)
        self._enter(design, target, groups, weight)

    def _predicted(self, design: Floats, groups: Ints) -> Floats:
        predicted = self.predict(design, groups)
        assert predicted is not None
        return predicted

    def _enter(self, design: Floats, target: Floats, groups: Ints, weight: Floats) -> None:
        self._rows += float(weight.sum())
        order = np.argsort(groups, kind="stable")
        edges = np.searchsorted(groups[order], np.arange(self.settings.groups + 1))
        accumulate_groups(design, target, weight, order, edges, self._gram, self._cross)

    def solve(self) -> None:
        """Refresh the coefficients."""
        weights = np.array(self.settings.kernel)
        own_rows = self._rows / self.settings.groups * (2.0 * weights.sum() - weights[0]) / self._cross.shape[1]
        need = min(max((ENOUGH_ROWS - own_rows) / (ENOUGH_ROWS - FEW_ROWS), 0.0), 1.0)
        share = need * self.settings.pooled_rows / self._rows if self._rows > 0.0 else 0.0
        self.coefficients = solve_groups(self._gram, self._cross, weights, min(share, 1.0), self.settings.penalty)


def _huber(residual: Floats, limit: float) -> Floats:
    size = np.maximum(np.abs(residual), 1e-12)
    return np.minimum(1.0, limit / size)
