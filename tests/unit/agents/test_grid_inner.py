"""Inside the slot: the curve followed tick by tick."""

from dataclasses import replace

import numpy as np
import pytest

from agents.grid_backtest import LP, run
from agents.grid_inner import estimate_mean, run_inside
from tests.unit.agents.test_grid_backtest import ZONE, series


@pytest.mark.parametrize(
    ("seen", "mean"),
    [
        pytest.param([], 50.0, id="nothing-seen"),
        pytest.param([60.0], (60 + 61 + 62 + 63) / 4, id="one"),
        pytest.param([60.0, np.nan, 64.0], (60 + 62 + 64 + 65) / 4, id="a-gap-is-bridged"),
        pytest.param([np.nan, 60.0], (60 + 60 + 61 + 62) / 4, id="the-first-is-missing"),
    ],
)
def test_the_slot_s_mean_is_estimated_from_what_is_seen(seen: list[float], mean: float) -> None:
    assert estimate_mean(np.array(seen, dtype=float), 4, 50.0, 1.0) == pytest.approx(mean)


def test_ticks_known_in_time_lead_to_the_curve_s_answer() -> None:
    given = replace(series(error_mw=1.0), actual_mw=series().actual_mw)
    flat = np.tile(given.actual_mw[:, None], (1, 6))
    inside = run_inside(ZONE, given, flat, engine=LP, late=0, margins=False)
    at_once = run(ZONE, given, rule="curve", engine=LP)
    assert inside.cost == pytest.approx(at_once.cost, rel=0.05)
    assert inside.soc[0].min() >= 0.05 - 1e-9
    assert inside.soc[0].max() <= 0.95 + 1e-9
