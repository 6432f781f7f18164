"""`vpp backtest grid` on a small file: the promised figures, the report, finer rows inside slots, clear refusals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main

START = datetime(2025, 1, 1, tzinfo=UTC)
RANGE = ["--test-from", "2025-01-30", "--test-to", "2025-02-07"]


def write_history(path: Path, step_min: int, days: int = 42) -> Path:
    index = pd.date_range(START, periods=days * 1440 // step_min, freq=f"{step_min}min")
    hour = index.hour.to_numpy(dtype=float) + index.minute.to_numpy(dtype=float) / 60.0
    noise = np.random.default_rng(2).normal(0.0, 8.0, len(index))
    load = 900.0 + 250.0 * np.sin((hour - 9.0) / 12.0 * np.pi) + 60.0 * np.sin(hour / 3.0 * np.pi) + noise
    rows = pd.DataFrame({"timestamp": index.strftime("%Y-%m-%dT%H:%M:%SZ"), "zone": "TOWN", "load_mw": load.round(2)})
    rows.to_csv(path, index=False)
    return path


def answer_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(["backtest", "grid", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_figures_and_a_report_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_history(tmp_path / "town.csv", 120)
    code, answer, report = answer_of(
        [
            "--data",
            str(data),
            "--zone",
            "TOWN",
            *RANGE,
            "--train-to",
            "2025-01-05",
            "--refit",
            "none",
            "--compare",
            "original_rule",
            "--out",
            str(tmp_path / "out"),
            "--json",
        ],
        capsys,
    )
    assert code == 0, report
    figures = json.loads(answer)
    assert {"score", "worst_week_score", "cap_breaches", "ramp_breach_pct", "ramp_events", "baselines"} <= set(figures)
    assert (figures["zone"], figures["weeks"], figures["tick_min"]) == ("TOWN", 1, None)
    assert set(figures["baselines"]) == {"no_action", "perfect_foresight", "original_rule"}
    assert 0.0 < figures["score"] <= 100.0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text()) == figures
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()
    assert "default fleet" in report


def test_rows_finer_than_the_fleet_s_slots_become_ticks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_history(tmp_path / "fine.csv", 60)
    arguments = ["--data", str(data), *RANGE, "--train-to", "2025-01-05", "--refit", "none", "--compare", "none"]
    code, answer, report = answer_of([*arguments, "--step-min", "120", "--json"], capsys)
    assert code == 0, report
    figures = json.loads(answer)
    assert (figures["step_min"], figures["tick_min"], figures["cap_breaches"]) == (120, 60.0, 0)
    code, _, report = answer_of([*arguments, "--step-min", "90"], capsys)
    assert code == 2
    assert "do not make up 90 min" in report


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param(["--test-from", "2025-02-07", "--test-to", "2025-01-30"], "must lie after", id="backwards"),
        pytest.param(["--test-from", "2025-01-30", "--test-to", "2025-02-03"], "no whole week", id="too-short"),
        pytest.param([*RANGE, "--compare", "luck"], "unknown baseline", id="baseline"),
        pytest.param([*RANGE, "--train-to", "2025-02-05"], "--train-to", id="trained-on-the-test"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    given: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_history(tmp_path / "town.csv", 120)
    code, _, answer = answer_of(["--data", str(data), *given], capsys)
    assert code == 2
    assert words in answer
