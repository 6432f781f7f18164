from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from models.evaluation.dayahead_backtest import run_day_ahead
from models.evaluation.dayahead_metrics import backtest_day_ahead, day_ahead_figures, worst_day_ahead_days
from models.evaluation.html_report import write_report
from tests.worlds.dayahead_prices import QUICK, market, zone
from vpp.errors import ConfigError, DataError

TRAIN_TO = datetime(2023, 6, 30, 22, tzinfo=UTC)
TEST_TO = datetime(2023, 7, 14, 22, tzinfo=UTC)


def run(frame: pd.DataFrame, convention="benchmark", **more):
    return run_day_ahead(
        frame,
        zone(),
        train_to=TRAIN_TO,
        test_from=TRAIN_TO,
        test_to=TEST_TO,
        convention=convention,
        settings=QUICK,
        **more,
    )


@pytest.fixture(scope="module")
def frame():
    return market()


@pytest.fixture(scope="module")
def result(frame):
    return run(frame)


def test_the_forecast_finds_the_wind_that_no_naive_one_sees(result):
    figures = day_ahead_figures(result)
    assert result.price.shape == (14, 24)
    assert len(result.actual) == 14 * 24
    assert figures["day_ahead_mae"] < 4.0
    assert figures["day_ahead_rmae"] < 0.5
    assert [h["horizon_min"] for h in figures["horizons"]][:2] == [720, 780]
    assert 0.6 < np.mean([h["coverage_90"] for h in figures["horizons"]]) <= 1.0


def test_wind_of_the_day_is_unknown_under_load_only(frame, result):
    blind = run(frame, "load_only")
    assert day_ahead_figures(blind)["day_ahead_mae"] > 2 * day_ahead_figures(result)["day_ahead_mae"]


@pytest.mark.parametrize("convention", ["benchmark", "load_only"])
def test_noise_in_place_of_what_is_not_known_changes_nothing(frame, convention):
    """The first test day and its day after must not move when everything unknown at its auction is noise."""
    cut = pd.Timestamp("2023-06-30 22:00", tz="UTC")
    noisy = frame.copy()
    noisy.loc[noisy.index >= cut, "price_per_mwh"] = 1e4
    unknown = cut if convention == "load_only" else cut + pd.Timedelta(days=1)
    noisy.loc[noisy.index >= unknown, "wind_forecast_da_mw"] = -1e5
    noisy.loc[noisy.index >= cut + pd.Timedelta(days=1), "load_forecast_da_mw"] = 1e6
    clean, dirty = run(frame, convention), run(noisy, convention)
    assert np.array_equal(clean.price[0], dirty.price[0])
    assert np.array_equal(clean.quantiles[0], dirty.quantiles[0])
    if convention == "benchmark":
        assert np.array_equal(clean.tail[0], dirty.tail[0])


@pytest.mark.parametrize("channel", ["load_forecast_da_mw", "wind_forecast_da_mw"])
def test_an_input_moved_by_one_step_changes_the_error(frame, result, channel):
    moved = frame.copy()
    test = moved.index >= pd.Timestamp(TRAIN_TO)
    moved.loc[test, channel] = moved[channel].shift(1)[test]
    before, after = (day_ahead_figures(made)["day_ahead_mae"] for made in (result, run(moved)))
    assert after > 1.05 * before


def test_a_leak_would_be_seen(frame, result, monkeypatch):
    """With wind of the day let through before its auction, noise in its place must move the forecast."""
    monkeypatch.setattr("models.price.dayahead.ensemble.as_known", lambda table, convention: table)
    noisy = frame.copy()
    noisy.loc[noisy.index >= pd.Timestamp(TRAIN_TO), "wind_forecast_da_mw"] = -1e5
    assert not np.allclose(run(noisy, "load_only").price[0], result.price[0], atol=10.0)


def test_the_same_run_gives_the_same_bits(frame, result):
    again = run(frame)
    assert np.array_equal(again.price, result.price)
    assert np.array_equal(again.quantiles, result.quantiles)


def test_a_missing_price_is_neither_scored_nor_learned_as_a_number(frame):
    holed = frame.copy()
    holed.loc["2023-07-05 08:00":"2023-07-05 10:00", "price_per_mwh"] = np.nan
    figures = day_ahead_figures(run(holed))
    assert sum(h["n"] for h in figures["horizons"]) == 14 * 24 - 3
    assert figures["day_ahead_mae"] < 4.0


def test_without_refits_nothing_of_the_test_range_is_learned(frame):
    changed = frame.copy()
    last = changed.index >= pd.Timestamp("2023-07-13 22:00", tz="UTC")
    changed.loc[last, "price_per_mwh"] += 500.0
    saved = run(frame, refit_days=None), run(changed, refit_days=None)
    assert np.array_equal(saved[0].price[:-1], saved[1].price[:-1])


@pytest.fixture(scope="module")
def both(frame):
    return backtest_day_ahead(
        frame, zone(), train_to=TRAIN_TO, test_from=TRAIN_TO, test_to=TEST_TO, settings=replace(QUICK, lasso_windows=())
    )


def test_metrics_hold_both_conventions(both):
    figures, _ = both
    assert figures["origins"] == 14
    assert figures["refit_days"] == 1
    assert figures["day_ahead_mae"] < figures["day_ahead_mae_load_only"]
    assert figures["day_ahead_rmae"] < figures["day_ahead_rmae_load_only"]
    assert figures["test_from"] == "2023-06-30T22:00:00Z"


def test_figures_are_those_of_the_run(both):
    figures, made = both
    error = np.abs(made.actual - made.by_slot(made.price))
    week = np.abs(made.actual - made.by_slot(made.baselines["week"]))
    assert figures["day_ahead_mae"] == pytest.approx(error.mean(), abs=1e-4)
    assert figures["day_ahead_rmae"] == pytest.approx(error.mean() / week.mean(), abs=1e-4)
    third = figures["horizons"][3]
    here = made.hour == 3
    inside = (made.actual >= made.by_slot(made.quantiles)[:, 0]) & (made.actual <= made.by_slot(made.quantiles)[:, 6])
    assert third["horizon_min"] == 720 + 180
    assert third["coverage_90"] == pytest.approx(inside[here].mean(), abs=1e-4)
    assert third["coverage_by_level"] == sorted(third["coverage_by_level"])
    assert third["mae_by_baseline"]["week"] == pytest.approx(week[here].mean(), abs=1e-4)
    assert third["mae_by_baseline"]["persistence"] == third["mae_by_baseline"]["yesterday"]


def test_an_unknown_baseline_is_refused_before_the_run(frame):
    with pytest.raises(ConfigError, match="dayahead"):
        backtest_day_ahead(
            frame, zone(), train_to=TRAIN_TO, test_from=TRAIN_TO, test_to=TEST_TO, compare=["week", "dayahead"]
        )


def test_the_report_shows_the_worst_days(both, tmp_path):
    figures, made = both
    worst = worst_day_ahead_days(made)
    error = np.abs(made.actual - made.by_slot(made.price)).reshape(14, 24).mean(axis=1)
    assert worst[0].caption.startswith(str(pd.Timestamp("2023-07-01") + pd.Timedelta(days=int(error.argmax())))[:10])
    assert len(worst[0].x) == 24
    page = write_report(tmp_path, figures, worst)[1].read_text()
    assert "refitted every 1 days" in page
    assert "rmae load only" in page
    assert all(f"<td>{hours} h</td>" in page for hours in range(12, 36))
    assert page.count("<figure>") == 1 + 5


def test_ranges_out_of_order_are_refused(frame):
    with pytest.raises(ConfigError, match="ranges must follow"):
        run_day_ahead(frame, zone(), train_to=TEST_TO, test_from=TRAIN_TO, test_to=TEST_TO)


def test_too_little_history_is_refused(frame):
    with pytest.raises(DataError, match="60 are needed"):
        run_day_ahead(
            frame,
            zone(),
            train_to=datetime(2023, 1, 20, tzinfo=UTC),
            test_from=TRAIN_TO,
            test_to=TEST_TO,
            settings=QUICK,
        )


def test_quarter_hours_keep_their_shape_within_the_hour(frame):
    """An auction of quarter hours whose prices fall within every hour; hours alone would miss by 6 on average."""
    fine = frame.loc["2023-03-01":].resample("15min").ffill()
    saw = np.tile([9.0, 3.0, -3.0, -9.0], len(fine) // 4 + 1)[: len(fine)]
    fine["price_per_mwh"] += saw
    place = zone().model_copy(update={"step_min": 15})
    made = run_day_ahead(
        fine,
        place,
        train_to=TRAIN_TO,
        test_from=TRAIN_TO,
        test_to=datetime(2023, 7, 10, 22, tzinfo=UTC),
        settings=replace(QUICK, lasso_windows=()),
    )
    figures = day_ahead_figures(made)
    assert made.price.shape == (10, 96)
    assert figures["day_ahead_mae"] < 5.0
    assert 0.8 < figures["day_ahead_coverage_90"] <= 1.0
    assert [h["n"] for h in figures["horizons"]] == [40] * 24


@pytest.mark.parametrize("start", [TRAIN_TO, datetime(2023, 7, 1, tzinfo=UTC)])
def test_a_range_in_utc_means_local_days(frame, result, start):
    """Midnight in UTC and midnight in Berlin name the same first day."""
    same = run_day_ahead(
        frame, zone(), train_to=start, test_from=start, test_to=datetime(2023, 7, 4, tzinfo=UTC), settings=QUICK
    )
    assert same.days.tolist() == result.days[:3].tolist()
    assert same.slots[0] == pd.Timestamp("2023-06-30 22:00", tz="UTC")
    assert len(same.slots) == 72
    assert np.array_equal(same.price, result.price[:3])
