from datetime import UTC, datetime

import numpy as np
import pytest

from models.forecast.scoreboard import LEVELS, Scoreboard, score_rows
from models.forecast.scoring import drift_alert, skill_message
from models.forecast.waiting_forecasts import WaitingForecasts

STEPS = np.array([1, 2])


def waiting() -> WaitingForecasts:
    made = WaitingForecasts(STEPS)
    quantiles = np.array([[90, 92, 95, 100, 105, 108, 110], [80, 85, 90, 100, 110, 115, 120]], dtype=float)
    made.put(10, 98.0, quantiles, np.array([100.0, 100.0]), by_model=True)
    return made


def scored(made: WaitingForecasts, index: int, actual: float) -> np.ndarray:
    sums = np.zeros((2, 5))
    score_rows(index, actual, STEPS, made.origin, made.now, made.quantiles, LEVELS, sums)
    return sums


def test_a_forecast_counts_when_its_target_has_come() -> None:
    sums = scored(waiting(), 11, 107.0)
    pinball = np.mean([0.05 * 17, 0.1 * 15, 0.25 * 12, 0.5 * 7, 0.75 * 2, 0.1 * 1, 0.05 * 3])
    assert sums[0] == pytest.approx([1, 7.0, 9.0, pinball, 1])
    assert sums[1] == pytest.approx(np.zeros(5))


def test_outside_the_band_is_not_covered() -> None:
    assert scored(waiting(), 12, 79.0)[1] == pytest.approx([1, 21.0, 19.0, scored(waiting(), 12, 79.0)[1, 3], 0])


def test_a_row_that_holds_another_origin_is_not_scored() -> None:
    made = waiting()
    assert scored(made, 11 + made.rows, 100.0).sum() == 0.0


def test_an_origin_without_actual_is_left_out() -> None:
    made = waiting()
    made.now[:] = np.nan
    assert scored(made, 11, 100.0).sum() == 0.0


def test_the_window_holds_its_last_days_only() -> None:
    board = Scoreboard("s", 2, days=3)
    for day in range(100, 105):
        board.of_day(day)[:, 0] += 1
    assert board.window(104)[0, 0] == 3
    assert board.window(103)[0, 0] == 2


def test_scores_are_kept_by_day_and_today_apart() -> None:
    saved_state: dict[str, bytes] = {}
    board = Scoreboard("s", 2, days=3)
    for day in range(100, 104):
        board.of_day(day)[1] += float(day)
        changes = board.changes()
        assert set(changes) == (set() if day == 100 else {f"s:{(day - 1) % 3}"})
        saved_state.update(changes)
        other = Scoreboard("s", 2, days=3)
        other.load(board.record(), saved_state.get)
        np.testing.assert_array_equal(other.window(day), board.window(day))
    other.of_day(104)[:] += 1.0
    assert set(other.changes()) == {"s:1"}


def test_skill_is_the_mean_of_the_sums_and_leaves_empty_horizons_out() -> None:
    sums = np.array([[4.0, 20.0, 40.0, 10.0, 3.0], np.zeros(5)])
    at = datetime(2022, 1, 1, tzinfo=UTC)
    skill = skill_message("Z", at, "net_load", (30, 60), sums, 4)
    assert skill is not None
    assert (skill.horizon_min, skill.n) == ([30], [4])
    assert (skill.mae, skill.mae_persistence, skill.pinball, skill.coverage_90) == ([5.0], [10.0], [2.5], [0.75])
    assert skill_message("Z", at, "net_load", (30, 60), np.zeros((2, 5)), 4) is None


LATE = datetime(2022, 1, 1, 23, 30, tzinfo=UTC)
TOO_OFTEN, NO_SKILL = "actuals leave the 90 % interval too often", "forecasts are worse than persistence"


@pytest.mark.parametrize(
    ("covered", "before", "says"),
    [
        pytest.param(46, 44, None, id="healthy"),
        pytest.param(29, 44, None, id="one bad day"),
        pytest.param(29, 0, None, id="one bad day after none"),
        pytest.param(20, 44, TOO_OFTEN, id="a very bad day"),
        pytest.param(33, 33, TOO_OFTEN, id="two bad days"),
    ],
)
def test_drift_is_judged_by_the_interval(covered: int, before: int, says: str | None) -> None:
    day = np.array([[48.0, 240.0, 480.0, 100.0, covered]] * 2)
    earlier = np.array([[48.0, 240.0, 480.0, 100.0, before]] * 2) if before else np.zeros((2, 5))
    alert = drift_alert(
        "Z", LATE, "net_load", (30, 60), day=day, before=earlier, window=7 * day, judged=slice(0, 1), decimals=4
    )
    assert (alert is None) == (says is None)
    if alert is not None and says is not None:
        assert says in alert.text
        assert alert.alert_id == "Z-drift-net_load-20220101"


@pytest.mark.parametrize(
    ("target", "errors", "days", "says"),
    [
        pytest.param("net_load", (15.0, 5.0), 7, NO_SKILL, id="next step"),
        pytest.param("net_load", (15.0, 5.0), 2, None, id="too early to say"),
        pytest.param("price", (15.0, 4.0), 7, None, id="a price is hard to beat a step ahead"),
        pytest.param("price", (15.0, 6.0), 7, NO_SKILL, id="over all horizons"),
    ],
)
def test_drift_is_judged_by_persistence(target: str, errors: tuple[float, float], days: int, says: str | None) -> None:
    day = np.array([[48.0, 48 * error, 480.0, 100.0, 44.0] for error in errors])
    judged = slice(0, 1) if target == "net_load" else slice(None)
    alert = drift_alert("Z", LATE, target, (30, 60), day=day, before=day, window=days * day, judged=judged, decimals=4)
    assert (alert is None) == (says is None)
    assert alert is None or NO_SKILL in alert.text
