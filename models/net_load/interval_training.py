"""Learns widths, error distributions and trailing errors from forward predictions, entered as the stream does."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from features.feature_spec import FeatureSpec
from models.net_load.interval_width import EXTRA, GRID, distribution, fit_width, width_inputs, widths
from models.net_load.linear_stages import UNPUBLISHED, Linear
from models.net_load.trailing_errors import SLOT_FIELDS, groups_per_day, memories, replay_errors
from models.served import ErrorStart
from vpp.numerics.arrays import Floats, Ints

NEAR_MIN = 120
NEAR_DAYS, FAR_DAYS = 90, 150
KEEP_DAYS = 365
MIN_CASE_ROWS = 300
WARM_UP_DAYS = 10


class Forward:
    """Forward predictions of one horizon, in order of origin; each array has one entry (or column) per origin."""

    def __init__(self) -> None:
        self._parts: list[dict[str, npt.NDArray[np.float64]]] = []
        self.rows = 0

    def add(self, origins: Ints, groups: Ints, change: Floats, linear: Linear, base: Floats, inputs: Floats) -> None:
        """Keep a batch; ``inputs`` are the width model's columns of the table, shape (columns, n).

        Args:
            origins: Slot indices of the origins, shape (n,).
            groups: Slot of the day of each target, shape (n,).
            change: Actual change to the target, MW, shape (n,).
            linear: Predictions of the linear stages.
            base: Change of the base forecast, MW, shape (n,), NaN if there is none.
            inputs: Columns of the interval model, shape (columns, n).
        """
        self._parts.append(
            {
                "origin": origins.astype(float),
                "group": groups.astype(float),
                "change": change,
                "first": linear.first,
                "final": linear.final,
                "case": linear.case.astype(float),
                "base": base,
                "inputs": inputs,
            }
        )
        self.rows += len(origins)

    def score(self, after: int) -> dict[str, float]:
        """Return mean absolute errors (MW) of the linear stages and of persistence, for origins from ``after`` on."""
        parts = [p for p in self._parts if p["origin"].max() >= after]
        change = np.concatenate([p["change"] for p in parts])
        error = change - np.concatenate([p["final"] for p in parts])
        return {
            "n": len(change),
            "mae": round(float(np.abs(error).mean()), 3),
            "mae_persistence": round(float(np.abs(change).mean()), 3),
        }

    def joined(self, after: int) -> dict[str, Floats]:
        """Return the stored values of origins at or after slot ``after``, and drop older ones."""
        self._parts = [p for p in self._parts if p["origin"].max() >= after]
        return {name: np.concatenate([p[name] for p in self._parts], axis=-1) for name in self._parts[0]}


@dataclass
class Widths:
    """What ``fit_widths`` learned; shapes as in ``models.net_load.model.ServedNetLoad``."""

    scale: Floats
    mean: Floats
    sd: Floats
    coefficients: Floats
    tables: Floats
    errors: ErrorStart = field(default_factory=lambda: ErrorStart(np.empty(0), np.empty(0)))


@dataclass(frozen=True, slots=True)
class ForwardPaths:
    """The last year of forward predictions by origin, MW, shape (H, slots) each, NaN if there is none.

    ``after``: slot index of the first column. ``first``, ``linear``: change that stage A, and all linear stages, say.
    ``error``: actual - ``linear``. ``width``: scale of the error.
    """

    after: int
    first: Floats
    linear: Floats
    error: Floats
    width: Floats


def fit_widths(
    forward: list[Forward], spec: FeatureSpec, per_day: int, now: int, near: int
) -> tuple[Widths, ForwardPaths]:
    """Fit the widths of all horizons on the last year of forward predictions.

    Args:
        forward: By horizon.
        spec: The feature table.
        per_day: Slots per day.
        now: Slot index of the end of training.
        near: How many horizons the paths hold.

    Returns:
        The widths, and the forward predictions of the first horizons.
    """
    h_count = len(forward)
    steps = spec.horizon_steps
    columns = len(spec.columns("V"))
    after = now - KEEP_DAYS * per_day
    span = now - after
    parts = [f.joined(after) for f in forward]
    errors = np.full((h_count, span), np.nan)
    for h, p in enumerate(parts):
        at = p["origin"].astype(np.int64) - after
        errors[h, at[at >= 0]] = (p["change"] - p["final"])[at >= 0]
    first, linear, width = np.full((3, near, span), np.nan)
    slots = np.zeros((groups_per_day(per_day), SLOT_FIELDS, h_count))
    recent = np.zeros((4, h_count))
    out = Widths(
        np.ones(h_count),
        np.zeros((h_count, columns + EXTRA)),
        np.ones((h_count, columns + EXTRA)),
        np.zeros((h_count, columns + EXTRA + 1)),
        np.zeros((h_count, 2, len(GRID))),
    )
    for h, everything in enumerate(parts):
        origin = everything["origin"].astype(np.int64) - after
        keep = origin >= 0
        p = {name: values[..., keep] for name, values in everything.items()}
        origin, group = origin[keep], p["group"].astype(np.int64)
        before = errors[h - 1] if h else np.zeros(span)
        memory = np.maximum(memories(per_day) / _spacing(origin, span), 1.0)
        trailing = replay_errors(h, int(steps[h]), origin, group, errors[h], before, errors[0], slots, recent, memory)
        v = _fit_one(out, h, p, origin=origin, trailing=trailing, horizon_min=spec.horizons_min[h], per_day=per_day)
        if h < near:
            first[h, origin], linear[h, origin], width[h, origin] = p["first"], p["final"], out.scale[h] * v
    out.errors = ErrorStart(slots, recent)
    return out, ForwardPaths(after, first, linear, errors[:near], width)


def _spacing(origin: Ints, span: int) -> int:
    """Return by how much sparser than every slot the kept origins of a horizon are, so memories last as long.

    Two thirds of the mean distance over ``span``, and no more than the usual distance: a short history is not sparse.
    """
    if len(origin) < 2 or len(origin) * 2 >= span:
        return 1
    return max(1, min(round(span / len(origin) / 1.5), int(np.median(np.diff(origin)))))


def _fit_one(
    out: Widths, h: int, p: dict[str, Floats], *, origin: Ints, trailing: Floats, horizon_min: int, per_day: int
) -> Floats:
    """Fit one horizon into ``out`` and return v of each row."""
    error = p["change"] - p["final"]
    case = p["case"].astype(np.int64)
    out.scale[h] = max(float(np.std(error)), 1e-9)
    inputs = width_inputs(
        p["inputs"],
        np.arange(len(p["inputs"])),
        p["first"],
        p["final"],
        p["base"],
        case,
        trailing,
        np.full(len(error), out.scale[h]),
    )
    settled = origin >= origin[0] + min(WARM_UP_DAYS * per_day, (origin[-1] - origin[0]) // 4)
    scaling, coefficients = fit_width(
        inputs[:, settled], error[settled], float(out.scale[h]), origin[settled] / per_day
    )
    out.mean[h], out.sd[h], out.coefficients[h] = scaling.mean, scaling.sd, coefficients
    each_row = (np.repeat(values[:, None], len(error), axis=1) for values in (scaling.mean, scaling.sd, coefficients))
    v = widths(inputs, *each_row)
    scaled = error / (out.scale[h] * v)
    days = NEAR_DAYS if horizon_min <= NEAR_MIN else FAR_DAYS
    late = settled & (origin >= origin[-1] - days * per_day)
    for unpublished in (0, 1):
        of_case = late & ((case == UNPUBLISHED) == bool(unpublished))
        out.tables[h, unpublished] = distribution(scaled[of_case if of_case.sum() >= MIN_CASE_ROWS else late])
    return v
