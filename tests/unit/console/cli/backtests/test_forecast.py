"""`vpp backtest forecast` on a small file: the figures by name, the report, and clear refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from console.cli.backtests.forecast import remaining
from console.cli.main import main
from topologies.sources.simulator import CHANNELS, Simulator
from vpp.errors import ConfigError
from vpp.files.zone_fitting import zone_for

START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    zone = zone_for("SIM_NORTH", step_min=60, channels=CHANNELS)[0]
    frame = Simulator((zone,), 3).frame(zone, START, START + timedelta(days=80))
    path = tmp_path_factory.mktemp("history") / "town.csv"
    rows = frame[["load_mw", "solar_mw", "wind_mw"]].reset_index()
    rows.insert(1, "zone", "TOWN")
    rows = rows.rename(columns={"slot": "timestamp"})
    rows["timestamp"] = rows["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    rows.to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_a_backtest_of_net_load_writes_figures_and_a_report(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(
        [
            "backtest",
            "forecast",
            "--data",
            str(history),
            "--train-to",
            "2025-03-10",
            "--test-from",
            "2025-03-10",
            "--test-to",
            "2025-03-17",
            "--refit",
            "none",
            "--linear",
            "--out",
            "out",
            "--json",
        ]
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    figures = json.loads(captured.out)
    assert (figures["target"], figures["zone"], figures["origins"]) == ("net_load", "TOWN", 7 * 24)
    assert [row["horizon_min"] for row in figures["horizons"]] == [60 * h for h in range(1, 25)]
    first = figures["horizons"][0]
    assert first["skill_vs_persistence"] == pytest.approx(
        1 - first["mae"] / first["mae_by_baseline"]["persistence"], abs=1e-3
    )
    assert first["mae_day_ahead_known"] is None
    assert [row["horizon_min"] for row in figures["trees"]] == [60, 120, 180, 240, 300, 360]
    assert {(row["weight"], row["saved"]) for row in figures["trees"]} == {(0.0, 0.0)}, "too short for trees"
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == figures
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()


def test_a_range_that_ends_before_it_begins_is_a_usage_error(
    history: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = main(
        [
            "backtest",
            "forecast",
            "--data",
            str(history),
            "--train-to",
            "2025-03-10",
            "--test-from",
            "2025-03-17",
            "--test-to",
            "2025-03-10",
        ]
    )
    assert code == 2, capsys.readouterr().err


def test_channels_left_out_are_named_or_refused() -> None:
    frame = pd.DataFrame({"load_mw": [1.0], "temperature_forecast_d1_c": [2.0], "ghi_forecast_d1_wm2": [3.0]})
    assert list(remaining(frame, "*_forecast_d1_*")) == ["load_mw"]
    assert list(remaining(frame, None)) == list(frame)
    with pytest.raises(ConfigError, match="names no channel"):
        remaining(frame, "load_mw,wether_*")
