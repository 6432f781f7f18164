"""Linear stages of one horizon: A without published forecasts, then a stage on the published forecasts.

Stage A is shrunk to persistence, the later ones to what came before: B (forecast known, near) and U (not yet published)
predict what A leaves, F (known, far ahead) what the bias-corrected published forecast leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features import feature_list
from features.feature_spec import FeatureSpec
from models.learners.ridge import Ridge, RidgeSettings, Scaling
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

NO_FORECAST, KNOWN, UNPUBLISHED = 0, 1, 2
"""Case of a row: nothing published, published for the target, published but not as far as the target."""

FAR_MIN = 600
HALF_BASE_MIN = 720
WIDE_KERNEL_MIN = 360
DERIVED = 3
MIN_DAYS = 28.0
MATURE_DAYS = 90
WEAK_HUBER = 9.0
"""Later stages weigh down only gross errors: their first scale, from four weeks, is too small for more."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a feature table that the stages need besides their own; -1 = the zone lacks it."""

    known: int
    base: int
    change: int
    error_now: int

    @staticmethod
    def of(spec: FeatureSpec) -> Columns:
        """Find them."""
        return Columns(
            known=spec.column(feature_list.KNOWN),
            base=spec.column(feature_list.BASE),
            change=spec.column(feature_list.PUBLISHED_CHANGE),
            error_now=spec.column(feature_list.ERROR_NOW),
        )

    def case(self, rows: Floats) -> Ints:
        """Return each row's case (see ``NO_FORECAST``); rows have shape (features, n)."""
        out = np.zeros(rows.shape[1], dtype=np.int64)
        if self.known >= 0:
            _case(rows[self.error_now], rows[self.known], rows[self.base], out)
        return out

    def derived(self, rows: Floats, first: Floats, case: Ints) -> Floats:
        """Return A, base - A and published change - A, shape (3, n); NaN if not known."""
        out = np.full((DERIVED, len(first)), np.nan)
        out[0] = first
        if self.known >= 0:
            _from_first(first, case, rows[self.base], rows[self.change], out)
        return out


@kernel
def _case(error_now: Floats, is_known: Floats, base: Floats, out: Ints) -> None:
    for n in range(out.shape[0]):
        if is_known[n] == 1.0 and not np.isnan(base[n]):
            out[n] = KNOWN
        elif not np.isnan(error_now[n]):
            out[n] = UNPUBLISHED


@kernel
def _from_first(first: Floats, case: Ints, base: Floats, change: Floats, out: Floats) -> None:
    for n in range(first.shape[0]):
        if case[n] == KNOWN:
            out[1, n] = base[n] - first[n]
            out[2, n] = change[n] - first[n]


@dataclass(frozen=True, slots=True)
class Linear:
    """Predicted change from now of n rows, MW, under the coefficients in force; ``first``: stage A alone."""

    first: Floats
    final: Floats
    case: Ints


class Stages:
    """The regressions of one horizon, trained in batches of matured rows.

    Args:
        spec: The feature table.
        horizon_min: The horizon.
        groups: Slots of the day with their own stage A.
    """

    def __init__(self, spec: FeatureSpec, horizon_min: int, groups: int) -> None:
        self.horizon_min = horizon_min
        self.columns = Columns.of(spec)
        self._letters = ["A"] if self.columns.known < 0 else ["A", "F" if horizon_min >= FAR_MIN else "B", "U"]
        self._spec = spec
        wide = horizon_min > WIDE_KERNEL_MIN
        # The farther ahead, the less a row informs: the penalty grows from 10 past six hours to 250 at a day.
        penalty = 10.0 * 25.0 ** ((horizon_min - WIDE_KERNEL_MIN) / 1080.0) if wide else 2.0
        kernel: tuple[float, ...] = (1.0, 0.7, 0.5, 0.3, 0.2) if wide else (1.0, 0.5, 0.25)
        kernel = kernel if groups >= 2 * len(kernel) else (1.0, 0.5, 0.25)[: 1 + (groups >= 5)]
        self._settings = {
            "A": RidgeSettings(730.0, penalty, groups, kernel, pooled_rows=100.0),
            "B": RidgeSettings(180.0, 30.0, huber=WEAK_HUBER),
            "F": RidgeSettings(270.0, 30.0, huber=WEAK_HUBER),
            "U": RidgeSettings(365.0, 10.0, huber=WEAK_HUBER),
        }
        self.scaling: dict[str, Scaling] = {}
        self.derived: dict[str, Scaling] = {}
        self.ridge: dict[str, Ridge] = {}
        self._days: dict[str, set[int]] = {"B": set(), "F": set(), "U": set()}

    @property
    def later(self) -> list[str]:
        """Letters of the stages after A that this horizon has."""
        return self._letters[1:]

    def ready(self, letter: str) -> bool:
        """Whether a stage has learned enough to be used."""
        is_ready = letter == "A" or len(self._days[letter]) >= MIN_DAYS
        return is_ready and letter in self.ridge and self.ridge[letter].coefficients is not None

    @property
    def is_mature(self) -> bool:
        """Whether the stage that reads published forecasts, where there is one, has seen three months of them."""
        return not self.later or len(self._days[self.later[0]]) >= MATURE_DAYS

    def learn(self, rows: Floats, change: Floats, groups: Ints, day: Floats) -> Linear:
        """Predict a batch under the coefficients in force, then add it; ``solve`` puts it in force.

        Args:
            rows: Features of matured targets, shape (features, n).
            change: Actual change from now, MW, shape (n,), none missing.
            groups: Slot of the local day of the targets, shape (n,).
            day: Time of the targets in days, shape (n,).

        Returns:
            What was predicted before the batch was learned; of the very first batch what its own coefficients say.
        """
        if "A" not in self.scaling:
            self.scaling["A"] = Scaling.of(rows, self._spec.columns("A"))
            self.ridge["A"] = Ridge(self._settings["A"], len(self.scaling["A"].columns) + 1)
        prediction = self.predict(rows, groups) if self.ready("A") else None
        design = self.scaling["A"].design(rows)
        self.ridge["A"].add(design, change, groups, day)
        if prediction is None:
            self.ridge["A"].solve()
            prediction = self.predict(rows, groups)
        for letter in self.later:
            case = UNPUBLISHED if letter == "U" else KNOWN
            take = prediction.case == case
            self._learn_later(letter, rows[:, take], change[take], prediction.first[take], day[take])
        return prediction

    def _learn_later(self, letter: str, rows: Floats, change: Floats, first: Floats, day: Floats) -> None:
        if len(change) == 0:
            return
        case = self.columns.case(rows)
        derived = self.columns.derived(rows, first, case)
        if letter not in self.scaling:
            if len(change) < 50:
                return
            self.scaling[letter] = Scaling.of(rows, self._spec.columns(letter))
            self.derived[letter] = Scaling.of(derived, np.arange(DERIVED))
            self.ridge[letter] = Ridge(self._settings[letter], self._width(letter))
        start = rows[self.columns.base] if letter == "F" else first
        self._days[letter].update(np.floor(day).astype(int).tolist())
        groups = np.zeros(len(change), dtype=np.int64)
        self.ridge[letter].add(self._design(letter, rows, derived), change - start, groups, day)

    def _width(self, letter: str) -> int:
        return len(self.scaling[letter].columns) + 1 + DERIVED

    def _design(self, letter: str, rows: Floats, derived: Floats) -> Floats:
        own_design = self.scaling[letter].design(rows)
        return np.hstack([self.derived[letter].design(derived)[:, :-1], own_design])

    def solve(self) -> None:
        """Put all that was learned in force; a later stage is used once it has seen four weeks."""
        for ridge in self.ridge.values():
            ridge.solve()

    def predict(self, rows: Floats, groups: Ints) -> Linear:
        """Return the predictions under the coefficients in force."""
        first = self.ridge["A"].predict(self.scaling["A"].design(rows), groups)
        assert first is not None
        case = self.columns.case(rows)
        final = first.copy()
        derived = self.columns.derived(rows, first, case)
        for letter in self.later:
            if not self.ready(letter):
                continue
            take = np.flatnonzero(case == (UNPUBLISHED if letter == "U" else KNOWN))
            if len(take) == 0:
                continue
            design = self._design(letter, rows[:, take], derived[:, take])
            residual = self.ridge[letter].predict(design, np.zeros(len(take), dtype=np.int64))
            assert residual is not None
            if letter == "F":
                share = 0.5 if self.horizon_min >= HALF_BASE_MIN else 1.0
                final[take] = rows[self.columns.base][take] + share * residual
            else:
                final[take] = first[take] + residual
        return Linear(first, final, case)
