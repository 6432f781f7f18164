"""What `vpp export telemetry` writes is a data file of `vpp inspect`, `vpp train` and `vpp up`, value for value."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from tests.worlds.synthetic import make_frame
from vpp.files.reader import inspect_file, read_frame
from vpp.settings import Settings
from vpp.store import open_store

ZONES = ("TOWN", "Köln, Süd")
CHANNELS = ["load_mw", "solar_mw", "wind_mw", "price_per_mwh"]


def stored(folder: Path, days: int) -> pd.DataFrame:
    """Store the telemetry of two zones, with a gap and missing values, and return its channels."""
    frame = make_frame(days, step_min=60, published=False)[CHANNELS]
    frame.index = pd.DatetimeIndex(frame.index).as_unit("ns")
    frame.iloc[5, 0] = frame.iloc[9, 3] = np.nan
    frame.iloc[7, :] = np.nan
    frame.iloc[11, 3] = -0.1
    with open_store(Settings(data_dir=folder)) as store:
        for zone in ZONES:
            rows = []
            for at, row in zip(frame.index, frame.itertuples(index=False), strict=True):
                values = [None if np.isnan(value) else value for value in row]
                load, solar, wind, price = values
                net_load = None if load is None or solar is None or wind is None else load - solar - wind
                rows.append((zone, at.to_pydatetime(), load, solar, wind, net_load, price, None, "{}", "{}", 0))
            store.write("telemetry", rows)
    return frame


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_values_come_back(tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    frame = stored(tmp_path / "data", 3)
    path = tmp_path / f"telemetry.{form}"
    assert main(["export", "telemetry", "--format", form, "-o", str(path), "--data-dir", str(tmp_path / "data")]) == 0
    capsys.readouterr()
    assert main(["inspect", str(path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {zone["zone"]: zone["slots"] for zone in report["zones"]} == dict.fromkeys(ZONES, len(frame))
    info = inspect_file(path)
    for zone in ZONES:
        pd.testing.assert_frame_equal(
            read_frame(path, zone, info=info)[CHANNELS], frame, check_exact=True, check_freq=False, check_names=False
        )


@pytest.mark.slow
def test_a_model_is_trained_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stored(tmp_path / "data", 40)
    path = tmp_path / "telemetry.csv"
    directory = ("--data-dir", str(tmp_path / "data"))
    assert main(["export", "telemetry", "--zone", "TOWN", "-o", str(path), *directory]) == 0
    capsys.readouterr()
    assert main(["train", "--data", str(path), *directory, "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)
    assert model["zone"] == "TOWN"
