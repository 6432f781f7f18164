"""The arbitrage backtest end to end on a small frame: figures, and that it reads nothing of what is to come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from tests.worlds.builders import make_zone
from topologies.backtests.arbitrage import Terms, TradeRun, run_arbitrage
from topologies.backtests.arbitrage_modes import Mode
from topologies.backtests.arbitrage_report import trade_report_html
from vpp.domain import LOAD, PRICE
from vpp.errors import ConfigError, DataError

DAYS = 63
TERMS = Terms()
START = datetime(2023, 3, 1, tzinfo=UTC)
TEST_FROM, TEST_TO = START + timedelta(days=60), START + timedelta(days=62)


def frame(seed: int = 2) -> pd.DataFrame:
    index = pd.date_range(START, periods=24 * DAYS, freq="60min")
    chance = np.random.default_rng(seed)
    shape = 80.0 - 40.0 * np.cos(np.arange(len(index)) % 24 / 24.0 * 4.0 * np.pi)
    price = shape + chance.normal(0.0, 8.0, len(index))
    return pd.DataFrame({PRICE: price, LOAD: 500.0 + 2.0 * shape}, index=index)


def run(data: pd.DataFrame, mode: Mode = Mode.CURVE, terms: Terms = TERMS) -> TradeRun:
    zone = make_zone(step_min=60)
    return run_arbitrage(data, zone, mode=mode, terms=terms, test_from=TEST_FROM, test_to=TEST_TO)


@pytest.fixture(scope="module")
def curve() -> TradeRun:
    return run(frame())


def test_the_figures_are_those_of_the_stored_energy(curve: TradeRun) -> None:
    move = np.diff(curve.stored_mwh)
    grid = np.where(move > 0, -move / 0.88**0.5, -move * 0.88**0.5)
    assert curve.figures["value"] == pytest.approx(grid @ curve.price - 5.0 * np.maximum(grid, 0.0).sum(), abs=0.02)
    assert curve.figures["value"] == pytest.approx(curve.value.sum(), abs=0.01)
    assert np.abs(grid).max() <= 1.0 + 1e-9
    assert 0.0 <= curve.stored_mwh.min() <= curve.stored_mwh.max() <= 1.8 + 1e-9
    assert 60.0 < curve.figures["capture_pct"] <= 100.0
    assert set(curve.figures["baselines"]) == {"profile_28d", "yesterday", "percentile", "original", "no_action"}
    assert curve.days == ["2023-04-30", "2023-05-01"]


@pytest.mark.parametrize("mode", [Mode.CURVE, pytest.param(Mode.SCHEDULE, marks=pytest.mark.bench)])
def test_noise_on_the_future_changes_nothing_that_is_already_decided(mode: Mode, curve: TradeRun) -> None:
    whole = curve if mode is Mode.CURVE else run(frame(), mode)
    changed = frame()
    later = 24 * 60 + 30
    noise = np.random.default_rng(9).normal(0.0, 200.0, len(changed) - later)
    changed.iloc[later:, 0] += noise
    changed.iloc[later:, 1] += noise
    again = run(changed, mode)
    decided = 31 if mode is Mode.CURVE else 32
    assert np.array_equal(again.stored_mwh[:decided], whole.stored_mwh[:decided])
    assert not np.array_equal(again.stored_mwh, whole.stored_mwh)


def test_the_report_stands_alone(curve: TradeRun) -> None:
    page = trade_report_html(curve, "vpp backtest arbitrage")
    assert "perfect foresight" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_range_or_battery_that_cannot_be_is_refused_with_a_hint() -> None:
    zone, data = make_zone(step_min=60), frame()
    with pytest.raises(DataError, match="less than 60 days"):
        run_arbitrage(data, zone, mode=Mode.CURVE, terms=Terms(), test_from=START + timedelta(days=5), test_to=TEST_TO)
    with pytest.raises(DataError, match="outside the test"):
        run_arbitrage(
            data,
            zone,
            mode=Mode.CURVE,
            terms=Terms(),
            test_from=TEST_TO + timedelta(days=90),
            test_to=TEST_TO + timedelta(days=99),
        )
    with pytest.raises(ConfigError, match=r"round trip of 1\.2"):
        run(data, terms=Terms(round_trip=1.2))
