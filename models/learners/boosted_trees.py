"""Boosted trees: fitted by XGBoost, traversed by our own kernel, which agrees bit for bit or is not used."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from vpp.numerics.arrays import Floats, Floats32, Ints, Ints32
from vpp.numerics.compiled import kernel

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
        self.forest = _flatten(json.loads(raw))
        self.exact = self._agrees()

    def predict(self, rows: Floats32) -> Floats32:
        """Return one value per row; ``rows``: shape (n, features), C order, NaN = missing."""
        if self.exact and self.forest is not None:
            return _walk(self.forest, rows)[:, 0]
        return self.stock(rows)

    def contributions(self, rows: Floats32) -> Floats:
        """Return what each column adds (exact SHAP values), shape (n, features + 1); the last column is the bias."""
        matrix = xgb.DMatrix(rows, missing=np.nan, nthread=1)
        return np.asarray(self._model().predict(matrix, pred_contribs=True), dtype=np.float64)

    def _model(self) -> xgb.Booster:
        if self._booster is None:
            self._booster = xgb.Booster(params={"nthread": 1})
            self._booster.load_model(bytearray(self.raw))
        return self._booster

    def stock(self, rows: Floats32) -> Floats32:
        """Return what XGBoost itself predicts, as ``predict``."""
        return np.asarray(self._model().inplace_predict(rows, missing=np.nan), dtype=np.float32)

    def _agrees(self) -> bool:
        chance = np.random.default_rng(7)
        if self.forest is None:
            return False
        rows = chance.normal(scale=3.0, size=(_PROBES, self.features)).astype(np.float32)
        # Values right at the thresholds are where a wrong comparison would show.
        column, value = _splits(self.forest)
        if column.size:
            picks = chance.integers(0, column.size, size=(_PROBES, 8))
            for n in range(_PROBES):
                rows[n, column[picks[n]]] = value[picks[n]]
        rows[chance.random(rows.shape) < 0.1] = np.nan
        agree = bool(np.array_equal(_walk(self.forest, rows)[:, 0], self.stock(rows)))
        self._booster = None if agree else self._booster
        return agree


class Ensembles:
    """Several ensembles of the same columns, which are walked together.

    Args:
        members: At least one.
    """

    def __init__(self, members: tuple[Trees, ...]) -> None:
        self.members = members
        forests = [trees.forest for trees in members if trees.exact and trees.forest is not None]
        self._forest = _joined(forests) if len(forests) == len(members) else None

    def predict(self, rows: Floats32) -> Floats32:
        """Return one value per row and ensemble, shape (n, members); ``rows`` as ``Trees.predict``."""
        if self._forest is None:
            return np.stack([trees.predict(rows) for trees in self.members], axis=1)
        return _walk(self._forest, rows)


Forest = tuple[Floats32, int, Ints32, Ints32, Ints32, Floats32]
"""Base of each ensemble, depth, number of trees up to the end of each ensemble, root of each tree, link of each node,
and its threshold or (leaf) value.

Links and values are views of one array, so that a node is eight bytes side by side. A link holds, from the lowest bit
on: whether missing goes right, whether the node is a split, the column, and the left child less the root; the right
child follows it. A leaf's left child is itself, so that every tree can be walked ``depth`` steps. One array per field
takes 1.2 times as long to walk, with branches 1.4 to 2 times.
"""
_COLUMN_BITS = 12
_LEFT_SHIFT = _COLUMN_BITS + 2
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1


def _flatten(model: dict[str, Any]) -> Forest | None:
    """Return the trees of XGBoost's JSON; None where the children of a node do not follow one another, or are too many.

    Raises:
        ValueError: A split is categorical.
    """
    learner = model["learner"]
    base = np.array([json.loads(learner["learner_model_param"]["base_score"].strip("[]"))], dtype=np.float32)
    trees = learner["gradient_booster"]["model"]["trees"]
    if any(any(tree["split_type"]) for tree in trees):
        raise ValueError("categorical splits are not supported")

    def joined(name: str) -> npt.NDArray[Any]:
        return np.array([value for tree in trees for value in tree[name]])

    sizes = np.array([len(tree["left_children"]) for tree in trees], dtype=np.int64)
    roots = np.cumsum(sizes) - sizes
    left, column = joined("left_children").astype(np.int64), joined("split_indices").astype(np.int64)
    split = left >= 0
    follows = np.array_equal(joined("right_children")[split], left[split] + 1)
    if not follows or sizes.max(initial=0) > 1 << (31 - _LEFT_SHIFT) or column.max(initial=0) > _COLUMN_MASK:
        return None
    own = np.arange(left.size) - np.repeat(roots, sizes)
    missing_right = split & (joined("default_left") == 0)
    link = np.where(split, left, own) << _LEFT_SHIFT | np.where(split, column, 0) << 2 | split << 1 | missing_right
    nodes = _nodes(link, joined("split_conditions"))
    ends = np.array([len(trees)], dtype=np.int32)
    return base, _depth(left, roots, sizes), ends, roots.astype(np.int32), *nodes


def _nodes(links: npt.NDArray[Any], values: npt.NDArray[Any]) -> tuple[Ints32, Floats32]:
    """Return links and values side by side."""
    nodes = np.empty((links.size, 2), dtype=np.int32)
    nodes[:, 0] = links
    nodes.view(np.float32)[:, 1] = values
    return nodes[:, 0], nodes.view(np.float32)[:, 1]


def _joined(forests: list[Forest]) -> Forest:
    """Return the ensembles of several forests as one forest."""
    bases, depths, _, roots, links, values = zip(*forests, strict=True)
    first = np.cumsum([0, *(own.size for own in links)])
    trees = np.cumsum([own.size for own in roots]).astype(np.int32)
    shifted = [own + start for own, start in zip(roots, first[:-1], strict=True)]
    nodes = _nodes(np.concatenate(links), np.concatenate(values))
    return np.concatenate(bases), max(depths), trees, np.concatenate(shifted).astype(np.int32), *nodes


def _walk(forest: Forest, rows: Floats32) -> Floats32:
    out = np.empty((len(rows), forest[0].size), dtype=np.float32)
    traverse(rows, *forest, out)
    return out


def _depth(left: Ints, roots: Ints, sizes: Ints) -> int:
    """Return how many splits the longest path has; ``left``: left child less the root, -1 = leaf."""
    start = np.repeat(roots, sizes)
    level, depth = roots, -1
    while level.size:
        level, depth = level[left[level] >= 0], depth + 1
        child = start[level] + left[level]
        level = np.concatenate([child, child + 1])
    return max(depth, 0)


def _splits(forest: Forest) -> tuple[Ints32, Floats32]:
    """Return columns and thresholds of all splits."""
    *_, links, values = forest
    split = (links & 2) > 0
    return links[split] >> 2 & _COLUMN_MASK, values[split]


@kernel
def traverse(  # noqa: PLR0917 - a compiled kernel takes plain arrays
    rows: Floats32,
    bases: Floats32,
    depth: int,
    ends: Ints32,
    roots: Ints32,
    links: Ints32,
    values: Floats32,
    out: Floats32,
) -> None:
    """Write each ensemble's sum for each row into ``out``; float32 sums in XGBoost's order.

    All trees go down a level before any goes further, and no branch depends on values: so the processor need not wait
    for one node to know the next. Unsigned numbers spare the test for an index from the end.

    Args:
        rows: Inputs, shape (n, columns).
        bases: Base score of each ensemble, shape (ensembles,).
        depth: Levels of the deepest tree.
        ends: End of each ensemble in ``roots``, shape (ensembles,).
        roots: Node of each tree's root.
        links: Column, direction of missing values and first child of each node, packed.
        values: Threshold of a split or value of a leaf, shape (nodes,).
        out: Sums, shape (n, ensembles); written in place.
    """
    one, column = np.uint64(1), np.uint64(_COLUMN_MASK)
    at = np.empty(roots.shape[0], dtype=np.uint64)
    for n in range(rows.shape[0]):
        row = rows[n]
        for tree in range(roots.shape[0]):
            at[tree] = np.uint64(roots[tree])
        for _ in range(depth):
            for tree in range(roots.shape[0]):
                link = np.uint64(links[at[tree]])
                seen = row[(link >> np.uint64(2)) & column]
                right = link & one if np.isnan(seen) else np.uint64(not seen < values[at[tree]])
                left = np.uint64(roots[tree]) + (link >> np.uint64(_LEFT_SHIFT))
                at[tree] = left + (right & (link >> one))
        tree = 0
        for e in range(ends.shape[0]):
            total = bases[e]
            while tree < ends[e]:
                total = np.float32(total + values[at[tree]])
                tree += 1
            out[n, e] = total


def fit_trees(
    rows: Floats32, target: Floats, *, rounds: int, depth: int = 6, min_rows: float = 100.0, seed: int = 1
) -> Trees:
    """Fit trees to ``target`` with squared error; one thread and a fixed seed, so the same rows give the same trees.

    Args:
        rows: Shape (n, features), NaN = missing.
        target: Shape (n,).
        rounds: Number of trees.
        depth: Depth of a tree.
        min_rows: Fewest rows of a leaf.
        seed: Of the subsampling.
    """
    parameters = {
        "objective": "reg:squarederror",
        "eta": 0.06,
        "max_depth": depth,
        "subsample": 0.7,
        "colsample_bytree": 0.5,
        "min_child_weight": min_rows,
        "max_bin": 64,
        "nthread": 1,
        "seed": seed,
        "tree_method": "hist",
        "verbosity": 0,
    }
    matrix = xgb.QuantileDMatrix(rows, label=target, missing=np.nan, max_bin=64, nthread=1)
    booster = xgb.train(parameters, matrix, num_boost_round=rounds)
    return Trees(bytes(booster.save_raw("json")), rows.shape[1])
