"""Boosted trees: fitted by XGBoost, traversed by our own kernel, which agrees bit for bit or is not used."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb
from numba import njit

Array = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Indices32 = npt.NDArray[np.int32]

_PROBES = 256


class Trees:
    """A fitted ensemble with one output.

    Args:
        raw: XGBoost's own JSON of the booster.
        features: Number of columns.

    Invariants:
        - ``exact`` says that our traversal gave XGBoost's own bits on random rows with missing values; otherwise
          XGBoost itself predicts.
    """

    def __init__(self, raw: bytes, features: int) -> None:
        self.raw = raw
        self.features = features
        self._booster: xgb.Booster | None = None
        self._base, self._nodes = _flatten(json.loads(raw))
        self.exact = self._agrees()

    def predict(self, rows: Floats32) -> Floats32:
        """Return one value per row; ``rows``: shape (n, features), C order, NaN = missing."""
        if self.exact:
            out = np.empty(len(rows), dtype=np.float32)
            traverse(rows, self._base, *self._nodes, out)
            return out
        return self._stock(rows)

    def contributions(self, rows: Floats32) -> Array:
        """Return what each column adds (exact SHAP values), shape (n, features + 1); the last column is the bias."""
        matrix = xgb.DMatrix(rows, missing=np.nan, nthread=1)
        return np.asarray(self._model().predict(matrix, pred_contribs=True), dtype=np.float64)

    def _model(self) -> xgb.Booster:
        if self._booster is None:
            self._booster = xgb.Booster(params={"nthread": 1})
            self._booster.load_model(bytearray(self.raw))
        return self._booster

    def _stock(self, rows: Floats32) -> Floats32:
        return np.asarray(self._model().inplace_predict(rows, missing=np.nan), dtype=np.float32)

    def _agrees(self) -> bool:
        chance = np.random.default_rng(7)
        rows = chance.normal(scale=3.0, size=(_PROBES, self.features)).astype(np.float32)
        split = self._nodes[0] >= 0
        # Values right at the thresholds are where a wrong comparison would show.
        column, value = self._nodes[0][split], self._nodes[1][split]
        if column.size:
            picks = chance.integers(0, column.size, size=(_PROBES, 8))
            for n in range(_PROBES):
                rows[n, column[picks[n]]] = value[picks[n]]
        rows[chance.random(rows.shape) < 0.1] = np.nan
        mine = np.empty(_PROBES, dtype=np.float32)
        traverse(rows, self._base, *self._nodes, mine)
        agree = bool(np.array_equal(mine, self._stock(rows)))
        self._booster = None if agree else self._booster
        return agree


Nodes = tuple[Indices32, Floats32, Indices32, Indices32, Indices32, Indices32]


def _flatten(model: dict[str, Any]) -> tuple[np.float32, Nodes]:
    """Return the base and the nodes of all trees: column (-1 = leaf), value, left, right, default child, roots."""
    learner = model["learner"]
    base = np.float32(json.loads(learner["learner_model_param"]["base_score"].strip("[]")))
    column: list[npt.NDArray[Any]] = []
    value, left, right, default, roots = [], [], [], [], []
    start = 0
    for tree in learner["gradient_booster"]["model"]["trees"]:
        if any(tree["split_type"]):
            raise ValueError("categorical splits are not supported")
        lefts = np.array(tree["left_children"], dtype=np.int32)
        rights = np.array(tree["right_children"], dtype=np.int32)
        leaf = lefts < 0
        column.append(np.where(leaf, -1, np.array(tree["split_indices"], dtype=np.int32)))
        value.append(np.array(tree["split_conditions"], dtype=np.float32))
        left.append(lefts + start)
        right.append(rights + start)
        default.append(np.where(np.array(tree["default_left"], dtype=bool), lefts, rights) + start)
        roots.append(start)
        start += len(lefts)
    empty = [np.empty(0, dtype=np.int32)]
    return base, (
        np.concatenate(column or empty).astype(np.int32),
        np.concatenate(value or empty).astype(np.float32),
        np.concatenate(left or empty).astype(np.int32),
        np.concatenate(right or empty).astype(np.int32),
        np.concatenate(default or empty).astype(np.int32),
        np.array(roots, dtype=np.int32),
    )


@njit(cache=True)
def traverse(  # noqa: PLR0913, PLR0917 - a compiled kernel takes plain arrays
    rows: Floats32,
    base: np.float32,
    column: Indices32,
    value: Floats32,
    left: Indices32,
    right: Indices32,
    default: Indices32,
    roots: Indices32,
    out: Floats32,
) -> None:
    """Write the ensemble's sum for each row into ``out``; float32 sums in XGBoost's order."""
    for n in range(rows.shape[0]):
        total = base
        for tree in range(roots.shape[0]):
            node = roots[tree]
            while column[node] >= 0:
                seen = rows[n, column[node]]
                if np.isnan(seen):
                    node = default[node]
                elif seen < value[node]:
                    node = left[node]
                else:
                    node = right[node]
            total = np.float32(total + value[node])
        out[n] = total


def fit_trees(rows: Floats32, target: Array, weight: Array, *, rounds: int, depth: int = 6, seed: int = 1) -> Trees:
    """Fit trees to ``target`` with squared error; one thread and a fixed seed, so the same rows give the same trees.

    Args:
        rows: Shape (n, features), NaN = missing.
        target: Shape (n,).
        weight: Shape (n,).
        rounds: Number of trees.
        depth: Depth of a tree.
        seed: Of the subsampling.
    """
    parameters = {
        "objective": "reg:squarederror", "eta": 0.06, "max_depth": depth, "subsample": 0.7, "colsample_bytree": 0.35,
        "min_child_weight": 100, "max_bin": 64, "nthread": 1, "seed": seed, "tree_method": "hist", "verbosity": 0,
    }  # fmt: skip
    matrix = xgb.QuantileDMatrix(rows, label=target, weight=weight, missing=np.nan, max_bin=64, nthread=1)
    booster = xgb.train(parameters, matrix, num_boost_round=rounds)
    return Trees(bytes(booster.save_raw("json")), rows.shape[1])
