"""A net-load part whose trees carry weight, though its history is too short for any: fitted to made-up numbers."""

import dataclasses

import numpy as np

from models.learners.boosted_trees import fit_trees
from models.net_load.model import ServedNetLoad
from models.net_load.residual_trees import INPUT_NAMES, ResidualTrees, TreesVerdict

WEIGHT = {60: 0.5, 120: 0.25, 300: 0.5}
"""Weight by horizon in minutes; each is of another group."""


def with_trees(part: ServedNetLoad) -> ServedNetLoad:
    """Return an hourly part with trees that read its features, the newest error of one step and the width."""
    columns, chance = part.spec.columns("T"), np.random.default_rng(3)
    rows = chance.normal(0.0, 1_000.0, size=(600, len(columns) + len(INPUT_NAMES))).astype(np.float32)
    newest, width = rows[:, len(columns)], rows[:, -1]
    target = rows[:, 0] / 3_000.0 + np.abs(newest) / 2_000.0 - width / 4_000.0
    signs = {1: 1.0, 2: -1.0, 3: 0.5}
    fitted = {g: fit_trees(rows, sign * target, rounds=20, depth=4, min_rows=5.0) for g, sign in signs.items()}
    weight = np.array([WEIGHT.get(minutes, 0.0) for minutes in part.spec.horizons_min])
    trees = ResidualTrees(part.spec.horizons_min, 60, columns, fitted, weight, weight / 50.0, 200, TreesVerdict.ACTIVE)
    return dataclasses.replace(part, trees=trees)
