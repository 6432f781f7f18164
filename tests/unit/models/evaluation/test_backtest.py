"""The backtest: figures by hand, baselines, leakage, report, and that it is the stream's own forecast."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.evaluation.backtest import Backtest, BacktestOptions, run_backtest
from models.evaluation.baselines import Baselines
from models.evaluation.html_report import worst_days, write_report
from models.evaluation.metrics import metrics, worst_week
from models.evaluation.svg_charts import line_chart, ticks
from tests.worlds.synthetic import make_frame, make_zone
from vpp.domain import Target
from vpp.errors import ConfigError, DataError

ZONE = make_zone(60)
FROM, TO = datetime(2021, 3, 6, tzinfo=UTC), datetime(2021, 3, 11, tzinfo=UTC)
OPTIONS = BacktestOptions(Target.NET_LOAD, FROM, FROM, TO, refit=timedelta(days=3))


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return make_frame(72, step_min=60)


@pytest.fixture(scope="module")
def run(frame: pd.DataFrame) -> Backtest:
    return run_backtest(frame, ZONE, OPTIONS)


def test_every_slot_of_the_range_is_an_origin(run: Backtest) -> None:
    assert list(run.origins) == list(pd.date_range(FROM, TO, freq="1h", inclusive="left"))
    assert set(run.source) == {"model"}
    assert len(run.models) == 2
    assert run.quantiles.shape == (120, 24, 7)


def test_actuals_stand_beside_their_targets(run: Backtest, frame: pd.DataFrame) -> None:
    net = frame.load_mw - frame.solar_mw - frame.wind_mw
    assert run.actual[5, 2] == pytest.approx(net[run.origins[5] + pd.Timedelta(hours=3)], rel=1e-6)
    assert run.now[5] == pytest.approx(net[run.origins[5]], rel=1e-6)


@pytest.mark.slow
def test_what_comes_later_changes_no_forecast(run: Backtest, frame: pd.DataFrame) -> None:
    cut = FROM + timedelta(days=2, hours=6)
    later = frame.copy()
    observed = ["load_mw", "solar_mw", "wind_mw", "price_per_mwh"]
    chance = np.random.default_rng(8)
    after = later.index >= pd.Timestamp(cut)
    later.loc[after, observed] = chance.normal(20_000, 5_000, (int(after.sum()), len(observed)))
    other = run_backtest(later, ZONE, OPTIONS)
    before = run.origins < pd.Timestamp(cut)
    np.testing.assert_array_equal(other.quantiles[before], run.quantiles[before])
    assert not np.array_equal(other.quantiles[~before], run.quantiles[~before])


@pytest.mark.slow
def test_a_planted_leak_is_seen(run: Backtest, frame: pd.DataFrame) -> None:
    leaky = frame.copy()
    leaky["load_forecast_da_mw"] = (frame.load_mw - frame.solar_mw - frame.wind_mw).to_numpy()
    leaky["solar_forecast_da_mw"] = 0.0
    leaky["wind_forecast_da_mw"] = 0.0
    honest, cheating = metrics(run), metrics(run_backtest(leaky, ZONE, OPTIONS))
    assert cheating["horizons"][0]["mae"] < 0.5 * honest["horizons"][0]["mae"]


@pytest.mark.slow
@pytest.mark.parametrize(("column", "horizon"), [("load_mw", 0), ("load_forecast_da_mw", 5)])
def test_an_input_shifted_by_one_step_costs_accuracy(
    run: Backtest, frame: pd.DataFrame, column: str, horizon: int
) -> None:
    shifted = frame.copy()
    shifted[column] = shifted[column].shift(1)
    other = run_backtest(shifted, ZONE, OPTIONS)
    mae = [np.nanmean(np.abs(made.quantiles[:, horizon, 3] - run.actual[:, horizon])) for made in (run, other)]
    assert mae[1] > 1.02 * mae[0]


def test_the_forecast_beats_its_baselines(run: Backtest) -> None:
    figures = metrics(run)
    near = figures["horizons"][0]
    assert set(near["mae_by_baseline"]) == {
        "persistence",
        "yesterday",
        "week",
        "week_change",
        "dayahead",
        "dayahead_error",
    }
    assert near["mae"] < 0.5 * near["mae_by_baseline"]["persistence"]
    assert figures["origins"] == 120
    assert figures["target"] == "net_load"
    day = figures["horizons"][-1]
    assert day["mae_day_ahead_known"] is not None
    assert day["mae_day_ahead_unknown"] is not None


def test_figures_of_known_errors_are_what_they_should_be(run: Backtest) -> None:
    quantiles = np.repeat(run.actual[:, :, None], 7, axis=2) + np.array(
        [-30, -20, -10, 10, 20, 30, 40], dtype=np.float32
    )
    quantiles[::2, :, 0] = run.actual[::2] + 5
    reference = replace(run, quantiles=quantiles, mean=run.actual + 20)
    row = metrics(reference, ["week"])["horizons"][0]
    assert row["mae"] == pytest.approx(10, abs=0.01)
    assert row["rmse"] == pytest.approx(20, abs=0.01)
    assert row["bias"] == pytest.approx(10, abs=0.01)
    assert row["coverage_90"] == pytest.approx(0.5)
    assert row["width_90"] == pytest.approx((70 + 35) / 2, abs=0.01)
    assert row["skill_vs_persistence"] == pytest.approx(1 - 10 / row["mae_by_baseline"]["persistence"], abs=1e-4)
    assert set(row["mae_by_baseline"]) == {"persistence", "week"}


def test_a_published_value_is_a_baseline_only_once_it_was_known(run: Backtest) -> None:
    made = Baselines(run)
    assert made.known is not None
    midnight = list(run.origins).index(pd.Timestamp(FROM) + pd.Timedelta(days=1))
    assert made.known[midnight, 0]
    assert not made.known[midnight, 23]
    assert np.isnan(made.make("dayahead")[midnight, 23])
    with pytest.raises(ConfigError, match="unknown baseline"):
        made.make("oracle")


def test_the_worst_week_leaves_stumps_out() -> None:
    covered = np.array([True] * 9 + [False] + [True] * 5 + [False] * 5 + [False])
    week = np.array([0] * 10 + [1] * 10 + [2])
    assert worst_week(covered, week) == 0.5


def test_the_report_is_one_page_without_outside_files(run: Backtest, tmp_path: Path) -> None:
    paths = write_report(tmp_path / "out", metrics(run), worst_days(run), "vpp backtest forecast --data x.csv")
    assert [path.name for path in paths] == ["metrics.json", "report.html"]
    assert json.loads(paths[0].read_text())["zone"] == "T"
    page = paths[1].read_text()
    assert page.count("<svg") == 10
    assert "http" not in page
    assert "vpp backtest forecast --data x.csv" in page


FAR = datetime(2031, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        pytest.param(replace(OPTIONS, train_to=TO), ConfigError, id="training after the test begins"),
        pytest.param(replace(OPTIONS, test_to=FROM), ConfigError, id="empty range"),
        pytest.param(replace(OPTIONS, test_from=FAR, test_to=FAR + timedelta(days=9)), DataError, id="past the file"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(
    options: BacktestOptions, error: type[Exception], frame: pd.DataFrame
) -> None:
    with pytest.raises(error):
        run_backtest(frame, ZONE, options)


def test_a_target_that_the_data_lack_is_refused(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no price_per_mwh"):
        run_backtest(frame.drop(columns="price_per_mwh"), ZONE, replace(OPTIONS, target=Target.PRICE))


def test_ticks_are_round() -> None:
    assert ticks(-7.0, 13.0) == [-5.0, 0.0, 5.0, 10.0]
    assert line_chart([], {"a": []}, x_label="x", y_label="y") == "<p>No values.</p>"
