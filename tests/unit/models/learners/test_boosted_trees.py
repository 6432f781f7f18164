import json

import numpy as np
import pytest
import xgboost

from models.learners.boosted_trees import Ensembles, Trees, fit_trees


@pytest.fixture(scope="module")
def fitted() -> Trees:
    chance = np.random.default_rng(4)
    rows = chance.normal(size=(800, 6)).astype(np.float32)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    target = np.nan_to_num(rows[:, 0]) * 3 + (np.nan_to_num(rows[:, 1]) > 0) + chance.normal(0, 0.1, 800) + 5
    return fit_trees(rows, target, rounds=30, depth=4)


def test_the_traversal_gives_the_bits_of_xgboost(fitted: Trees) -> None:
    assert fitted.exact
    chance = np.random.default_rng(5)
    rows = chance.normal(scale=2, size=(500, 6)).astype(np.float32)
    rows[chance.random(rows.shape) < 0.2] = np.nan
    booster = xgboost.Booster()
    booster.load_model(bytearray(fitted.raw))
    np.testing.assert_array_equal(fitted.predict(rows), booster.inplace_predict(rows, missing=np.nan))


def test_a_traversal_that_differs_is_not_used(fitted: Trees) -> None:
    model = json.loads(fitted.raw)
    model["learner"]["gradient_booster"]["model"]["trees"][0]["default_left"][0] ^= 1
    other = Trees(fitted.raw, 6)
    other.forest = Trees(json.dumps(model).encode(), 6).forest
    assert not other._agrees()


def test_trees_numbered_in_another_way_give_the_same_bits(fitted: Trees) -> None:
    model = json.loads(fitted.raw)
    for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
        left, right = tree["left_children"][0], tree["right_children"][0]
        new = {left: right, right: left}
        for name in ("left_children", "right_children", "split_indices", "split_conditions", "default_left"):
            values = tree[name]
            values[left], values[right] = values[right], values[left]
        tree["left_children"] = [new.get(child, child) for child in tree["left_children"]]
        tree["right_children"] = [new.get(child, child) for child in tree["right_children"]]
    other = Trees(json.dumps(model).encode(), 6)
    rows = np.random.default_rng(3).normal(size=(50, 6)).astype(np.float32)
    assert other.exact
    np.testing.assert_array_equal(other.predict(rows), fitted.predict(rows))


def test_ensembles_walked_together_give_what_each_gives(fitted: Trees) -> None:
    chance = np.random.default_rng(8)
    rows = chance.normal(size=(400, 6)).astype(np.float32)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    deeper = fit_trees(rows, np.nan_to_num(rows[:, 2]).astype(float), rounds=12, depth=6)
    plain = Trees(fitted.raw, 6)
    plain.exact = False
    wanted = np.stack([fitted.predict(rows), deeper.predict(rows), fitted.predict(rows)], axis=1)
    for members in ((fitted, deeper, fitted), (fitted, deeper, plain)):
        np.testing.assert_array_equal(Ensembles(members).predict(rows), wanted)


def test_an_ensemble_without_a_split_gives_its_base() -> None:
    rows = np.ones((300, 2), dtype=np.float32)
    flat = fit_trees(rows, np.full(300, 7.0), rounds=2)
    assert flat.exact
    np.testing.assert_allclose(flat.predict(rows[:3]), 7.0, rtol=1e-6)


def test_the_same_rows_give_the_same_trees(fitted: Trees) -> None:
    chance = np.random.default_rng(4)
    rows = chance.normal(size=(300, 3)).astype(np.float32)
    again = [fit_trees(rows, rows[:, 0].astype(float), rounds=5).raw for _ in range(2)]
    assert again[0] == again[1]


def test_contributions_sum_to_the_prediction(fitted: Trees) -> None:
    rows = np.random.default_rng(6).normal(size=(20, 6)).astype(np.float32)
    parts = fitted.contributions(rows)
    assert parts.shape == (20, 7)
    np.testing.assert_allclose(parts.sum(axis=1), fitted.predict(rows), rtol=1e-4, atol=1e-4)
