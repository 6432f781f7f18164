"""What a day-ahead part has learned: coefficients, trees and error distributions, kept as plain arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.price_days import Convention
from models.price_lasso import LassoFit
from models.price_ridge import RidgeFit, Scaler
from models.price_view import Floats, Ints
from models.trees import Trees

KIND = "day_ahead"
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
    """Members, their weights, trees, and errors.

    ``lassos``: one per window, None where it had too little. ``weights``: shape (members,), ridge first. ``stack``,
    ``alone``: trees, None where there was too little. ``errors``, ``tail_errors``: quantiles of scaled errors of the
    next day and of the day after on ``price_spread.GRID``, shape (24, len(GRID)).
    """

    ridge: RidgeFit
    lassos: tuple[LassoFit | None, ...]
    weights: Floats
    stack: Trees | None
    alone: Trees | None
    tail: RidgeFit
    errors: Floats
    tail_errors: Floats


@dataclass(frozen=True, slots=True)
class MemberHistory:
    """Walk-forward forecasts of the members, so that a later fit need not walk the same days again.

    ``days``: local day numbers, (d,). ``members``: (M, d, 24). ``blend``: (d, 24), NaN before there were trees.
    ``tail``: (d, 24). ``trees_of``: day number of the newest trees.
    """

    days: Ints
    members: Floats
    blend: Floats
    tail: Floats
    trees_of: int


def to_arrays(
    shape: DayAheadShape, fits: DayAheadFits, history: MemberHistory
) -> dict[str, np.ndarray[Any, Any] | bytes]:
    """Return everything as arrays and one JSON value."""
    meta: dict[str, Any] = {
        "kind": KIND,
        "shape": {name: getattr(shape, name) for name in DayAheadShape.__slots__},
        "lassos": [lasso is not None for lasso in fits.lassos],
        "trees": {
            name: None if t is None else t.features for name, t in (("stack", fits.stack), ("alone", fits.alone))
        },
        "trees_of": history.trees_of,
    }
    out: dict[str, np.ndarray[Any, Any] | bytes] = {"meta": json.dumps(meta, sort_keys=True).encode()}
    for name, ridge in (("ridge", fits.ridge), ("tail", fits.tail)):
        out |= {
            f"{name}.mean": ridge.scaler.mean,
            f"{name}.sd": ridge.scaler.sd,
            f"{name}.coefficients": ridge.coefficients,
        }
    for i, lasso in enumerate(fits.lassos):
        if lasso is not None:
            out |= {f"lasso.{i}.{part}": getattr(lasso, part) for part in _LASSO}
    for name, trees in (("stack", fits.stack), ("alone", fits.alone)):
        if trees is not None:
            out[f"trees.{name}"] = trees.raw
    out |= {"weights": fits.weights, "errors": fits.errors, "tail_errors": fits.tail_errors}
    out |= {"history.days": history.days, "history.members": history.members.astype(np.float32)}
    out |= {"history.blend": history.blend.astype(np.float32), "history.tail": history.tail.astype(np.float32)}
    return out


def from_arrays(
    arrays: Mapping[str, Any], meta: Mapping[str, Any]
) -> tuple[DayAheadShape, DayAheadFits, MemberHistory]:
    """Return what ``to_arrays`` wrote."""
    given = dict(meta["shape"])
    shape = DayAheadShape(**{**given, "channels": tuple(given["channels"]), "holidays": tuple(given["holidays"])})

    def ridge(name: str) -> RidgeFit:
        parts = (np.asarray(arrays[f"{name}.{part}"]) for part in ("mean", "sd"))
        return RidgeFit(Scaler(*parts), np.asarray(arrays[f"{name}.coefficients"]))

    def trees(name: str) -> Trees | None:
        columns = meta["trees"][name]
        return None if columns is None else Trees(bytes(arrays[f"trees.{name}"]), int(columns))

    lassos = tuple(
        LassoFit(*(np.asarray(arrays[f"lasso.{i}.{part}"]) for part in _LASSO)) if there else None
        for i, there in enumerate(meta["lassos"])
    )
    fits = DayAheadFits(
        ridge=ridge("ridge"),
        lassos=lassos,
        weights=np.asarray(arrays["weights"]),
        stack=trees("stack"),
        alone=trees("alone"),
        tail=ridge("tail"),
        errors=np.asarray(arrays["errors"]),
        tail_errors=np.asarray(arrays["tail_errors"]),
    )
    history = MemberHistory(
        days=np.asarray(arrays["history.days"]),
        members=np.asarray(arrays["history.members"], dtype=np.float64),
        blend=np.asarray(arrays["history.blend"], dtype=np.float64),
        tail=np.asarray(arrays["history.tail"], dtype=np.float64),
        trees_of=int(meta["trees_of"]),
    )
    return shape, fits, history
