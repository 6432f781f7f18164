"""Boosted trees: fitted by XGBoost, predicted by our kernel if it matches XGBoost bit for bit, else by XGBoost."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xgboost as xgb

from vpp.numerics.arrays import Floats, Floats32, Ints, Ints32
from vpp.numerics.compiled import kernel

_PROBES = 256

Nodes = npt.NDArray[np.void]
"""Nodes of trees, of type ``NODE``."""


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
        self.forest = _forest(json.loads(raw))
        self.exact = self._agrees()

    def predict(self, rows: Floats32) -> Floats32:
        """Return one value per row; ``rows``: shape (n, features), C order, NaN = missing."""
        if self.exact:
            return _walk(self.forest, rows)[:, 0]
        return self.stock(rows)

    def contributions(self, rows: Floats32) -> Floats:
        """Return the exact SHAP values of each column, shape (n, features + 1); the last column is the bias."""
        matrix = xgb.DMatrix(rows, missing=np.nan, nthread=1)
        return np.asarray(self._model().predict(matrix, pred_contribs=True), dtype=np.float64)

    def _model(self) -> xgb.Booster:
        if self._booster is None:
            self._booster = xgb.Booster(params={"nthread": 1})
            self._booster.load_model(bytearray(self.raw))
        return self._booster

    def stock(self, rows: Floats32) -> Floats32:
        """Return the predictions of XGBoost itself, in the form of ``predict``."""
        return np.asarray(self._model().inplace_predict(rows, missing=np.nan), dtype=np.float32)

    def _agrees(self) -> bool:
        chance = np.random.default_rng(7)
        rows = chance.normal(scale=3.0, size=(_PROBES, self.features)).astype(np.float32)
        # Values right at the thresholds are where a wrong comparison would show.
        splits = _splits(self.forest.nodes)
        if splits.size:
            picks = chance.integers(0, splits.size, size=(_PROBES, 8))
            for n in range(_PROBES):
                rows[n, splits["column"][picks[n]]] = splits["value"][picks[n]]
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
        is_exact = all(trees.exact for trees in members)
        self._forest = _joined([trees.forest for trees in members]) if is_exact else None

    def predict(self, rows: Floats32) -> Floats32:
        """Return one value per row and ensemble, shape (n, members); ``rows`` as ``Trees.predict``."""
        if self._forest is None:
            return np.stack([trees.predict(rows) for trees in self.members], axis=1)
        return _walk(self._forest, rows)


NODE = np.dtype(
    [
        ("column", np.int32),
        ("value", np.float32),
        ("left", np.int32),
        ("right", np.int32),
        ("missing", np.int32),
    ]
)
"""A node of a tree: a split's column and threshold, or a leaf's value, and the nodes that follow.

``left`` follows where the column is below the threshold, ``right`` where it is not, ``missing`` where it is NaN. A leaf
follows itself, so every tree can be walked ``depth`` steps. The fields of a node are side by side in memory: one
array per field takes 1.2 to 4 times as long to walk.
"""


class Forest(NamedTuple):
    """Ensembles of the same columns, ready to walk."""

    bases: Floats32
    """Base score of each ensemble, shape (ensembles,)."""
    ends: Ints32
    """Number of trees up to the end of each ensemble, shape (ensembles,)."""
    roots: Ints32
    """First node of each tree, shape (trees,)."""
    nodes: Nodes
    """Nodes of all trees, one tree after another."""
    depth: int
    """Splits on the longest path."""


def _forest(model: dict[str, Any]) -> Forest:
    """Return the trees of XGBoost's JSON.

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
    root = np.repeat(roots, sizes)
    node = np.arange(root.size)
    split = joined("left_children") >= 0
    nodes = np.empty(node.size, dtype=NODE)
    nodes["column"] = np.where(split, joined("split_indices"), 0)
    nodes["value"] = joined("split_conditions")
    nodes["left"] = np.where(split, root + joined("left_children"), node)
    nodes["right"] = np.where(split, root + joined("right_children"), node)
    nodes["missing"] = np.where(joined("default_left") == 1, nodes["left"], nodes["right"])
    ends = np.array([len(trees)], dtype=np.int32)
    return Forest(base, ends, roots.astype(np.int32), nodes, _depth(nodes, roots))


def _joined(forests: list[Forest]) -> Forest:
    """Return the ensembles of several forests as one forest."""
    sizes = [forest.nodes.size for forest in forests]
    starts = np.cumsum(sizes) - sizes
    nodes = np.concatenate([forest.nodes for forest in forests])
    for field in ("left", "right", "missing"):
        nodes[field] += np.repeat(starts, sizes)
    return Forest(
        bases=np.concatenate([forest.bases for forest in forests]),
        ends=np.cumsum([forest.roots.size for forest in forests]).astype(np.int32),
        roots=np.concatenate([forest.roots + start for forest, start in zip(forests, starts, strict=True)]),
        nodes=nodes,
        depth=max(forest.depth for forest in forests),
    )


def _walk(forest: Forest, rows: Floats32) -> Floats32:
    out = np.empty((len(rows), forest.bases.size), dtype=np.float32)
    traverse(rows, *forest, out)
    return out


def _depth(nodes: Nodes, roots: Ints) -> int:
    """Return the number of splits of the longest path."""
    level, depth = roots, -1
    while level.size:
        level = level[nodes["left"][level] != level]
        level = np.concatenate([nodes["left"][level], nodes["right"][level]])
        depth += 1
    return max(depth, 0)


def _splits(nodes: Nodes) -> Nodes:
    """Return the nodes that are no leaf."""
    return np.compress(nodes["left"] != np.arange(nodes.size), nodes)


@kernel
def traverse(  # noqa: PLR0917 - a named tuple would take as long to pass as a tree to walk
    rows: Floats32, bases: Floats32, ends: Ints32, roots: Ints32, nodes: Nodes, depth: int, out: Floats32
) -> None:
    """Write each ensemble's sum for each row into ``out``; float32 sums in XGBoost's order.

    All trees go down a level before any goes further, and no branch depends on values: so the processor need not wait
    for one node to know the next. Unsigned numbers spare the test for an index from the end.

    Args:
        rows: Inputs, shape (n, columns), NaN = missing.
        bases: As ``Forest``, shape (ensembles,).
        ends: As ``Forest``, shape (ensembles,).
        roots: As ``Forest``, shape (trees,).
        nodes: As ``Forest``.
        depth: As ``Forest``.
        out: Sums, shape (n, ensembles); written in place.
    """
    at = np.empty(roots.shape[0], dtype=np.uint64)
    for n in range(rows.shape[0]):
        row = rows[n]
        for tree in range(roots.shape[0]):
            at[tree] = roots[tree]
        for _ in range(depth):
            for tree in range(roots.shape[0]):
                node = nodes[at[tree]]
                value = row[np.uint64(node.column)]
                child = node.left if value < node.value else node.right
                at[tree] = np.uint64(node.missing if np.isnan(value) else child)
        tree = 0
        for e in range(ends.shape[0]):
            total = bases[e]
            while tree < ends[e]:
                total = np.float32(total + nodes[at[tree]].value)
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
