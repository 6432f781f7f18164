"""Contributions of features to a net-load forecast, over the linear stages and the trees, in MW.

A linear stage adds coefficient × standardised input; the trees add exact SHAP values (Lundberg et al. 2020, computed by
XGBoost). Both are weighted as the forecast weighs them, so ``now + Σ contributions`` is the forecast.

The trees also read the newest errors and the width of the forecast, which the stream knows. Here the errors are those
that this model's linear stages would have made, and the width follows the trailing errors at the end of training.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from features.calendar import MINUTE, Calendar
from features.compute import FeatureHistory, make_history
from features.derived_series import is_published
from models.history import known_until, with_net_load
from models.learners.ridge import CLIP
from models.net_load.linear_stages import HALF_BASE_MIN, KNOWN, UNPUBLISHED
from models.net_load.model import ServedNetLoad
from models.net_load.residual_trees import ERROR_STEPS, INPUT_NAMES, horizon_places
from models.net_load.served_stages import StageArrays
from models.net_load.trailing_errors import Residuals, groups_per_day
from vpp.domain import NET_LOAD, iso
from vpp.errors import DataError
from vpp.fleet.schema import Zone
from vpp.numerics.arrays import Floats, Ints

CONSTANT = "constant"
DERIVED_NAMES = (
    "forecast without published values",
    "published forecast minus that without",
    "published change minus that without",
)
"""Inputs that a later stage takes from the one before it."""


@dataclass(frozen=True, slots=True)
class NetLoadExplanation:
    """One forecast taken apart; ``contributions`` are MW by feature name, largest size first, and sum to the change.

    ``forecast_mw = now_mw + Σ contributions``.
    """

    slot: datetime
    horizon_min: int
    now_mw: float
    forecast_mw: float
    contributions: tuple[tuple[str, float], ...]

    def top(self, count: int) -> tuple[tuple[str, float], ...]:
        """Return the ``count`` largest contributions and the sum of all others as ``others``."""
        first, remainder = self.contributions[:count], self.contributions[count:]
        return (*first, ("others", sum(mw for _, mw in remainder))) if remainder else first


def explain_at(
    part: ServedNetLoad, frame: pd.DataFrame, zone: Zone, slot: datetime, horizon_min: int
) -> NetLoadExplanation:
    """Explain the forecast that ``part`` makes when ``slot`` closes, from a history frame.

    Args:
        part: The net-load part of a served model.
        frame: Regular UTC slot starts as index, one float column per channel, NaN missing; 45 days before ``slot``.
        zone: Its configuration.
        slot: The closed slot.
        horizon_min: The horizon.

    Raises:
        DataError: The slot is not in the frame, its net load is missing, or there is no such horizon.
    """
    rows = with_net_load(frame, zone)
    if horizon_min not in part.spec.horizons_min:
        raise DataError(f"no horizon of {horizon_min} min", hint=f"one of {part.spec.horizons_min}")
    now = float(rows[NET_LOAD].get(pd.Timestamp(slot), np.nan))
    if np.isnan(now):
        raise DataError(f"{zone.zone} has no net load at {iso(slot)}", hint="choose a slot inside the data")
    rows = rows.loc[rows.index >= pd.Timestamp(slot) - pd.Timedelta(days=50)]
    index = pd.DatetimeIndex(rows.index)
    values = {c: rows[c].to_numpy(dtype=float) if c in rows else np.full(len(rows), np.nan) for c in part.spec.channels}
    limits = {c: known_until(zone, c, index) for c in part.spec.channels if is_published(c)}
    first = zone.step.index(index[0].to_pydatetime())
    history = make_history(part.spec, values, first, limits, Calendar(zone))
    at = zone.step.index(slot) - first
    matrix, groups = _rows_at(history, at)
    newest = _newest_errors(part, history, at, rows[NET_LOAD].to_numpy(dtype=float))
    parts = contributions(part, matrix, groups, part.spec.horizons_min.index(horizon_min), newest)
    ordered = tuple(sorted(parts.items(), key=lambda item: -abs(item[1])))
    return NetLoadExplanation(slot, horizon_min, now, now + sum(parts.values()), ordered)


def _rows_at(history: FeatureHistory, at: int) -> tuple[Floats, Ints]:
    """Return the features (features, H) of the origin at position ``at``, and the slots of the day of its targets."""
    spec = history.spec
    origin, per_day = np.full(len(spec.horizons_min), at), 1440 // spec.step_min
    matrix = history.origin_rows(origin)
    history.fill_targets(matrix, origin, spec.horizon_steps)
    minutes = history.calendar[MINUTE, origin + spec.horizon_steps]
    return matrix, (minutes * groups_per_day(per_day) // 1440).astype(np.int64)


def _newest_errors(part: ServedNetLoad, history: FeatureHistory, at: int, net: Floats) -> Floats:
    """Return the errors (MW) that the linear stages make of the slot at ``at``, at each of ``ERROR_STEPS``."""
    out = np.full(len(ERROR_STEPS), np.nan)
    if len(part.trees.use) == 0:
        return out
    for n, (place, steps) in enumerate(
        zip(horizon_places(part.spec.horizons_min, part.spec.step_min), ERROR_STEPS, strict=True)
    ):
        if place >= 0 and at >= steps:
            matrix, groups = _rows_at(history, at - int(steps))
            _, linear = part.linear(matrix, groups, part.columns.case(matrix))
            out[n] = net[at] - net[at - int(steps)] - linear[place]
    return out


def contributions(part: ServedNetLoad, rows: Floats, groups: Ints, h: int, newest: Floats) -> dict[str, float]:
    """Return the contribution of each feature to the forecast change (MW) at horizon number ``h``.

    Args:
        part: The served part.
        rows: Features, shape (features, H).
        groups: Slot of the local day of each target, shape (H,).
        h: Number of the horizon.
        newest: Newest errors, as ``models.served.NetLoadRow`` has them.
    """
    case = part.columns.case(rows)
    first, linear = part.linear(rows, groups, case)
    derived = part.columns.derived(rows, first, case)
    names = part.spec.names
    base = _stage(part.stages["A"], rows, np.empty((0, rows.shape[1])), int(groups[h]), h, names)
    out = _later(part, rows, derived, int(case[h]), h, base)
    if part.trees.weight[h] > 0.0:
        trailing = Residuals(part.spec.horizons_min, 1440 // part.spec.step_min)
        trailing.start(part.errors)
        width = part.width(rows, first, linear, case, trailing.volatility(groups))
        leaves = part.trees.contributions(h, rows, newest, first, linear, width)
        labels = [*(names[c] for c in part.trees.columns), *INPUT_NAMES, CONSTANT]
        for name, mw in zip(labels, leaves.tolist(), strict=True):
            out[name] = out.get(name, 0.0) + mw
    return {name: mw for name, mw in out.items() if mw != 0.0}


def _later(
    part: ServedNetLoad, rows: Floats, derived: Floats, case: int, h: int, base: dict[str, float]
) -> dict[str, float]:
    letters = {KNOWN: ("B", "F"), UNPUBLISHED: ("U",)}.get(case, ())
    letter = next((name for name in letters if name in part.stages and part.stages[name].ready[h]), None)
    if letter is None:
        return dict(base)
    residual = _stage(part.stages[letter], rows, derived, 0, h, part.spec.names)
    if letter != "F":
        out = defaultdict(float, base)
        for name, mw in residual.items():
            out[name] += mw
        return dict(out)
    share = 0.5 if part.spec.horizons_min[h] >= HALF_BASE_MIN else 1.0
    out = defaultdict(float, {name: share * mw for name, mw in residual.items()})
    out[part.spec.names[part.columns.base]] += float(rows[part.columns.base, h])
    return dict(out)


def _stage(
    stage: StageArrays, rows: Floats, derived: Floats, group: int, h: int, names: tuple[str, ...]
) -> dict[str, float]:
    inputs = np.concatenate([derived[:, h], rows[stage.columns, h]])
    labels = [*DERIVED_NAMES[: len(derived)], *(names[c] for c in stage.columns), CONSTANT]
    z = np.clip(np.nan_to_num((inputs - stage.mean[h]) / stage.sd[h], nan=0.0), -CLIP, CLIP)
    beta = stage.coefficients[h, group]
    return dict(zip(labels, (*(z * beta[:-1]).tolist(), float(beta[-1])), strict=True))
