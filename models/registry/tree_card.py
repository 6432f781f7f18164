"""XGBoost in a version's net-load forecast, from its metadata: weight of each horizon, with the reason.

The card is ``{"verdict", "days", "days_needed", "horizons": [{"horizon_min", "weight", "gain"}]}``; ``verdict`` as
``models.net_load.residual_trees.TreesVerdict``, ``gain`` the share of the mean absolute error that the trees saved in
cross-validation at this weight, 0 if they have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.net_load.residual_trees import GROUPS_MIN, ResidualTrees, TreesVerdict
from models.net_load.tree_training import MIN_DAYS, MIN_GAIN


def tree_card(trees: ResidualTrees) -> dict[str, Any]:
    """Return the card of trees."""
    rows = zip(trees.horizons_min, trees.weight.tolist(), trees.gain.tolist(), strict=True)
    return {
        "verdict": trees.verdict.value,
        "days": trees.days,
        "days_needed": MIN_DAYS,
        "horizons": [
            {"horizon_min": minutes, "weight": weight, "gain": round(gain, 5)}
            for minutes, weight, gain in rows
            if minutes <= GROUPS_MIN[-1]
        ],
    }


def say_trees(card: Mapping[str, Any]) -> str:
    """Return the card in one sentence."""
    if card["verdict"] == TreesVerdict.SHORT_HISTORY:
        return (
            f"XGBoost has no weight in net load, which is linear: {card['days']} days of out-of-sample forecasts, "
            f"{card['days_needed']} needed"
        )
    carried = [row for row in card["horizons"] if row["weight"] > 0.0]
    if not carried:
        return (
            "XGBoost has no weight in net load, which is linear: in cross-validation it saved less than "
            f"{MIN_GAIN:.1%} of the error at every horizon"
        )
    gains = [row["gain"] for row in carried]
    return (
        f"XGBoost corrects net load at {len(carried)} horizons from {carried[0]['horizon_min']} to "
        f"{carried[-1]['horizon_min']} min; in cross-validation it saved {min(gains):.1%} to {max(gains):.1%} of the "
        "error"
    )
