"""The net-load part of a served model: linear stages, trees on their residual, widths; all horizons in one call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from features.feature_list import build_spec
from features.feature_spec import FeatureSpec
from models.net_load.interval_width import Width, quantiles
from models.net_load.linear_stages import HALF_BASE_MIN, UNPUBLISHED, Columns
from models.net_load.residual_trees import ResidualTrees, trees_from_arrays
from models.net_load.served_stages import ServedStages, StageArrays
from models.served import ErrorStart, NetLoadForecast, NetLoadRow
from vpp.domain import Step
from vpp.errors import ModelError
from vpp.numerics.arrays import Floats, Ints

FORMAT = 2


@dataclass(frozen=True, slots=True)
class ServedNetLoad:
    """See the module text.

    ``stages``: by letter, as ``models.net_load.linear_stages``. ``error_scale_mw``: shape (H,), unit of the widths.
    ``width_*``: (H, inputs). ``tables``: shape (H, 2, levels), scaled errors with the target published or not.
    """

    spec: FeatureSpec
    stages: dict[str, StageArrays]
    trees: ResidualTrees
    error_scale_mw: Floats
    width_mean: Floats
    width_sd: Floats
    width_coefficients: Floats
    tables: Floats
    errors: ErrorStart
    columns: Columns = field(init=False)
    _served: ServedStages = field(init=False)
    _width: Width = field(init=False)

    def __post_init__(self) -> None:
        far = np.where(np.array(self.spec.horizons_min) >= HALF_BASE_MIN, 0.5, 1.0)
        object.__setattr__(self, "columns", Columns.of(self.spec))
        object.__setattr__(self, "_served", ServedStages.of(self.stages, far))
        width = Width.of(
            self.spec.columns("V"), self.error_scale_mw, self.width_mean, self.width_sd, self.width_coefficients
        )
        object.__setattr__(self, "_width", width)

    def forecast(self, row: NetLoadRow) -> NetLoadForecast:
        """Return the forecast for one origin."""
        rows = row.rows
        case = self.columns.case(rows)
        first, linear = self.linear(rows, row.groups, case)
        width = self.width(rows, first, linear, case, row.volatility)
        mean = row.now_mw + linear + self.trees.correction(rows, row.newest, first, linear, width)
        tables = self.tables[np.arange(len(case)), (case == UNPUBLISHED).astype(np.int64)]
        levels = quantiles(mean, width, tables, row.levels)
        return NetLoadForecast(levels, mean, width, self.trees.near_weight)

    def linear(self, rows: Floats, groups: Ints, case: Ints) -> tuple[Floats, Floats]:
        """Return the change (MW) after stage A and after all linear stages, shape (H,) each."""
        first = self._served.first(rows, groups)
        derived = self.columns.derived(rows, first, case)
        return first, self._served.final(rows, derived, case, self.columns.base, first)

    def width(self, rows: Floats, first: Floats, linear: Floats, case: Ints, volatility: Floats) -> Floats:
        """Return the width (H,) of the linear forecast, MW, which the trees do not change.

        Args:
            rows: Features, shape (features, H).
            first: Change that stage A predicts, MW, shape (H,).
            linear: Change that all linear stages predict, MW, shape (H,).
            case: As ``models.net_load.linear_stages``.
            volatility: Trailing mean absolute errors, MW, shape (5, H).
        """
        base = rows[self.columns.base] if self.columns.base >= 0 else np.full(len(case), np.nan)
        return self._width.of_one(rows, first, linear, base, case, volatility)

    def to_arrays(self) -> dict[str, np.ndarray[Any, Any] | bytes]:
        """Return the part as arrays and JSON values."""
        meta = {
            "format": FORMAT,
            "channels": list(self.spec.channels),
            "step_min": self.spec.step_min,
            "spec_hash": self.spec.hash,
            "stages": list(self.stages),
            "trees": self.trees.facts(),
        }
        out: dict[str, np.ndarray[Any, Any] | bytes] = {
            "meta": json.dumps(meta, sort_keys=True).encode(),
            "error_scale": self.error_scale_mw,
            "width_mean": self.width_mean,
            "width_sd": self.width_sd,
            "width_coefficients": self.width_coefficients,
            "tables": self.tables,
            "errors_slots": self.errors.slots,
            "errors_recent": self.errors.recent,
        }
        out |= self.trees.to_arrays()
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
        trees_from_arrays(arrays, meta["trees"], spec),
        arrays["error_scale"],
        arrays["width_mean"],
        arrays["width_sd"],
        arrays["width_coefficients"],
        arrays["tables"],
        ErrorStart(arrays["errors_slots"], arrays["errors_recent"]),
    )
