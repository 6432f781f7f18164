"""`vpp forecast ZONE --explain`: the parts of a forecast, from a history file and the model in force."""

import json
from pathlib import Path

import pytest

from console.cli.main import main
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from tests.worlds.synthetic import make_frame, write_history
from topologies.sources.feed import open_file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    frame = make_frame(70, step_min=60, published=False)
    write_history(folder / "town.csv", "TOWN", frame)
    zone = open_file(folder / "town.csv", names=("TOWN",)).zones["TOWN"]
    registry = Registry(folder / "data" / "models")
    saved = registry.save(*Trainer(zone).train(frame, frame.index[-100].to_pydatetime()))
    registry.promote(saved.model_id)
    return folder


def test_the_parts_sum_to_the_forecast(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(
        [
            "forecast",
            "TOWN",
            "--explain",
            "--data",
            str(place / "town.csv"),
            "--horizon",
            "120",
            "--at",
            "2021-03-10T12:00:00Z",
            "--data-dir",
            str(place / "data"),
            "--json",
        ]
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    printed = json.loads(captured.out)
    total = printed["now_mw"] + sum(part["mw"] for part in printed["contributions"])
    assert total == pytest.approx(printed["forecast_mw"], abs=0.5)
    assert printed["horizon_min"] == 120
    assert any("net load change" in part["feature"] for part in printed["contributions"])
    assert printed["xgboost"]["weight"] == printed["xgboost"]["gain"] == 0.0
    assert "no weight" in printed["xgboost"]["text"]


@pytest.mark.parametrize("horizon_min", [60, 600])
def test_the_parts_of_a_price_sum_to_it(place: Path, capsys: pytest.CaptureFixture[str], horizon_min: int) -> None:
    code = main(
        [
            "forecast",
            "TOWN",
            "--explain",
            "--target",
            "price",
            "--data",
            str(place / "town.csv"),
            "--horizon",
            str(horizon_min),
            "--at",
            "2021-03-10T12:00:00Z",
            "--data-dir",
            str(place / "data"),
            "--json",
        ]
    )
    captured = capsys.readouterr()
    assert code == 0, captured.err
    printed = json.loads(captured.out)
    total = printed["usual_per_mwh"] + sum(part["per_mwh"] for part in printed["contributions"])
    assert total == pytest.approx(printed["forecast_per_mwh"], abs=0.05)
    sizes = [abs(part["per_mwh"]) for part in printed["contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    assert any("price off its usual" in part["feature"] for part in printed["contributions"])


def test_without_data_it_says_what_to_add(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "TOWN", "--explain", "--data-dir", str(place / "data")]) == 2
    assert "--data FILE" in capsys.readouterr().err
