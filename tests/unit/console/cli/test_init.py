"""`vpp init` writes a mapping and a fleet that run, for each kind of site, from guesses that were tried on the file."""

import json

import numpy as np
import pandas as pd
import pytest

from console.cli.main import main
from vpp.files.reader import inspect_file, read_frame
from vpp.files.zone_fitting import zones_for_file
from vpp.fleet.schema import load_fleet

STAMPS = pd.date_range("2024-05-01", periods=96, freq="h", tz="UTC")
DAY = np.sin(np.linspace(0, 8 * np.pi, 96))
SUN = np.maximum(0.0, DAY)


def german(value):
    return f"{value:.3f}".replace(".", ",")


def home():
    rows = [
        f"{s:%d.%m.%Y %H:%M};{german(2 + d)};{german(3 * u)};{40 + i % 50};{german(25.5)}"
        for i, (s, d, u) in enumerate(zip(STAMPS, DAY, SUN, strict=True))
    ]
    return "Zeitpunkt;Verbrauch (kW);PV (kW);Ladezustand (%);Preis ct/kWh\n" + "\n".join(rows) + "\n"


def commercial():
    rows = [f"{s.isoformat()},{120 + 30 * d:.1f}" for s, d in zip(STAMPS, DAY, strict=True)]
    return "Time,Consumption kW\n" + "\n".join(rows) + "\n"


def plant(name):
    rows = [f"{int(s.timestamp())},{40 * u:.2f}" for s, u in zip(STAMPS, SUN, strict=True)]
    return f"time,{name} MW\n" + "\n".join(rows) + "\n"


def battery():
    rows = [
        f"{s:%Y-%m-%d %H:%M},{50 + 10 * d:.2f},{60 + i % 30}" for i, (s, d) in enumerate(zip(STAMPS, DAY, strict=True))
    ]
    return "timestamp,spot price EUR/MWh,SOC (%)\n" + "\n".join(rows) + "\n"


def region():
    rows = [
        f"{s:%Y-%m-%dT%H:%MZ},{zone},{40000 + 9000 * d:.0f}" for s, d in zip(STAMPS, DAY, strict=True) for zone in "AB"
    ]
    return "timestamp,zone,load_mw\n" + "\n".join(rows) + "\n"


CASES = [
    ("home", home(), ["--time-zone", "Europe/Berlin"], {"load_mw", "solar_mw", "price_per_mwh"}, ["battery"], 0.002),
    ("commercial", commercial(), [], {"load_mw"}, ["battery", "load"], 0.150),
    ("solar", plant("Solar"), [], {"solar_mw"}, ["battery", "renewable"], 40.0),
    ("wind", plant("Wind"), [], {"wind_mw"}, ["battery", "renewable"], 40.0),
    ("battery", battery(), ["--battery-kwh", "2000", "--battery-kw", "1000"], {"price_per_mwh"}, ["battery"], 1.0),
    ("region", region(), [], {"load_mw"}, ["battery", "peaker", "load"], 49000.0),
]


@pytest.mark.parametrize(("kind", "text", "options", "channels", "assets", "peak_mw"), CASES, ids=[c[0] for c in CASES])
def test_mapping_and_fleet_of_each_kind_run(tmp_path, capsys, kind, text, options, channels, assets, peak_mw):
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["init", str(path), "--kind", kind, "--yes", "--to", str(tmp_path), "--json", *options]) == 0
    made = json.loads(capsys.readouterr().out)
    assert set(made["channels"]) == channels
    info = inspect_file(path, made["mapping"])
    own = load_fleet(tmp_path / "data.fleet.yaml")
    zones, _ = zones_for_file(path, info, info.zones, mapping=made["mapping"], own_fleet=own)
    for zone in zones.values():
        assert [asset.kind for asset in zone.assets] == assets
        assert zone.share.region_mw == pytest.approx(peak_mw, rel=0.02)


def test_what_was_guessed_is_what_the_file_says(tmp_path):
    path = tmp_path / "home.csv"
    path.write_text(home(), encoding="cp1252")
    assert main(["init", str(path), "--yes", "--to", str(tmp_path), "--time-zone", "Europe/Berlin"]) == 0
    frame = read_frame(path, "HOME", mapping=str(tmp_path / "home.mapping.yaml"))
    assert f"{frame.index[0]:%Y-%m-%dT%H:%MZ}" == "2024-04-30T22:00Z"
    assert frame["load_mw"].iloc[0] == pytest.approx(0.002)
    assert frame["price_per_mwh"].iloc[0] == pytest.approx(255.0)


def test_files_that_are_there_stay_unless_forced(tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_text(commercial(), encoding="utf-8")
    command = ["init", str(path), "--kind", "commercial", "--yes", "--to", str(tmp_path)]
    assert main(command) == 0
    assert main(command) == 4
    assert "is there already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("when,load_mw\n01/02/2024 00:00,1\n02/02/2024 00:00,1\n", "--time-format"),
        ("when,load_mw\n2024-01-01T00:00Z,1.027\n2024-01-01T01:00Z,x\n", "missing"),
    ],
)
def test_what_has_several_answers_is_asked_by_its_option(tmp_path, capsys, text, option):
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    assert main(["init", str(path), "--yes", "--to", str(tmp_path)]) != 0
    assert option in capsys.readouterr().err


def test_a_cumulative_meter_is_not_guessed_to_be_power(tmp_path, capsys):
    path = tmp_path / "data.csv"
    meter = 20_000 + np.cumsum(1.0 + SUN)
    frame = pd.DataFrame({"timestamp": STAMPS, "Consumption (kWh)": meter, "House": 1.0 + SUN})
    frame.to_csv(path, index=False)
    command = ["init", str(path), "--yes", "--to", str(tmp_path)]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "Consumption (kWh) only rises" in error
    assert "difference of each reading" in error
    assert list(tmp_path.iterdir()) == [path]
    assert main([*command, "--column", "load_mw=House"]) == 0
    assert main([*command, "--force", "--column", "load_mw=Consumption (kWh)"]) == 0
    assert "load_mw only rises" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["home", "battery"])
def test_a_battery_that_nothing_sizes_is_asked_for(tmp_path, capsys, kind):
    path = tmp_path / "data.csv"
    path.write_text(battery().replace("SOC (%)", "load_mw").replace("timestamp", "time"), encoding="utf-8")
    frame = pd.read_csv(path).assign(load_mw=0.0)
    frame.to_csv(path, index=False)
    command = ["init", str(path), "--kind", kind, "--zone", "Z", "--yes", "--to", str(tmp_path)]
    assert main(command) == 1
    assert "--battery-kwh" in capsys.readouterr().err
    assert main([*command, "--battery-kwh", "10"]) == 0
    (zone,) = load_fleet(tmp_path / "data.fleet.yaml").zones
    assert zone.share.region_mw == pytest.approx(0.005)
