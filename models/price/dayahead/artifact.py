"""A trained day-ahead part: coefficients, trees and error distributions as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.learners.boosted_trees import Trees
from models.price.dayahead.day_table import Convention
from models.price.dayahead.ensemble import DayModels
from models.price.dayahead.hourly_ridge import RidgeFit, Scaler
from models.price.dayahead.intervals import DaySpreadFit
from models.price.dayahead.lear import LassoFit

KIND = "day_ahead"
_SPREAD = ("trailing", "newest", "coefficients", "table", "levels")
_LASSO = ("column_scale", "column_shift", "coefficients", "price_scale", "centre", "bounds")


@dataclass(frozen=True, slots=True)
class DayAheadShape:
    """What a part must know of its zone.

    ``channels``: those that its day table is made of. ``weight``: as ``renewables_weight``. ``holidays``: local day
    numbers, to two years after the fit.
    """

    step_min: int
    time_zone: str
    convention: Convention
    weight: float
    channels: tuple[str, ...]
    holidays: tuple[int, ...]
    floor_per_mwh: float
    cap_per_mwh: float


@dataclass(frozen=True, slots=True)
class DayAheadFits:
    """Models of the next day and of the day after (``tail``, which looks two days ahead), and how they err."""

    models: DayModels
    tail: RidgeFit
    spread: DaySpreadFit
    tail_spread: DaySpreadFit


def to_arrays(shape: DayAheadShape, fits: DayAheadFits) -> dict[str, np.ndarray[Any, Any] | bytes]:
    """Return everything as arrays and one JSON value."""
    models = fits.models
    trees = {name: t for name, t in (("stack", models.stack), ("alone", models.alone)) if t is not None}
    meta: dict[str, Any] = {
        "kind": KIND,
        "shape": {name: getattr(shape, name) for name in DayAheadShape.__slots__},
        "lassos": [lasso is not None for lasso in models.lassos],
        "trees": {name: t.features for name, t in trees.items()},
        "blend": list(models.blend),
    }
    out: dict[str, np.ndarray[Any, Any] | bytes] = {"meta": json.dumps(meta, sort_keys=True).encode()}
    for name, ridge in (("ridge", models.ridge), ("tail", fits.tail)):
        out |= {
            f"{name}.mean": ridge.scaler.mean,
            f"{name}.sd": ridge.scaler.sd,
            f"{name}.coefficients": ridge.coefficients,
        }
    for i, lasso in enumerate(models.lassos):
        if lasso is not None:
            out |= {f"lasso.{i}.{part}": getattr(lasso, part) for part in _LASSO}
    out |= {f"trees.{name}": t.raw for name, t in trees.items()}
    for name, spread in (("spread", fits.spread), ("tail_spread", fits.tail_spread)):
        out |= {f"{name}.{part}": getattr(spread, part) for part in _SPREAD}
    return out | {"weights": models.weights}


def from_arrays(arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> tuple[DayAheadShape, DayAheadFits]:
    """Return the model from the output of ``to_arrays``."""
    fields = dict(meta["shape"])
    shape = DayAheadShape(**{**fields, "channels": tuple(fields["channels"]), "holidays": tuple(fields["holidays"])})

    def ridge(name: str) -> RidgeFit:
        parts = (np.asarray(arrays[f"{name}.{part}"]) for part in ("mean", "sd"))
        return RidgeFit(Scaler(*parts), np.asarray(arrays[f"{name}.coefficients"]))

    def trees(name: str) -> Trees | None:
        columns = meta["trees"].get(name)
        return None if columns is None else Trees(bytes(arrays[f"trees.{name}"]), int(columns))

    def spread(name: str) -> DaySpreadFit:
        return DaySpreadFit(*(np.asarray(arrays[f"{name}.{part}"]) for part in _SPREAD))

    lassos = tuple(
        LassoFit(*(np.asarray(arrays[f"lasso.{i}.{part}"]) for part in _LASSO)) if lasso else None
        for i, lasso in enumerate(meta["lassos"])
    )
    stack, mix, alone = meta["blend"]
    models = DayModels(
        ridge("ridge"), lassos, np.asarray(arrays["weights"]), trees("stack"), trees("alone"), (stack, mix, alone)
    )
    return shape, DayAheadFits(models, ridge("tail"), spread("spread"), spread("tail_spread"))
