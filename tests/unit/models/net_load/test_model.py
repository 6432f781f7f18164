"""Training, serving and explaining a net-load part on a made-up zone."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from features.calendar import MINUTE, Calendar
from features.compute import RingFeatures
from features.derived_series import MAX_DEPTH_DAYS, depth_days
from features.ring import SlotRing
from models.explain.net_load import explain_at
from models.history import known_until, telemetry, with_net_load
from models.net_load.model import ServedNetLoad, net_load_from_arrays
from models.net_load.residual_trees import ERROR_STEPS, ResidualTrees, TreesVerdict
from models.net_load.trailing_errors import Residuals
from models.net_load.training import NetLoadTrainer
from models.net_load.tree_training import MIN_DAYS
from models.registry.registry import content_hash
from models.served import ErrorStart, NetLoadRow
from tests.worlds.synthetic import make_frame, make_zone
from tests.worlds.trees import WEIGHT, with_trees
from vpp.messages import SlotClosed

DAYS = 70


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return make_frame(DAYS, step_min=60)


@pytest.fixture(scope="module")
def part(frame: pd.DataFrame) -> ServedNetLoad:
    made = NetLoadTrainer(make_zone(60)).fit(frame, frame.index[-72].to_pydatetime())
    assert made is not None
    return made


def test_a_short_history_gives_the_trees_no_weight_and_says_so(part: ServedNetLoad) -> None:
    assert part.trees.verdict is TreesVerdict.SHORT_HISTORY
    assert part.trees.days < MIN_DAYS
    assert not part.trees.weight.any()
    assert part.trees.weight.shape == part.trees.gain.shape == (24,)


@pytest.fixture(scope="module")
def grown(part: ServedNetLoad) -> ServedNetLoad:
    return with_trees(part)


def test_trees_move_the_forecast_of_their_horizons_alone(
    part: ServedNetLoad, grown: ServedNetLoad, frame: pd.DataFrame
) -> None:
    moved = np.flatnonzero(serve(grown, frame, 30) != serve(part, frame, 30))
    assert [part.spec.horizons_min[h] for h in moved] == list(WEIGHT)


def test_contributions_of_the_trees_sum_to_the_forecast(grown: ServedNetLoad, frame: pd.DataFrame) -> None:
    served = serve(grown, frame, 30, newest=newest_errors(grown, frame, 30), errors=grown.errors)
    for horizon in (60, 120, 180, 300):
        explanation = explain_at(grown, frame, make_zone(60), frame.index[-30].to_pydatetime(), horizon)
        assert explanation.forecast_mw == pytest.approx(served[horizon // 60 - 1], abs=1e-3)


def newest_errors(part: ServedNetLoad, frame: pd.DataFrame, hours: int) -> np.ndarray:
    """What the linear stages of ``part`` missed the slot by, from the forecasts that they would have served."""
    linear = dataclasses.replace(part, trees=ResidualTrees.none(part.spec, 0, TreesVerdict.NO_GAIN))
    actual = with_net_load(frame, make_zone(60))["net_load_mw"].iloc[-hours]
    return np.array([actual - serve(linear, frame, hours + int(k))[k - 1] for k in ERROR_STEPS])


def test_contributions_sum_to_the_forecast(part: ServedNetLoad, frame: pd.DataFrame) -> None:
    for hours in (10, 27, 40):
        served = serve(part, frame, hours)
        for horizon in (60, 360, 720, 1440):
            explanation = explain_at(part, frame, make_zone(60), frame.index[-hours].to_pydatetime(), horizon)
            assert explanation.now_mw + sum(mw for _, mw in explanation.contributions) == pytest.approx(
                explanation.forecast_mw, rel=1e-9
            )
            assert explanation.forecast_mw == pytest.approx(served[horizon // 60 - 1], abs=1e-6)
            assert sum(mw for _, mw in explanation.top(5)) == pytest.approx(
                sum(mw for _, mw in explanation.contributions)
            )


def serve(
    part: ServedNetLoad,
    frame: pd.DataFrame,
    hours: int,
    newest: np.ndarray | None = None,
    errors: ErrorStart | None = None,
) -> np.ndarray:
    """The mean that the stream would publish, through a ring."""
    zone = make_zone(60)
    ring, features = SlotRing(zone.step, depth_days, max_days=MAX_DEPTH_DAYS), RingFeatures(part.spec, Calendar(zone))
    rows = with_net_load(frame, zone)
    last = rows.index[-hours].to_pydatetime()
    index = 0
    for message in telemetry(rows.loc[rows.index <= pd.Timestamp(last)], zone, last):
        if isinstance(message, SlotClosed):
            index = zone.step.index(message.slot)
            ring.advance(index)
            for channel, value in {**message.values, "net_load_mw": message.net_load_mw}.items():
                ring.put(channel, index, value)
    first = zone.step.index(rows.index[0].to_pydatetime())
    for channel in part.spec.channels:
        if channel.endswith("_forecast_da_mw"):
            reference = known_until(zone, channel, pd.DatetimeIndex(rows.index))[len(rows) - hours]
            for i in range(reference + 1):
                ring.put(channel, first + i, rows[channel].iloc[i])
    table = Calendar(zone).table(index, index + 25)
    groups = table[MINUTE, 1:25].astype(np.int64) * 24 // 1440
    now = float(rows["net_load_mw"].iloc[-hours])
    residuals = Residuals(part.spec.horizons_min, 24)
    if errors is not None:
        residuals.start(errors)
    newest = np.full(4, np.nan) if newest is None else newest
    rows_now = features.rows(ring, index)
    row = NetLoadRow(rows_now, now, residuals.levels, residuals.volatility(groups), groups, newest)
    return part.forecast(row).mean


def test_arrays_bring_the_same_part_back(part: ServedNetLoad, grown: ServedNetLoad) -> None:
    for one in (part, grown):
        arrays = one.to_arrays()
        again = net_load_from_arrays(arrays)
        assert content_hash({"n": again.to_arrays()}) == content_hash({"n": arrays})
        assert (again.trees.verdict, again.trees.days) == (one.trees.verdict, one.trees.days)


def test_the_same_history_trains_the_same_model(frame: pd.DataFrame, part: ServedNetLoad) -> None:
    again = NetLoadTrainer(make_zone(60)).fit(frame, frame.index[-72].to_pydatetime())
    assert again is not None
    assert content_hash({"n": again.to_arrays()}) == content_hash({"n": part.to_arrays()})


def test_what_was_not_known_at_the_end_of_training_changes_nothing(frame: pd.DataFrame, part: ServedNetLoad) -> None:
    zone, end = make_zone(60), len(frame) - 72
    later = frame.copy()
    for column in frame.columns:
        reference = end - 1
        if column.endswith("_forecast_da_mw"):
            reference = int(known_until(zone, column, pd.DatetimeIndex(frame.index))[end - 1])
        later.loc[later.index > later.index[reference], column] = 12_345.0
    again = NetLoadTrainer(zone).fit(later, frame.index[end].to_pydatetime())
    assert again is not None
    assert content_hash({"n": again.to_arrays()}) == content_hash({"n": part.to_arrays()})


def test_a_refit_learns_what_has_come_since(frame: pd.DataFrame) -> None:
    trainer = NetLoadTrainer(make_zone(60))
    first = trainer.fit(frame, frame.index[-240].to_pydatetime())
    second = trainer.refit(frame, frame.index[-72].to_pydatetime())
    assert first is not None
    assert second is not None
    assert not np.array_equal(first.stages["A"].coefficients, second.stages["A"].coefficients)
    assert first.trees is second.trees


def test_a_channel_that_comes_later_is_used_by_the_refit_after_four_weeks(frame: pd.DataFrame) -> None:
    late = frame.copy()
    late.loc[late.index < late.index[-38 * 24], "load_forecast_da_mw"] = np.nan
    trainer = NetLoadTrainer(make_zone(60))
    stages = []
    for hours in (40 * 24, 20 * 24, 24):
        made = trainer.refit(late, late.index[-hours].to_pydatetime())
        assert made is not None
        stages.append(sorted(made.stages))
    assert stages == [["A"], ["A"], ["A", "B", "F", "U"]]


@pytest.mark.parametrize(
    "columns", [("load_mw",), ("load_mw", "wind_mw"), ("load_mw", "solar_mw", "load_forecast_da_mw")]
)
def test_a_zone_with_fewer_channels_uses_the_same_table(columns: tuple[str, ...], frame: pd.DataFrame) -> None:
    part = NetLoadTrainer(make_zone(60)).fit(frame[list(columns)], frame.index[-1].to_pydatetime())
    assert part is not None
    assert ("B" in part.stages) == ("load_forecast_da_mw" in columns)


def test_too_few_days_train_nothing(frame: pd.DataFrame) -> None:
    assert NetLoadTrainer(make_zone(60)).fit(frame.iloc[: 12 * 24], frame.index[12 * 24].to_pydatetime()) is None
