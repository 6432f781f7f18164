"""The net-load half of a served model: linear stages, trees on what they leave, widths; all horizons in one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from features.spec import FeatureSpec, build_spec
from models.linear import CLIP
from models.served import ErrorStart, ErrorView, NetLoadForecast
from models.stages import DERIVED, HALF_BASE_MIN, KNOWN, UNPUBLISHED, Columns
from models.trees import Trees
from models.width import Width, quantiles
from vpp.domain import Step
from vpp.errors import ModelError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StageArrays:
    """One linear stage of all horizons; ``mean``, ``sd``: shape (H, inputs); ``coefficients``: (H, groups, inputs + 1).

    Inputs of a later stage are ``DERIVED`` values of the stage before, then the columns. ``ready``: shape (H,).
    """

    columns: Indices
    mean: Array
    sd: Array
    coefficients: Array
    ready: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ServedNetLoad:
    """See the module text.

    ``stages``: by letter, as ``models.stages``. ``scale_mw``: shape (H,), spread of what they leave, the unit of the
    trees. ``tree_weight``: shape (H,). ``error_scale_mw``: shape (H,), unit of the widths. ``width_*``: (H, inputs).
    ``tables``: shape (H, 2, levels), scaled errors with the target published or not.
    """

    spec: FeatureSpec
    stages: dict[str, StageArrays]
    trees: Trees
    scale_mw: Array
    tree_weight: Array
    error_scale_mw: Array
    width_mean: Array
    width_sd: Array
    width_coefficients: Array
    tables: Array
    errors: ErrorStart
    columns: Columns = field(init=False)
    _tree_columns: Indices = field(init=False)
    _far_share: Array = field(init=False)
    _whole: Array = field(init=False)
    _tree_horizons: Indices = field(init=False)
    _scaling: dict[str, tuple[Array, Array, Array]] = field(init=False)
    _width: Width = field(init=False)

    def __post_init__(self) -> None:
        far = np.where(np.array(self.spec.horizons_min) >= HALF_BASE_MIN, 0.5, 1.0)
        object.__setattr__(self, "columns", Columns.of(self.spec))
        object.__setattr__(self, "_tree_columns", self.spec.columns("T"))
        object.__setattr__(self, "_far_share", far)
        object.__setattr__(self, "_whole", np.ones_like(far))
        object.__setattr__(self, "_tree_horizons", np.flatnonzero(self.tree_weight > 0.0))
        turned = {
            letter: (
                np.ascontiguousarray(stage.mean.T),
                np.ascontiguousarray(stage.sd.T),
                np.ascontiguousarray(stage.coefficients[:, 0].T),
            )
            for letter, stage in self.stages.items()
        }
        object.__setattr__(self, "_scaling", turned)
        width = Width.of(
            self.spec.columns("V"), self.error_scale_mw, self.width_mean, self.width_sd, self.width_coefficients
        )
        object.__setattr__(self, "_width", width)

    def forecast(self, rows: Array, now_mw: float, errors: ErrorView, groups: Indices) -> NetLoadForecast:
        """Return the forecast for one origin; see ``models.served.NetLoadPart``."""
        case = self.columns.case(rows)
        first, linear = self.linear(rows, groups, case)
        change = self._with_trees(rows, case, first, linear)
        base = rows[self.columns.base] if self.columns.base >= 0 else np.full(len(case), np.nan)
        width = self._width.of_one(rows, first, change, base, case, errors.volatility(groups))
        tables = self.tables[np.arange(len(case)), (case == UNPUBLISHED).astype(np.int64)]
        mean = now_mw + change
        return NetLoadForecast(quantiles(mean, width, tables, errors.levels), mean, width)

    def linear(self, rows: Array, groups: Indices, case: Indices) -> tuple[Array, Array]:
        """Return the change (MW) after stage A and after all linear stages, shape (H,) each."""
        first = self._stage("A", rows, np.empty((0, len(case))), (0, len(case)), groups)
        final = first.copy()
        derived = self.columns.derived(rows, first, case)
        for letter, stage in self.stages.items():
            wanted = UNPUBLISHED if letter == "U" else KNOWN
            span = (0, 0) if letter == "A" else _span(stage.ready, case, wanted)
            if span[0] == span[1]:
                continue
            left = self._stage(letter, rows, derived, span)
            start, share = (rows[self.columns.base], self._far_share) if letter == "F" else (first, self._whole)
            _take(stage.ready, case, wanted, start, share, left, final)
        return first, final

    def _stage(
        self, letter: str, rows: Array, derived: Array, span: tuple[int, int], groups: Indices | None = None
    ) -> Array:
        """Return what a stage says, shape (H,), made for the horizons of ``span`` alone.

        ``groups``: the slots of the day where it has coefficients for each.
        """
        stage, (mean, sd, pooled) = self.stages[letter], self._scaling[letter]
        beta = pooled
        if groups is not None:
            beta = np.empty(pooled.shape)
            _gather_beta(stage.coefficients, groups, beta)
        out = np.empty(rows.shape[1])
        _dot(rows, derived, stage.columns, mean, sd, beta, *span, out)
        return out

    def _with_trees(self, rows: Array, case: Indices, first: Array, linear: Array) -> Array:
        if len(self._tree_horizons) == 0:
            return linear
        derived = self.columns.derived(rows, first, case)
        inputs = np.empty((len(self._tree_horizons), self.trees.features), dtype=np.float32)
        _gather(rows, self._tree_columns, self._tree_horizons, first, derived[1], linear, inputs)
        leaves = self.trees.predict(inputs).astype(np.float64)
        out = linear.copy()
        out[self._tree_horizons] += (self.tree_weight * self.scale_mw)[self._tree_horizons] * leaves
        return out

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the part as arrays and JSON values."""
        meta = {
            "format": FORMAT, "channels": list(self.spec.channels), "step_min": self.spec.step_min,
            "spec_hash": self.spec.hash, "stages": list(self.stages),
        }  # fmt: skip
        out: dict[str, np.ndarray[Any, Any] | bytes] = {
            "meta": json.dumps(meta, sort_keys=True).encode(), "trees": self.trees.raw, "scale": self.scale_mw,
            "tree_weight": self.tree_weight, "error_scale": self.error_scale_mw, "width_mean": self.width_mean,
            "width_sd": self.width_sd, "width_coefficients": self.width_coefficients, "tables": self.tables,
            "errors_slots": self.errors.slots, "errors_recent": self.errors.recent,
        }  # fmt: skip
        for letter, stage in self.stages.items():
            out[f"{letter}_mean"], out[f"{letter}_sd"] = stage.mean, stage.sd
            out[f"{letter}_coefficients"], out[f"{letter}_ready"] = stage.coefficients, stage.ready
        return out


def net_load_from_arrays(arrays: Mapping[str, Any]) -> ServedNetLoad:
    """Return the part that ``to_arrays`` wrote.

    Raises:
        ModelError: It was made for another feature table, or by another version.
    """
    meta = json.loads(arrays["meta"])
    if meta["format"] != FORMAT:
        raise ModelError(f"format {meta['format']} of the net-load part is not {FORMAT}", hint="train again: vpp train")
    spec = build_spec(meta["channels"], Step(meta["step_min"]))
    if spec.hash != meta["spec_hash"]:
        raise ModelError(
            f"the model was made for feature table {meta['spec_hash']}, this program has {spec.hash}",
            hint="train again: vpp train",
        )
    stages = {
        letter: StageArrays(
            spec.columns(letter), arrays[f"{letter}_mean"], arrays[f"{letter}_sd"], arrays[f"{letter}_coefficients"],
            arrays[f"{letter}_ready"],
        )
        for letter in meta["stages"]
    }  # fmt: skip
    return ServedNetLoad(
        spec, stages, Trees(arrays["trees"], len(spec.columns("T")) + DERIVED), arrays["scale"], arrays["tree_weight"],
        arrays["error_scale"], arrays["width_mean"], arrays["width_sd"], arrays["width_coefficients"], arrays["tables"],
        ErrorStart(arrays["errors_slots"], arrays["errors_recent"]),
    )  # fmt: skip


def tree_inputs(
    rows: Array, columns: Indices, places: Columns, first: Array, linear: Array, case: Indices
) -> npt.NDArray[np.float32]:
    """Return the inputs of the trees, shape (n, columns + 3): the columns, A, base - A and the linear forecast - A."""
    out = np.empty((rows.shape[1], len(columns) + DERIVED), dtype=np.float32)
    out[:, : len(columns)] = rows[columns].T
    derived = places.derived(rows, first, case)
    out[:, len(columns)] = first
    out[:, len(columns) + 1] = derived[1]
    out[:, len(columns) + 2] = linear - first
    return out


@njit(cache=True)
def _gather(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    rows: Array,
    columns: Indices,
    use: Indices,
    first: Array,
    away: Array,
    linear: Array,
    out: npt.NDArray[np.float32],
) -> None:
    """Write the inputs of the trees for the horizons ``use`` into ``out``, as ``tree_inputs`` lays them out."""
    width = columns.shape[0]
    for n in range(use.shape[0]):
        h = use[n]
        for j in range(width):
            out[n, j] = rows[columns[j], h]
        out[n, width] = first[h]
        out[n, width + 1] = away[h]
        out[n, width + 2] = linear[h] - first[h]


@njit(cache=True)
def _span(ready: npt.NDArray[np.bool_], case: Indices, wanted: int) -> tuple[int, int]:
    """Return the first horizon of the wanted case and one past the last, twice the same where there is none."""
    first = last = 0
    for h in range(case.shape[0]):
        if ready[h] and case[h] == wanted:
            first = h if last == 0 else first
            last = h + 1
    return first, last


@njit(cache=True)
def _take(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    ready: npt.NDArray[np.bool_], case: Indices, wanted: int, start: Array, share: Array, left: Array, final: Array
) -> None:
    """Write ``start + share × left`` into ``final`` for the horizons of the wanted case."""
    for h in range(final.shape[0]):
        if ready[h] and case[h] == wanted:
            final[h] = start[h] + share[h] * left[h]


@njit(cache=True)
def _gather_beta(coefficients: Array, groups: Indices, out: Array) -> None:
    """Write each horizon's coefficients of its own slot of the day into ``out`` (inputs + 1, H)."""
    for h in range(out.shape[1]):
        own = coefficients[h, groups[h]]
        for j in range(out.shape[0]):
            out[j, h] = own[j]


@njit(cache=True, error_model="numpy")
def _dot(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    rows: Array, derived: Array, columns: Indices, mean: Array, sd: Array, beta: Array, low: int, high: int, out: Array
) -> None:
    """Write standardised inputs times coefficients into ``out`` (H,) at horizons ``low`` to ``high``; missing is 0.

    ``mean``, ``sd``: shape (inputs, H). ``beta``: shape (inputs + 1, H), constants last. The horizons are the inner
    loop, so that the compiler makes vectors of them; each sum runs over the inputs in order.
    """
    inputs, before = mean.shape[0], derived.shape[0]
    out[low:high] = beta[inputs, low:high]
    for j in range(inputs):
        values = derived[j] if j < before else rows[columns[j - before]]
        for h in range(low, high):
            z = (values[h] - mean[j, h]) / sd[j, h]
            clipped = min(max(z, -CLIP), CLIP)
            out[h] += 0.0 if np.isnan(z) else beta[j, h] * clipped
