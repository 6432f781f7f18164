import json

import numpy as np
import pytest
import xgboost

from models.trees import Trees, fit_trees


@pytest.fixture(scope="module")
def fitted() -> Trees:
    chance = np.random.default_rng(4)
    rows = chance.normal(size=(800, 6)).astype(np.float32)
    rows[chance.random(rows.shape) < 0.1] = np.nan
    target = np.nan_to_num(rows[:, 0]) * 3 + (np.nan_to_num(rows[:, 1]) > 0) + chance.normal(0, 0.1, 800) + 5
    return fit_trees(rows, target, np.ones(800), rounds=30, depth=4)


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
    other._base, other._nodes = Trees(json.dumps(model).encode(), 6)._base, Trees(json.dumps(model).encode(), 6)._nodes
    assert not other._agrees()


def test_the_same_rows_give_the_same_trees(fitted: Trees) -> None:
    chance = np.random.default_rng(4)
    rows = chance.normal(size=(300, 3)).astype(np.float32)
    again = [fit_trees(rows, rows[:, 0].astype(float), np.ones(300), rounds=5).raw for _ in range(2)]
    assert again[0] == again[1]


def test_contributions_sum_to_the_prediction(fitted: Trees) -> None:
    rows = np.random.default_rng(6).normal(size=(20, 6)).astype(np.float32)
    parts = fitted.contributions(rows)
    assert parts.shape == (20, 7)
    np.testing.assert_allclose(parts.sum(axis=1), fitted.predict(rows), rtol=1e-4, atol=1e-4)
