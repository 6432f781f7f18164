"""Served stages against the same sums written out one horizon at a time."""

import numpy as np
import pytest

from models.learners.ridge import CLIP
from models.net_load.linear_stages import DERIVED, KNOWN, NO_FORECAST, UNPUBLISHED
from models.net_load.served_stages import ServedStages, StageArrays

FEATURES, HORIZONS, GROUPS, BASE = 12, 9, 4, 3
READY = {
    "A": np.ones(HORIZONS, dtype=np.bool_),
    "B": np.arange(HORIZONS) < 5,
    "F": np.arange(HORIZONS) >= 6,
    "U": np.arange(HORIZONS) != 7,
}


def stage(letter: str, chance: np.random.Generator) -> StageArrays:
    columns = np.sort(chance.choice(FEATURES, 5, replace=False))
    inputs = columns.size + (0 if letter == "A" else DERIVED)
    return StageArrays(
        columns,
        chance.normal(size=(HORIZONS, inputs)),
        0.05 + chance.random((HORIZONS, inputs)),
        chance.normal(size=(HORIZONS, GROUPS if letter == "A" else 1, inputs + 1)),
        READY[letter],
    )


def said(own: StageArrays, values: np.ndarray, group: int, h: int) -> float:
    z = np.clip((values - own.mean[h]) / own.sd[h], -CLIP, CLIP)
    beta = own.coefficients[h, group]
    return float(np.where(np.isnan(z), 0.0, z) @ beta[:-1] + beta[-1])


@pytest.mark.parametrize("letters", ["A", "ABFU", "AU"])
def test_each_horizon_takes_the_stage_of_its_case(letters: str) -> None:
    chance = np.random.default_rng(2)
    stages = {letter: stage(letter, chance) for letter in letters}
    rows = chance.normal(size=(FEATURES, HORIZONS))
    rows[chance.random(rows.shape) < 0.2] = np.nan
    rows[BASE] = chance.normal(size=HORIZONS)
    case = np.array([KNOWN, UNPUBLISHED, KNOWN, NO_FORECAST, UNPUBLISHED, KNOWN, KNOWN, UNPUBLISHED, KNOWN])
    groups, share = chance.integers(0, GROUPS, HORIZONS), np.linspace(0.5, 1.0, HORIZONS)
    served = ServedStages.of(stages, share)
    first = served.first(rows, groups)
    derived = np.stack([first, rows[BASE] - first, np.full(HORIZONS, np.nan)])
    final = served.final(rows, derived, case, BASE, first)
    for h in range(HORIZONS):
        a = said(stages["A"], rows[stages["A"].columns, h], int(groups[h]), h)
        assert first[h] == pytest.approx(a, rel=1e-12)
        wanted = first[h]
        for letter in letters[1:]:
            own = stages[letter]
            if own.ready[h] and case[h] == (UNPUBLISHED if letter == "U" else KNOWN):
                left = said(own, np.concatenate([derived[:, h], rows[own.columns, h]]), 0, h)
                wanted = rows[BASE, h] + share[h] * left if letter == "F" else first[h] + left
        assert final[h] == pytest.approx(wanted, rel=1e-12)
