"""`vpp forecast ZONE --explain`: the parts of a forecast, from a history file and the model in force."""

import json
from pathlib import Path

import pandas as pd
import pytest

from console.cli.main import main
from models.registry.registry import Registry
from models.registry.trainer import Trainer
from tests.worlds.synthetic import make_frame, write_history
from topologies.sources.feed import open_file
from topologies.sources.options import SourceOptions, note_source
from vpp.domain import QUANTILE_NAMES, iso
from vpp.fleet.in_force import fleet_path
from vpp.fleet.lookup import write_fleet
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import FORECASTS, TELEMETRY


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


def test_without_data_and_without_a_run_the_next_step_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["forecast", "TOWN", "--explain", "--data-dir", str(tmp_path)]) == 2
    assert "start a plant: vpp up" in capsys.readouterr().err


def test_the_last_forecast_of_a_run_is_explained_from_what_the_plant_closed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(data_dir=place / "data")
    zone = open_file(place / "town.csv", names=("TOWN",)).zones["TOWN"]
    day = make_frame(70, step_min=60, published=False).iloc[-74:-50]
    slot = pd.Timestamp(day.index[-1]).to_pydatetime()
    model = Registry(settings.models_dir).in_force("TOWN")
    assert model is not None
    note_source(settings, SourceOptions(kind="replay", path=place / "town.csv", zones=("TOWN",)))
    fleet_path(settings).parent.mkdir(parents=True, exist_ok=True)
    write_fleet(fleet_path(settings), [zone])
    with open_store(settings) as store:
        for when, row in zip(pd.DatetimeIndex(day.index).to_pydatetime(), day.to_dict("records"), strict=True):
            values = {str(name): float(value) for name, value in row.items()}
            parts = (values["load_mw"], values["solar_mw"], values["wind_mw"])
            net_mw = parts[0] - parts[1] - parts[2]
            store.write(TELEMETRY, [("TOWN", when, *parts, net_mw, None, None, "{}", json.dumps(values), 0)])
        levels, empty = [1.0] * len(QUANTILE_NAMES), [None] * 8
        store.write(
            FORECASTS,
            [("TOWN", slot, 120, name, *levels, *empty, "model", model["model_id"]) for name in ("net_load", "price")],
        )
    for target, begin, value in (("net_load", "now_mw", "mw"), ("price", "usual_per_mwh", "per_mwh")):
        arguments = ["forecast", "TOWN", "--explain", "--target", target, "--horizon", "120", "--json"]
        assert main([*arguments, "--data-dir", str(place / "data")]) == 0
        printed = json.loads(capsys.readouterr().out)
        total = printed[begin] + sum(part[value] for part in printed["contributions"])
        assert total == pytest.approx(printed[f"forecast_{value}"], abs=0.5)
        assert (printed["issued_at"], printed["horizon_min"]) == (iso(slot), 120)
    assert main(["forecast", "NOPE", "--explain", "--data-dir", str(place / "data")]) == 2
    assert "one of TOWN" in capsys.readouterr().err
