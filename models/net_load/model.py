"""The net-load half of a served model: linear stages, trees on what they leave, widths; all horizons in one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from features.feature_list import build_spec
from features.feature_spec import FeatureSpec
from models.learners.boosted_trees import Trees
from models.net_load.interval_width import Width, quantiles
from models.net_load.linear_stages import DERIVED, HALF_BASE_MIN, UNPUBLISHED, Columns
from models.net_load.served_stages import ServedStages, StageArrays
from models.served import ErrorStart, ErrorView, NetLoadForecast
from vpp.domain import Step
from vpp.errors import ModelError
from vpp.numerics.arrays import Floats, Ints
from vpp.numerics.compiled import kernel

FORMAT = 1


@dataclass(frozen=True, slots=True)
class ServedNetLoad:
    """See the module text.

    ``stages``: by letter, as ``models.net_load.linear_stages``. ``scale_mw``: shape (H,), spread of what they leave,
    the unit of the trees. ``tree_weight``: shape (H,). ``error_scale_mw``: shape (H,), unit of the widths.
    ``width_*``: (H, inputs). ``tables``: shape (H, 2, levels), scaled errors with the target published or not.
    """

    spec: FeatureSpec
    stages: dict[str, StageArrays]
    trees: Trees
    scale_mw: Floats
    tree_weight: Floats
    error_scale_mw: Floats
    width_mean: Floats
    width_sd: Floats
    width_coefficients: Floats
    tables: Floats
    errors: ErrorStart
    columns: Columns = field(init=False)
    _tree_columns: Ints = field(init=False)
    _tree_horizons: Ints = field(init=False)
    _served: ServedStages = field(init=False)
    _width: Width = field(init=False)

    def __post_init__(self) -> None:
        far = np.where(np.array(self.spec.horizons_min) >= HALF_BASE_MIN, 0.5, 1.0)
        object.__setattr__(self, "columns", Columns.of(self.spec))
        object.__setattr__(self, "_tree_columns", self.spec.columns("T"))
        object.__setattr__(self, "_tree_horizons", np.flatnonzero(self.tree_weight > 0.0))
        object.__setattr__(self, "_served", ServedStages.of(self.stages, far))
        width = Width.of(
            self.spec.columns("V"), self.error_scale_mw, self.width_mean, self.width_sd, self.width_coefficients
        )
        object.__setattr__(self, "_width", width)

    def forecast(self, rows: Floats, now_mw: float, errors: ErrorView, groups: Ints) -> NetLoadForecast:
        """Return the forecast for one origin; see ``models.served.NetLoadPart``.

        Args:
            rows: Features, shape (features, H).
            now_mw: Net load at the origin.
            errors: Trailing errors of the stream.
            groups: Slot of the day of each target, shape (H,).
        """
        case = self.columns.case(rows)
        first, linear = self.linear(rows, groups, case)
        change = self._with_trees(rows, case, first, linear)
        base = rows[self.columns.base] if self.columns.base >= 0 else np.full(len(case), np.nan)
        width = self._width.of_one(rows, first, change, base, case, errors.volatility(groups))
        tables = self.tables[np.arange(len(case)), (case == UNPUBLISHED).astype(np.int64)]
        mean = now_mw + change
        return NetLoadForecast(quantiles(mean, width, tables, errors.levels), mean, width)

    def linear(self, rows: Floats, groups: Ints, case: Ints) -> tuple[Floats, Floats]:
        """Return the change (MW) after stage A and after all linear stages, shape (H,) each."""
        first = self._served.first(rows, groups)
        derived = self.columns.derived(rows, first, case)
        return first, self._served.final(rows, derived, case, self.columns.base, first)

    def _with_trees(self, rows: Floats, case: Ints, first: Floats, linear: Floats) -> Floats:
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
            "format": FORMAT,
            "channels": list(self.spec.channels),
            "step_min": self.spec.step_min,
            "spec_hash": self.spec.hash,
            "stages": list(self.stages),
        }
        out: dict[str, np.ndarray[Any, Any] | bytes] = {
            "meta": json.dumps(meta, sort_keys=True).encode(),
            "trees": self.trees.raw,
            "scale": self.scale_mw,
            "tree_weight": self.tree_weight,
            "error_scale": self.error_scale_mw,
            "width_mean": self.width_mean,
            "width_sd": self.width_sd,
            "width_coefficients": self.width_coefficients,
            "tables": self.tables,
            "errors_slots": self.errors.slots,
            "errors_recent": self.errors.recent,
        }
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
            spec.columns(letter),
            arrays[f"{letter}_mean"],
            arrays[f"{letter}_sd"],
            arrays[f"{letter}_coefficients"],
            arrays[f"{letter}_ready"],
        )
        for letter in meta["stages"]
    }
    return ServedNetLoad(
        spec,
        stages,
        Trees(arrays["trees"], len(spec.columns("T")) + DERIVED),
        arrays["scale"],
        arrays["tree_weight"],
        arrays["error_scale"],
        arrays["width_mean"],
        arrays["width_sd"],
        arrays["width_coefficients"],
        arrays["tables"],
        ErrorStart(arrays["errors_slots"], arrays["errors_recent"]),
    )


def tree_inputs(
    rows: Floats, columns: Ints, places: Columns, first: Floats, linear: Floats, case: Ints
) -> npt.NDArray[np.float32]:
    """Return the inputs of the trees, shape (n, columns + 3): the columns, A, base - A and the linear forecast - A.

    Args:
        rows: Features, shape (features, n).
        columns: Rows of ``rows`` that the trees read, shape (columns,).
        places: Where the table keeps what the stages derive.
        first: Prediction of the first stage, MW, shape (n,).
        linear: Prediction of the last linear stage, MW, shape (n,).
        case: Case of each row, shape (n,).
    """
    out = np.empty((rows.shape[1], len(columns) + DERIVED), dtype=np.float32)
    out[:, : len(columns)] = rows[columns].T
    derived = places.derived(rows, first, case)
    out[:, len(columns)] = first
    out[:, len(columns) + 1] = derived[1]
    out[:, len(columns) + 2] = linear - first
    return out


@kernel
def _gather(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    rows: Floats,
    columns: Ints,
    use: Ints,
    first: Floats,
    away: Floats,
    linear: Floats,
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
