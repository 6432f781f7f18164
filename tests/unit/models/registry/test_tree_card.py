"""The card of a version says at which weight XGBoost carries each horizon, or why it carries none."""

import numpy as np
import pytest

from features.feature_list import build_spec
from models.net_load.residual_trees import ResidualTrees, TreesVerdict
from models.registry.tree_card import say_trees, tree_card
from vpp.domain import Step

SPEC = build_spec(["net_load_mw"], Step(30))


@pytest.mark.parametrize(
    ("verdict", "days", "words"),
    [
        pytest.param(TreesVerdict.SHORT_HISTORY, 98, "98 days of out-of-sample forecasts, 150 needed", id="short"),
        pytest.param(TreesVerdict.NO_GAIN, 300, "saved less than 0.1% of the error at every horizon", id="no gain"),
    ],
)
def test_trees_without_weight_say_why(verdict: TreesVerdict, days: int, words: str) -> None:
    card = tree_card(ResidualTrees.none(SPEC, days, verdict))
    assert words in say_trees(card)
    assert [row["horizon_min"] for row in card["horizons"]] == list(range(30, 361, 30))
    assert not any(row["weight"] for row in card["horizons"])


def test_trees_with_weight_say_where_and_what_they_saved() -> None:
    weight, gain = np.zeros((2, 48))
    weight[1:4], gain[1:4] = 0.5, (0.003, 0.007, 0.0055)
    trees = ResidualTrees(SPEC.horizons_min, 30, SPEC.columns("T"), {}, weight, gain, 300, TreesVerdict.ACTIVE)
    card = tree_card(trees)
    assert card["horizons"][2] == {"horizon_min": 90, "weight": 0.5, "gain": 0.007}
    message = say_trees(card)
    assert "3 horizons from 60 to 120 min" in message
    assert "0.3% to 0.7%" in message
