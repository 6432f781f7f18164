"""A month of real data through the whole plant: every slot once, with a forecast, and money that adds up."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.plant.recompute import configured
from models.evaluation.backtest import BacktestOptions, replay_model
from models.registry.registry import Registry
from tests.plant_fixtures import Place, keep_models, make_place, recall_models
from topologies.control.decision_check import replay_decision
from topologies.sources.feed import open_file
from vpp.domain import QUANTILE_NAMES, Target
from vpp.files.cells.availability import MAX_LEAD
from vpp.fleet.in_force import candidates
from vpp.store import open_store
from vpp.store.decisions import decision_at

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

T0, END = datetime(2022, 1, 1, tzinfo=UTC), datetime(2022, 2, 1, tzinfo=UTC)
FILE = "gb_30min_2019_2023.csv.gz"


@pytest.fixture(scope="module")
def month(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, Any]]:
    place = make_place(tmp_path_factory.mktemp("month"))
    recall_models(place)
    done = place.vpp(
        "up",
        "--source",
        str(data_dir / FILE),
        "--zone",
        "GB",
        "--from",
        "2022-01-01",
        "--to",
        "2022-02-01",
        "--speed",
        "max",
        "--until-done",
        "--refit",
        "none",
        "--json",
        timeout_s=580,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    keep_models(place)
    return place, json.loads(done.stdout)


def rows(place: Place, table: str) -> list[dict[str, str]]:
    done = place.vpp("export", table, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def forecasts(month: tuple[Place, dict[str, Any]]) -> list[dict[str, str]]:
    return rows(month[0], "forecasts")


def number(text: str) -> float | None:
    return float(text) if text else None


def test_every_half_hour_is_stored_once_with_a_forecast(
    month: tuple[Place, dict[str, Any]], forecasts: list[dict[str, str]]
) -> None:
    place, summary = month
    expected = [(T0 + n * timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(1488)]
    assert [row["slot"] for row in rows(place, "telemetry")] == expected
    one_step = [r for r in forecasts if r["horizon_min"] == "30" and r["target"] == "net_load"]
    assert [row["issued_at"] for row in one_step] == expected
    sources = [row["source"] for row in one_step]
    assert set(sources) <= {"model", "seasonal", "persistence"}
    assert sources.count("model") >= 0.98 * len(sources)
    assert summary["slots"] == summary["forecasts"] == 1488
    assert summary["dead_letters"] == summary["restarts"] == 0


@pytest.mark.parametrize("target", list(Target))
def test_every_forecast_is_the_backtests_bit_for_bit(
    month: tuple[Place, dict[str, Any]], forecasts: list[dict[str, str]], data_dir: Path, target: Target
) -> None:
    place, _ = month
    stored = [row for row in forecasts if row["target"] == target.value]
    (model_id,) = {row["model_id"] for row in stored if row["source"] == "model"}
    feed = open_file(data_dir / FILE, names=("GB",), start=T0)
    run = replay_model(
        feed.frame("GB", END + MAX_LEAD),
        feed.zones["GB"],
        BacktestOptions(target, T0, T0, END, None),
        Registry(place.settings.models_dir).load(model_id),
    )
    stored.sort(key=lambda row: (row["issued_at"], int(row["horizon_min"])))
    levels = np.array([[float(row[name]) for name in QUANTILE_NAMES] for row in stored], dtype=np.float32)
    np.testing.assert_array_equal(levels.reshape(run.quantiles.shape), run.quantiles)
    assert [row["source"] for row in stored[:: len(run.horizons_min)]] == run.source.tolist()


def test_one_step_error_is_at_most_half_of_persistence(month: tuple[Place, dict[str, Any]]) -> None:
    _, summary = month
    (first,) = [row for row in summary["skill"] if row["target"] == "net_load" and row["horizon_min"] == 30]
    assert first["mae"] <= 0.5 * first["mae_persistence"]


def test_energy_balances_to_a_watt_hour(month: tuple[Place, dict[str, Any]]) -> None:
    place, summary = month
    assert summary["energy_balance_error_mwh"] <= 1e-6
    efficiency = 0.9381
    soc = 0.5
    for row in rows(place, "assets"):
        if row["asset_id"] != "GB-battery-1":
            continue
        power_mw = float(row["power_mw"])
        assert abs(float(row["energy_mwh"]) - 0.5 * power_mw) <= 1e-6
        stored = -0.5 * power_mw * efficiency if power_mw < 0 else -0.5 * power_mw / efficiency
        soc += stored / 16.0
        assert abs(float(row["soc"]) - soc) * 16.0 <= 1e-6
        assert 0.05 - 1e-9 <= float(row["soc"]) <= 0.95 + 1e-9
        soc = float(row["soc"])


@pytest.mark.parametrize("day", [1, 9, 17, 25])
def test_a_decision_is_made_again_bit_for_bit_from_the_store(month: tuple[Place, dict[str, Any]], day: int) -> None:
    settings = month[0].settings
    with open_store(settings, read_only=True) as store:
        result = decision_at(store, "GB", datetime(2022, 1, day, 17, 45, tzinfo=UTC))
        replayed = replay_decision(store, configured(candidates(settings, "GB"), result.decision), result)
    assert replayed.same, replayed
    assert replayed.gone == ()


def test_money_is_energy_times_actual_price_minus_costs(month: tuple[Place, dict[str, Any]]) -> None:
    place, summary = month
    price = {row["slot"]: number(row["price_per_mwh"]) for row in rows(place, "telemetry")}
    total = []
    for row in rows(place, "ledger"):
        costs = sum(float(row[name]) for name in ("wear_cost", "fuel_cost", "start_cost", "penalty"))
        revenue = 0.0
        if row["asset_id"] != "zone":
            assert number(row["price_per_mwh"]) == price[row["slot"]]
            if price[row["slot"]] is not None:
                revenue = float(row["energy_mwh"]) * price[row["slot"]]  # type: ignore[operator]
                assert math.isclose(float(row["revenue"]), revenue, abs_tol=1e-6)
        assert math.isclose(float(row["pnl"]), revenue - costs, abs_tol=1e-6)
        total.append(float(row["pnl"]))
    assert math.isclose(math.fsum(total), math.fsum(row["pnl"] for row in summary["ledger"]), abs_tol=1e-6)


def test_the_run_takes_at_most_five_minutes_after_training(month: tuple[Place, dict[str, Any]]) -> None:
    _, summary = month
    assert summary["wall_s"] <= 300
