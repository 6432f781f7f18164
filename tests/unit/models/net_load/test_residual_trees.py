"""Which horizons have trees, of which forecasts they read errors and path, and what they add."""

import numpy as np
import pytest

from features.feature_list import build_spec
from models.learners.boosted_trees import fit_trees
from models.net_load.residual_trees import (
    INPUT_NAMES,
    ResidualTrees,
    TreesVerdict,
    horizon_groups,
    horizon_places,
    horizons_read,
)
from vpp.domain import Step, horizons_min


@pytest.mark.parametrize(
    ("step_min", "places", "sizes", "read"),
    [
        pytest.param(5, [0, 1, 3, 11], [6, 6, 4, 6], 22, id="5 min"),
        pytest.param(15, [0, 1, 3, 7], [2, 2, 4, 6], 14, id="15 min"),
        pytest.param(30, [0, 1, 3, 11], [1, 1, 4, 6], 12, id="30 min"),
        pytest.param(60, [0, 1, 3, 11], [0, 1, 2, 3], 12, id="60 min"),
    ],
)
def test_groups_and_places_follow_the_step(step_min: int, places: list[int], sizes: list[int], read: int) -> None:
    horizons = horizons_min(step_min)
    groups = horizon_groups(horizons)
    assert horizon_places(horizons, step_min).tolist() == places
    assert np.bincount(groups[groups >= 0], minlength=4).tolist() == sizes
    assert (groups[np.array(horizons) > 360] == -1).all()
    assert horizons_read(build_spec(["net_load_mw"], Step(step_min))) == read


def test_the_correction_is_weight_times_width_times_what_the_trees_say() -> None:
    spec = build_spec(["net_load_mw", "load_mw"], Step(30))
    columns, chance = spec.columns("T"), np.random.default_rng(2)
    sample = chance.normal(size=(500, len(columns) + len(INPUT_NAMES))).astype(np.float32)
    ensemble = fit_trees(sample, 0.5 * np.sign(sample[:, -1].astype(float)), rounds=10, depth=2, min_rows=5.0)
    weight = np.zeros(48)
    weight[[1, 2, 3]] = 0.5, 0.25, 0.5
    trees = ResidualTrees(
        spec.horizons_min, 30, columns, {1: ensemble, 2: ensemble}, weight, weight, 200, TreesVerdict.ACTIVE
    )
    rows, newest = chance.normal(size=(len(spec.features), 48)), chance.normal(size=4)
    first, linear = chance.normal(size=(2, 48))
    width = chance.uniform(1.0, 9.0, size=48)
    added = trees.correction(rows, newest, first, linear, width)
    says = ensemble.predict(trees.inputs(rows, newest, first, linear, width))
    np.testing.assert_array_equal(added[1:4], np.array([0.5, 0.25, 0.5]) * width[1:4] * says.astype(float))
    assert not added[np.r_[0, 4:48]].any()
    shares = trees.contributions(2, rows, newest, first, linear, width)
    assert shares.sum() == pytest.approx(added[2], rel=1e-5)
    nothing = ResidualTrees.none(spec, 3, TreesVerdict.SHORT_HISTORY)
    assert not nothing.correction(rows, newest, first, linear, width).any()
