"""Trees are fitted on what the served forecast missed, read what is served, and get the weight that they earn."""

from collections.abc import Callable

import numpy as np
import pytest

from features.feature_list import build_spec
from features.feature_spec import FeatureSpec
from models.learners.boosted_trees import fit_trees
from models.net_load import tree_training
from models.net_load.interval_training import ForwardPaths
from models.net_load.residual_trees import ERROR_STEPS, TreesVerdict, horizon_places, horizons_read
from models.net_load.tree_training import MIN_DAYS, TreeRows, fit_residual_trees
from vpp.domain import Step

SPEC = build_spec(["net_load_mw", "load_mw", "solar_mw"], Step(60))
NEAR = horizons_read(SPEC)
AFTER = 440_000


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty trees learn such plain signals as well."""
    monkeypatch.setattr(tree_training, "ROUNDS", 30)


def history(days: int, signal: Callable[[np.ndarray, int], np.ndarray]) -> tuple[TreeRows, ForwardPaths]:
    """Out-of-sample forecasts whose errors are noise plus ``signal(newest error of one step, horizon number)``."""
    chance, slots = np.random.default_rng(5), days * 24
    width = chance.uniform(50.0, 150.0, size=(NEAR, slots))
    error = width * chance.normal(0.0, 1.0, size=(NEAR, slots))
    newest = np.concatenate([[0.0], error[0, :-1]])
    for h in range(1, 6):
        error[h] += signal(newest, h)
    first, linear = chance.normal(0.0, 500.0, size=(2, NEAR, slots))
    paths = ForwardPaths(AFTER, first, linear, error, width)
    rows, origins = TreeRows(SPEC), np.arange(AFTER, AFTER + slots)
    for h in range(NEAR):
        rows.add(h, origins, chance.normal(0.0, 1.0, size=(len(SPEC.features), slots)))
    return rows, paths


def test_a_horizon_gets_the_weight_that_it_earns() -> None:
    rows, paths = history(200, lambda newest, h: 300.0 * np.sign(newest) * (np.abs(newest) > 60.0) * (h >= 3))
    trees = fit_residual_trees(rows, paths, SPEC)
    assert trees.verdict is TreesVerdict.ACTIVE
    assert 198 <= trees.days <= 200
    assert trees.weight[3:6].tolist() == [0.5, 0.5, 0.5]
    assert (trees.gain[3:6] > 0.1).all()
    assert not trees.weight[6:].any()
    assert trees.weight[:3].max() < 0.5
    assert all(one.exact for one in trees.ensembles.values())


def test_without_a_gain_there_is_no_weight() -> None:
    trees = fit_residual_trees(*history(200, lambda newest, h: 0.0 * newest), SPEC)
    assert trees.gain.max() < 0.01
    assert (trees.weight > 0.0).sum() <= 2


def test_a_short_history_makes_no_trees() -> None:
    rows, paths = history(MIN_DAYS - 1, lambda newest, h: 300.0 * np.sign(newest))
    trees = fit_residual_trees(rows, paths, SPEC)
    assert (trees.verdict, trees.days, dict(trees.ensembles)) == (TreesVerdict.SHORT_HISTORY, MIN_DAYS - 2, {})
    assert not trees.weight.any()


def test_training_and_serving_read_the_same_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(rows: np.ndarray, target: np.ndarray, **settings: object) -> object:
        seen.append(rows)
        return fit_trees(rows, target, rounds=2, min_rows=5.0)

    monkeypatch.setattr(tree_training, "fit_trees", spy)
    table = np.random.default_rng(8).normal(0.0, 1.0, size=(len(SPEC.features), 200 * 24))
    _, paths = history(200, lambda newest, h: 300.0 * np.sign(newest))
    rows = TreeRows(SPEC)
    origins = np.arange(AFTER, AFTER + 200 * 24)
    for h in range(NEAR):
        rows.add(h, origins, table)
    trees = fit_residual_trees(rows, paths, SPEC)
    whole = {inputs.tobytes() for block in seen for inputs in block}
    for at in (0, 7, 500, 4000):
        served = trees.inputs(*_of_origin(SPEC, paths, table, at))
        # Of the farthest group only every second row is learned from.
        assert {row.tobytes() for row, h in zip(served, trees.use, strict=True) if h < 3} <= whole


def _of_origin(spec: FeatureSpec, paths: ForwardPaths, table: np.ndarray, at: int) -> tuple[np.ndarray, ...]:
    """What the stream knows when the slot at ``at`` closes: features, newest errors, both stages and the width."""
    horizons = len(spec.horizons_min)

    def padded(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values[:, at], np.full(horizons - NEAR, np.nan)])

    places = horizon_places(spec.horizons_min, spec.step_min)
    newest = np.array(
        [paths.error[place, at - k] if at >= k else np.nan for place, k in zip(places, ERROR_STEPS, strict=True)]
    )
    rows = np.repeat(table[:, at : at + 1], horizons, axis=1)
    return rows, newest, padded(paths.first), padded(paths.linear), padded(paths.width)
